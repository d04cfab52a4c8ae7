"""SEED (SJTU Emotion EEG Dataset): 15 subjects, 3 sessions each, 15 film clips per session, three emotions.

Layout      Preprocessed_EEG/1_20131027.mat ... 15_20131105.mat (subject_date), MATLAB v5; one variable per clip,
            called by the subject's initials: djc_eeg1 ... djc_eeg15, (62, samples). Beside them lies label.mat. 62
            electrodes (CB1 and CB2 are no sites of the vocabulary and are dropped), 200 Hz after resampling from
            1000 Hz and a 0-75 Hz low-pass by the authors, microvolts, reference between CZ and CPZ.
Labels      positive, neutral, negative: the same order of clips in each session (label.mat of the authors has it).
Splits      none: published protocols split the clips of one session, or leave a subject out.
Access      on signed request at https://bcmi.sjtu.edu.cn/home/seed/; passing it on is not allowed.
Tried on    small files in this layout only; the unit is not stated in the files, so look at the amplitudes in
            recordings.jsonl after a build.
Unchecked   the order of clips was not compared with label.mat, nor layout, rate, unit and citation with the corpus'
            own documentation.
"""

import re

from scipy.io import loadmat

from dare_eeg_hf.data.command import main
from dare_eeg_hf.data.corpus import EegCorpus, Segment, raw_from_array

EMOTIONS = {-1: "negative", 0: "neutral", 1: "positive"}
CLIPS = (1, 0, -1, -1, 0, 1, -1, 0, 1, 1, 0, -1, 0, 1, -1)


class Seed(EegCorpus):
    """SEED: each clip is a stretch of its own."""

    name = "seed"
    title = "SEED (SJTU Emotion EEG Dataset)"
    license_note = "For academic use by those who signed the agreement."
    citation = (
        "Zheng W-L, Lu B-L. Investigating Critical Frequency Bands and Channels for EEG-based Emotion Recognition "
        "with Deep Neural Networks. IEEE Trans Autonomous Mental Development 7(3):162-175, 2015."
    )
    homepage = "https://bcmi.sjtu.edu.cn/home/seed/"
    access = "On signed request at https://bcmi.sjtu.edu.cn/home/seed/."
    restricted = True
    name_pattern = r"Preprocessed_EEG/(?P<subject>\d+)_(?P<session>\d{8})\.mat$"
    electrode_names = (
        "FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 "
        "T7 C5 C3 C1 CZ C2 C4 C6 T8 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 "
        "PO7 PO5 PO3 POZ PO4 PO6 PO8 CB1 O1 OZ O2 CB2"
    ).split()
    sampling_rate = 200
    reference = "between CZ and CPZ"
    line_frequency = 50
    label_names = tuple(EMOTIONS.values())
    tried_on = "small files in the layout of the authors"

    def segments(self, recording):
        """One stretch per clip, in the order of the clips."""
        clips = loadmat(recording.path)
        names = {int(found[1]): name for name in clips if (found := re.search(r"_eeg(\d+)$", name))}
        if not names or max(names) > len(CLIPS):
            raise ValueError(f"{recording.name} has no variables like djc_eeg1 to djc_eeg{len(CLIPS)}")
        for number, name in sorted(names.items()):
            raw = raw_from_array(clips[name], self.electrode_names, self.sampling_rate, self.unit)
            yield Segment(raw, EMOTIONS[CLIPS[number - 1]])


if __name__ == "__main__":
    raise SystemExit(main(Seed()))
