"""UCI EEG Eye State (Roesler 2013): one person opens and closes the eyes, 117 s with a consumer headset.

Layout      "EEG Eye State.arff": 14 electrodes of an Emotiv EPOC, 128 Hz, microvolts with an offset near 4200 and a
            few broken samples; the last column says for each sample whether the eyes are open (0) or closed (1).
Labels      eyes_open, eyes_closed.
Windows     1 s with an overlap of one half, inside the stretches with one state; the broken samples are rejected.
Splits      none: one subject.
Access      open at https://archive.ics.uci.edu/dataset/264/eeg+eye+state; CC BY 4.0 as far as is known (not checked).
Tried on    the real recording.
"""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import events_from_annotations

ELECTRODES = "AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4".split()
STATES = {"0": "eyes_open", "1": "eyes_closed"}


class EyeState(EegCorpus):
    """Open against closed eyes."""

    name = "eye_state"
    title = "UCI EEG Eye State"
    license = "cc-by-4.0"
    license_note = "As far as is known; check it at the source before you publish anything."
    citation = "Roesler O. EEG Eye State. UCI Machine Learning Repository, 2013. doi:10.24432/C57G7J."
    homepage = "https://archive.ics.uci.edu/dataset/264/eeg+eye+state"
    access = "Open at https://archive.ics.uci.edu/dataset/264/eeg+eye+state."
    name_pattern = r"(?P<subject>EEG Eye State)\.arff$"
    sidecar = {
        "sampling_rate": 128,
        "unit": "uV",
        "channel_names": ELECTRODES,
        "annotations": {"eyeDetection": STATES},
    }
    electrode_names = ELECTRODES
    sampling_rate = 128
    line_frequency = 50
    label_names = tuple(STATES.values())
    window_seconds = 1.0
    overlap = 0.5
    tried_on = "the real recording"

    def events(self, raw, recording):
        """The stretches with one state."""
        return events_from_annotations(raw, {state: state for state in self.label_names})


if __name__ == "__main__":
    raise SystemExit(main(EyeState()))
