"""SSVEP for an exoskeleton, as `corpora/declared/ssvep_exoskeleton.py` declares it."""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.declared.ssvep_exoskeleton import SsvepExoskeleton

if __name__ == "__main__":
    raise SystemExit(main(SsvepExoskeleton()))
