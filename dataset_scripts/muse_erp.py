"""Muse headband recordings of the NeuroTechX eeg-notebooks: the N170 of faces and houses, and the P300 of oddballs.

Layout      visual/N170/subject1/session1/data_2017-09-13-15.30.01.csv and visual/P300/...: timestamps, TP9, AF7, AF8,
            TP10, Right AUX, and the column Marker0 or Marker. 256 Hz, microvolts. TP9 and TP10 are not sites of the
            vocabulary, so AF7 and AF8 remain.
Labels      house, face (N170: 1, 2); nontarget, target (P300: 1, 2).
Windows     1 s, from 0.1 s before a picture.
Splits      none.
Access      open at https://github.com/NeuroTechX/eeg-notebooks, BSD 3-Clause.
Tried on    two real recordings.
"""

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.corpus import EegCorpus, Segment
from dare_eeg_hf.corpora.windows import events_from_annotations
from dare_eeg_hf.recordings.recordings import read_raw

ELECTRODES = ("TP9", "AF7", "AF8", "TP10")
MARKERS = {"N170": ("Marker0", ("house", "face")), "P300": ("Marker", ("nontarget", "target"))}


class MuseErp(EegCorpus):
    """Two experiments with four dry electrodes."""

    name = "muse_erp"
    title = "Muse ERP recordings (NeuroTechX eeg-notebooks)"
    license = "bsd-3-clause"
    citation = "Barachant A. eeg-notebooks. NeuroTechX."
    homepage = "https://github.com/NeuroTechX/eeg-notebooks"
    access = "Open at https://github.com/NeuroTechX/eeg-notebooks."
    name_pattern = r"(?:^|/)(?P<run>N170|P300)/(?P<subject>subject\d+)/(?P<session>session\d+)/[^/]+\.csv$"
    electrode_names = ELECTRODES
    sampling_rate = 256
    line_frequency = 60
    label_names = tuple(name for _, names in MARKERS.values() for name in names)
    tmin, tmax = -0.1, 0.9
    bad_channels = ()
    interpolate = ()
    tried_on = "two real recordings"

    def segments(self, recording):
        """The recording with its markers as annotations."""
        column, names = MARKERS[recording.run]
        texts = {str(number): name for number, name in enumerate(names, start=1)}
        sidecar = {
            "sampling_rate": self.sampling_rate,
            "unit": self.unit,
            "channel_names": list(self.electrode_names),
            "annotations": {column: texts},
        }
        yield Segment(read_raw(recording.path, sidecar))

    def events(self, raw, recording):
        """The pictures."""
        return events_from_annotations(raw, {name: name for name in self.label_names})


if __name__ == "__main__":
    raise SystemExit(main(MuseErp()))
