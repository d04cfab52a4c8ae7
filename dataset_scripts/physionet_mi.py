"""The EEG Motor Movement/Imagery Dataset, as `corpora/declared/physionet_mi.py` declares it."""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.declared.physionet_mi import PhysioNetMI

if __name__ == "__main__":
    raise SystemExit(main(PhysioNetMI()))
