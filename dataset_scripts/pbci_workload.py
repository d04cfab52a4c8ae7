"""pBCIW: passive-BCI workload, the Neuroergonomics 2021 competition (Hinss et al.), three levels of the MATB task.

Layout      P01/S1/eeg/alldata_sbj01_sess1_MATBeasy.set, ..._MATBmed.set, ..._MATBdiff.set, and ..._RS.set (rest before
            the task), for the sessions S1, S2, S3 of the subjects P01 to P15. EEGLAB files of epochs (2 s), 61
            electrodes of the 10-10 system, 500 Hz, microvolts, filtered 1-40 Hz and cleaned by the organisers.
Labels      easy, medium, difficult, and rest; the third session was the competition's test set: its files are one
            without labels (testset) and are left out.
Windows     one per epoch of 2 s, because consecutive epochs need not be neighbours in time.
Splits      none.
Access      open at https://zenodo.org/records/5055046, CC BY-SA 4.0 as far as is known (not checked here).
Tried on    small files in this layout only. Not sure: the licence, the layout of the third session.
Unchecked   layout, access and citation were not compared with the corpus' own documentation.
"""

import mne

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.corpus import EegCorpus, Segment
from dare_eeg_hf.corpora.windows import label_from_name

LEVELS = {"RS": "rest", "MATBeasy": "easy", "MATBmed": "medium", "MATBdiff": "difficult"}


class PbciWorkload(EegCorpus):
    """The competition's epochs: each is a stretch of its own."""

    name = "pbci_workload"
    title = "Passive BCI workload (Neuroergonomics 2021 competition)"
    license_note = "As far as is known CC BY-SA 4.0; check it at the source before you publish anything."
    citation = (
        "Hinss MF, Darmet L, Somon B, Jahanpour E, Lotte F, Ladouce S, Roy RN. An EEG dataset for cross-session "
        "mental workload estimation: Passive BCI competition of the Neuroergonomics Conference 2021. Zenodo, 2021. "
        "doi:10.5281/zenodo.5055046."
    )
    homepage = "https://zenodo.org/records/5055046"
    access = "Open at https://zenodo.org/records/5055046."
    restricted = True
    name_pattern = r"(?:^|/)(?P<subject>P\d{2})/(?P<session>S\d)/eeg/[^/]*_(?P<run>RS|MATBeasy|MATBmed|MATBdiff)\.set$"
    sampling_rate = 500
    line_frequency = 50
    label_names = tuple(LEVELS.values())
    window_seconds = 2.0
    tried_on = "small files in the layout of the authors"

    def label(self, recording):
        """The run is the class."""
        return label_from_name(recording.name, r"_([A-Za-z]+)\.set$", LEVELS)

    def segments(self, recording):
        """One stretch per epoch; onsets count the epochs one after the other."""
        epochs = mne.io.read_epochs_eeglab(recording.path, verbose="error")
        seconds = len(epochs.times) / epochs.info["sfreq"]
        for number, epoch in enumerate(epochs.get_data()):
            yield Segment(mne.io.RawArray(epoch, epochs.info.copy(), verbose="error"), onset=number * seconds)


if __name__ == "__main__":
    raise SystemExit(main(PbciWorkload()))
