"""The data set "EEG During Mental Arithmetic Tasks", as `corpora/declared/mental_arithmetic.py` declares it."""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.declared.mental_arithmetic import MentalArithmetic

if __name__ == "__main__":
    raise SystemExit(main(MentalArithmetic()))
