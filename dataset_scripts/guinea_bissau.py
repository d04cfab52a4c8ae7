"""Guinea-Bissau epilepsy EEG (van Hees et al. 2018): 97 people, 14 channels of a consumer headset (Emotiv EPOC).

Layout      EEGs_Guinea-Bissau/signal-1.csv.gz ... and metadata_guineabissau.csv (columns subject.id, Group). 14
            electrodes, 128 Hz, microvolts with an offset near 4000 and slow drifts; about 5 minutes each.
Labels      Control, Epilepsy: the group of the subject. This is a data set for methods, not for diagnosis.
Splits      none.
Access      open at https://zenodo.org/records/1252141; CC BY 4.0 as far as is known (not checked here).
Tried on    the real recordings of 22 subjects.
"""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import labels_from_table

ELECTRODES = "AF3 AF4 F3 F4 F7 F8 FC5 FC6 O1 O2 P7 P8 T7 T8".split()


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
    name_pattern = r"(?:^|/)signal-(?P<subject>\d+)\.csv(?:\.gz)?$"
    sidecar = {"sampling_rate": 128, "unit": "uV", "channel_names": ELECTRODES}
    electrode_names = ELECTRODES
    sampling_rate = 128
    line_frequency = 50
    label_names = ("Control", "Epilepsy")
    tried_on = "the real recordings of 22 subjects"

    def companions(self, recording):
        """The table above the folder of signals."""
        return [recording.path.parents[1] / "metadata_guineabissau.csv"]

    def label(self, recording):
        """The group of the subject."""
        (table,) = self.companions(recording)
        return labels_from_table(table, key="subject.id", label="Group")[recording.subject]


if __name__ == "__main__":
    raise SystemExit(main(GuineaBissau()))
