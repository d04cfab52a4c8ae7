"""BCI Competition IV, data set 2b: nine subjects imagine two movements, five sessions each, three bipolar channels.

Layout      B0101T.gdf to B0103T.gdf (training sessions), B0104E.gdf and B0105E.gdf (evaluation sessions), and so on
            to B0905E.gdf, GDF, and true labels in B0104E.mat ... (variable classlabel). "EEG:C3", "EEG:Cz", "EEG:C4"
            (bipolar derivations over these sites) and 3 EOG channels, 250 Hz, microvolts; filtered 0.5-100 Hz with a
            50 Hz notch.
            Sessions cut into trials are read as well, B0104E.npz ...: eeg (trials, 3, 1000) from the cue on, which
            times step_uv is microvolts, and label (1 left, 2 right); band-passed to 8-30 Hz by whoever cut them, so
            for evaluation and not for pre-training.
Labels      769 left hand, 770 right hand; in the evaluation sessions every cue is 783 and the class is in the .mat
            file. 1023 marks trials with artefacts: they stay in, as in published results.
Windows     4 s from the cue.
Splits      none: results are published leaving one subject out, or training on the first three sessions and testing
            on the last two of the same subject; use the columns subject and session.
Difference  published preprocessing is 0-38 Hz with Euclidean alignment; here the signal contract holds, and so the
            mean of the three channels is taken out. (The benchmark's task imagined-hands leaves it in.)
Access      open after registration at https://www.bbci.de/competition/iv/; redistribution terms are not stated.
Tried on    the real trials of five subjects (.npz), and small GDF files in the layout of the organisers.
Unchecked   layout, event codes, access and citation were not compared with the corpus' own documentation; the order
            C3, Cz, C4 of the .npz files is assumed.
"""

import numpy as np

from dare_eeg_hf.corpora.bci_competition import cues
from dare_eeg_hf.corpora.corpus import EegCorpus, Segment
from dare_eeg_hf.corpora.windows import Rejection, events_from_annotations
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.recordings.recordings import read_raw

HANDS = ("left_hand", "right_hand")
TRIALS = {
    "sampling_rate": 250,
    "unit": "uV",
    "channel_names": ["EEG:C3", "EEG:Cz", "EEG:C4"],
    "variable": "eeg",
    "axes": ["trial", "channel", "time"],
    "labels": {"variable": "label", "texts": dict(zip("12", HANDS, strict=True))},
}
"""Sidecar of a session cut into trials."""


class Bcic2b(EegCorpus):
    """Two imagined movements, three channels; too few to find or replace a bad one."""

    name = "bcic_2b"
    title = "BCI Competition IV, data set 2b"
    license_note = "For research; results are to cite the competition."
    citation = (
        "Tangermann M et al. Review of the BCI Competition IV. Front Neurosci 6:55, 2012. Leeb R, Brunner C, "
        "Mueller-Putz GR, Schloegl A, Pfurtscheller G. BCI Competition 2008: Graz data set B. Leeb R, Lee F, Keinrath "
        "C, Scherer R, Bischof H, Pfurtscheller G. Brain-computer communication. IEEE TNSRE 15:473-482, 2007."
    )
    homepage = "https://www.bbci.de/competition/iv/"
    access = "After registration at https://www.bbci.de/competition/iv/; labels of the evaluation sessions beside it."
    restricted = True
    name_pattern = r"(?:^|/)(?P<subject>B\d{2})(?P<session>\d{2}[TE])\.(?:gdf|npz)$"
    electrode_names = ("C3", "CZ", "C4")
    rename = {"EEG:C3": "C3", "EEG:Cz": "CZ", "EEG:C4": "C4"}
    sampling_rate = 250
    reference = "bipolar"
    line_frequency = 50
    label_names = HANDS
    tmin, tmax = 0.0, 4.0
    rejection = Rejection(None, None, None)
    bad_channels = ()
    interpolate = ()
    tried_on = "the real trials of five subjects, and small GDF files in the layout of the organisers"

    def segments(self, recording):
        """The session, which in a file of trials is counted in steps of `step_uv`."""
        if recording.path.suffix != ".npz":
            yield from super().segments(recording)
            return
        with np.load(recording.path, allow_pickle=False) as file:
            step = float(file["step_uv"])
        yield Segment(read_raw(recording.path, TRIALS).apply_function(lambda counts: counts * step, verbose="ERROR"))

    def events(self, raw, recording):
        """The cues, with the labels of the .mat file where the recording keeps them secret."""
        if recording.path.suffix == ".npz":
            return events_from_annotations(raw, {hand: hand for hand in HANDS})
        return cues(raw, recording.path, HANDS)


class Bcic2bEvaluation(Bcic2b):
    """The two sessions that the competition kept for evaluation, with the reference they were recorded with.

    The channels are differences between neighbouring electrodes. Their mean is nobody's reference, and without it the
    hands are told apart worse: 0.63 against 0.71 by the power of five people's rhythms.
    """

    name_pattern = r"(?:^|/)(?P<subject>B\d{2})(?P<session>0[45]E)\.(?:gdf|npz)$"

    def __init__(self, feature_extractor=None):
        super().__init__(feature_extractor or DareEegFeatureExtractor(reference=None))
