"""Data set 2b of the BCI Competition IV, as `corpora/declared/bcic_2b.py` declares it."""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.declared.bcic_2b import Bcic2b

if __name__ == "__main__":
    raise SystemExit(main(Bcic2b()))
