"""SEED (SJTU Emotion EEG Dataset): 15 subjects, 3 sessions each, 15 film clips per session, three emotions.

Layout      Preprocessed_EEG/1_20131027.mat ... 15_20131105.mat (subject_date), MATLAB v5; one variable per clip,
            named by the subject's initials: djc_eeg1 ... djc_eeg15, (62, samples). Beside them lies label.mat. 62
            electrodes (CB1 and CB2 are not sites of the vocabulary and are dropped), 200 Hz after resampling from
            1000 Hz and a 0-75 Hz low-pass by the authors, microvolts, reference between CZ and CPZ.
Labels      positive, neutral, negative: the same order of clips in each session (label.mat of the authors has it).
Splits      none: published protocols split the clips of one session, or leave a subject out.
Access      on signed request at https://bcmi.sjtu.edu.cn/home/seed/; redistribution is not allowed.
Tried on    small files in this layout only; the unit is not stated in the files, so look at the amplitudes in
            recordings.jsonl after a build.
Unchecked   the order of clips was not compared with label.mat, nor layout, rate, unit and citation with the corpus'
            own documentation.
"""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.film_clips import FilmClips

EMOTIONS = {-1: "negative", 0: "neutral", 1: "positive"}
CLIPS = (1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1)


class Seed(FilmClips):
    """SEED: each clip is a stretch of its own."""

    name = "seed"
    title = "SEED (SJTU Emotion EEG Dataset)"
    citation = (
        "Zheng W-L, Lu B-L. Investigating Critical Frequency Bands and Channels for EEG-based Emotion Recognition "
        "with Deep Neural Networks. IEEE Trans Autonomous Mental Development 7(3):162-175, 2015."
    )
    name_pattern = r"Preprocessed_EEG/(?P<subject>\d+)_(?P<session>\d{8})\.mat$"
    reference = "between CZ and CPZ"
    label_names = tuple(EMOTIONS.values())

    def emotions(self, recording):
        """The same in each session."""
        return [EMOTIONS[emotion] for emotion in CLIPS]


if __name__ == "__main__":
    raise SystemExit(main(Seed()))
