"""From open recordings to dare-eeg-nano, or to light or base: what was run for model_cards/, repeatable by anyone.

    python examples/train_nano.py --data recordings/ --output runs/nano
    python examples/train_nano.py --data recordings/ --output runs/base --size base

DATA holds the corpora as their authors distribute them, each in a folder of its own; the scripts of dataset_scripts/
tell where to get them. This one prints every command it runs: dataset_scripts/ cut the recordings into windows,
pretrain.py trains with examples/configs/SIZE_open.yaml, and a report shows how it went. If it is stopped, run it again
to continue.

For evidence on people it has never seen, leave their corpus out (examples/evidence.py does, for each in turn):

    --corpora physionet_mi guinea_bissau guinea_bissau_more ssvep_exoskeleton

A headband of two electrodes, AF7 and AF8, which are not in the published pre-training montage, can be added:

    --corpora mental_arithmetic physionet_mi muse_cueing --set pretraining_channel_names=all
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dare_eeg_hf.child_process import run_python

EXAMPLES = Path(__file__).resolve().parent


class Source(NamedTuple):
    """A script of dataset_scripts/, the folders below DATA where its corpus may lie, and options for the script."""

    script: str
    folders: tuple[str, ...]
    options: tuple[str, ...] = ()


SOURCES = {
    "mental_arithmetic": Source("mental_arithmetic", ("eegmat", "mental_arithmetic")),
    "physionet_mi": Source("physionet_mi", ("eegmmidb", "physionet_mi")),
    "guinea_bissau": Source("guinea_bissau", ("guinea-bissau-epilepsy", "guinea_bissau")),
    "guinea_bissau_more": Source("guinea_bissau", ("guinea-bissau-epilepsy-more",)),
    "ssvep_exoskeleton": Source(
        "ssvep_exoskeleton", ("ssvep-exoskeleton", "ssvep_exoskeleton"), options=("--throughout",)
    ),
    "muse_cueing": Source("muse_cueing", ("muse-cueing", "muse_cueing")),
    "uci_alcoholism": Source("uci_alcoholism", ("uci-eeg-alcoholism", "uci_alcoholism")),
    "eye_state": Source("eye_state", ("uci-eeg-eye-state", "eye_state")),
}
RELEASED = (
    "mental_arithmetic",
    "physionet_mi",
    "guinea_bissau",
    "guinea_bissau_more",
    "ssvep_exoskeleton",
)
"""What the shipped weights were trained on: 8 to 64 electrodes. The others are named by --corpora only, so that the
command without it repeats the shipped weights."""
PROBED = "mental_arithmetic"
"""Where it is among the corpora, its validation people, whom training leaves out, choose the checkpoint."""
SIZES = ("nano", "light", "base")


def source_of(corpus: str, data: Path) -> Path:
    """The folder of a corpus.

    Raises:
        SystemExit: it is not there.
    """
    script, folders, _ = SOURCES[corpus]
    for name in folders:
        if (data / name).is_dir():
            return data / name
    raise SystemExit(f"{data} holds none of {', '.join(folders)}; dataset_scripts/{script}.py tells where to get it")


def cut_windows(corpora: Sequence[str], data: Path, windows: Path) -> list[Path]:
    """Cut the recordings of corpora into windows, where that is not done yet; a folder for each, below `windows`."""
    for corpus in corpora:
        script, _, options = SOURCES[corpus]
        command = EXAMPLES.parent / "dataset_scripts" / f"{script}.py"
        run_python(command, "--source", source_of(corpus, data), "--output", windows / corpus, *options)
    return [windows / corpus for corpus in corpora]


def main() -> None:
    """Prepare, pre-train, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the corpora")
    parser.add_argument("--output", type=Path, required=True, help="folder of the run")
    parser.add_argument("--windows", type=Path, help="folder for the cut windows (default: OUTPUT/windows)")
    parser.add_argument("--corpora", nargs="+", choices=SOURCES, default=list(RELEASED), help="default: %(default)s")
    parser.add_argument("--size", choices=SIZES, default="nano", help="default: nano")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    further = {"nargs": "+", "action": "extend", "default": [], "metavar": "FIELD=VALUE"}
    parser.add_argument("--set", **further, help="model settings to change")
    options = parser.parse_args()
    folders = cut_windows(options.corpora, options.data, options.windows or options.output / "windows")
    run_python(
        EXAMPLES / "pretrain.py",
        *("--data", *folders, "--output", options.output, "--seed", options.seed, "--resume"),
        *("--config", EXAMPLES / "configs" / f"{options.size}_open.yaml"),
        *(("--probe-data", folders[options.corpora.index(PROBED)]) if PROBED in options.corpora else ()),
        *(("--set", *options.set) if options.set else ()),
    )
    run_python("-m", "dare_eeg_hf.pretraining.report", options.output)


if __name__ == "__main__":
    main()
