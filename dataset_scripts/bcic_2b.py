"""BCI Competition IV, data set 2b: nine subjects imagine two movements, five sessions each, three bipolar channels.

Layout      B0101T.gdf to B0103T.gdf (training sessions), B0104E.gdf and B0105E.gdf (evaluation sessions), and so on
            to B0905E.gdf, GDF, and true labels in B0104E.mat ... (variable classlabel). "EEG:C3", "EEG:Cz", "EEG:C4"
            (bipolar derivations over these sites) and 3 EOG channels, 250 Hz, microvolts; filtered 0.5-100 Hz with a
            50 Hz notch.
Labels      769 left hand, 770 right hand; in the evaluation sessions every cue is 783 and the class is in the .mat
            file. 1023 marks trials with artefacts: they stay in, as in published results.
Windows     4 s from the cue.
Splits      none: results are published leaving one subject out, or training on the first three sessions and testing
            on the last two of the same subject; use the columns subject and session.
Difference  published preprocessing is 0-38 Hz with Euclidean alignment; here the signal contract holds, and so the
            mean of the three channels is taken out.
Access      open after registration at https://www.bbci.de/competition/iv/; redistribution terms are not stated.
Tried on    small GDF files in this layout only.
Unchecked   layout, event codes, access and citation were not compared with the corpus' own documentation.
"""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.bci_competition import cues
from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import Rejection


class Bcic2b(EegCorpus):
    """Two imagined movements, three channels; too few to find or replace a bad one."""

    name = "bcic_2b"
    title = "BCI Competition IV, data set 2b"
    license_note = "For research; results are to cite the competition."
    citation = (
        "Tangermann M et al. Review of the BCI Competition IV. Front Neurosci 6:55, 2012. Leeb R, Brunner C, "
        "Mueller-Putz GR, Schloegl A, Pfurtscheller G. BCI Competition 2008: Graz data set B."
    )
    homepage = "https://www.bbci.de/competition/iv/"
    access = "After registration at https://www.bbci.de/competition/iv/; labels of the evaluation sessions beside it."
    restricted = True
    name_pattern = r"(?:^|/)(?P<subject>B\d{2})(?P<session>\d{2}[TE])\.gdf$"
    electrode_names = ("C3", "CZ", "C4")
    rename = {"EEG:C3": "C3", "EEG:Cz": "CZ", "EEG:C4": "C4"}
    sampling_rate = 250
    reference = "bipolar"
    line_frequency = 50
    label_names = ("left_hand", "right_hand")
    tmin, tmax = 0.0, 4.0
    rejection = Rejection(None, None, None)
    bad_channels = ()
    interpolate = ()
    tried_on = "small GDF files in the layout of the organisers"

    def events(self, raw, recording):
        """The cues, with the labels of the .mat file where the recording keeps them secret."""
        return cues(raw, recording.path, self.label_names)


if __name__ == "__main__":
    raise SystemExit(main(Bcic2b()))
