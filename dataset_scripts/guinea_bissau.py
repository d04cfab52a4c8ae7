"""The Guinea-Bissau epilepsy EEG, as `corpora/declared/guinea_bissau.py` declares it."""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.declared.guinea_bissau import GuineaBissau

if __name__ == "__main__":
    raise SystemExit(main(GuineaBissau()))
