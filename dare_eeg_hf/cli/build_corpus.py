"""Carrying out `dare-eeg prepare` and the scripts in `dataset_scripts/`: download, build, merge, report, upload."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from dare_eeg_hf.corpora.build import BuildResult, build, merge
from dare_eeg_hf.corpora.corpus import EegCorpus, RecordingFile
from dare_eeg_hf.corpora.download import download_physionet


def build_corpus(corpus: EegCorpus, options: argparse.Namespace) -> int:
    """Carry out parsed options.

    Returns:
        The exit status: 1 where recordings failed or are missing, or a class has no window.

    Raises:
        OSError, ValueError: The options cannot be carried out.
    """
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
        cluster=options.cluster,
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
