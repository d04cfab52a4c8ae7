"""TUEV: TUH EEG Events Corpus 2.0: six classes of events, marked by hand channel by channel.

Layout      edf/train/aaaaaaar/aaaaaaar_00000001.edf and edf/eval/000/bckg_000_a_.edf, each with a .rec file beside it:
            lines `channel,start,stop,label`, seconds, labels 1 to 6. Names such as "EEG FP1-REF", 250 Hz, microvolts.
Labels      1 spike-and-slow-wave, 2 generalised and 3 lateralised periodic discharges, 4 eye movement, 5 artefact,
            6 background.
Windows     5 s: from 2 s before the start of an event (events last 1 s) to 3 s after it. An event that is marked on
            several channels at the same moment makes one window here; published preparations repeat the window for
            each channel, which counts such events more often.
Splits      train and eval of the corpus, here called train and test. Published results take a part of the training
            patients for validation.
Difference  the published preprocessing is 0.1-75 Hz at 200 Hz, microvolts divided by 100; here the signal contract
            holds: 0.5-75 Hz, 256 Hz, millivolts.
Access      on signed request at https://isip.piconepress.com/projects/nedc/html/tuh_eeg/; no redistribution.
Tried on    small files in this layout only.
Unchecked   layout, label numbers, access and citation were not compared with the corpus' own documentation.
"""

import pandas as pd

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.windows import Event, Rejection

CLINICAL = "FP1 FP2 F3 F4 C3 C4 P3 P4 O1 O2 F7 F8 T7 T8 P7 P8 FZ CZ PZ".split()
CLASSES = {1: "spsw", 2: "gped", 3: "pled", 4: "eyem", 5: "artf", 6: "bckg"}


class Tuev(EegCorpus):
    """TUEV: one window around each event."""

    name = "tuev"
    title = "TUH EEG Events Corpus (TUEV)"
    license_note = "For those who signed the agreement with Temple University."
    citation = (
        "Harati A, Golmohammadi M, Lopez S, Obeid I, Picone J. Improved EEG event classification using differential "
        "energy. IEEE SPMB, 2015. Obeid I, Picone J. The Temple University Hospital EEG Data Corpus. Front Neurosci "
        "10:196, 2016."
    )
    homepage = "https://isip.piconepress.com/projects/nedc/html/tuh_eeg/"
    access = "On signed request at https://isip.piconepress.com/projects/nedc/html/tuh_eeg/."
    restricted = True
    name_pattern = r"(?:^|/)(?P<run>train|eval)/(?P<subject>[^/]+)/[^/]+\.edf$"
    electrode_names = CLINICAL
    sampling_rate = 250
    reference = "average reference of the amplifier"
    line_frequency = 60
    label_names = tuple(CLASSES.values())
    tmin, tmax = -2.0, 3.0
    rejection = Rejection(None, None, None)
    tried_on = "small files in the layout of the authors"

    def split(self, recording):
        """The folders of the corpus."""
        return {"train": "train", "eval": "test"}[recording.run]

    def events(self, raw, recording):
        """The .rec file beside the recording, each moment once."""
        columns = ["channel", "start", "stop", "label"]
        table = pd.read_csv(recording.path.with_suffix(".rec"), names=columns)
        table = table.drop_duplicates(["start", "label"]).sort_values(["start", "label"])
        return [
            Event(float(start), float(stop - start), CLASSES[int(label)])
            for start, stop, label in zip(table["start"], table["stop"], table["label"], strict=True)
        ]


if __name__ == "__main__":
    raise SystemExit(main(Tuev()))
