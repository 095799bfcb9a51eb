"""Columns between astropy, where they are worked with, and Arrow, in which finished parts are kept."""

from __future__ import annotations

import warnings
from typing import Any

import astropy.units as u
import numpy as np
import pyarrow as pa
from astropy.table import Column, Table, meta
from astropy.time import Time

LENGTH = "table::len::"  # as astropy writes the width of texts into Parquet, and cuts them to it when it reads


def plain(table: Table, names: list[str]) -> tuple[Table, list[str]]:
    """The columns of one number, truth value, text or time a row, and the names of those that are none."""
    kept, left = Table(), []
    for name in names:
        column = _plain(table[name])
        if column is None:
            left.append(name)
        else:
            kept[name] = column
    return kept, left


def _plain(column: Any) -> Any:
    if isinstance(column, Time):
        return Column(np.asarray(column.isot, dtype=str))
    if not isinstance(column, (Column, u.Quantity)) or np.ndim(column) != 1:
        return None
    if column.dtype.kind == "O":
        mask = np.broadcast_to(getattr(column, "mask", False), len(column))
        texts = ["" if hidden or x is None else x for x, hidden in zip(column, mask, strict=True)]
        if any(isinstance(x, (list, tuple, dict, np.ndarray)) for x in texts):
            return None
        return Column(np.array([x.decode("utf-8", "replace") if isinstance(x, bytes) else str(x) for x in texts]))
    return column if column.dtype.kind in "biufSU" else None


def to_arrow(table: Table, facts: dict[bytes, bytes]) -> pa.Table:
    """An Arrow table that astropy reads with its units; masked texts are empty, other masked values null."""
    fields, arrays, said = [], [], {}
    for name in table.colnames:
        data = table[name]
        mask = np.broadcast_to(np.asarray(getattr(data, "mask", False)), np.shape(data))
        raw = np.ma.getdata(getattr(data, "value", data) if isinstance(data, u.Quantity) else data)
        array = _arrow(np.asarray(raw), mask)
        if pa.types.is_string(array.type):
            said[LENGTH + name] = str(max(1, max((len(x) for x in array.to_pylist()), default=1)))
        labels = {"unit": _unit(data), "description": str(data.info.description or "")}
        fields.append(pa.field(name, array.type, metadata={k: v for k, v in labels.items() if v}))
        arrays.append(array)
    said["table_meta_yaml"] = "\n".join(meta.get_yaml_from_table(empty(pa.schema(fields))))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={**said, **facts}))


def _arrow(raw: np.ndarray, mask: np.ndarray) -> pa.Array:
    if raw.dtype.kind in "SU":
        texts = np.where(mask, "", np.char.decode(raw, "utf-8", "replace") if raw.dtype.kind == "S" else raw)
        return pa.array(texts.tolist(), pa.string())
    raw = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    if raw.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(raw).ravel()), raw.shape[1])
    if raw.dtype == np.float16:
        raw = raw.astype(np.float32)
    return pa.array(raw, mask=mask if mask.any() else None)


def _unit(column: Any) -> str:
    unit = getattr(column, "unit", None)
    return "" if unit is None else unit.to_string() if hasattr(unit, "to_string") else str(unit)


def empty(schema: pa.Schema) -> Table:
    """No rows of the columns of a schema, with their units and descriptions."""
    return to_astropy(schema.empty_table())


def to_astropy(rows: pa.Table, fill: dict[str, int] | None = None) -> Table:
    """Rows of parts; null floats are NaN, other nulls masked or, of the columns in ``fill``, the number there."""
    table = Table()
    for field, chunks in zip(rows.schema, rows.columns, strict=True):
        table[field.name] = _column(chunks.combine_chunks(), field.type, (fill or {}).get(field.name))
        labels = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", u.UnitsWarning)
            if "unit" in labels:
                table[field.name].unit = u.Unit(labels["unit"], parse_strict="silent")
        table[field.name].description = labels.get("description")
    return table


def _column(data: Any, kind: pa.DataType, fill: int | None) -> Any:
    if isinstance(data, pa.ChunkedArray):
        data = pa.concat_arrays(data.chunks) if data.num_chunks else pa.array([], kind)
    if pa.types.is_string(kind):
        return np.array(data.to_pylist(), dtype=str)
    if pa.types.is_fixed_size_list(kind):
        return data.flatten().to_numpy(zero_copy_only=False).reshape(len(data), kind.list_size)
    if pa.types.is_floating(kind) or not data.null_count:
        return data.to_numpy(zero_copy_only=False)
    mask = np.asarray(data.is_null())
    numbers = data.fill_null(False if pa.types.is_boolean(kind) else fill or 0).to_numpy(zero_copy_only=False)
    return numbers if fill is not None else np.ma.masked_array(numbers, mask)


__all__ = ["LENGTH", "empty", "plain", "to_arrow", "to_astropy"]
