"""Any data set and paradigm of MOABB (Mother of all BCI Benchmarks) as a data set of windows; --list names them.

    python dataset_scripts/moabb.py --dataset BNCI2014_001 --paradigm LeftRightImagery --output windows
    dare-eeg benchmark --data windows --models band-power riemann --output runs/benchmark

Layout      MOABB downloads (to MNE_DATA, some GB for many data sets) and reads; each run is written once, as FIF with
            the paradigm's events, below --source (default: OUTPUT-recordings), together with moabb.json. What is there
            is not fetched again; --source without --dataset builds from it, as a job of a cluster does, without MOABB.
Labels      the events of the paradigm, as MOABB calls them; the default paradigm takes all of the data set.
Windows     as MOABB cuts them around each event, shortened to whole patches of the model. MOABB's filters and rate are
            not applied: here the signal contract holds, so figures differ from MOABB's own.
Splits      none: leave one person out, as `dare-eeg benchmark --data` does; the columns subject, session and recording
            (its run) tell windows apart.
Access      through MOABB; card and terms say what MOABB says of the licence. Only windows of data sets under an open
            licence can be uploaded publicly.
Tried on    MOABB 1.7.2: its simulated data set, and a small one of files in the layout of its cache. No download was
            tried.
Unchecked   licences and citations are MOABB's.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dare_eeg_hf.cli.prepare import main as prepare
from dare_eeg_hf.corpora.moabb_sets import MoabbCorpus, data_sets, fetch_moabb, find_data_set, find_paradigm


class Listing(argparse.Action):
    """Print every data set of MOABB, and end."""

    def __call__(self, parser, *_):
        """One line each: name, paradigm, number of people, classes."""
        try:
            for name, kind in sorted(data_sets().items()):
                known = kind()
                events = ", ".join(known.event_id)
                print(f"{name:28} {known.paradigm:9} {len(known.subject_list):4} people  {events[:70]}")
        except ImportError as error:
            parser.error(str(error))
        parser.exit()


class Moabb(MoabbCorpus):
    """What was fetched from MOABB, with the options that fetch it."""

    def add_arguments(self, parser):
        """Which data set, and how it is cut."""
        parser.add_argument("--dataset", metavar="NAME", help="data set of MOABB, as in --list")
        parser.add_argument("--paradigm", metavar="NAME", help="such as LeftRightImagery (default: all events)")
        parser.add_argument("--list", action=Listing, nargs=0, help="name the data sets of MOABB, and end")


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch, then build; returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    Moabb().add_arguments(first)
    for name in ("--source", "--output", "--subjects"):
        first.add_argument(name)
    options, _ = first.parse_known_args(arguments)
    if {"-h", "--help"} & {*arguments} or not (options.dataset or options.source):
        return prepare(Moabb(), arguments or ["--help"])
    try:
        folder = Path(options.source or f"{options.output or options.dataset}-recordings")
        if options.dataset:
            data_set = find_data_set(options.dataset)
            fetch_moabb(data_set, find_paradigm(options.paradigm, data_set), folder, _numbers(options.subjects))
        corpus = Moabb(folder)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return prepare(corpus, [*arguments, *([] if options.source else ["--source", str(folder)])])


def _numbers(subjects: str | None) -> list[int] | None:
    """`1-3,7` as MOABB's numbers of subjects."""
    if subjects is None:
        return None
    numbers: list[int] = []
    for item in filter(None, (item.strip() for item in subjects.split(","))):
        first, _, last = item.partition("-")
        if not (first.isdigit() and (last or first).isdigit()):
            raise ValueError(f"--subjects {item}: MOABB numbers its subjects, such as 1-3,7")
        numbers += range(int(first), int(last or first) + 1)
    return numbers


if __name__ == "__main__":
    # `import moabb` means the library, not this file.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    raise SystemExit(main())
