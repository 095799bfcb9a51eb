"""Tables that are in memory, or have to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from astropy.table import Table

from ..table_io import as_table
from .base import Block, RowSource, Stamp


class MemorySource(RowSource):
    """A table in memory, or a file that can only be read whole."""

    def __init__(self, source: Any) -> None:
        self._stamp = Stamp.of(Path(source)) if isinstance(source, (str, Path)) and Path(source).is_file() else None
        self.table, self.names, self.source = as_table(source)
        self.rows = len(self.table)

    def blocks(self, bounds: Iterable[slice]) -> Iterator[Block]:
        """Slices of the table."""
        for rows in bounds:
            yield Block(rows.start, Table(self.table[rows], copy=False))

    @property
    def facts(self) -> dict[str, Any]:
        """Of a table that is no file, its shape."""
        return self._stamp.facts if self._stamp else {"name": self.source, "rows": self.rows, "columns": self.names}


__all__ = ["MemorySource"]
