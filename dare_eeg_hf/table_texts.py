"""Every text that a Parquet or Arrow file holds: column names, metadata, and values however deeply they are nested."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

TABLE_SUFFIXES = (".parquet", ".arrow", ".feather")
ROWS_AT_ONCE = 1024

_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
_STRING = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_LIST = (
    pa.types.is_list,
    pa.types.is_large_list,
    pa.types.is_fixed_size_list,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)


def table_texts(source: Path | pa.NativeFile) -> Iterator[tuple[str, str | bytes]]:
    """Yield (place, text or bytes) of a Parquet or Arrow file, a group of rows at a time.

    The `signal` of windows, recognised by their `signal_dtype`, holds numbers and is left out.
    """
    if _is_parquet(source):
        with pq.ParquetFile(source) as file:
            yield from _schema_texts(file.schema_arrow)
            stored = file.metadata.metadata or {}
            yield from _metadata_texts({key: value for key, value in stored.items() if key != b"ARROW:schema"})
            columns = _columns_with_text(file.schema_arrow)
            if columns:
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=columns):
                    yield from _batch_texts(batch, columns)
        return
    with pa.memory_map(str(source)) if isinstance(source, Path) else source as stream:
        for reader in _arrow_batches(stream):
            if isinstance(reader, pa.Schema):
                columns = _columns_with_text(reader)
                yield from _schema_texts(reader)
            else:
                yield from _batch_texts(reader, columns)


def _is_parquet(source: Path | pa.NativeFile) -> bool:
    if isinstance(source, Path):
        with source.open("rb") as file:
            return file.read(4) == b"PAR1"
    magic = source.read(4)
    source.seek(0)
    return magic == b"PAR1"


def _arrow_batches(stream: pa.NativeFile) -> Iterator[pa.Schema | pa.RecordBatch]:
    """The schema, then the batches, of Arrow's file or stream format."""
    try:
        reader = pa.ipc.open_file(stream)
    except pa.ArrowInvalid:
        stream.seek(0)
        reader = pa.ipc.open_stream(stream)
        yield reader.schema
        yield from reader
        return
    yield reader.schema
    for number in range(reader.num_record_batches):
        yield reader.get_batch(number)


def _schema_texts(schema: pa.Schema) -> Iterator[tuple[str, str | bytes]]:
    yield from _metadata_texts(schema.metadata)
    for field in schema:
        yield from _field_texts(field)


def _field_texts(field: pa.Field) -> Iterator[tuple[str, str | bytes]]:
    yield "column name", field.name
    yield from _metadata_texts(field.metadata)
    if isinstance(field.type, pa.BaseExtensionType):
        return
    for number in range(field.type.num_fields):
        yield from _field_texts(field.type.field(number))


def _metadata_texts(metadata: dict[bytes, bytes] | None) -> Iterator[tuple[str, bytes]]:
    for key, value in (metadata or {}).items():
        yield "metadata", key
        yield "metadata", value


def _columns_with_text(schema: pa.Schema) -> list[str]:
    numbers = {"signal"} if "signal_dtype" in schema.names else set()
    return [field.name for field in schema if field.name not in numbers and _holds_text(field.type)]


def _holds_text(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _holds_text(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _holds_text(kind.value_type)
    if any(test(kind) for test in (*_STRING, *_BINARY)):
        return True
    return any(_holds_text(kind.field(number).type) for number in range(kind.num_fields))


def _batch_texts(batch: pa.RecordBatch, columns: list[str]) -> Iterator[tuple[str, str | bytes]]:
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if name in columns:
            for leaf in _leaves(array):
                yield from ((f"column {name}", value) for value in _values(leaf))


def _leaves(array: pa.Array) -> Iterator[pa.Array]:
    """Arrays of texts or bytes inside an array of any type."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves(array.storage)
    elif any(test(kind) for test in (*_STRING, *_BINARY)):
        yield array
    elif pa.types.is_dictionary(kind):
        yield from _leaves(array.dictionary)
    elif pa.types.is_run_end_encoded(kind):
        yield from _leaves(array.values)
    elif pa.types.is_map(kind):
        yield from _leaves(array.keys)
        yield from _leaves(array.items)
    elif any(test(kind) for test in _LIST):
        yield from _leaves(array.flatten())
    elif pa.types.is_struct(kind):
        for child in array.flatten():
            yield from _leaves(child)
    elif pa.types.is_union(kind):
        for number in range(kind.num_fields):
            yield from _leaves(array.field(number))


def _values(leaf: pa.Array) -> Iterator[str | bytes]:
    """The different values: texts as one, a line each, which is searched faster."""
    if any(test(leaf.type) for test in _STRING):
        texts = leaf.cast(pa.large_string()) if pa.types.is_string_view(leaf.type) else leaf
        yield "\n".join(value for value in pc.unique(texts).to_pylist() if value is not None)
    else:
        yield from (value.as_py() for value in leaf if value.is_valid)
