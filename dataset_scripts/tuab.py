"""TUAB: TUH Abnormal EEG Corpus 3.0: clinical recordings that a neurologist called normal or abnormal.

Layout      edf/train/abnormal/01_tcp_ar/aaaaaaaq_s004_t000.edf, and the same with eval and normal: 2993 files of 2329
            patients, EDF. Names such as "EEG FP1-REF" and "EEG T3-REF" (old 10-20 names), beside other signals; 250 to
            512 Hz, microvolts, average reference of the amplifier (tcp_ar).
Labels      normal, abnormal: the folder.
Windows     10 s; all of them, because published results leave none out.
Splits      train and eval of the corpus, here called train and test. Published results take a part of the training
            patients for validation.
Difference  the published preprocessing of TUAB is 0.1-75 Hz at 200 Hz, microvolts divided by 100; here the signal
            contract holds: 0.5-75 Hz, 256 Hz, millivolts.
Access      on signed request at https://isip.piconepress.com/projects/nedc/html/tuh_eeg/; no redistribution.
Tried on    small files in this layout only.
Unchecked   layout, counts, access and citation were not compared with the corpus' own documentation.
"""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import Rejection, label_from_name

CLINICAL = "FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T7 T8 P7 P8 FZ CZ PZ".split()


class Tuab(EegCorpus):
    """TUAB: normal against abnormal recordings."""

    name = "tuab"
    title = "TUH Abnormal EEG Corpus (TUAB)"
    license_note = "For those who signed the agreement with Temple University."
    citation = (
        "Lopez de Diego S. Automated Interpretation of Abnormal Adult Electroencephalograms. Temple University, 2017. "
        "Obeid I, Picone J. The Temple University Hospital EEG Data Corpus. Front Neurosci 10:196, 2016."
    )
    homepage = "https://isip.piconepress.com/projects/nedc/html/tuh_eeg/"
    access = "On signed request at https://isip.piconepress.com/projects/nedc/html/tuh_eeg/."
    restricted = True
    name_pattern = (
        r"(?:^|/)(?P<run>train|eval)/(?:normal|abnormal)/.*?(?P<subject>[a-z]{8})_(?P<session>s\d{3})_t\d{3}\.edf$"
    )
    electrode_names = CLINICAL
    reference = "average reference of the amplifier"
    line_frequency = 60
    label_names = ("normal", "abnormal")
    window_seconds = 10.0
    rejection = Rejection(None, None, None)
    tried_on = "small files in the layout of the authors"

    def split(self, recording):
        """The folders of the corpus."""
        return {"train": "train", "eval": "test"}[recording.run]

    def label(self, recording):
        """The folder of the recording."""
        return label_from_name(recording.name, r"/(normal|abnormal)/")


if __name__ == "__main__":
    raise SystemExit(main(Tuab()))
