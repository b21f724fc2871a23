"""Rows of a Parquet file, streamed in small batches, every value as raw as possible."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from components.corpora.listing import Listing
from components.corpora.rows import RawRows
from components.corpora.table import EMBEDDING, Table, decoded, unreadable
from components.errors import UserError


def open_parquet(listing: Listing, name: str) -> pq.ParquetFile:
    """Raises UserError for a truncated file or one that is not Parquet."""
    full = listing.full(name)
    try:
        return pq.ParquetFile(listing.fs.open_input_file(full))
    except FileNotFoundError:
        raise UserError("no such file", where=full) from None
    except (pa.ArrowException, OSError) as error:
        raise unreadable("Parquet", full, error) from None


def parquet_columns(listing: Listing, name: str) -> list[str]:
    with open_parquet(listing, name) as file:
        return list(file.schema_arrow.names)


def read_parquet(table: Table, groups: range | None = None) -> Iterator[RawRows]:
    """Rows of some row groups (all by default). Raises UserError for missing or unusable columns, damaged pages."""
    with open_parquet(table.listing, table.name) as file:
        table.require(file.schema_arrow.names)
        chosen = list(range(file.num_row_groups) if groups is None else groups)
        number = 1 + sum(file.metadata.row_group(g).num_rows for g in range(chosen[0] if chosen else 0))
        wanted = list(dict.fromkeys(table.columns.values()))
        try:
            for batch in file.iter_batches(table.batch_rows, row_groups=chosen, columns=wanted):
                yield _raw(batch, table, number)
                number += len(batch)
        except (pa.ArrowException, OSError) as error:
            if "Expected all lists to be of size" in str(error):
                raise UserError(
                    "an embedding is missing (null) in a column of fixed-size lists, which pyarrow cannot read back",
                    where=table.full,
                    do="leave those rows out, or write the column as lists of any size",
                ) from None
            raise unreadable("Parquet", table.full, error) from None


def text_column(array: pa.Array, name: str, full: str) -> pa.Array:
    """Strings and bytes as bytes (so that bad UTF-8 spoils one row, not the file), whole numbers as their digits.

    Raises:
        UserError: any other type; a float such as 7.0 is no id.
    """
    kind = array.type
    if pa.types.is_dictionary(kind):
        return text_column(array.dictionary_decode(), name, full)
    if name == "image" and pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return text_column(array.field("bytes"), name, full)  # how Hugging Face data sets keep pictures
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    is_bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
    if (name == "image" and is_bytes) or (name != "image" and (is_text or is_bytes)):
        return array.cast(pa.large_binary())
    if name not in ("image", "path", "text") and (pa.types.is_integer(kind) or pa.types.is_null(kind)):
        return array.cast(pa.large_string()).cast(pa.large_binary())
    wanted = {"image": "binary (an encoded picture)", "path": "string", "text": "string"}
    raise UserError(
        f"the column for {name!r} has the type {kind}",
        where=full,
        do=f"it must be {wanted.get(name, 'string or integer')}",
    )


def _raw(batch: pa.RecordBatch, table: Table, number: int) -> RawRows:
    column = {ours: batch.column(theirs) for ours, theirs in table.columns.items()}
    payload, *further = [_view(column[name], table) for name in table.views]
    return RawRows(
        source=table.name,
        numbers=range(number, number + len(batch)),
        ids=text_column(column["id"], "id", table.full).to_pylist(),
        payload=payload,
        further=further,
        extras={e: list(map(decoded, text_column(column[e], e, table.full).to_pylist())) for e in table.extras},
    )


def _view(array: pa.Array, table: Table) -> pa.Array:
    if table.payload == "embedding":
        return _vectors(array, table.full)
    return text_column(array, table.payload, table.full)


def _vectors(array: pa.Array, full: str) -> pa.Array:
    kind = array.type
    is_list = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if is_list and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        return array.cast(EMBEDDING, safe=False)
    raise UserError(f"the column for 'embedding' has the type {kind}", where=full, do="it must be a list of floats")
