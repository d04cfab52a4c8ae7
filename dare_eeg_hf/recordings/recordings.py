"""Any EEG file to a normalised MNE Raw, with a report of everything that was done to it.

    raw, report = load_recording("S001R01.edf")
    print(report)

From the command line: `python -m dare_eeg_hf.recordings.recordings FILE_OR_FOLDER`.
"""

import argparse
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

import mne
from tqdm import tqdm

from dare_eeg_hf.atomic_files import replacing
from dare_eeg_hf.cli.reading_arguments import add_reading_arguments, reading_options
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.feature_extraction_dare_eeg import DareEegFeatureExtractor
from dare_eeg_hf.output_pipe import print_while_read
from dare_eeg_hf.recordings.bids import is_bids_root
from dare_eeg_hf.recordings.errors import RecordingError, RecordingWarning
from dare_eeg_hf.recordings.normalization import Recording, normalize_raw
from dare_eeg_hf.recordings.readers import FORMATS, detect_format, main_file, read_raw
from dare_eeg_hf.recordings.report import RecordingReport
from dare_eeg_hf.recordings.tables import TABLE_FORMATS, find_sidecar
from dare_eeg_hf.remedies_dare_eeg import COMMAND_LINE, InputError

__all__ = [
    "Recording",
    "RecordingError",
    "RecordingReport",
    "RecordingWarning",
    "find_recordings",
    "load_recording",
    "normalize_raw",
    "read_raw",
    "save_recording",
]


def load_recording(
    path: str | os.PathLike,
    feature_extractor: DareEegFeatureExtractor | None = None,
    *,
    sidecar: dict | str | os.PathLike | None = None,
    reader_options: dict | None = None,
    **options,
) -> Recording:
    """Read and normalise one file.

    Args:
        path, sidecar, reader_options: as in `read_raw`.
        feature_extractor, options: as in `normalize_raw`.

    Raises:
        RecordingError: with the file's name and the remedy.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        raw = read_raw(path, sidecar, **(reader_options or {}))
        raw, report = normalize_raw(raw, feature_extractor, file=path, **options)
    report.warnings = list(dict.fromkeys([*(str(w.message) for w in caught), *report.warnings]))
    return Recording(raw, report)


def find_recordings(root: str | os.PathLike, tables: bool = False) -> list[Path]:
    """List the recordings under a folder, sorted by path.

    In a BIDS data set these are the `*_eeg.*` files of its subjects. Elsewhere they are all files with the extension
    of an EEG format, and tables (CSV, MAT, NPZ, ...) that have a sidecar; companions of a recording (.vmrk, .fdt, ...)
    are not listed. Links to folders are followed, each folder once, so that loops end.

    Args:
        root: a folder, or one file.
        tables: also list tables that have no sidecar of their own.

    Raises:
        RecordingError: the path does not exist or cannot be read.
    """
    root = Path(root)
    if not root.is_dir() or root.suffix.lower() == ".mff":
        detect_format(root)
        return [root]
    bids = is_bids_root(root)
    known = tuple(extension for extensions, _ in FORMATS.values() for extension in extensions)
    table = tuple(extension for extensions in TABLE_FORMATS.values() for extension in extensions)
    found, seen = [], set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        recordings = [name for name in folders if name.lower().endswith(".mff")]
        folders[:] = sorted(name for name in folders if name not in recordings and not name.startswith("."))
        if bids and Path(folder) == root:
            folders[:] = [name for name in folders if name.startswith("sub-")]
        for name in sorted(files):
            path, lowered = Path(folder) / name, name.lower()
            if lowered.endswith(known) or (lowered.endswith(table) and (tables or _is_described(path))):
                recordings.append(name)
        for name in recordings:
            path = Path(folder) / name
            if main_file(path) == path and (not bids or path.name.split(".")[0].endswith("_eeg")):
                found.append(path)
    return sorted(found)


def _is_described(path: Path) -> bool:
    return ".rd" in path.name.lower() or find_sidecar(path) is not None


def save_recording(raw: mne.io.BaseRaw, path: str | os.PathLike) -> Path:
    """Write a normalised Raw as FIF or EDF, by the extension; the file appears only when it is complete.

    FIF keeps everything in single precision. EDF has 16 bits, spread over the range of each channel.

    Raises:
        RecordingError: another extension.
    """
    path = Path(path)
    if path.suffix.lower() not in (".fif", ".edf"):
        raise RecordingError(f"{path}: can be written as .fif or .edf only")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This filename .* does not conform to MNE naming conventions")
        if path.suffix.lower() == ".edf":
            mne.export.export_raw(Path(folder) / path.name, raw, add_ch_type=False, verbose="ERROR")
        else:
            raw.save(Path(folder) / path.name, verbose="ERROR")
        for part in Path(folder).iterdir():  # MNE splits FIF at 2 GB
            os.replace(part, path.parent / part.name)
    return path


# ---- command line
# -------------------------------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """The arguments of `python -m dare_eeg_hf.recordings.recordings`."""
    parser = CommandParser(
        prog="python -m dare_eeg_hf.recordings.recordings",
        description="Open EEG files of any make, normalise them (electrode names, bad channels, filters, average "
        "reference, 256 Hz) and report what was done. A broken file is reported and the rest goes on; the exit status "
        "is then 1.",
        epilog="examples:\n"
        "  python -m dare_eeg_hf.recordings.recordings S001R01.edf\n"
        "  python -m dare_eeg_hf.recordings.recordings recordings/ --json > report.json\n"
        "  python -m dare_eeg_hf.recordings.recordings S001R01.edf --plot S001R01.png --output S001R01_raw.fif\n"
        "  python -m dare_eeg_hf.recordings.recordings muse.csv --sidecar muse.json\n"
        "where muse.json may say\n"
        '  {"sampling_rate": 256, "unit": "uV", "channel_names": ["TP9", "AF7", "AF8", "TP10"]}\n'
        "(all entries: the documentation of dare_eeg_hf.recordings.tables)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", nargs="+", metavar="FILE_OR_FOLDER", help="recordings, folders of them, or BIDS roots"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list of reports instead of text")
    parser.add_argument(
        "--plot", metavar="PNG", help="figure of before and after (a folder if there are several files)"
    )
    parser.add_argument(
        "--output", metavar="FIF_OR_EDF", help="write the normalised recording (a folder if there are several files)"
    )
    parser.add_argument(
        "--interpolate", nargs="+", default=[], metavar="ELECTRODE", help="fill these by splines ('bad': bad channels)"
    )
    add_reading_arguments(parser, several=True)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Normalise and report; returns the exit status: 0, or 1 where a file failed."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    files, failures, reports = [], {}, []
    for path in args.paths:
        try:
            files += find_recordings(path, tables=args.sidecar is not None)
        except RecordingError as error:
            failures[path] = str(error)
    if not files and not failures:
        parser.error(f"no recordings in {', '.join(args.paths)} (tables such as CSV files need a sidecar: --sidecar)")
    several = len(files) > 1
    for name, value in (("--plot", args.plot), ("--output", args.output)):
        if several and value and Path(value).suffix:
            parser.error(f"{name}: there are {len(files)} recordings, so give a folder, not {value}")
    try:
        options = {**reading_options(args), "interpolate": args.interpolate}
    except InputError as error:
        parser.error(error.on(COMMAND_LINE))
    for file in tqdm(files, unit="file", disable=not several or not sys.stderr.isatty()):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # they are in the report
                recording = load_recording(file, **options)
                _write(args, file, recording, single=not several)
        except RecordingError as error:
            failures[str(file)] = error.on(COMMAND_LINE)
            continue
        reports.append(recording.report)
        if not args.json:
            tqdm.write(f"{recording.report}\n")
    if args.json:
        failed = [{"file": file, "error": error} for file, error in failures.items()]
        print(json.dumps([*(report.to_dict() for report in reports), *failed], indent=2, ensure_ascii=False))
    for error in failures.values():
        print(f"FAILED {error}", file=sys.stderr)
    return 1 if failures else 0


def _write(args: argparse.Namespace, file: Path, recording: Recording, single: bool) -> None:
    """Write the outputs asked for, of one recording: to the file named, or into the folder named if there are
    several."""
    if args.output:
        target = Path(args.output)
        save_recording(recording.raw, target if single and target.suffix else target / f"{file.stem}_raw.fif")
    if args.plot:
        from dare_eeg_hf.recordings.overview import plot_recording

        target = Path(args.plot)
        target = target if single and target.suffix else target / f"{file.stem}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        figure = plot_recording(read_raw(file, args.sidecar), recording.raw, file.name)
        with replacing(target) as temporary:
            figure.savefig(temporary, format=target.suffix[1:] or "png")


if __name__ == "__main__":
    sys.exit(print_while_read(main))
