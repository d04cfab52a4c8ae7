"""Any data set of EEGDash (some 700 BIDS data sets of OpenNeuro and NEMAR) as a data set of windows.

    python dataset_scripts/eegdash.py --dataset ds002718 --output windows
    python dataset_scripts/eegdash.py --dataset ds002718 --task FaceRecognition --output windows \\
        --labels face scrambled --events famous=face unfamiliar=face scrambled=scrambled --tmin -0.2 --tmax 0.8

Layout      EEGDash downloads the data set, with its BIDS folders, into a folder of --source (default: eegdash). What
            is there is not fetched again; --local downloads nothing.
Labels      none, or those of the options of recordings.py, all of which hold here: --events, --label-table, ...
Windows, Splits, Subjects
            as in recordings.py, of a BIDS root; a person is the `sub-` of BIDS.
Access      through EEGDash; licence and citation are those of dataset_description.json.
Tried on    EEGDash 0.9.1 on a BIDS data set that was there already (--local), and builds of its root. The download
            itself could not be tried, and of torchaudio, which EEGDash loads and does not need here, a stand-in.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from dare_eeg_hf.cli.prepare import main as prepare
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.corpora.eegdash_sets import fetch_eegdash, terms_of_bids


def parser() -> argparse.ArgumentParser:
    """The options of fetching; all others are those of recordings.py."""
    fetching = CommandParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="All options of recordings.py hold as well; recordings.py --help tells them.",
    )
    fetching.add_argument("--dataset", required=True, metavar="NAME", help="such as ds002718")
    fetching.add_argument(
        "--source", type=Path, default=Path("eegdash"), help="folder of downloads (default: %(default)s)"
    )
    fetching.add_argument("--subjects", metavar="SUB,SUB", help="only these, as BIDS names them after sub-")
    fetching.add_argument("--task", nargs="+", help="only recordings of these tasks")
    fetching.add_argument("--local", action="store_true", help="download nothing")
    return fetching


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch, then build; returns the exit status."""
    options, others = parser().parse_known_args(arguments)
    from dataset_scripts.recordings import Recordings

    subjects = [name.strip().removeprefix("sub-") for name in (options.subjects or "").split(",") if name.strip()]
    try:
        root = fetch_eegdash(options.dataset, options.source, subjects, options.task, local=options.local)
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    corpus = Recordings()
    for field, value in terms_of_bids(root).items():
        setattr(corpus, field, value)
    if options.task:
        corpus.name_pattern = f"_task-({'|'.join(map(re.escape, options.task))})_"
    told = ["--source", str(root), "--name", f"eegdash_{options.dataset}", "--license", corpus.license]
    people = ["--subjects", ",".join(f"sub-{name}" for name in subjects)] if subjects else []
    return prepare(corpus, [*told, *people, *others])


if __name__ == "__main__":
    # `import eegdash` means the library, not this file; recordings.py is the module of the repository.
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    raise SystemExit(main())
