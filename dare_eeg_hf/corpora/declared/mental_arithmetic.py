"""PhysioNet "EEG During Mental Arithmetic Tasks" (EEGMAT) 1.0.0: 36 subjects at rest and while they subtract.

Layout      Subject00_1.edf (rest, 3 min) and Subject00_2.edf (serial subtraction, 1 min) ... Subject35_2.edf. Copies
            called Subject05_1_250hz.edf, resampled to 250 Hz, are accepted as well. 19 electrodes of the 10-20 system
            with its old names ("EEG T3"), a difference between the ears ("EEG A2-A1") and an ECG, 500 Hz, microvolts,
            reference: connected ears. The authors have filtered and cleaned the recordings.
Labels      rest and arithmetic, from the file name; the files have no event for it.
Windows     5 s; all of them, because published results leave none out.
Splits      subjects 00-27 train, 28-31 validation, 32-35 test, as in published comparisons.
Access      open, --download gets it.
Tried on    the real recordings of subjects 00-31.
"""

from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import Rejection

LABELS = {"1": "rest", "2": "arithmetic"}


class MentalArithmetic(EegCorpus):
    """EEGMAT: rest against mental arithmetic."""

    name = "mental_arithmetic"
    title = "EEG During Mental Arithmetic Tasks (PhysioNet EEGMAT 1.0.0)"
    license = "odc-by"
    citation = (
        "Zyma I, Tukaev S, Seleznov I, Kiyono K, Popov A, Chernykh M, Shpenkov O. Electroencephalograms during Mental "
        "Arithmetic Task Performance. Data 4(1):14, 2019. doi:10.13026/C2JQ1P. Goldberger et al. PhysioBank, "
        "PhysioToolkit, and PhysioNet. Circulation 101(23):e215-e220, 2000."
    )
    homepage = "https://physionet.org/content/eegmat/1.0.0/"
    access = "Open: --download gets it from PhysioNet."
    physionet = "eegmat/1.0.0"
    name_pattern = r"(?:^|/)(?P<subject>Subject\d{2})_(?P<run>[12])(?:\D[^/]*)?\.edf$"
    electrode_names = "FP1 FP2 F3 F4 F7 F8 T7 T8 C3 C4 P7 P8 P3 P4 O1 O2 FZ CZ PZ".split()
    sampling_rate = 500
    reference = "connected ears"
    line_frequency = 50
    label_names = tuple(LABELS.values())
    window_seconds = 5.0
    rejection = Rejection(None, None, None)
    tried_on = "the real recordings of subjects 00 to 31"

    def split(self, recording):
        """Subjects 00-27, 28-31 and 32-35."""
        number = int(recording.subject[-2:])
        return "train" if number <= 27 else "validation" if number <= 31 else "test"

    def label(self, recording):
        """The run is the class."""
        return LABELS[recording.run]
