"""Minutes of EEG prepared per second: the build of a corpus beside plain MNE that does the same steps in a loop.

    python benchmarks/data_preparation.py --num-proc 2

Both read the same EDF+ files (simulated, 64 channels at 160 Hz, as in EEGMMIDB), take the electrodes of the
vocabulary, band-pass 0.5-75 Hz, notch 60 Hz, resample to 256 Hz, take the average reference, cut windows of 4 s and
store them.
The loop uses MNE's own functions with their defaults; the build also finds bad channels, checks amplitudes and writes
reports, and shares the files among processes. The start of its processes is shown apart: it is paid once per build.
"""

import argparse
import tempfile
import time
from pathlib import Path

import mne
import numpy as np

from dare_eeg_hf.corpora.build import build
from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.montage import CHANNEL_VOCABULARY
from dare_eeg_hf.recordings.simulation import simulate_recordings

ELECTRODES = (*CHANNEL_VOCABULARY, "AFZ", "IZ")


class Simulated(EegCorpus):
    """Simulated recordings, all windows of them."""

    name = "simulated"
    title = "Simulated recordings"
    name_pattern = r"(?P<subject>S\d+)R(?P<run>\d{2})\.edf$"
    line_frequency = 60


def prepare_with_mne(files: list[Path], output: Path) -> int:
    """The same steps, written as most people would; returns the number of windows."""
    count = 0
    for file in files:
        raw = mne.io.read_raw_edf(file, preload=True, verbose="error")
        raw.pick([name for name in raw.ch_names if name in CHANNEL_VOCABULARY], verbose="error")
        raw.filter(0.5, 75.0, verbose="error")
        raw.notch_filter(60.0, verbose="error")
        raw.resample(256, verbose="error")
        raw.set_eeg_reference("average", verbose="error")
        epochs = mne.make_fixed_length_epochs(raw, 4.0, preload=True, verbose="error")
        windows = (epochs.get_data() * 1e3).astype(np.float32)
        np.save(output / f"{file.stem}.npy", windows)
        count += len(windows)
    return count


def main() -> None:
    """Parse the command line, time both sides, print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=12, help="two files each")
    parser.add_argument("--seconds", type=float, default=124.0, help="length of a file (a run of EEGMMIDB: 124)")
    parser.add_argument("--num-proc", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = simulate_recordings(
            folder / "in", subjects=arguments.subjects, montage=ELECTRODES, seconds=arguments.seconds
        )
        simulate_recordings(folder / "small", subjects=1, montage=ELECTRODES, seconds=8)
        start = time.perf_counter()
        build(Simulated(), folder / "small", folder / "warm", num_proc=arguments.num_proc)
        started = time.perf_counter() - start

        (folder / "mne").mkdir()
        start = time.perf_counter()
        plain_windows = prepare_with_mne(files, folder / "mne")
        plain = time.perf_counter() - start
        start = time.perf_counter()
        result = build(Simulated(), folder / "in", folder / "out", num_proc=arguments.num_proc)
        ours = time.perf_counter() - start
    minutes = len(files) * arguments.seconds / 60
    print(f"{len(files)} files, {minutes:.0f} minutes, {len(ELECTRODES)} channels at 160 Hz")
    for name, seconds, windows in (
        ("plain MNE, one process", plain, plain_windows),
        (f"build, {arguments.num_proc} processes", ours, sum(record.windows for record in result.records)),
    ):
        speed = minutes / seconds
        print(f"{name:24}{speed:8.1f} min/s = {60 * speed:6.0f} x real time ({windows} windows)")
    print(f"ratio {plain / ours:.2f}; start of the processes, once per build: {started:.1f} s")


if __name__ == "__main__":
    main()
