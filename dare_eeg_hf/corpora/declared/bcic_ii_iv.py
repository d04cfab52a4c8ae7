"""BCI Competition II (2003), data set IV: which hand is about to press a key; one person, half a second each.

Layout      sp1s_aa.mat: x_train (50, 28, 316), y_train, x_test (50, 28, 100), y_test; samples, electrodes, trials.
            28 electrodes, 100 Hz, microvolts; the trials end 130 ms before the key press.
Labels      left, right (0, 1).
Windows     0.5 s, the whole trial; too short for a high-pass filter, so only the mean is removed.
Splits      none, as there is one subject; the first 316 windows are the published training set, the last 100 its test
            set, and the column `onset` counts them: training trials lie below 158 s.
Access      https://www.bbci.de/competition/ii/; free for research, no formal licence.
Tried on    the real file.
"""

from dare_eeg_hf.corpora.corpus import EegCorpus, Segment
from dare_eeg_hf.corpora.windows import Rejection, events_from_annotations
from dare_eeg_hf.recordings.recordings import Recording, read_raw
from dare_eeg_hf.recordings.report import RecordingReport

ELECTRODES = (
    "F3 F1 FZ F2 F4 FC5 FC3 FC1 FCZ FC2 FC4 FC6 C5 C3 C1 CZ C2 C4 C6 CP5 CP3 CP1 CPZ CP2 CP4 CP6 O1 O2".split()
)
HANDS = {"0": "left", "1": "right"}
TRAINING_SECONDS = 158.0
"""The published training trials begin before this onset, the test trials there and later."""


class BcicTwoFour(EegCorpus):
    """Left against right before the movement."""

    name = "bcic_ii_iv"
    title = "BCI Competition II, data set IV"
    license_note = "For research; results are to cite the competition."
    citation = (
        "Blankertz B, Curio G, Mueller K-R. Classifying Single Trial EEG: Towards Brain Computer Interfacing. NIPS "
        "14, 2002. Blankertz B et al. The BCI Competition 2003. IEEE Trans Biomed Eng 51(6):1044-1051, 2004."
    )
    homepage = "https://www.bbci.de/competition/ii/"
    access = "At https://www.bbci.de/competition/ii/."
    restricted = True
    name_pattern = r"(?P<subject>sp1s_aa)\.mat$"
    electrode_names = ELECTRODES
    sampling_rate = 100
    line_frequency = 50
    label_names = tuple(HANDS.values())
    window_seconds = 0.5
    rejection = Rejection(None, None, None)
    bad_channels = ()
    interpolate = ()
    tried_on = "the real file"

    def segments(self, recording):
        """The published training trials, then the test trials."""
        onset = 0.0
        for part in ("train", "test"):
            sidecar = {
                "sampling_rate": self.sampling_rate,
                "unit": self.unit,
                "channel_names": self.electrode_names,
                "variable": f"x_{part}",
                "axes": ["time", "channel", "trial"],
                "labels": {"variable": f"y_{part}", "texts": HANDS},
            }
            raw = read_raw(recording.path, sidecar)
            yield Segment(raw, onset=onset)
            onset += raw.n_times / self.sampling_rate

    def events(self, raw, recording):
        """The trials."""
        return events_from_annotations(raw, {hand: hand for hand in self.label_names})


class BcicTwoFourAsRecorded(BcicTwoFour):
    """The same trials as they were recorded, at 100 Hz and with their own reference.

    Half a second is too short for most of what the signal contract asks for.
    """

    def normalize(self, raw, recording):
        """Nothing."""
        report = RecordingReport(
            file=recording.name,
            sampling_rate=raw.info["sfreq"],
            duration=raw.n_times / raw.info["sfreq"],
            recorded_channels=list(raw.ch_names),
            channels=list(raw.ch_names),
        )
        return Recording(raw, report)
