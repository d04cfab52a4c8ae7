"""The data of BCI Competition II, data set IV, as `corpora/declared/bcic_ii_iv.py` declares it."""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.declared.bcic_ii_iv import BcicTwoFour

if __name__ == "__main__":
    raise SystemExit(main(BcicTwoFour()))
