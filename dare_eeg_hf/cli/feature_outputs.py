"""What `embed` makes of all recordings together: one table of features, and a map of them."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dare_eeg_hf.cli.model_results import name_of_model
from dare_eeg_hf.cli.provenance import Maker, read_result_report, report_path

MOST_POINTS = 5000
"""Windows on a map, spread evenly over all of them."""

COLORS = ("label", "person", "file", "onset")

MAP_CAUTION = (
    "Windows with similar features lie close together. A map of two dimensions leaves most of the features out: that "
    "groups show does not mean that people or states can be told apart in others, and how far groups lie from each "
    "other says little. For research only; nothing here is a diagnosis."
)


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the table, the map, and what is known about the recordings."""
    group = parser.add_argument_group(
        "all recordings together",
        "The table has the columns file, person and label (where they are known), onset, duration, partial,\n"
        "usable, reason and f_0, f_1, ...; it is put together from the .npz files, so that a run that was stopped\n"
        "goes on where it was.",
    )
    group.add_argument("--table", type=Path, metavar="FILE", help="one table of all windows, .parquet or .csv")
    group.add_argument("--map", type=Path, metavar="FILE", help="a map of all windows, .png or .html (a page)")
    group.add_argument("--color", choices=COLORS, help="of the map (default: label, else person, else file)")
    group.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="table with the columns file and label and, where you have them, person, onset and duration (seconds)",
    )
    group.add_argument("--file-column", metavar="COLUMN", help="of that table (default: file, filename, recording)")
    group.add_argument("--label-column", metavar="COLUMN", help="of that table (default: label, class, group, ...)")
    group.add_argument("--person-column", metavar="COLUMN", help="of that table (default: person, subject, ...)")
    group.add_argument("--subject-pattern", metavar="REGEX", help="its first group, in a file's path, is the person")
    group.add_argument(
        "--center",
        choices=("person",),
        help="subtract from each person's features, in table and map, their mean over all windows of this run: it "
        "takes away what differs between people. Sound only where all windows of each person are among the "
        "recordings and hold about the same mixture of states for everyone; a state that only some people were "
        "recorded in is subtracted with them",
    )


class FeatureOutputs:
    """Collects the files of features of a run; `write` makes what was asked for of them.

    Args:
        options: Of `add_output_arguments`.
        files: Names of the recordings, relative to what was given.

    Raises:
        ValueError: What was asked for cannot be had: people or labels that are not known, features that are not
            pooled, another suffix, or a file that something else made.
    """

    def __init__(self, options: argparse.Namespace, files: Sequence[str]) -> None:
        self.options = options
        self.files = files
        self.made: dict[str, Path] = {}
        self.failures: dict[str, str] = {}
        self.wanted = options.table is not None or options.map is not None
        for name in ("color", "center", "labels"):
            if getattr(options, name) and not self.wanted:
                raise ValueError(f"--{name} is for a table or a map: give --table FILE or --map FILE as well.")
        if not self.wanted:
            return
        if options.pooling == "none":
            raise ValueError(
                "A table or a map takes one vector for each window, and --pooling none gives one for each patch: "
                "leave --pooling out."
            )
        self._check_names()
        self._find_people_and_labels()
        self._check_what_is_known()

    def add(self, file: str, features: Path) -> None:
        """Add a recording whose features are there."""
        self.made[file] = features

    def add_failure(self, path: Path, why: str) -> None:
        """Add a recording that could not be encoded."""
        self.failures[str(path)] = why

    def write(self, maker: Maker) -> None:
        """Write the table and the map of the recordings that were added."""
        if not self.wanted:
            return
        from dare_eeg_hf.adaptation.feature_table import EncodedRecording, FeatureRows, write_feature_table

        if not self.made:
            raise ValueError("No recording could be encoded, so there is no table and no map.")
        known = self.people.of if self.people.known else {}
        recordings = [
            EncodedRecording(features, file, known.get(file), self.labels.get(file, ()))
            for file, features in self.made.items()
        ]
        rows = FeatureRows(recordings, center=self.options.center == "person")
        if rows.one_label:
            print(
                f"warning: --center: {len(rows.one_label)} of {len(rows.windows_of)} people have windows of one label "
                f"only, which was subtracted with them: {', '.join(rows.one_label[:5])}",
                file=sys.stderr,
            )
        if self.options.table is not None:
            self._write_report(maker, rows)
            count = write_feature_table(rows, self.options.table)
            print(f"{self.options.table}: {count} windows of {len(self.made)} recordings, {rows.width} features each")
        if self.options.map is not None:
            self._draw(rows)

    def _check_names(self) -> None:
        from dare_eeg_hf.adaptation.feature_table import check_table_name

        table, map_ = self.options.table, self.options.map
        if table is not None:
            check_table_name(table)
            if table.exists() and not self.options.overwrite and "table" not in read_result_report(table):
                raise ValueError(
                    f"{table} exists, and `dare-eeg embed` did not make it: give --overwrite, or another name."
                )
        if map_ is not None and map_.suffix.lower() not in (".png", ".html"):
            raise ValueError(f"--map {map_} must end in .png or .html.")

    def _find_people_and_labels(self) -> None:
        from dare_eeg_hf.corpora.label_pairing import pair_labels
        from dare_eeg_hf.corpora.label_table import read_label_table
        from dare_eeg_hf.corpora.people import People, one_spelling, people_of

        self.people = people_of(self.files, self.options.subject_pattern)
        self.labels: dict[str, Any] = {}
        if self.options.labels is None:
            return
        columns = {name: getattr(self.options, name) for name in ("file_column", "label_column", "person_column")}
        table = read_label_table(self.options.labels, **columns)
        pairing = pair_labels(table, self.files, self.people.of, leave_out_unmatched=True)
        self.labels = dict(pairing.rows)
        if "person" in table.columns and not table.of_people:
            told = {file: rows[0].person for file, rows in self.labels.items()}
            spelling = one_spelling(told.values())
            column = f"{table.columns['person']} of {table.path.name}"
            self.people = People({file: spelling[who] for file, who in told.items()}, "column", column)
        for message in table.remarks:
            print(message, file=sys.stderr)
        if pairing.unlabelled:
            print(
                f"{len(pairing.unlabelled)} of {len(self.files)} recordings have no label in {table.path}: "
                f"{', '.join(pairing.unlabelled[:5])}",
                file=sys.stderr,
            )
        if pairing.absent:
            keys = list(dict.fromkeys(row.key for row in pairing.absent))
            print(f"{table.path} has labels of what is not there: {', '.join(keys[:5])}", file=sys.stderr)

    def _check_what_is_known(self) -> None:
        by_person = "--center person" if self.options.center else "--color person"
        if (self.options.center or self.options.color == "person") and not self.people.known:
            raise ValueError(
                f"{by_person} takes who was recorded, and that is not known ({self.people.statement()}): give "
                "--subject-pattern REGEX, whose first group in a file's path is the person, or --labels FILE with a "
                "column person."
            )
        nobody = [file for file in self.files if file not in self.people.of]
        if self.options.center and nobody:
            raise ValueError(
                f"--center person takes the person of every recording, and {self.options.labels} has no row for "
                f"{', '.join(nobody[:5])}: add them to the table, or leave these recordings out."
            )
        if self.options.color == "label" and not self.labels:
            raise ValueError(
                "--color label takes labels: give --labels FILE, a table with the columns file and label."
            )

    def _write_report(self, maker: Maker, rows: Any) -> None:
        """Say beside the table what made it, before it is written."""
        from dare_eeg_hf.adaptation.feature_table import CENTERING
        from dare_eeg_hf.atomic_files import write_json

        table: dict[str, Any] = {
            "recordings": len(self.made),
            "failed": self.failures,
            "features": rows.width,
            "what_they_are": what_the_features_are(self.options.pooling, rows.width),
            "people": self.people.statement(),
            "labels": None if self.options.labels is None else str(self.options.labels),
            "centered": None,
        }
        if self.options.center:
            table["centered"] = {
                "by": "person",
                "condition": CENTERING,
                "windows": dict(sorted(rows.windows_of.items())),
                "people_with_one_label": rows.one_label,
            }
        self.options.table.unlink(missing_ok=True)
        path = report_path(self.options.table)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"made_by": asdict(maker), "table": table})

    def _draw(self, rows: Any) -> None:
        from dare_eeg_hf.adaptation.feature_table import CENTERING, sampled_rows
        from dare_eeg_hf.html_page import HtmlPage

        sample = sampled_rows(rows, MOST_POINTS)
        figure = self._figure(sample, rows)
        target = self.options.map
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix.lower() == ".png":
            figure.savefig(target, dpi=150)
        else:
            page = HtmlPage(f"Windows as {name_of_model(self.options.model)} sees them")
            page.paragraph(f"{len(sample)} windows of {len(self.made)} recordings; {self.people.statement()}.")
            page.figure(figure, "Map of windows by their features", MAP_CAUTION)
            if self.options.center:
                page.heading("Centered by person").paragraph(CENTERING, "note")
            if self.failures:
                page.heading("Recordings that failed").table(["file", "why"], self.failures.items())
            page.write(target)
        print(f"{target}: {len(sample)} windows")

    def _figure(self, sample: Any, rows: Any) -> Any:
        from dare_eeg_hf.visualization.embedding_map import plot_embedding_map, project_to_plane
        from dare_eeg_hf.visualization.embedding_values import plot_embedding_values

        color = self.options.color or ("label" if self.labels else "person" if self.people.known else "file")
        features = sample[[f"f_{index}" for index in range(rows.width)]].to_numpy()
        points, method = project_to_plane(features)
        centered = ", centered by person" if self.options.center else ""
        title = f"{_of_what(self.made)} · {name_of_model(self.options.model)}{centered}"
        if color == "onset":
            return plot_embedding_values(points, sample["onset"] / 60, title, "onset (min)", method)
        return plot_embedding_map(points, sample[color].fillna(f"no {color}"), title, color, method)


def _of_what(files: Sequence[str]) -> str:
    names = list(files)
    return names[0] if len(names) == 1 else f"{len(names)} recordings"


def what_the_features_are(pooling: str, width: int) -> str:
    """What the columns of a table are."""
    from dare_eeg_hf.power_maps_dare_eeg import NUM_POWER_MAP_FEATURES, POWER_MAP_NAMES

    if pooling != "statistics":
        return "means over time"
    first_map = width - NUM_POWER_MAP_FEATURES
    half = first_map // 2
    return (
        f"f_0 to f_{half - 1}: means over time of the encoder's features; to f_{first_map - 1}: logarithms of their "
        f"standard deviation over time; from f_{first_map} on: power maps, {POWER_MAP_NAMES[0]} to "
        f"{POWER_MAP_NAMES[-1]} (all names: POWER_MAP_NAMES in dare_eeg_hf.power_maps_dare_eeg)"
    )
