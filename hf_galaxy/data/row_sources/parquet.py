"""Parquet, a few thousand rows at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .arrow import cut, to_table, units_of
from .base import Block, RowSource, Stamp, columns_twice

BATCH_ROWS = 4096
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
            self._units = units_of(file.schema_arrow)
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
                yield Block(rows.start, to_table(piece, self._units))

    @property
    def facts(self) -> dict[str, Any]:
        """Name, size and date."""
        return self._stamp.facts


__all__ = ["ParquetSource"]
