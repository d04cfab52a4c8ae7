"""Several pre-training runs, or seeds of one, side by side: how they went, and what differs between their settings.

    runs = read_runs(["runs/a", "runs/b"])
    write_comparison(runs, "comparison.html")

Losses of different objectives do not compare: where runs differ in masks, weights or data, compare what is measured
with their encoders instead (`dare-eeg evaluate`, then `dare-eeg compare` on the results).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dare_eeg_hf.configuration_dare_eeg import DareEegConfig
from dare_eeg_hf.html_page import HtmlPage
from dare_eeg_hf.metrics_log import FILE_NAME, best_validation, read_metrics
from dare_eeg_hf.pretraining.checkpointing import CheckpointStore, load_state
from dare_eeg_hf.visualization import Curve, Panel, plot_curves
from dare_eeg_hf.visualization.curves import running_mean, title_of_loss

COLUMNS = ("run", "steps", "best validation loss", "at step", "retrieval", "effective rank", "windows/s")
NOT_SETTINGS = ("output_dir", "resume", "config", "corpora", "transformers_version", "architectures", "dtype")
"""What is told of a run besides the settings that shape it, or twice."""


@dataclass(frozen=True)
class Run:
    """A run, finished or under way.

    Attributes:
        name: what to call it.
        records: of its metrics.jsonl.
        settings: name -> value, of the run and of its model.
    """

    name: str
    records: Sequence[Mapping[str, object]]
    settings: Mapping[str, object]

    @property
    def training(self) -> list[Mapping[str, object]]:
        """Records of training."""
        return [record for record in self.records if record.get("split", "train") == "train"]

    @property
    def validations(self) -> list[Mapping[str, object]]:
        """Records of validation."""
        return [record for record in self.records if record.get("split") == "validation"]

    @property
    def losses(self) -> set[str]:
        """Names of the losses that were measured."""
        return {
            name
            for record in self.records
            for name, value in record.items()
            if (name == "loss" or name.startswith("loss_")) and value is not None
        }

    def points(self, split: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values (P,) of what was measured in a split; NaN and infinity, null in the file, are left out."""
        records = self.training if split == "train" else self.validations
        points = [(record["step"], record[name]) for record in records if record.get(name) is not None]
        steps, values = np.array(points, dtype=float).reshape(-1, 2).T
        return steps, values


def read_runs(folders: Sequence[str | os.PathLike]) -> list[Run]:
    """Read the runs of these folders.

    Raises:
        FileNotFoundError: a folder holds no metrics.
        ValueError: there are fewer than two, one is named twice, one has no records, or they have no loss in common.
    """
    paths = [Path(folder) for folder in folders]
    if len(paths) < 2:
        raise ValueError("one run has nothing to be compared with; name two or more")
    if len({path.resolve() for path in paths}) < len(paths):
        raise ValueError("a run is named twice")
    names = [path.resolve().name for path in paths]
    if len(set(names)) < len(names):
        names = [path.as_posix() for path in paths]
    runs = [_read_run(name, path) for name, path in zip(names, paths, strict=True)]
    if not set.intersection(*(run.losses for run in runs)):
        measured = "; ".join(f"{run.name}: {', '.join(sorted(run.losses))}" for run in runs)
        raise ValueError(f"these runs have no loss in common ({measured})")
    return runs


def summary_rows(runs: Sequence[Run]) -> list[list[object]]:
    """A row of `COLUMNS` for each run; None where something was not measured."""
    rows = []
    for run in runs:
        best = best_validation(run.records) or {}
        measured = [record for record in run.validations if record.get("retrieval_accuracy") is not None]
        newest = measured[-1] if measured else {}
        _, speeds = run.points("train", "windows_per_second")
        steps = max((record["step"] for record in run.records), default=0)
        rows.append(
            [
                run.name,
                steps,
                best.get("loss"),
                best.get("step"),
                newest.get("retrieval_accuracy"),
                newest.get("effective_rank"),
                float(np.median(speeds)) if len(speeds) else None,
            ]
        )
    return rows


def differing_settings(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Name of a setting -> its value in each run, where it is not the same in all; "not known" where it is missing."""
    names = sorted({name for run in runs for name in run.settings})
    texts = {
        name: [_text(run.settings[name]) if name in run.settings else "not known" for run in runs] for name in names
    }
    return {name: values for name, values in texts.items() if len(set(values)) > 1}


def collapsed(runs: Sequence[Run]) -> dict[str, list[int]]:
    """Run -> steps at which the features of different windows were nearly the same."""
    steps = {run.name: [record["step"] for record in run.validations if record.get("collapsed")] for run in runs}
    return {name: found for name, found in steps.items() if found}


def write_comparison(runs: Sequence[Run], path: str | os.PathLike) -> Path:
    """Write one HTML page; returns its path."""
    page = HtmlPage(f"{len(runs)} runs side by side")
    page.table(COLUMNS, summary_rows(runs), "Retrieval: how often the nearest view of a window is its own other view.")
    for name, steps in collapsed(runs).items():
        found = ", ".join(map(str, steps))
        page.paragraph(
            f"{name}: the features of different windows were nearly the same at step {found}; the encoder may have "
            "collapsed.",
            kind="warning",
        )
    page.heading("What differs between their settings")
    differing = differing_settings(runs)
    if differing:
        page.table(["setting", *(run.name for run in runs)], [[name, *values] for name, values in differing.items()])
        page.paragraph(
            "All other settings that are known are the same. Losses of different objectives do not compare."
        )
    else:
        page.paragraph("Nothing that is known.")
    page.heading("Losses").figure(
        plot_losses(runs),
        alt="Losses of the runs against the step, one panel for each loss.",
        caption="Solid: training, as a running mean where there are many values. Dashed, with dots: validation.",
    )
    if panels := list(_invariance_panels(runs)):
        page.heading("Mask invariance").figure(
            plot_curves(panels, size=5.0),
            alt="Similarity and retrieval of two views of a window against their overlap, for each run.",
            caption="At the newest validation of each run, on its own validation windows.",
        )
    speeds = [
        Curve(*running_mean(*run.points("train", "windows_per_second")), run.name, color=number, marker="")
        for number, run in enumerate(runs)
        if len(run.points("train", "windows_per_second")[0])
    ]
    if speeds:
        panel = Panel(speeds, x_label="Step", y_label="Windows per second")
        page.heading("Throughput").figure(plot_curves([panel], size=6.4), alt="Windows per second against the step.")
        page.paragraph("Speeds compare only where machine and load were the same.", kind="note")
    return page.write(path)


def plot_losses(runs: Sequence[Run]):
    """Figure of every loss that some runs measured, one panel for each, the runs laid over each other."""
    terms = sorted({term for run in runs for term in run.losses}, key=lambda term: (term != "loss", term))
    panels = []
    for term in terms:
        curves = []
        for number, run in enumerate(runs):
            trained, validated = run.points("train", term), run.points("validation", term)
            # The first panel's labels are the legend: each run is in it once, whatever was measured of it.
            curves.append(Curve(*running_mean(*trained), run.name, color=number, marker="", opacity=0.8))
            curves.append(Curve(*validated, color=number, marker=".", style="--", width=1.0))
        panels.append(Panel(curves, title=title_of_loss(term), x_label="Step", y_label="Loss"))
    return plot_curves(panels)


def _invariance_panels(runs: Sequence[Run]) -> Iterator[Panel]:
    """Similarity and retrieval against overlap, of the newest validation of each run that measured them."""
    newest = {}
    for number, run in enumerate(runs):
        measured = [record["invariance"] for record in run.validations if record.get("invariance")]
        if measured:
            newest[number] = sorted(measured[-1], key=lambda point: point["overlap"])
    for key, label in (("similarity", "Cosine similarity"), ("retrieval_accuracy", "Retrieval accuracy")):
        curves = [
            Curve([p["overlap"] for p in points], [p[key] for p in points], runs[number].name, color=number)
            for number, points in newest.items()
        ]
        if curves:
            yield Panel(curves, x_label="Overlap of the two views", y_label=label)


def _read_run(name: str, folder: Path) -> Run:
    if not (folder / FILE_NAME).is_file():
        raise FileNotFoundError(f"{folder} holds no {FILE_NAME}: is it the folder of a run?")
    records = [record for record in read_metrics(folder / FILE_NAME) if "step" in record]
    run = Run(name, records, dict(_settings(folder)))
    if not run.losses:
        raise ValueError(f"{folder} has no loss in its {FILE_NAME}: has the run begun?")
    return run


def _settings(folder: Path) -> Iterator[tuple[str, object]]:
    """What a run and its model were set up with: of its card's facts, its newest checkpoint and its configuration."""
    checkpoint = CheckpointStore(folder / "checkpoints").latest()
    if checkpoint is not None:
        yield from _flat(load_state(checkpoint).get("setup", {}))
    facts = folder / "model_card.json"
    if facts.is_file():
        yield from _flat(json.loads(facts.read_text(encoding="utf-8")).get("run", {}).get("arguments", {}))
    described = next(
        (each for each in (folder, checkpoint) if each is not None and (each / "config.json").is_file()), None
    )
    if described is not None:
        config = DareEegConfig.from_pretrained(described).to_dict()
        yield from _flat({name: config[name] for name in DareEegConfig.known_names() if name in config})


def _flat(settings: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in settings.items():
        if name in NOT_SETTINGS:
            continue
        if name == "masking" and isinstance(value, Mapping):
            yield from ((f"masking.{part}", of_part) for part, of_part in value.items())
        else:
            yield name, value


def _text(value: object) -> str:
    text = json.dumps(value, default=str) if isinstance(value, (list, dict)) else str(value)
    return text if len(text) <= 120 else text[:117] + "..."
