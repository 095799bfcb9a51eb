"""Arrow tables to astropy tables, and Arrow batches of any length to the rows that were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy.table import Column, MaskedColumn, Table, meta


def units_of(schema: pa.Schema) -> dict[str, str]:
    """Units of columns: as astropy writes them into a Parquet file, or as the field's own ``unit``."""
    units = {f.name: f.metadata[b"unit"].decode() for f in schema if f.metadata and b"unit" in f.metadata}
    text = (schema.metadata or {}).get(b"table_meta_yaml")
    if text:
        header = meta.get_header_from_yaml(text.decode().split("\n"))
        units |= {c["name"]: str(c["unit"]) for c in header["datatype"] if c.get("unit") is not None}
    return units


def to_table(rows: pa.Table, units: Mapping[str, str]) -> Table:
    """Columns of numbers, texts, truth values and lists of numbers; what else there is (structs, …) is left out."""
    table = Table()
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        made = _column(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
        if made is not None:
            table[name] = made
            if name in units:  # astropy keeps a text that is no unit, and the reader of the column judges it
                table[name].unit = units[name]
    return table


def _column(data: pa.Array) -> Any:
    if isinstance(data, pa.ChunkedArray):
        data = pa.concat_arrays(data.chunks) if data.num_chunks else pa.array([], data.type)
    kind = data.type
    if pa.types.is_dictionary(kind):
        return _column(data.dictionary_decode())
    if pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _lists(data)
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return _column(data.cast(pa.float64()))
    if pa.types.is_null(kind):
        return MaskedColumn(np.zeros(len(data)), mask=True)
    mask = np.asarray(data.is_null())
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        numbers = data.fill_null(False if pa.types.is_boolean(kind) else 0).to_numpy(zero_copy_only=False)
        return MaskedColumn(numbers, mask=mask) if mask.any() else Column(numbers)
    if pa.types.is_temporal(kind):
        data = data.cast(pa.string())
    elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        return None
    texts = np.array(data.fill_null("").to_pylist(), dtype=str)
    return MaskedColumn(texts, mask=mask) if mask.any() else Column(texts)


def _lists(data: pa.Array) -> Any:
    """(n, m) of lists of numbers that are equally long, NaN for null; otherwise a column of arrays."""
    value = data.type.value_type
    if not (pa.types.is_floating(value) or pa.types.is_integer(value) or pa.types.is_boolean(value)):
        return None
    lengths = np.asarray(pc.list_value_length(data).fill_null(-1))
    if len(data) and (lengths == lengths[0]).all() and lengths[0] > 0:
        flat = data.flatten()
        numbers = flat.cast(pa.float64()).fill_null(np.nan) if flat.null_count else flat
        return Column(numbers.to_numpy(zero_copy_only=False).reshape(len(data), lengths[0]))
    return Column(np.array([None if x is None else np.asarray(x, dtype=float) for x in data.to_pylist()], dtype=object))


def cut(batches: Iterable[pa.Table], bounds: Iterable[slice], first: int = 0) -> Iterator[tuple[slice, pa.Table]]:
    """The rows of some slices, out of consecutive batches of any length.

    Args:
        batches: In order.
        bounds: Ascending slices of rows.
        first: Row that the first batch begins with.
    """
    batches = iter(batches)
    held: list[pa.Table] = []
    for rows in bounds:
        taken: list[pa.Table] = []
        at = rows.start
        while at < rows.stop:
            if not held:
                batch = next(batches, None)
                if batch is None:
                    raise ValueError(f"the rows end at {first}, and row {rows.stop - 1} is wanted")
                held.append(batch)
            batch = held.pop()
            end = first + len(batch)
            if end <= at:
                first = end
                continue
            if end > rows.stop:
                held.append(batch.slice(rows.stop - first))
            taken.append(batch.slice(at - first, min(end, rows.stop) - at))
            at = min(end, rows.stop)
            first = at
        yield rows, pa.concat_tables(taken)


__all__ = ["cut", "to_table", "units_of"]
