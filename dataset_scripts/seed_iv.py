"""SEED-IV: 15 subjects, 3 sessions each, 24 film clips per session, four emotions.

Layout      eeg_raw_data/1/1_20160518.mat ... eeg_raw_data/3/15_*.mat (session/subject_date), MATLAB v5; one variable
            per clip, named by the subject's initials: cz_eeg1 ... cz_eeg24, (62, samples). 62 electrodes (CB1 and CB2
            are not sites of the vocabulary and are dropped), 200 Hz, microvolts.
Labels      neutral, sad, fear, happy: another order of clips in each session (ReadMe.txt of the authors has them).
Splits      none: published protocols split the clips of a session, the sessions, or leave a subject out. For a split
            by session use the column `session` (1, 2 or 3).
Access      on signed request at https://bcmi.sjtu.edu.cn/home/seed/; redistribution is not allowed.
Tried on    small files in this layout only; the unit is not stated in the files, so look at the amplitudes in
            recordings.jsonl after a build.
Unchecked   the orders of clips were not compared with ReadMe.txt, nor layout, rate, unit and citation with the corpus'
            own documentation.
"""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.film_clips import FilmClips
from dare_eeg_hf.corpora.windows import Rejection

EMOTIONS = ("neutral", "sad", "fear", "happy")
CLIPS_OF_SESSION = {
    "1": (1, 2, 3, 0, 2, 0, 0, 1, 0, 1, 2, 1, 1, 1, 2, 3, 2, 2, 3, 3, 0, 3, 0, 3),
    "2": (2, 1, 3, 0, 0, 2, 0, 2, 3, 3, 2, 3, 2, 0, 1, 1, 2, 1, 0, 3, 0, 1, 3, 1),
    "3": (1, 2, 2, 1, 3, 3, 3, 1, 1, 2, 1, 0, 2, 3, 3, 0, 2, 3, 0, 0, 2, 0, 1, 0),
}


class SeedIV(FilmClips):
    """SEED-IV: each clip is a stretch of its own."""

    name = "seed_iv"
    title = "SEED-IV (four emotions)"
    citation = (
        "Zheng W-L, Liu W, Lu Y, Lu B-L, Cichocki A. EmotionMeter: A Multimodal Framework for Recognizing Human "
        "Emotions. IEEE Trans Cybernetics 49(3):1110-1122, 2019."
    )
    name_pattern = r"eeg_raw_data/(?P<session>[123])/(?P<subject>\d+)_\d{8}\.mat$"
    label_names = EMOTIONS
    rejection = Rejection(None, None, None)

    def emotions(self, recording):
        """Another order in each session."""
        return [EMOTIONS[emotion] for emotion in CLIPS_OF_SESSION[recording.session]]


if __name__ == "__main__":
    raise SystemExit(main(SeedIV()))
