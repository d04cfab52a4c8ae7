"""UCI EEG Database (Begleiter 1999): 122 people with and without alcoholism see pictures; trials of one second.

Layout      co2a0000364/co2a0000364.rd.000.gz ...: a folder per subject, a text file per trial with lines
            "trial channel sample microvolts". 61 electrodes with two old names (AF1 AF2 PO1 PO2), X and Y (EOG) and nd
            are dropped, 256 Hz.
Labels      alcoholic, control: the fourth letter of the name (a, c). A data set for methods, not for diagnosis.
Windows     1 s, the whole trial; too short for a high-pass filter, so only the mean is taken out.
Splits      none.
Access      open at https://archive.ics.uci.edu/dataset/121/eeg+database; CC BY 4.0 as far as is known (not checked).
Tried on    180 real trials of 20 subjects.
"""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import label_from_name


class UciAlcoholism(EegCorpus):
    """One window per trial."""

    name = "uci_alcoholism"
    title = "UCI EEG Database (alcoholism)"
    license = "cc-by-4.0"
    license_note = "As far as is known; check it at the source before you publish anything."
    citation = (
        "Begleiter H. EEG Database. UCI Machine Learning Repository, 1999. doi:10.24432/C5TS3D. Zhang XL, Begleiter "
        "H, Porjesz B, Wang W, Litke A. Event related potentials during object recognition tasks. Brain Res Bull "
        "38(6):531-538, 1995."
    )
    homepage = "https://archive.ics.uci.edu/dataset/121/eeg+database"
    access = "Open at https://archive.ics.uci.edu/dataset/121/eeg+database."
    name_pattern = r"(?:^|/)(?P<subject>co\d[ac]\d{7})\.rd\.(?P<run>\d{3})(?:\.gz)?$"
    sampling_rate = 256
    line_frequency = 60
    label_names = ("control", "alcoholic")
    window_seconds = 1.0
    tried_on = "180 real trials of 20 subjects"

    def label(self, recording):
        """The fourth letter of the subject's name."""
        return label_from_name(recording.subject, r"^co\d([ac])", {"a": "alcoholic", "c": "control"})


if __name__ == "__main__":
    raise SystemExit(main(UciAlcoholism()))
