"""`dare-eeg inspect`: what is in recordings, what is done to them, and the outcome as files and figures."""

import argparse
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dare_eeg_hf.atomic_files import replacing
from dare_eeg_hf.cli.each_recording import for_each_recording, recordings_given
from dare_eeg_hf.cli.failures import bad_input, one_sentence
from dare_eeg_hf.cli.reading_arguments import add_reading_arguments, reading_options

if TYPE_CHECKING:
    import mne

DESCRIPTION = (
    "Read recordings of any format, normalise them as for a model (electrode names, bad channels, filters, average\n"
    "reference, rate), and report every step: channels kept, renamed, dropped, bad and missing; filters; amplitudes\n"
    "before and after. The recordings themselves stay as they are. A broken one is reported, and the rest goes on."
)
EXAMPLES = (
    "  dare-eeg inspect S001R01.edf\n"
    "  dare-eeg inspect recordings/ --json > reports.json\n"
    "  dare-eeg inspect S001R01.edf --figures figures/\n"
    "  dare-eeg inspect S001R01.edf --plot S001R01.png --output S001R01_raw.fif\n"
    "  dare-eeg inspect muse.csv --sidecar muse.json\n"
    "where muse.json may say\n"
    '  {"sampling_rate": 256, "unit": "uV", "channel_names": ["TP9", "AF7", "AF8", "TP10"]}\n'
    "(all entries: the documentation of dare_eeg_hf.recordings.tables)"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("recordings", nargs="+", type=Path, help="files, or folders of them (BIDS too)")
    parser.add_argument(
        "--json", action="store_true", help="print a JSON list: a report per recording, or its file and error"
    )
    parser.add_argument("--figures", type=Path, metavar="FOLDER", help="also draw traces and spectra into a folder")
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help="also draw before and after as one figure (several: a folder)"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FIF_OR_EDF",
        help="also write the normalised recording (several: a folder, for .fif files)",
    )
    parser.add_argument(
        "--interpolate",
        action="append",
        default=[],
        metavar="ELECTRODE",
        help="fill an electrode by spherical splines; 'bad' stands for all bad ones; may be repeated",
    )
    add_reading_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Report on every recording; returns the exit status."""
    from dare_eeg_hf.recordings.recordings import load_recording, save_recording

    folder = options.figures or options.output or options.plot
    recordings = recordings_given(options.recordings, folder, tables=options.sidecar is not None)
    for name in ("plot", "output"):
        if len(recordings) > 1 and (target := getattr(options, name)) and target.suffix:
            raise ValueError(f"--{name}: there are {len(recordings)} recordings, so give a folder, not {target}.")
    reports: list[dict[str, Any]] = []
    reading = reading_options(options)

    def inspect(path: Path, relative: Path) -> None:
        try:
            recording = load_recording(path, interpolate=options.interpolate, **reading)
            if options.output:
                name = relative.with_name(f"{relative.stem}_raw.fif")
                save_recording(recording.raw, options.output if options.output.suffix else options.output / name)
            if options.plot:
                name = relative.with_suffix(".png")
                _plot(path, reading, recording.raw, options.plot if options.plot.suffix else options.plot / name)
            if options.figures:
                _draw(path, reading, recording.raw, options.figures / relative)
        except bad_input() as error:
            reports.append({"file": str(path), "error": one_sentence(error)})
            raise
        reports.append(recording.report.to_dict())
        if not options.json:
            print(recording.report, end="\n\n")

    status = for_each_recording(recordings, inspect)
    if options.json:
        print(json.dumps(reports, indent=1, ensure_ascii=False, default=float))
    return status


def _as_recorded(path: Path, reading: dict[str, Any]) -> "mne.io.BaseRaw":
    from dare_eeg_hf.recordings.recordings import read_raw

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings are in the report
        return read_raw(path, reading.get("sidecar"), **reading.get("reader_options", {}))


def _plot(path: Path, reading: dict[str, Any], normalised: "mne.io.BaseRaw", target: Path) -> None:
    """Draw traces, spectra and amplitudes over the head, before and after, as one figure."""
    from dare_eeg_hf.recordings.overview import plot_recording

    target.parent.mkdir(parents=True, exist_ok=True)
    figure = plot_recording(_as_recorded(path, reading), normalised, path.name)
    with replacing(target) as temporary:
        figure.savefig(temporary, format=target.suffix[1:])


def _draw(path: Path, reading: dict[str, Any], normalised: "mne.io.BaseRaw", target: Path) -> None:
    """Draw the first ten seconds and the spectrum before and after."""
    from dare_eeg_hf.visualization import plot_spectrum, plot_traces

    before = _as_recorded(path, reading)
    after_uv = normalised.get_data() * 1e6
    rates = {"as recorded": before.info["sfreq"], "normalised": normalised.info["sfreq"]}
    seconds = min(300.0, before.n_times / before.info["sfreq"])
    before_uv = before.get_data("eeg", stop=int(seconds * before.info["sfreq"])) * 1e6
    target.parent.mkdir(parents=True, exist_ok=True)
    ten_seconds = after_uv[:, : int(10 * rates["normalised"])]
    plot_traces(ten_seconds, normalised.ch_names, rates["normalised"], title=path.name).savefig(
        target.with_name(f"{target.stem}_traces.png"), dpi=120
    )
    band = (normalised.info["highpass"], normalised.info["lowpass"])
    plot_spectrum({"as recorded": before_uv, "normalised": after_uv}, rates, band, path.name).savefig(
        target.with_name(f"{target.stem}_spectrum.png"), dpi=120
    )
