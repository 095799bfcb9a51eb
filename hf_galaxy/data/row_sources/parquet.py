"""Parquet, a few thousand rows at a time."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table

from .arrow import cut, to_table, units_of
from .base import Block, RowSource, Stamp, columns_twice

BATCH_ROWS = 4096
_TAKEN_APART = b"__serialized_columns__"
BUFFER_BYTES = 1 << 16  # of each column: row groups of a million rows are common, and are never held whole


class ParquetSource(RowSource):
    """One Parquet file.

    Raises:
        ValueError: It is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.source, self._path, self._stamp = str(path), path, Stamp.of(path)
        with self._open() as file:
            self.names, self.rows = list(file.schema_arrow.names), file.metadata.num_rows
            self._schema, self._units = file.schema_arrow, units_of(file.schema_arrow)
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._path, buffer_size=BUFFER_BYTES, pre_buffer=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(f"{self._path}: not a readable Parquet file ({str(error).splitlines()[0]})") from None

    def blocks(self, bounds: Iterable[slice]) -> Iterator[Block]:
        """From the group of rows on that holds the first one."""
        bounds = list(bounds)
        if not bounds or columns_twice(self.names):
            return
        group = int(np.searchsorted(self._starts, bounds[0].start, side="right")) - 1
        self._stamp.check()
        with self._open() as file:
            groups = range(max(group, 0), file.num_row_groups)
            batches = (pa.table(b) for b in file.iter_batches(BATCH_ROWS, row_groups=list(groups), use_threads=False))
            pieces = cut(batches, bounds, int(self._starts[max(group, 0)]))
            while True:
                try:
                    rows, piece = next(pieces)
                except StopIteration:
                    return
                except (pa.ArrowException, OSError, ValueError) as error:
                    self._stamp.check()
                    raise ValueError(f"{self._path}: damaged: {str(error).splitlines()[0]}") from None
                self._stamp.check()
                yield Block(rows.start, self._table(piece))

    def _table(self, piece: pa.Table) -> Table:
        """A column that astropy had to take apart (its mask beside it, the parts of a time) is put together by it."""
        if _TAKEN_APART not in (self._schema.metadata or {}).get(b"table_meta_yaml", b""):
            return to_table(piece, self._units)
        sink = pa.BufferOutputStream()
        pq.write_table(piece.replace_schema_metadata(self._schema.metadata), sink)
        return Table.read(io.BytesIO(sink.getvalue().to_pybytes()), format="parquet")

    @property
    def facts(self) -> dict[str, Any]:
        """Name, size and date."""
        return self._stamp.facts


__all__ = ["ParquetSource"]
