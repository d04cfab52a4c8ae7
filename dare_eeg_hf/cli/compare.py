"""`dare-eeg compare`: several pre-training runs, or several evaluations, in one table and one page."""

import argparse
from pathlib import Path

DESCRIPTION = (
    "Lay pre-training runs, finished or under way, side by side: losses over each other, validation, invariance,\n"
    "throughput, and the settings that differ. Or results of `dare-eeg evaluate`: which model told the same people's\n"
    "labels apart better, person by person, with intervals over people. One HTML page and a table here."
)
EXAMPLES = (
    "  dare-eeg compare runs/seed-0 runs/seed-1 runs/seed-2\n"
    "  dare-eeg compare runs/published runs/ours --output masks.html\n"
    "  dare-eeg compare results/nano results/base"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="of runs, or of results of `dare-eeg evaluate`"
    )
    parser.add_argument(
        "--output", type=Path, metavar="HTML", default=Path("comparison.html"), help="default: comparison.html"
    )


def run(options: argparse.Namespace) -> int:
    """Compare; returns the exit status."""
    from dare_eeg_hf.evaluation import compare_evaluations
    from dare_eeg_hf.pretraining import compare_runs
    from dare_eeg_hf.text_table import text_table

    evaluations = [folder for folder in options.folders if compare_evaluations.is_evaluation(folder)]
    if evaluations and len(evaluations) < len(options.folders):
        other = next(folder for folder in options.folders if folder not in evaluations)
        raise ValueError(
            f"{evaluations[0]} holds results of an evaluation and {other} does not: compare runs with runs, and "
            "evaluations with evaluations"
        )
    if evaluations:
        found = compare_evaluations.read_evaluations(options.folders)
        print(text_table(compare_evaluations.COLUMNS, compare_evaluations.summary_rows(found)))
        print("", *compare_evaluations.remarks(found), sep="\n")
        page = compare_evaluations.write_comparison(found, options.output)
    else:
        runs = compare_runs.read_runs(options.folders)
        print(text_table(compare_runs.COLUMNS, compare_runs.summary_rows(runs)))
        differing = compare_runs.differing_settings(runs)
        rows = [[name, *values] for name, values in differing.items()]
        header = ["setting that differs", *(run.name for run in runs)]
        print(f"\n{text_table(header, rows)}" if rows else "\nNo setting that is known differs.")
        page = compare_runs.write_comparison(runs, options.output)
    print(f"\nWritten: {page}")
    return 0
