"""SEED-IV: 15 subjects, 3 sessions each, 24 film clips per session, four emotions.

Layout      eeg_raw_data/1/1_20160518.mat ... eeg_raw_data/3/15_*.mat (session/subject_date), MATLAB v5; one variable
            per clip, called by the subject's initials: cz_eeg1 ... cz_eeg24, (62, samples). 62 electrodes (CB1 and CB2
            are no sites of the vocabulary and are dropped), 200 Hz, microvolts.
Labels      neutral, sad, fear, happy: another order of clips in each session (ReadMe.txt of the authors has them).
Splits      none: published protocols split the clips of a session, the sessions, or leave a subject out. For a split
            by session use the column `session` (1, 2 or 3).
Access      on signed request at https://bcmi.sjtu.edu.cn/home/seed/; passing it on is not allowed.
Tried on    small files in this layout only; the unit is not stated in the files, so look at the amplitudes in
            recordings.jsonl after a build.
Unchecked   the orders of clips were not compared with ReadMe.txt, nor layout, rate, unit and citation with the corpus'
            own documentation.
"""

import re

from scipy.io import loadmat

from dare_eeg_hf.data.command import main
from dare_eeg_hf.data.corpus import EegCorpus, Segment, raw_from_array
from dare_eeg_hf.data.windows import Rejection

EMOTIONS = ("neutral", "sad", "fear", "happy")
CLIPS_OF_SESSION = {
    "1": (1, 2, 3, 0, 2, 0, 0, 1, 0, 1, 2, 1, 1, 1, 2, 3, 2, 2, 3, 3, 0, 3, 0, 3),
    "2": (2, 1, 3, 0, 0, 2, 0, 2, 3, 3, 2, 3, 2, 0, 1, 1, 2, 1, 0, 3, 0, 1, 3, 1),
    "3": (1, 2, 2, 1, 3, 3, 3, 1, 1, 2, 1, 0, 2, 3, 3, 0, 2, 3, 0, 0, 2, 0, 1, 0),
}


class SeedIV(EegCorpus):
    """SEED-IV: each clip is a stretch of its own."""

    name = "seed_iv"
    title = "SEED-IV (four emotions)"
    license_note = "For academic use by those who signed the agreement."
    citation = (
        "Zheng W-L, Liu W, Lu Y, Lu B-L, Cichocki A. EmotionMeter: A Multimodal Framework for Recognizing Human "
        "Emotions. IEEE Trans Cybernetics 49(3):1110-1122, 2019."
    )
    homepage = "https://bcmi.sjtu.edu.cn/home/seed/"
    access = "On signed request at https://bcmi.sjtu.edu.cn/home/seed/."
    restricted = True
    name_pattern = r"eeg_raw_data/(?P<session>[123])/(?P<subject>\d+)_\d{8}\.mat$"
    electrode_names = (
        "FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 "
        "T7 C5 C3 C1 CZ C2 C4 C6 T8 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 "
        "PO7 PO5 PO3 POZ PO4 PO6 PO8 CB1 O1 OZ O2 CB2"
    ).split()
    sampling_rate = 200
    line_frequency = 50
    label_names = EMOTIONS
    rejection = Rejection(None, None, None)
    tried_on = "small files in the layout of the authors"

    def segments(self, recording):
        """One stretch per clip, in the order of the clips."""
        emotions = CLIPS_OF_SESSION[recording.session]
        clips = loadmat(recording.path)
        names = {int(found[1]): name for name in clips if (found := re.search(r"_eeg(\d+)$", name))}
        if not names or max(names) > len(emotions):
            raise ValueError(f"{recording.name} has no variables like cz_eeg1 to cz_eeg{len(emotions)}")
        for number, name in sorted(names.items()):
            raw = raw_from_array(clips[name], self.electrode_names, self.sampling_rate, self.unit)
            yield Segment(raw, EMOTIONS[emotions[number - 1]])


if __name__ == "__main__":
    raise SystemExit(main(SeedIV()))
