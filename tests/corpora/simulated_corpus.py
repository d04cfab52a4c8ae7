"""A corpus of simulated recordings, as the tests of building declare it."""

from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import label_from_name

MONTAGE = "Fp1 Fp2 F3 Fz F4 C3 Cz C4 P3 Pz P4 O1 Oz O2".split()


class Simulated(EegCorpus):
    """Eyes open and closed; the last subject is the test split."""

    name = "simulated"
    title = "Simulated recordings"
    license = "cc0-1.0"
    name_pattern = r"(?P<subject>S\d{3})R(?P<run>\d{2})\.edf$"
    line_frequency = 60
    label_names = ("eyes_open", "eyes_closed")
    bad_channels = ()

    def split(self, recording):
        return "test" if recording.subject == "S003" else "train"

    def label(self, recording):
        return label_from_name(recording.name, r"R(\d\d)", {"01": "eyes_open", "02": "eyes_closed"})
