"""Looks for what must not be published: access tokens, private keys, and paths of somebody's own disk."""

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SECRETS = {
    "a Hugging Face token": r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}",
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "an AWS secret key": r"(?i)aws_?secret_?(?:access_?)?key['\"]?\s*[:=]\s*['\"]?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    "a private key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----",
    "a GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})",
    "a GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "an OpenAI or Anthropic key": r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}",
    "a Google API key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "a Slack token": r"\bxox[abprs]-[A-Za-z0-9-]{10,}",
    "a Weights & Biases key": r"(?i)wandb_api_key['\"]?\s*[:=]\s*['\"]?[0-9a-f]{40}\b",
    "a password inside an address": r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"]+:[^\s/@'\"{}$]+@",
}
# Folders that machines keep people's files in. Deliberately not every path that starts with "/": a URL's path or a
# device name tells nothing about its author.
PATHS = {
    "an absolute path of a disk": (
        r"(?<![\w.:/~-])/(?:home|Users|root|mnt|media|tmp|var|srv|opt|scratch|data|work|workspace|project|projects|"
        r"content|kaggle|private|gpfs|lustre|nfs|storage|net|cluster|export)/[^\s'\"`)\]}>,;|]+"
        r"|(?<![\w])[A-Za-z]:\\{1,2}[\w .-]+\\|\bfile:///[^\s'\"`)]+"
    ),
}
_PATTERNS = {what: re.compile(pattern) for what, pattern in {**SECRETS, **PATHS}.items()}


@dataclass(frozen=True)
class Leak:
    """Something in a file that must not be published."""

    file: str
    place: str  # "line 3", "metadata", "column recording"
    what: str
    excerpt: str  # shortened, so that a report of a secret does not spread it

    def __str__(self) -> str:
        return f"{self.file}:{self.place}: {self.what} ({self.excerpt})"


def find_leaks(name: str, content: Path | bytes) -> list[Leak]:
    """Search one file: text line by line, safetensors in its metadata, Parquet in its metadata and text columns.

    Args:
        name: the name it will have when published; stands in the findings.
        content: the file, or what it will hold.
    """
    leaks = []
    for place, text in _texts(name, content):
        for what, pattern in _PATTERNS.items():
            match = pattern.search(text)
            if match:
                excerpt = match.group()[:40] if what in PATHS else f"{match.group()[:6]}…"
                leaks.append(Leak(name, place, what, excerpt))
    return leaks


def _texts(name: str, content: Path | bytes) -> Iterator[tuple[str, str]]:
    """Yield (place, text) of everything readable in a file; nothing for binary formats without text."""
    if name.endswith(".safetensors"):
        yield from _safetensors_metadata(content)
    elif name.endswith(".parquet"):
        yield from _parquet_texts(content)
    else:
        raw = content if isinstance(content, bytes) else content.read_bytes()
        if b"\0" not in raw[:4096]:
            for number, line in enumerate(raw.decode("utf-8", errors="replace").splitlines(), start=1):
                yield str(number), line


def _safetensors_metadata(content: Path | bytes) -> Iterator[tuple[str, str]]:
    if isinstance(content, bytes):
        header = content[8 : 8 + struct.unpack("<Q", content[:8])[0]]
    else:
        with content.open("rb") as file:
            header = file.read(struct.unpack("<Q", file.read(8))[0])
    yield "metadata", json.dumps(json.loads(header).get("__metadata__", {}), ensure_ascii=False)


def _parquet_texts(content: Path | bytes) -> Iterator[tuple[str, str]]:
    with pq.ParquetFile(pa.BufferReader(content) if isinstance(content, bytes) else content) as file:
        for value in (file.schema_arrow.metadata or {}).values():
            yield "metadata", value.decode("utf-8", errors="replace")
        columns = [field.name for field in file.schema_arrow if _is_text(field.type)]
        for group in range(file.num_row_groups if columns else 0):
            table = file.read_row_group(group, columns=columns)
            for column in columns:
                values = table[column]
                values = pc.list_flatten(values) if pa.types.is_list(values.type) else values
                for value in pc.unique(values).to_pylist():
                    if value is not None:
                        yield f"column {column}", value


def _is_text(type_: pa.DataType) -> bool:
    value_type = type_.value_type if pa.types.is_list(type_) else type_
    return pa.types.is_string(value_type) or pa.types.is_large_string(value_type)
