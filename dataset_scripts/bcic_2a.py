"""BCI Competition IV, data set 2a: nine subjects imagine four movements, two sessions each.

Layout      A01T.gdf (training session) and A01E.gdf (evaluation session) to A09E.gdf, GDF, and true labels of both in
            A01T.mat, A01E.mat (variable classlabel), which the organisers published afterwards. 22 electrodes, most of
            them called just "EEG" in the files (MNE numbers them: EEG-0 ...), and 3 EOG channels, 250 Hz, microvolts,
            reference: left mastoid; filtered 0.5-100 Hz with a 50 Hz notch.
Labels      769 left hand, 770 right hand, 771 feet, 772 tongue; in the evaluation session every cue is 783 and the
            class is in the .mat file. 1023 marks trials with artefacts: they stay in, as in published results.
Windows     4 s from the cue.
Splits      none: results are published leaving one subject out, or training on session T and testing on session E of
            the same subject; use the columns subject and session.
Difference  published preprocessing is 0-38 Hz with Euclidean alignment; here the signal contract holds.
Access      open after registration at https://www.bbci.de/competition/iv/; redistribution terms are not stated.
Tried on    small GDF files in this layout only.
Unchecked   layout, event codes, access and citation were not compared with the corpus' own documentation.
"""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.bci_competition import cues
from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import Rejection

SITES = "FC3 FC1 FCZ FC2 FC4 C5 C1 C2 C6 CP3 CP1 CPZ CP2 CP4 P1 P2 POZ".split()


class Bcic2a(EegCorpus):
    """Four imagined movements, 22 electrodes."""

    name = "bcic_2a"
    title = "BCI Competition IV, data set 2a"
    license_note = "For research; results are to cite the competition."
    citation = (
        "Tangermann M et al. Review of the BCI Competition IV. Front Neurosci 6:55, 2012. Brunner C, Leeb R, "
        "Mueller-Putz GR, Schloegl A, Pfurtscheller G. BCI Competition 2008: Graz data set A."
    )
    homepage = "https://www.bbci.de/competition/iv/"
    access = "After registration at https://www.bbci.de/competition/iv/; labels of the evaluation sessions beside it."
    restricted = True
    name_pattern = r"(?:^|/)(?P<subject>A\d{2})(?P<session>[TE])\.gdf$"
    electrode_names = "FZ FC3 FC1 FCZ FC2 FC4 C5 C3 C1 CZ C2 C4 C6 CP3 CP1 CPZ CP2 CP4 P1 PZ P2 POZ".split()
    rename = {f"EEG-{number}": site for number, site in enumerate(SITES)}
    sampling_rate = 250
    reference = "left mastoid"
    line_frequency = 50
    label_names = ("left_hand", "right_hand", "feet", "tongue")
    tmin, tmax = 0.0, 4.0
    rejection = Rejection(None, None, None)
    tried_on = "small GDF files in the layout of the organisers"

    def events(self, raw, recording):
        """The cues, with the labels of the .mat file where the recording keeps them secret."""
        return cues(raw, recording.path, self.label_names)


if __name__ == "__main__":
    raise SystemExit(main(Bcic2a()))
