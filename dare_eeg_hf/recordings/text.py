"""Texts of recordings, in whatever encoding they were written."""

import codecs
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_text(data: bytes) -> tuple[str, str]:
    """Decode bytes as UTF-8 or, failing that, as Latin-1, which fits anything; returns text and encoding."""
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "latin-1"


def decode_file(data: bytes) -> tuple[str, str]:
    """Decode a whole text file, which may also be UTF-16: it has a byte order mark, or zeros between its letters."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace"), encoding
    head = data[:200]
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(zeros) > 4 and zeros.count(0) > 0.8 * len(zeros):
            return data.decode(encoding, errors="replace"), encoding
    return decode_text(data)


@contextmanager
def folder_of_copies(texts: dict[Path, str], data: Path) -> Iterator[Path]:
    """Give a temporary folder with the text files of a recording in UTF-8 and a link to its data, for a reader that
    takes nothing else."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, text in texts.items():
            (folder / path.name).write_text(text, encoding="utf-8", newline="")
        if data.is_file():
            (folder / data.name).symlink_to(data.resolve())
        yield folder


def quoted(texts: Iterable[str], most: int = 5) -> str:
    """List texts for a message: `'a', 'b' and 3 more`."""
    texts = list(dict.fromkeys(texts))
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(repr(text) for text in texts[:most]) + more
