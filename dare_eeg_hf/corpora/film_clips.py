"""What SEED and SEED-IV have in common: one file per session, one MATLAB variable per film clip."""

import re
from collections.abc import Iterator, Sequence

from scipy.io import loadmat

from dare_eeg_hf.corpora.corpus import EegCorpus, RecordingFile, Segment, raw_from_array


class FilmClips(EegCorpus):
    """A corpus of the SEED family; each clip is a separate stretch."""

    license_note = "For academic use by those who signed the agreement."
    homepage = "https://bcmi.sjtu.edu.cn/home/seed/"
    access = "On signed request at https://bcmi.sjtu.edu.cn/home/seed/."
    restricted = True
    electrode_names = (
        "FP1 FPZ FP2 AF3 AF4 F7 F5 F3 F1 FZ F2 F4 F6 F8 FT7 FC5 FC3 FC1 FCZ FC2 FC4 FC6 FT8 "
        "T7 C5 C3 C1 CZ C2 C4 C6 T8 TP7 CP5 CP3 CP1 CPZ CP2 CP4 CP6 TP8 P7 P5 P3 P1 PZ P2 P4 P6 P8 "
        "PO7 PO5 PO3 POZ PO4 PO6 PO8 CB1 O1 OZ O2 CB2"
    ).split()
    sampling_rate = 200
    line_frequency = 50
    tried_on = "small files in the layout of the authors"

    def emotions(self, recording: RecordingFile) -> Sequence[str]:
        """The class of each clip of a session, in the order of the clips."""
        raise NotImplementedError

    def segments(self, recording: RecordingFile) -> Iterator[Segment]:
        """One stretch per clip, in the order of the clips; onsets count the clips as if there were no pauses.

        Raises:
            ValueError: where a file has no variables named like those of the corpus, or more than it has clips.
        """
        emotions = self.emotions(recording)
        clips = loadmat(recording.path)
        names = {int(found[1]): name for name in clips if (found := re.search(r"_eeg(\d+)$", name))}
        if not names or max(names) > len(emotions):
            raise ValueError(f"{recording.name} has no variables like djc_eeg1 to djc_eeg{len(emotions)}")
        onset = 0.0
        for number, name in sorted(names.items()):
            raw = raw_from_array(clips[name], self.electrode_names, self.sampling_rate, self.unit)
            yield Segment(raw, emotions[number - 1], onset)
            onset += raw.n_times / self.sampling_rate
