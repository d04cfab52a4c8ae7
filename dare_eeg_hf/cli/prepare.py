"""The command line that all scripts in `dataset_scripts/` have in common."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from dare_eeg_hf.command_parser import CommandParser
from dare_eeg_hf.corpora.build import BuildResult, build, merge
from dare_eeg_hf.corpora.corpus import EegCorpus, RecordingFile
from dare_eeg_hf.corpora.download import PHYSIONET, download_physionet
from dare_eeg_hf.remedies_dare_eeg import COMMAND_LINE, message_on

EXAMPLES = """
examples:
  what would be built, and from which files:   %(prog)s --source FOLDER --dry-run
  build it with four processes:                %(prog)s --source FOLDER --output DATASET --num-proc 4
  go on after an interruption:                 the same command again; only what is missing is done
  one of a hundred jobs of a cluster:          %(prog)s --source FOLDER --output DATASET --shard 17/100
  join what the jobs have made:                %(prog)s --source FOLDER --output DATASET --merge

exit status: 0 all recordings built; 1 some failed or are missing, or a class has no window (the end of the output says
which and why); 2 the command cannot be carried out.
"""


def main(corpus: EegCorpus, arguments: Sequence[str] | None = None) -> int:
    """Run the command of one corpus; returns the exit status."""
    options = corpus_parser(corpus).parse_args(arguments)
    return run(corpus, options)


def corpus_parser(corpus: EegCorpus) -> argparse.ArgumentParser:
    """The command line of a corpus; its help starts with what the script says about the corpus."""
    about = sys.modules[type(corpus).__module__].__doc__ or corpus.title
    parser = CommandParser(description=about, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="folder of the corpus as its authors lay it out")
    parser.add_argument("--output", type=Path, help="folder of the data set: Parquet files and a card")
    parser.add_argument("--subjects", help="only these, by name or number: S001,S002 or 1-10,15")
    parser.add_argument(
        "--num-proc", type=_positive, default=os.cpu_count() or 1, help="processes (default: one per core)"
    )
    parser.add_argument("--dry-run", action="store_true", help="list the recordings and splits, nothing else")
    parser.add_argument("--shard", type=_shard, metavar="I/N", help="only build part I of N (1/N to N/N)")
    parser.add_argument(
        "--merge",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="join the shards built in these output folders (default: in --output)",
    )
    if corpus.physionet:
        parser.add_argument(
            "--download",
            nargs="?",
            const=PHYSIONET,
            metavar="URL",
            help=f"first download what is missing in --source, with checksums (default: from {PHYSIONET})",
        )
    parser.add_argument("--push-to-hub", metavar="OWNER/NAME", help="then upload the data set, as a private one")
    corpus.add_arguments(parser)
    if not corpus.restricted:
        parser.add_argument("--public", action="store_true", help="make the uploaded data set visible to everyone")
    return parser


def run(corpus: EegCorpus, options: argparse.Namespace) -> int:
    """Carry out parsed options."""
    try:
        corpus.configure(options)
        if getattr(options, "download", None):
            download_physionet(corpus.physionet, options.source, corpus.wanted, options.download)
        subjects = chosen_subjects(corpus, options.source, options.subjects)
        if options.dry_run:
            print(describe(corpus, corpus.recordings(options.source, subjects)))
            return 0
        if options.output is None:
            raise ValueError("--output is missing: give the folder for the data set")
        result = _carry_out(corpus, options, subjects)
        print(result)
        if options.push_to_hub and result.complete and options.shard is None:
            _push(corpus, options)
    except (OSError, ValueError) as error:
        print(f"error: {message_on(COMMAND_LINE, error)}", file=sys.stderr)
        return 2
    if options.push_to_hub and not result.complete:
        print("not uploaded: the data set is not complete", file=sys.stderr)
    return 0 if result.complete and not result.emptiness() else 1


def _carry_out(corpus: EegCorpus, options: argparse.Namespace, subjects: list[str] | None) -> BuildResult:
    if options.merge is not None:
        return merge(corpus, options.source, options.output, options.merge, subjects=subjects)
    return build(
        corpus,
        options.source,
        options.output,
        subjects=subjects,
        num_proc=options.num_proc,
        shard=options.shard,
    )


def describe(corpus: EegCorpus, recordings: Sequence[RecordingFile]) -> str:
    """What `--dry-run` prints: the terms of the corpus and every recording with its subject and split."""
    lines = [f"{corpus.title}: {len(recordings)} recordings of {len({r.subject for r in recordings})} subjects"]
    lines += [f"licence: {corpus.license} {corpus.license_note}".rstrip(), *corpus.remarks(recordings)]
    lines += [f"{corpus.split(r):<12} {r.subject:<16} {r.session:<12} {r.name}" for r in recordings]
    return "\n".join(lines)


def chosen_subjects(corpus: EegCorpus, source: Path, wanted: str | None) -> list[str] | None:
    """Names of subjects out of `S001,S002` or `1-10,15`; a number stands for the subject with that number in its name.

    Raises:
        ValueError: if no subject matches.
    """
    if wanted is None:
        return None
    present = sorted({recording.subject for recording in corpus.recordings(source)})
    chosen = set()
    for item in filter(None, (item.strip() for item in wanted.split(","))):
        fitting = {item} & set(present)
        if numbers := re.fullmatch(r"(\d+)(?:-(\d+))?", item):
            first, last = int(numbers[1]), int(numbers[2] or numbers[1])
            fitting |= {name for name in present if first <= int("0" + "".join(re.findall(r"\d", name))) <= last}
        if not fitting:
            raise ValueError(f"no subject {item}: there are {', '.join(present[:20])}{' ...' * (len(present) > 20)}")
        chosen |= fitting
    return sorted(chosen)


def _push(corpus: EegCorpus, options: argparse.Namespace) -> None:
    """Upload the data set; one whose terms forbid passing it on only goes where nobody else can see it."""
    # The Hub stands above the data in the package; only this command needs it.
    from huggingface_hub import HfApi

    from dare_eeg_hf.hub.publishing import PublishingError, publish_dataset

    api = HfApi()
    if (
        corpus.restricted
        and api.repo_exists(options.push_to_hub, repo_type="dataset")
        and not api.dataset_info(options.push_to_hub).private
    ):
        raise ValueError(
            f"{options.push_to_hub} is public, and the terms of {corpus.title} do not allow passing it on; "
            "make the repository private, or choose another"
        )
    private = not getattr(options, "public", False)
    try:
        print(publish_dataset(options.output, options.push_to_hub, private=private, api=api))
    except PublishingError as error:
        raise ValueError(f"not uploaded: {error}") from error


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of processes")
    return int(text)


def _shard(text: str) -> tuple[int, int]:
    numbers = re.fullmatch(r"(\d+)/(\d+)", text)
    if not numbers or not 1 <= int(numbers[1]) <= int(numbers[2]):
        raise argparse.ArgumentTypeError(f"{text} is not a shard: give I/N with I from 1 to N, such as 3/10")
    return int(numbers[1]) - 1, int(numbers[2])
