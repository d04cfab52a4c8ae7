"""A prepared data set of one's own as a task of the benchmark, with folds of whole people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.corpora.loading import load_windows, split_names
from dare_eeg_hf.corpora.rows import WindowRows
from dare_eeg_hf.evaluation.eeg_task import EegTask
from dare_eeg_hf.evaluation.people_folds import N_FOLDS, people_folds


@dataclass(frozen=True)
class PreparedTask(EegTask):
    """Windows as `dataset_scripts/` or `corpora.build` writes them; `prepared_task` makes it of a folder.

    Its name is the path of the folder, wherever the benchmark's other data are.
    """

    def find(self, data_root: Path | str) -> list[Path]:  # noqa: ARG002 -- of the other tasks
        """The folder."""
        return [Path(self.name)]

    def read_prepared(self, folder: Path) -> LabelledWindows:
        """All labelled windows, whatever part they were published in; people may be assumed, and the table says so."""
        return LabelledWindows.from_folder(folder)


def prepared_task(folder: Path | str) -> PreparedTask:
    """The task of a prepared data set; its title is that of the data set's card.

    Raises:
        FileNotFoundError: there is no such folder, or no windows in it.
        ValueError: its windows have no labels.
    """
    folder = Path(folder)
    try:
        splits = split_names(folder) if folder.is_dir() else []
    except FileNotFoundError:  # Parquet files may lie deeper, where they belong to something else
        splits = []
    if not splits:
        raise FileNotFoundError(
            f"{folder} holds no prepared data set (no Parquet files): make one with `dare-eeg prepare`, or evaluate "
            "recordings with `dare-eeg evaluate`"
        )
    rows = load_windows(folder, splits[0])
    classes = getattr(rows.features["label"], "names", None)
    if not classes:
        raise ValueError(f"the windows in {folder} have no labels; prepare it with labels to test models on it")
    kind = WindowRows([rows]).kinds()[0]
    return PreparedTask(
        name=str(folder),
        title=_title(folder),
        folders=(),
        label_names=tuple(classes),
        window_seconds=kind.samples / kind.sampling_rate,
        protocol=f"cross-validation grouped by {_unit(rows)}, {N_FOLDS} folds at most",
        split=people_folds,
    )


def _title(folder: Path) -> str:
    """What the card calls the data set, or the folder's name."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    head = yaml.safe_load(text.split("---")[1]) if text.startswith("---") and text.count("---") > 1 else {}
    name = (head or {}).get("pretty_name")
    return f"{name} ({folder.name})" if name else folder.name


def _unit(rows) -> str:
    """What is kept together: people where they are known."""
    source = rows[0].get("subject_source") or "column"
    return {"file": "file (who was recorded is not known)", "folder": "folder (who was recorded is not known)"}.get(
        source, "person"
    )
