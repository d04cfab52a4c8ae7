"""Guinea-Bissau epilepsy EEG (van Hees et al. 2018): 97 people, 14 channels of a consumer headset (Emotiv EPOC).

Layout      EEGs_Guinea-Bissau/signal-1.csv.gz ... and metadata_guineabissau.csv (columns subject.id, Group,
            Eyes.condition). 14 electrodes, 128 Hz, microvolts with an offset near 4000 and slow drifts; five minutes.
            After three minutes closed eyes open, or open eyes close (13 people); no marker says when exactly.
            signal-1.edf ..., made from the csv files, are read as well. The table lies with the signals, above them,
            or in a folder beside them, so that people may be shared out over guinea-bissau-epilepsy/ and
            guinea-bissau-epilepsy-more/: --source is one of these, or the folder that holds both.
Labels      Control, Epilepsy: the group of the subject. This is a data set for methods, not for diagnosis.
Splits      none.
Access      open at https://zenodo.org/records/1252141; CC BY 4.0 as far as is known (not checked here).
Tried on    the real recordings of 72 subjects: 22 with good contact (csv.gz), 50 others, noisier (EDF).
"""

import math

from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import Event, labels_from_table

ELECTRODES = "AF3 AF4 F3 F4 F7 F8 FC5 FC6 O1 O2 P7 P8 T7 T8".split()

CHANGE_SECONDS, CHANGE_MARGIN = 180.0, 10.0
"""When the eyes open or close, and how far from then a window is certain to be on one side."""


class GuineaBissau(EegCorpus):
    """Controls against people with epilepsy."""

    name = "guinea_bissau"
    title = "Guinea-Bissau epilepsy EEG"
    license = "cc-by-4.0"
    license_note = "As far as is known; check it at the source before you publish anything."
    citation = (
        "van Hees VT, van Diessen E, Sinke MRT, Buitenhuis JW, van der Maas F, Ridder L, Otte WM. Reliable and "
        "automatic epilepsy classification with affordable, consumer-grade electroencephalography in rural "
        "sub-Saharan Africa. bioRxiv 324954, 2018."
    )
    homepage = "https://zenodo.org/records/1252141"
    access = "Open at https://zenodo.org/records/1252141."
    name_pattern = r"(?:^|/)signal-(?P<subject>\d+)\.(?:csv(?:\.gz)?|edf)$"
    sidecar = {"sampling_rate": 128, "unit": "uV", "channel_names": ELECTRODES}
    electrode_names = ELECTRODES
    sampling_rate = 128
    line_frequency = 50
    label_names = ("Control", "Epilepsy")
    tried_on = "the real recordings of 72 subjects"

    def companions(self, recording):
        """The table in the folder above the signals, next to them, or in a folder beside theirs."""
        beside, above = recording.path.parents[:2]
        places = ((above, "metadata*.csv"), (beside, "metadata*.csv"), (above, "*/metadata_guineabissau.csv"))
        found = [path for folder, name in places for path in sorted(folder.glob(name))]
        return found[:1]

    def label(self, recording):
        """The group of the subject."""
        return self.of_subject(recording, "Group")

    def of_subject(self, recording, column):
        """The subject's row of the table."""
        tables = self.companions(recording)
        if not tables:
            raise FileNotFoundError(f"{recording.name} needs the table metadata_guineabissau.csv above its folder")
        return labels_from_table(tables[0], key="subject.id", label=column)[recording.subject]


class GuineaBissauGroups(GuineaBissau):
    """Controls against people with epilepsy, in the windows of published figures: they end before the last sample."""

    def events(self, raw, recording):
        """One stretch, so that a window that would need the last sample is left out."""
        return [Event(0.0, raw.times[-1])]


class GuineaBissauEyes(GuineaBissau):
    """Open and closed eyes, which change once, near three minutes; windows end before the last sample as well.

    Within a person, class and time in the recording go together: drifts can help to tell open from closed eyes.
    """

    name = "guinea_bissau_eyes"
    label_names = ("eyes open", "eyes closed")

    def label(self, recording):
        """No class holds for a whole recording."""

    def events(self, raw, recording):
        """The whole windows that end before the change, or begin after it, with a margin on both sides."""
        first, then = self.label_names
        if self.of_subject(recording, "Eyes.condition").startswith("closed"):
            first, then = then, first
        after = math.ceil((CHANGE_SECONDS + CHANGE_MARGIN) / self.window_seconds) * self.window_seconds
        return [Event(0.0, CHANGE_SECONDS - CHANGE_MARGIN, first), Event(after, raw.times[-1] - after, then)]
