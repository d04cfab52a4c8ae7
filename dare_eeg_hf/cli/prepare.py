"""`dare-eeg prepare`: recordings to a data set of windows; `main` is the same for a script about one corpus."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dare_eeg_hf.cli.prepare_arguments import ABOUT_RECORDINGS, add_build_arguments, add_recordings_arguments
from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.remedies_dare_eeg import COMMAND_LINE, message_on

if TYPE_CHECKING:
    from dare_eeg_hf.corpora.corpus import EegCorpus

DESCRIPTION = ABOUT_RECORDINGS
EXAMPLES = """\
  dare-eeg prepare recordings/ --dry-run
  dare-eeg prepare recordings/ --output windows/ --num-proc 4
  dare-eeg prepare recordings/ --output windows/ --labels rest task --label-pattern "_(rest|task)"
  dare-eeg prepare eegmmidb/ --corpus physionet_mi --output windows/ --download
  dare-eeg prepare recordings/ --output windows/ --shard 17/100
  dare-eeg prepare recordings/ --output windows/ --merge
The same command goes on after an interruption; --shard is one of a hundred jobs of a cluster, --merge joins what they
have made. `dare-eeg prepare --corpus NAME --help` says what one must know about a corpus.

The exit status is 1 where a recording failed or is missing, or a class has no window; the end of the output says
which, and why."""

DECLARED = Path(__file__).resolve().parents[1] / "corpora" / "declared"


def add_arguments_for(words: Sequence[str], parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command: of the corpus named with `--corpus`, or of recordings."""
    names = sorted(path.stem for path in DECLARED.glob("[!_]*.py"))
    parser.add_argument("source", type=Path, help="folder of recordings, or of the corpus as its authors lay it out")
    parser.add_argument("--corpus", choices=names, metavar="NAME", help=f"a corpus that is known: {', '.join(names)}")
    first = CommandParser(add_help=False, allow_abbrev=False)
    first.add_argument("--corpus")
    name = first.parse_known_args(words)[0].corpus
    if name not in names:
        add_build_arguments(parser, download=False, restricted=True)
        add_recordings_arguments(parser)
        return
    corpus = declared_corpus(name)
    parser.description = sys.modules[type(corpus).__module__].__doc__
    add_build_arguments(parser, download=bool(corpus.physionet), restricted=corpus.restricted)
    corpus.add_arguments(parser)
    parser.set_defaults(declared=corpus)


def declared_corpus(name: str) -> "EegCorpus":
    """The corpus that a module of `corpora.declared` is about."""
    from dare_eeg_hf.corpora.corpus import EegCorpus

    module = importlib.import_module(f"dare_eeg_hf.corpora.declared.{name}")
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, EegCorpus)]
    return next(kind for kind in kinds if kind.__module__ == module.__name__)()


def run(options: argparse.Namespace) -> int:
    """Build the data set; returns the exit status."""
    from dare_eeg_hf.cli.build_corpus import build_corpus

    if options.corpus is None:
        from dare_eeg_hf.cli.described_recordings import Recordings

        return build_corpus(Recordings(), options)
    return build_corpus(options.declared, options)


SCRIPT_EXAMPLES = """
examples:
  what would be built, and from which files:   %(prog)s --source FOLDER --dry-run
  build it with four processes:                %(prog)s --source FOLDER --output DATASET --num-proc 4
  go on after an interruption:                 the same command again; only what is missing is done
  one of a hundred jobs of a cluster:          %(prog)s --source FOLDER --output DATASET --shard 17/100
  join what the jobs have made:                %(prog)s --source FOLDER --output DATASET --merge

exit status: 0 all recordings built; 1 some failed or are missing, or a class has no window (the end of the output says
which and why); 2 the command cannot be carried out.
"""


def main(corpus: "EegCorpus", arguments: Sequence[str] | None = None) -> int:
    """Run a script about one corpus, whose help starts with what the script says; returns the exit status."""
    from dare_eeg_hf.cli.build_corpus import build_corpus

    about = sys.modules[type(corpus).__module__].__doc__ or corpus.title
    parser = CommandParser(
        description=about, epilog=SCRIPT_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, required=True, help="folder of the corpus as its authors lay it out")
    add_build_arguments(parser, download=bool(corpus.physionet), restricted=corpus.restricted)
    corpus.add_arguments(parser)
    try:
        return build_corpus(corpus, parser.parse_args(arguments))
    except (OSError, ValueError) as error:
        print(f"error: {message_on(COMMAND_LINE, error)}", file=sys.stderr)
        return 2
