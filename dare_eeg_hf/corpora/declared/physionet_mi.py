"""PhysioNet EEG Motor Movement/Imagery Dataset ("PhysioMI", EEGMMIDB) 1.0.0: 109 subjects, 14 runs each.

Layout      S001/S001R01.edf ... S109/S109R14.edf, EDF+ with annotations, 64 electrodes of the 10-10 system with dots
            in their names ("Fc5.", "C3.."), 160 Hz (S088, S092, S100: 128 Hz), microvolts, reference: ear lobes.
            Your own recordings are accepted as well if they are named like these (P07R01.edf).
Labels      R01 rest with open eyes, R02 with closed eyes (no event in the file says so). In the task runs T0 is rest,
            and T1 and T2 change their meaning: R03 R07 R11 left/right fist, R04 R08 R12 the same imagined,
            R05 R09 R13 both fists/both feet, R06 R10 R14 the same imagined.
Windows     4 s from the start of each event; the resting runs are cut throughout.
Splits      subjects 1-70 train, 71-89 validation, 90-109 test, said to be that of published comparisons. For
            pre-training on everything, join them: split="train+validation+test".
Access      open, --download gets it (3.4 GB).
Tried on    real recordings: S001 (all runs; of R02 the first 60 s), S002-S004 (R01, R02), and S088R10 at 128 Hz.
Unchecked   the split of the subjects was not compared with the publications that use it.
"""

from string import ascii_letters

from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import events_from_annotations

RESTING_RUNS = {"01": "eyes_open", "02": "eyes_closed"}
MOVEMENTS = {
    ("03", "07", "11"): ("left_fist", "right_fist"),
    ("04", "08", "12"): ("imagined_left_fist", "imagined_right_fist"),
    ("05", "09", "13"): ("both_fists", "both_feet"),
    ("06", "10", "14"): ("imagined_both_fists", "imagined_both_feet"),
}
MOVEMENTS_OF_RUN = {run: movements for runs, movements in MOVEMENTS.items() for run in runs}


class PhysioNetMI(EegCorpus):
    """EEGMMIDB with one class per movement, real or imagined, and three kinds of rest."""

    name = "physionet_mi"
    title = "EEG Motor Movement/Imagery Dataset (PhysioNet EEGMMIDB 1.0.0)"
    license = "odc-by"
    citation = (
        "Schalk G, McFarland DJ, Hinterberger T, Birbaumer N, Wolpaw JR. BCI2000: A General-Purpose Brain-Computer "
        "Interface (BCI) System. IEEE Trans Biomed Eng 51(6):1034-1043, 2004. doi:10.13026/C28G6P. Goldberger et al. "
        "PhysioBank, PhysioToolkit, and PhysioNet. Circulation 101(23):e215-e220, 2000."
    )
    homepage = "https://physionet.org/content/eegmmidb/1.0.0/"
    access = "Open: --download gets it from PhysioNet."
    physionet = "eegmmidb/1.0.0"
    name_pattern = r"(?:^|/)(?P<subject>[A-Za-z]+\d+)R(?P<run>0[1-9]|1[0-4])(?:\D[^/]*)?\.edf$"
    electrode_names = (
        "FC5 FC3 FC1 FCZ FC2 FC4 FC6 C5 C3 C1 CZ C2 C4 C6 CP5 CP3 CP1 CPZ CP2 CP4 CP6 FP1 FPZ FP2 AF7 AF3 AFZ AF4 AF8 "
        "F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FT8 T7 T8 T9 T10 TP7 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 PO7 PO3 POZ PO4 PO8 O1 OZ "
        "O2 IZ"
    ).split()
    sampling_rate = 160
    reference = "ear lobes"
    line_frequency = 60
    label_names = ("rest", *RESTING_RUNS.values(), *(name for pair in MOVEMENTS.values() for name in pair))
    tried_on = "real recordings of S001 to S004 and S088"

    def split(self, recording):
        """Subjects 1-70, 71-89 and 90-109."""
        number = int(recording.subject.lstrip(ascii_letters))
        return "train" if number <= 70 else "validation" if number <= 89 else "test"

    def label(self, recording):
        """The resting runs have one label throughout."""
        return RESTING_RUNS.get(recording.run)

    def expected_classes(self, recordings):
        """Those of the runs that are there: often only a part of the data set is downloaded."""
        runs = {recording.run for recording in recordings}
        moved = {name for run in runs & MOVEMENTS_OF_RUN.keys() for name in ("rest", *MOVEMENTS_OF_RUN[run])}
        there = moved | {RESTING_RUNS[run] for run in runs & RESTING_RUNS.keys()}
        return [name for name in self.label_names if name in there]

    def events(self, raw, recording):
        """T1 and T2 mean different things in different runs."""
        if recording.run in RESTING_RUNS:
            return None
        first, second = MOVEMENTS_OF_RUN[recording.run]
        return events_from_annotations(raw, {"T0": "rest", "T1": first, "T2": second})
