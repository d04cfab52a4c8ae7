"""Any folder of EEG recordings, or the root of a BIDS data set; `dare-eeg prepare FOLDER` does the same."""

from dare_eeg_hf.cli.described_recordings import Recordings
from dare_eeg_hf.cli.prepare import main

if __name__ == "__main__":
    raise SystemExit(main(Recordings()))
