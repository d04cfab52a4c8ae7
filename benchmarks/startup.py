"""How long people wait for the first line: import, help of every command, inspection of a short recording.

    python benchmarks/startup.py                          # a simulated minute of 64 channels
    python benchmarks/startup.py --recording S001R01.edf
    PYTHONPATH=../another_version python benchmarks/startup.py

Each line is a process of its own, several times over. CPU seconds (user and system) are the best of them, which other
programs on the machine disturb least; beside them stand the wall clock, and the ratio to what is unavoidable: Python,
`import transformers`, and MNE reading the same recording.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from dare_eeg_hf.cli.main import COMMANDS

COMMAND = ["-m", "dare_eeg_hf.cli.main"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recording", type=Path, help="EEG file to inspect (default: a simulated one)")
    parser.add_argument("--repeats", type=int, default=5, help="processes for each line (default: 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recording = options.recording or simulated(Path(folder))
        reading = f"import mne; mne.io.read_raw({str(recording)!r}, preload=True, verbose='error')"
        python = measured("python", ["-c", "pass"], options.repeats)
        library = measured("import transformers", ["-c", "import transformers"], options.repeats, python)
        measured("from transformers import AutoModel", ["-c", "from transformers import AutoModel"], options.repeats)
        mne = measured("MNE reads the recording", ["-c", reading], options.repeats)
        measured("import dare_eeg_hf", ["-c", "import dare_eeg_hf"], options.repeats, library)
        first_use = "from dare_eeg_hf import DareEegModel"
        measured(first_use, ["-c", first_use], options.repeats, library)
        for words in (["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)):
            measured(" ".join(["dare-eeg", *words]), [*COMMAND, *words], options.repeats, library)
        measured("dare-eeg inspect RECORDING", [*COMMAND, "inspect", str(recording)], options.repeats, mne)


def simulated(folder: Path) -> Path:
    """A minute of 64 channels as EDF."""
    from dare_eeg_hf.montage import CHANNEL_VOCABULARY
    from dare_eeg_hf.recordings.simulation import simulate_recordings

    return simulate_recordings(folder, subjects=1, seconds=60, montage=[*CHANNEL_VOCABULARY, "AFz", "Iz"])[0]


def measured(title: str, words: list[str], repeats: int, reference: float | None = None) -> float:
    """Run Python several times, print the line of the table, and return the best CPU seconds."""
    runs = [run(words) for _ in range(repeats)]
    if any(status not in (0, 2) for *_, status in runs):
        raise SystemExit(f"{title} failed")
    if runs[0][2] == 2:
        print(f"{title:<36}{'not there':>12}", flush=True)
        return float("nan")
    processor, wall = min(run[0] for run in runs), min(run[1] for run in runs)
    ratio = "" if reference is None else f"{processor / reference:>9.2f} x"
    print(f"{title:<36}{processor:>8.2f} s CPU{wall:>8.2f} s wall{ratio}", flush=True)
    return processor


def run(words: list[str]) -> tuple[float, float, int]:
    """CPU seconds, wall seconds and exit status of one process."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    return used.ru_utime + used.ru_stime, time.perf_counter() - start, os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
