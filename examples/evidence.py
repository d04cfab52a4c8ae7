"""What pre-training is worth on people it never saw: every task, size and seed, beside baselines, in one table.

    python examples/evidence.py --data DATA --output runs/evidence --sizes nano light --seeds 0 1 2 3 4 --workers 2

examples/evidence.yaml says which corpora each set of pre-trainings leaves out, and so which tasks it may be tested on.
What is missing is cut into windows once, pre-trained with examples/configs/SIZE_open.yaml and tested with
`dare-eeg benchmark`; OUTPUT/evidence.md and evidence.json hold the table. If it is stopped, run it again to continue.

Each size is compared with random encoders of the same size, person by person, and each of `--cases`, in which one
thing differs (the paper's ablation: --cases "without anchor alignment" "without mask alignment"), with the size as it
is. All frozen encoders are read alone (pooled) and with power maps beside them (pooled-power); they, and the baselines
on features, end in the same classifier; ssvep-snr is added where lights flicker. What follows `--` goes to
examples/pretrain.py: `-- --max-steps 20 --validate-every 10`, with an OUTPUT of its own, tries the whole chain.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import chain, product
from pathlib import Path
from typing import NamedTuple

import yaml
from train_nano import EXAMPLES, SIZES, SOURCES, cut_windows, source_of

from dare_eeg_hf.adaptation.labelled_windows import LabelledWindows
from dare_eeg_hf.atomic_files import write_json, write_text
from dare_eeg_hf.child_process import run_programs
from dare_eeg_hf.evaluation.ablations import CASES, RECIPES
from dare_eeg_hf.evaluation.benchmark import applies, prepare_tasks, run_benchmark, windows_file
from dare_eeg_hf.evaluation.benchmark_report import overview, paired_difference, summarize
from dare_eeg_hf.evaluation.contestant_names import (
    CENTERED,
    FEATURE_BASELINES,
    POOLED,
    POOLED_MODES,
    POOLED_POWER,
    POWER_MAPS,
    SSVEP,
)
from dare_eeg_hf.evaluation.contestants import check_centering
from dare_eeg_hf.evaluation.tables import markdown_table, number_text
from dare_eeg_hf.evaluation.tasks import task_named

COMPLETE = "all on"
"""The case of `CASES` that changes nothing."""


class TrainingSet(NamedTuple):
    """Corpora to pre-train on, and the tasks whose people are not among theirs."""

    name: str
    corpora: list[str]
    tasks: list[str]


class Pretraining(NamedTuple):
    """A size with its recipe as it is, or in one of the cases of evaluation/ablations.py, which change one thing."""

    size: str
    case: str = COMPLETE

    @property
    def name(self) -> str:
        """Of its folder and in the table."""
        return self.size if self.case == COMPLETE else f"{self.size}-{self.case.replace(' ', '-')}"

    @property
    def control(self) -> str:
        """What it is compared with, person by person: random weights, or the complete objective."""
        return f"random-{self.size}" if self.case == COMPLETE else self.size

    @property
    def settings(self) -> list[str]:
        """Options of examples/pretrain.py that change the model or how it is trained."""
        changed = [f"{field}={str(value).lower()}" for field, value in CASES.get(self.case, {}).items()]
        recipe = [(f"--{field.replace('_', '-')}", str(value)) for field, value in RECIPES.get(self.case, {}).items()]
        return [*(("--set", *changed) if changed else ()), *chain.from_iterable(recipe)]


def read_plan(file: Path, tasks: Sequence[str] | None = None) -> list[TrainingSet]:
    """The sets of pre-trainings, with those of their tasks that are wanted (None: all); sets without any are left out.

    Raises:
        SystemExit: a task that is wanted is in no set.
    """
    plan = [TrainingSet(name, **given) for name, given in yaml.safe_load(file.read_text(encoding="utf-8")).items()]
    known = [task for each in plan for task in each.tasks]
    if unknown := sorted(set(tasks or ()) - set(known)):
        raise SystemExit(f"{file} has no set to test on {', '.join(unknown)}; it has {', '.join(known)}")
    wanted = [each._replace(tasks=[task for task in each.tasks if not tasks or task in tasks]) for each in plan]
    return [each for each in wanted if each.tasks]


def refuse_seen_people(each: TrainingSet, data: Path) -> None:
    """A task must not be read from a folder that the encoder is pre-trained on; SystemExit says which is."""
    for task, corpus in product(each.tasks, each.corpora):
        pretrained_on = source_of(corpus, data).resolve()
        for folder in task_named(task).find(data):
            if folder.name in SOURCES[corpus].folders or folder.resolve() == pretrained_on:
                raise SystemExit(
                    f"encoders of {each.name} see the people of the task {task} in {corpus}: move the task to another "
                    "set, or leave the corpus out of this one"
                )


def refuse_other_corpora(run: Path, each: TrainingSet) -> None:
    """A finished run must have been trained on the corpora that the plan says; SystemExit names others."""
    card = json.loads((run / "model_card.json").read_text(encoding="utf-8"))
    seen = {corpus["name"] for corpus in card["run"]["corpora"]}
    if seen != {SOURCES[corpus].script for corpus in each.corpora}:
        raise SystemExit(
            f"{run} was pre-trained on {', '.join(sorted(seen))} and not on the corpora of {each.name}: remove it, or "
            "choose another --output"
        )


def tested(
    task: str, each: TrainingSet, pretrainings: Sequence[Pretraining], options: argparse.Namespace
) -> tuple[list[dict], dict[str, str]]:
    """The benchmark's records of a task and what failed; features are centered as well where that leaves the class in.

    Where people have one class each, centering would take it out with the person.
    """
    output = options.output / "benchmark" / each.name
    prepare_tasks([task], options.data, output)
    baselines = [name for name in options.baselines if applies(name, task)]
    modes, centered = POOLED_MODES, [name + CENTERED for name in baselines if name in FEATURE_BASELINES]
    try:
        check_centering("", modes[-1], LabelledWindows.load(windows_file(output, task)))
    except ValueError:
        modes, centered = (POOLED, POOLED_POWER), []
    runs = options.output / "runs" / each.name
    encoders = [str(runs / pretraining.name / "seed{seed}") for pretraining in pretrainings]
    random = [f"random:{runs / size / 'seed{seed}'}" for size in options.sizes]
    models = [*baselines, *centered, *random, *encoders]
    return run_benchmark([task], models, modes, options.seeds, options.data, output, workers=options.workers)


def rows_of(records: Sequence[dict], each: TrainingSet, pretrainings: Sequence[Pretraining]) -> list[dict]:
    """Rows of the table: a task with plain or centered features, every contestant, each pre-training's differences."""
    readouts = (POOLED, POOLED_POWER)
    pairs = [(f"{one.name}, {mode}", f"{one.control}, {mode}") for mode in readouts for one in pretrainings]
    pairs += [(f"{one.name}, {POOLED_POWER}", POWER_MAPS) for one in pretrainings if one.case == COMPLETE]
    return [
        {
            "task": task,
            "title": task_named(task).title,
            "features": "centered" if centered else "plain",
            "pretrained on": each.corpora,
            "people": summarize(next(iter(found.values())))["subjects"],
            "contestants": {name: summarize(cells) for name, cells in found.items()},
            "differences": {
                f"{name} minus {control}": paired_difference(found[name], found[control])
                for name, control in pairs
                if {name, control} <= found.keys()
            },
        }
        for (task, centered), found in overview(records).items()
    ]


def table(rows: Sequence[Mapping]) -> list[str]:
    """The Markdown table of rows."""
    names = list(dict.fromkeys(name for row in rows for name in row["contestants"]))
    compared = list(dict.fromkeys(pair for row in rows for pair in row["differences"]))
    header = ("task", "people tested", "features", *names, *(f"{pair}, points" for pair in compared))
    lines = []
    for row in rows:
        found = row["contestants"]
        scores = [number_text(*found[name]["balanced_accuracy"], digits=3) if name in found else "-" for name in names]
        differences = [difference_text(row["differences"].get(pair)) for pair in compared]
        lines.append([row["title"], row["people"], row["features"], *scores, *differences])
    return markdown_table(header, lines)


def difference_text(found: Mapping | None) -> str:
    """Points, with their interval over people."""
    if found is None:
        return "-"
    low, high = found["interval"] or (None, None)
    interval = "one person" if low is None else f"{100 * low:+.1f} to {100 * high:+.1f}"
    return f"{100 * found['mean']:+.1f} ({interval})"


def main() -> None:
    """Cut, pre-train, test, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--output", type=Path, required=True, help="folder for windows, runs and tables")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["nano"], help="default: nano")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], help="default: 0 to 4")
    further_cases = [case for case in (*CASES, *RECIPES) if case != COMPLETE]
    parser.add_argument("--cases", nargs="+", choices=further_cases, default=[], help="also pre-train and test these")
    parser.add_argument("--tasks", nargs="+", help="of the plan's (default: all)")
    parser.add_argument("--plan", type=Path, default=EXAMPLES / "evidence.yaml", help="default: %(default)s")
    baselines = ["band-power", POWER_MAPS, "riemann", SSVEP, "eegnet"]
    parser.add_argument("--baselines", nargs="*", default=baselines, metavar="MODEL", help="default: %(default)s")
    parser.add_argument("--windows", type=Path, help="folder for the cut windows (default: OUTPUT/windows)")
    parser.add_argument("--workers", type=int, default=1, help="pre-trainings or cells at once (default: 1)")
    parser.add_argument("further", nargs="*", metavar="-- OPTION", help="for examples/pretrain.py")
    options = parser.parse_args()
    plan = read_plan(options.plan, options.tasks)
    try:
        for each in plan:
            refuse_seen_people(each, options.data)
    except FileNotFoundError as error:
        raise SystemExit(str(error)) from None
    corpora = list(dict.fromkeys(corpus for each in plan for corpus in each.corpora))
    windows = options.windows or options.output / "windows"
    cut_windows(corpora, options.data, windows)
    pretrainings = [Pretraining(size, case) for case in (COMPLETE, *options.cases) for size in options.sizes]
    runs = {
        options.output / "runs" / each.name / pretraining.name / f"seed{seed}": (each, pretraining, seed)
        for seed in options.seeds
        for pretraining in pretrainings
        for each in plan
    }
    finished = [run for run in runs if (run / "model.safetensors").is_file()]
    for run in finished:
        refuse_other_corpora(run, runs[run][0])
    missing = [
        [
            *(EXAMPLES / "pretrain.py", "--data", *(windows / corpus for corpus in each.corpora), "--output", run),
            *("--config", EXAMPLES / "configs" / f"{pretraining.size}_open.yaml", "--seed", seed, "--resume"),
            *(*pretraining.settings, *options.further),
        ]
        for run, (each, pretraining, seed) in runs.items()
        if run not in finished
    ]
    run_programs(missing, options.workers)
    rows, failures = [], {}
    for each in plan:
        for task in each.tasks:
            records, failed = tested(task, each, pretrainings, options)
            rows += rows_of(records, each, pretrainings)
            failures |= failed
    write_json(options.output / "evidence.json", rows)
    write_text(options.output / "evidence.md", "\n".join(table(rows)) + "\n")
    print((options.output / "evidence.md").read_text(encoding="utf-8"))
    if failures:
        raise SystemExit("Failed: " + "; ".join(f"{name} ({reason})" for name, reason in failures.items()))


if __name__ == "__main__":
    main()
