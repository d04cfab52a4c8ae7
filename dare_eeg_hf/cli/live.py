"""`dare-eeg live`: label a stream while it comes."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from dare_eeg_hf.cli.reading_arguments import add_naming_arguments, naming_options

if TYPE_CHECKING:
    import subprocess

    from dare_eeg_hf.live.live_classifier import LiveWindow

DESCRIPTION = (
    "Label a stream of the Lab Streaming Layer with a fine-tuned model: one line for every step, with the label of\n"
    "the last window, its probability, how many electrodes counted and the delay from the newest sample to the\n"
    "answer, or why there is no answer. No window reaches across missing samples. Ctrl-C ends it.\n\n"
    "Streams are looked for on this machine only; a file lsl_api.cfg of your own widens that (see the guide)."
)
EXAMPLES = (
    "  dare-eeg live runs/eyes --stream BioSemi\n"
    "  dare-eeg live runs/eyes --stream BioSemi --page --markers eyes --csv session.csv\n"
    "  dare-eeg live runs/eyes --replay S001R02.edf --page\n"
    "  dare-eeg live runs/eyes --replay S001R02.edf --speed 10 --step 1"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("model", help="folder of a fine-tuned checkpoint, or its id on the Hub")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--stream", metavar="NAME", help="of the LSL stream (default: the only one of type EEG)")
    source.add_argument("--replay", type=Path, metavar="RECORDING", help="stream a recording of this machine instead")
    parser.add_argument("--speed", type=float, default=1.0, help="of a replay, times real time (default: 1)")
    parser.add_argument("--step", type=float, default=0.25, help="seconds between two answers (default: 0.25)")
    parser.add_argument("--wait", type=float, default=10.0, help="seconds to look for the stream (default: 10)")
    parser.add_argument("--seconds", type=float, help="end after so many seconds (default: with Ctrl-C)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="also write every answer into a new table")
    parser.add_argument("--markers", metavar="NAME", help="also send labels as an LSL stream of markers")
    parser.add_argument(
        "--page",
        type=int,
        nargs="?",
        const=0,
        metavar="PORT",
        help="also show traces, labels and electrodes in a browser (default port: a free one)",
    )
    parser.add_argument("--device", help="cpu, cuda, mps, ... (default: a GPU if there is one)")
    parser.add_argument("--revision", help="version of a model on the Hub: a tag, branch or commit")
    add_naming_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Label the stream until it is stopped; returns the exit status."""
    from transformers.utils import logging as transformers_logging

    from dare_eeg_hf.live.lab_streaming import EegStream, LabelOutlet
    from dare_eeg_hf.live.live_classifier import LiveClassifier
    from dare_eeg_hf.live.live_log import LiveTable, line_of, marker_of
    from dare_eeg_hf.live.live_page import LivePage
    from dare_eeg_hf.live.replay import replaying

    if options.replay is None and options.speed != 1.0:
        raise ValueError("--speed is of a --replay; a stream comes as fast as it comes.")
    known = naming_options(options)
    unit = known.pop("unit", None)
    chosen = {"device": options.device, "revision": options.revision}
    transformers_logging.disable_progress_bar()  # of the loading of weights
    classifier = LiveClassifier(options.model, options.step, **chosen, **known)
    table = options.csv and LiveTable(options.csv, classifier.labels)
    with ExitStack() as stack:
        if table:
            stack.callback(table.close)
        name, process = options.stream, None
        if options.replay is not None:
            name = f"replay of {options.replay.name}"
            process = stack.enter_context(replaying(options.replay, name, options.speed))
        stream = stack.enter_context(EegStream(name, unit=unit, timeout=options.wait))
        signal = classifier.follow(stream)
        report = classifier.electrodes(signal)
        for message in report.warnings or [report.electrodes]:
            print(f"{'warning: ' if report.warnings else ''}{message}", file=sys.stderr)
        outlet = options.markers and LabelOutlet(options.markers, stream.description.name)
        page = None
        if options.page is not None:
            page = LivePage(options.page, Path(options.model).name, stream.description.name)
            stack.callback(page.close)
            print(f"The page is at {page.address}", file=sys.stderr)
        try:
            for window in _until_the_end(classifier.windows(stream, signal), process, options.seconds):
                print(line_of(window), flush=True)
                if table:
                    table.add(window)
                if outlet and window.time is not None:
                    outlet.push(marker_of(window), window.time)
                if page:
                    page.show(window, signal)
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
    return 0


def _until_the_end(
    windows: Iterator["LiveWindow"], replay: "subprocess.Popen | None", seconds: float | None
) -> Iterator["LiveWindow"]:
    """The answers until the replay has ended and all of it has been answered, or until the time is over."""
    begun = time.monotonic()
    for window in windows:
        if replay is not None and replay.poll() is not None and window.onset is None:
            if replay.returncode:
                raise ValueError("The recording could not be replayed to its end; its message stands above.")
            return
        yield window
        if seconds is not None and time.monotonic() - begun > seconds:
            return
