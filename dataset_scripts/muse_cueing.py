"""Visual cueing with a Muse headband, of NeuroTechX eeg-notebooks v0.1 (now EEG-ExPy): 48 people, four minutes each.

Layout      subject101.edf ...: TP9, AF7, AF8, TP10, 256 Hz, unfiltered; made from the csv files of the authors, one
            digital step being one count of the headband. TP9 and TP10 are the mastoids, which the vocabulary does not
            have, so AF7 and AF8 remain; of their average reference each is the other with its sign changed.
Labels      none: for pre-training with very few, dry electrodes. The annotations are 1 and 2, a cue to the left and to
            the right, and 11, 12, 21, 22, the cue and the side of the target; windows around them are made by
            recordings.py --events 1=left 2=right --labels left right --tmin -0.1 --tmax 0.9
Windows     4 s throughout.
Splits      none.
Access      open at https://github.com/NeuroTechX/eeg-notebooks_v0.1, BSD 3-Clause.
Tried on    the real recordings of 48 people, as EDF.
"""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.corpus import EegCorpus


class MuseCueing(EegCorpus):
    """Two dry electrodes on the forehead; too few to find or replace a bad one."""

    name = "muse_cueing"
    title = "Visual cueing with a Muse headband (NeuroTechX eeg-notebooks)"
    license = "bsd-3-clause"
    citation = "Barachant A. eeg-notebooks v0.1. NeuroTechX."
    homepage = "https://github.com/NeuroTechX/eeg-notebooks_v0.1"
    access = "Open at https://github.com/NeuroTechX/eeg-notebooks_v0.1."
    name_pattern = r"(?:^|/)(?P<subject>subject\d+)\.edf$"
    electrode_names = ("TP9", "AF7", "AF8", "TP10")
    sampling_rate = 256
    line_frequency = 60
    bad_channels = ()
    interpolate = ()
    tried_on = "the real recordings of 48 people, as EDF"


if __name__ == "__main__":
    raise SystemExit(main(MuseCueing()))
