"""The card of a data set: what it holds, how its signals were prepared, and on what terms."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import jinja2
import yaml

from dare_eeg_hf.corpora.corpus import EegCorpus
from dare_eeg_hf.corpora.parts import PartRecord
from dare_eeg_hf.corpora.people import are_known, weakest

TEMPLATE = Path(__file__).with_name("dataset_card.md")


def render_card(
    corpus: EegCorpus, records: Sequence[PartRecord], failed: Sequence[PartRecord], remarks: Sequence[str] = ()
) -> str:
    """The README.md of a data set, with the YAML head that the Hub and `load_dataset` read."""
    splits = sorted({record.split for record in records if record.windows})
    # No `configs` on purpose: `load_dataset` finds the splits in the names of the files, and only then does its cache
    # notice that a folder was built again. With `configs` it would keep giving the rows of the earlier build.
    head = {"license": corpus.license, "pretty_name": corpus.title, "tags": ["eeg", "time-series"]}
    montages: Counter = Counter()
    for record in records:
        montages.update(map(tuple, record.channels))
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        head=yaml.safe_dump(head, sort_keys=False, allow_unicode=True),
        corpus=corpus,
        contract=corpus.feature_extractor,
        splits=[_counts(split, [record for record in records if record.split == split]) for split in splits],
        labels=sorted(sum((Counter(record.labels) for record in records), Counter()).items()),
        rejected=sum((Counter(record.rejected) for record in records), Counter()).most_common(),
        bad=_bad_channels(records),
        montages=montages.most_common(5),
        montage_count=len(montages),
        failed=failed,
        remarks=remarks,
        people_known=are_known(weakest({record.subject_source for record in records})),
    )


def _counts(split: str, records: Sequence[PartRecord]) -> dict:
    return {
        "name": split,
        "subjects": len({record.subject for record in records}),
        "files": len(records),
        "windows": sum(record.windows for record in records),
        "minutes": sum(record.seconds for record in records) / 60,
        "rejected": sum(sum(record.rejected.values()) for record in records),
    }


def _bad_channels(records: Sequence[PartRecord]) -> list[tuple[str, int]]:
    """In how many stretches each channel was found bad, the most frequent first."""
    return Counter(name for record in records for report in record.reports for name in report["bad"]).most_common(10)
