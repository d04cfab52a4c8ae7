"""Looks for what must not be published: access tokens, private keys, and paths on someone's own disk.

Files are read a chunk at a time: text as lines, safetensors in their header, Parquet and Arrow in everything that can
hold text, and in every file whatever looks like UTF-16.
"""

import codecs
import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from dare_eeg_hf.lost_samples_dare_eeg import runs
from dare_eeg_hf.table_texts import TABLE_SUFFIXES, table_texts

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
# Folders where machines keep people's files. Deliberately not every path that starts with "/": a URL's path or a
# device name says nothing about its author.
PATH = "an absolute path of a disk"
PATHS = (
    r"(?<![\w.:/~-])/(?:home|Users|root|mnt|media|tmp|var|srv|opt|scratch|data|work|workspace|project|projects|"
    r"content|kaggle|private|gpfs|lustre|nfs|storage|net|cluster|export)/[^\s'\"`)\]}>,;|]+",
    r"(?<!\w)[A-Za-z]:\\{1,2}[\w .-]+\\",
    r"(?<!\w)[A-Za-z]:/[\w .-]+/",
    r"\bfile:///[^\s'\"`)]+",
)
_SIGNS = {
    # what a text must hold for a pattern to be worth trying, which takes a hundred times as long
    "a Hugging Face token": ("hf_", "api_org_"),
    "an AWS access key": ("AKIA", "ASIA"),
    "a private key": ("PRIVATE KEY",),
    "a GitHub token": ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    "a GitLab token": ("glpat-",),
    "an OpenAI or Anthropic key": ("sk-",),
    "a Google API key": ("AIza",),
    "a Slack token": ("xox",),
    "a password inside an address": ("://",),
}
_PATTERNS = [
    *((what, _SIGNS.get(what, ("",)), re.compile(pattern)) for what, pattern in SECRETS.items()),
    *((PATH, (sign,), re.compile(p)) for p, sign in zip(PATHS, ("/", ":\\", ":/", "file:///"), strict=True)),
]

MOST_LEAKS = 100
"""Largest number of findings per file; more would say nothing new."""

PIECE, OVERLAP = 1 << 22, 1 << 13
"""Bytes of a file held at once, and how many of them are searched again together with what follows."""

SHORTEST_UTF16 = 6
"""Letters in a row, each with a zero byte, that are taken for text inside a binary file."""

_BYTE_ORDER_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_IS_LETTER = np.zeros(65536, dtype=bool)
_IS_LETTER[[9, *range(0x20, 0x7F), *range(0xA0, 0x250)]] = True


@dataclass(frozen=True)
class Leak:
    """Something in a file that must not be published."""

    file: str
    place: str  # "3" (the line), "metadata", "column recording"
    what: str
    excerpt: str  # shortened, so that a report of a secret does not spread it

    def __str__(self) -> str:
        return f"{self.file}:{self.place}: {self.what} ({self.excerpt})"


def find_leaks(name: str, content: Path | bytes) -> list[Leak]:
    """Search one file: text by lines, safetensors in their header, Parquet and Arrow in columns, names and metadata.

    Args:
        name: the name it will have when published; used in the findings.
        content: the file, or what it will hold.

    Returns:
        The first hundred different findings.
    """
    return list(islice(dict.fromkeys(_leaks(name, content)), MOST_LEAKS))


def _leaks(name: str, content: Path | bytes) -> Iterator[Leak]:
    found = set()
    for place, text in _texts(name, content):
        for what, signs, pattern in _PATTERNS:
            if not any(sign in text for sign in signs):
                continue
            for match in pattern.finditer(text):
                # Lines are counted only where something was found.
                where = str(place + text.count("\n", 0, match.start())) if isinstance(place, int) else place
                excerpt = match.group()[:40] if what == PATH else f"{match.group()[:6]}…"
                if (where, what) not in found:
                    found.add((where, what))
                    yield Leak(name, where, what, excerpt)
                if len(found) >= MOST_LEAKS:
                    return


def _texts(name: str, content: Path | bytes) -> Iterator[tuple[str | int, str]]:
    """Yield (place, text) of everything readable in a file; the place of lines is the number of the first one."""
    if name.endswith(".safetensors"):
        with _opened(content) as file:
            header = file.read(struct.unpack("<Q", file.read(8))[0])
        yield "metadata", header.decode("utf-8", errors="replace")
    elif name.endswith(TABLE_SUFFIXES):
        yield from _texts_of_table(content)
    else:
        with _opened(content) as file:
            yield from _texts_of(file)


def _texts_of_table(content: Path | bytes) -> Iterator[tuple[str | int, str]]:
    """Texts of a Parquet or Arrow file; one that is damaged, or only called so, is searched like any other."""
    try:
        for place, value in table_texts(pa.BufferReader(content) if isinstance(content, bytes) else content):
            if isinstance(value, str):
                yield place, value
            else:
                yield from ((place, text) for _, text in _texts_of(io.BytesIO(value)))
    except (pa.ArrowInvalid, OSError):
        with _opened(content) as file:
            yield from _texts_of(file)


def _opened(content: Path | bytes) -> io.BufferedIOBase:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def _texts_of(file: io.BufferedIOBase) -> Iterator[tuple[str | int, str]]:
    """Texts of a file of unknown kind: all of it where it is text, and runs of UTF-16 in any case."""
    head = file.read(4096)
    file.seek(0)
    encoding = _BYTE_ORDER_MARKS.get(head[:2])
    if encoding or b"\0" not in head:
        yield from _lines(file, encoding or "utf-8")
    if not encoding:
        file.seek(0)
        yield from _utf16_runs(file)


def _lines(file: io.BufferedIOBase, encoding: str) -> Iterator[tuple[int, str]]:
    """Chunks of a text, each with the number of its first line; what spans two chunks is in the second."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    line, rest = 1, ""
    while piece := file.read(PIECE):
        text = rest + decoder.decode(piece)
        yield line, text
        rest = text[max(text.rfind("\n") + 1, len(text) - OVERLAP) :]
        line += text.count("\n", 0, len(text) - len(rest))


def _utf16_runs(file: io.BufferedIOBase) -> Iterator[tuple[str, str]]:
    """Runs of letters that alternate with zero bytes, in either byte order and at any place."""
    start, rest = 0, b""
    while piece := file.read(PIECE):
        piece = rest + piece
        if b"\0" in piece:
            for begin, text in _runs_in(piece):
                yield f"UTF-16 text at byte {start + begin}", text
        rest = piece[-OVERLAP:]
        start += len(piece) - len(rest)


def _runs_in(piece: bytes) -> Iterator[tuple[int, str]]:
    for shift in (0, 1):
        units = np.frombuffer(piece, dtype="<u2", offset=shift, count=(len(piece) - shift) // 2)
        for first, stop in runs(_IS_LETTER[units]):
            if stop - first >= SHORTEST_UTF16:
                begin, end = shift + 2 * first, shift + 2 * stop
                text = piece[begin:end:2].decode("latin-1") if units[first:stop].max() < 256 else None
                text = text or piece[begin:end].decode("utf-16-le")
                if 2 * sum(letter.isascii() and letter.isalnum() for letter in text) < len(text):
                    continue  # small integers look like letters too, but not mostly like these
                # With the other byte order the last letter has no zero after it; and a byte before the text may look
                # like its first letter. Patterns that ask for an end of a word need each form.
                last = piece[end : end + 1].decode("latin-1")
                yield begin, "\n".join((text, text[1:], text + last, text[1:] + last))
