"""M3CV: 106 subjects, two sessions, six kinds of tasks, made for EEG biometrics.

Layout      as in the Kaggle competition: folders with one MATLAB file per 4 s epoch, Enrollment/000001.mat, variable
            epoch_data (64 or 65, 1000), and beside them Enrollment_Info.csv and Calibration_Info.csv with the columns
            EpochID, SubjectID, Session, Task. 64 electrodes, 250 Hz, microvolts. The epochs of the folder Testing have
            no subject and are left out.
Electrodes  the files do not name them, and no order is guessed here: put channels.tsv into the source folder, with the
            column `name` and one row per row of epoch_data. What is not an electrode there (a 65th row) is dropped.
Labels      none: a pre-training corpus.
Splits      none.
Access      the Kaggle competition "biometrics-m3cv" or Baidu AI Studio; the redistribution terms are not clear, so
            nothing built from it is uploaded where others can see it.
Tried on    small files in this layout only. Not sure: the columns of the .csv files, the 65th row, the reference.
Unchecked   layout, access and citation were not compared with the corpus' own documentation.
"""

from pathlib import Path

import pandas as pd
from pymatreader import read_mat

from dare_eeg_hf.cli.prepare import main
from dare_eeg_hf.corpora.corpus import EegCorpus, Segment, raw_from_array


class M3CV(EegCorpus):
    """M3CV: each file is one epoch of 4 s."""

    name = "m3cv"
    title = "M3CV (multi-subject, multi-session, multi-task EEG for biometrics)"
    license_note = "The redistribution terms are not clear."
    citation = (
        "Huang G, Hu Z, Chen W, Zhang S, Liang Z, Li L, Zhang L, Zhang Z. M3CV: A multi-subject, multi-session, and "
        "multi-task database for EEG-based biometrics challenge. NeuroImage 264:119666, 2022."
    )
    homepage = "https://www.kaggle.com/competitions/biometrics-m3cv"
    access = "From Kaggle or Baidu AI Studio; put channels.tsv with the electrodes' names beside the folders."
    restricted = True
    name_pattern = r"^(?P<run>Enrollment|Calibration)/(?P<subject>[^/]+)\.mat$"
    sampling_rate = 250
    line_frequency = 50
    tried_on = "small files in the layout of the authors"

    def recordings(self, source, subjects=None):
        """The names of the files say nothing about the subjects: the tables beside the folders do."""
        self._people = {}
        for folder in ("Enrollment", "Calibration"):
            table = pd.read_csv(Path(source) / f"{folder}_Info.csv", dtype=str)
            people = zip(table["EpochID"], table["SubjectID"], table["Session"], table["Task"], strict=True)
            for epoch, subject, session, task in people:
                name = f"{folder}/{epoch.removesuffix('.mat')}.mat"
                self._people[name] = {"subject": subject, "session": session, "run": task}
        return super().recordings(source, subjects)

    def identify(self, name, groups):
        """The person, session and task of an epoch."""
        if name not in self._people:
            raise ValueError(f"{name} is in neither Enrollment_Info.csv nor Calibration_Info.csv")
        return self._people[name]

    def segments(self, recording):
        """One epoch."""
        names = pd.read_csv(recording.path.parents[1] / "channels.tsv", sep="\t", dtype=str)["name"]
        data = read_mat(str(recording.path), variable_names=["epoch_data"])["epoch_data"]
        yield Segment(raw_from_array(data, names, self.sampling_rate, self.unit))


if __name__ == "__main__":
    raise SystemExit(main(M3CV()))
