"""From whatever a user gives to rows: by the content of a file, the files of a folder, or the id of a repository."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import vstack

from ..table_io import KINDS, content_of, first_line
from .base import Block, RowSource
from .fits import FitsSource
from .hugging_face import HUB_ID, DatasetSource, is_saved, open_repository, open_saved
from .memory import MemorySource
from .parquet import ParquetSource
from .text import CsvSource

_SHARDS = {".parquet": ParquetSource, ".fits": FitsSource, ".fit": FitsSource}


def open_rows(source: Any, split: str | None = None) -> RowSource:
    """The rows of a catalogue.

    Args:
        source: A path (FITS, VOTable, ECSV, CSV, Parquet; a folder of Parquet or of FITS files; a folder of
            ``save_to_disk``), the id of a data set of the Hub, or what else ``table_io.as_table`` takes.
        split: Of a data set that has several.

    Raises:
        ValueError: It is none of these, or cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        return _of_path(Path(source), split)
    if hasattr(source, "with_format") and hasattr(source, "column_names"):
        return DatasetSource(source)
    return MemorySource(source)


def _of_path(path: Path, split: str | None) -> RowSource:
    if path.is_dir():
        return open_saved(path / split if split else path) if is_saved(path) else FolderSource(path)
    if not path.exists() and HUB_ID.fullmatch(str(path)) and path.suffix.lower() not in _SHARDS:
        return open_repository(str(path), split)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        kind = content_of(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not a table that can be read ({KINDS}): {error}") from None
    if kind == "parquet":
        return ParquetSource(path)
    if kind == "fits" and FitsSource.can_read(path):
        return FitsSource(path)
    if kind == "text" and not _is_compressed(path) and "," in first_line(path):
        return CsvSource(path)
    return MemorySource(path)


def _is_compressed(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


class FolderSource(RowSource):
    """Parquet or FITS files of a folder, one after the other by name.

    Raises:
        ValueError: There are none, of both kinds, or of different columns.
    """

    def __init__(self, folder: Path) -> None:
        self.source = str(folder)
        files = sorted(p for p in folder.iterdir() if p.suffix.lower() in _SHARDS and not p.name.startswith("."))
        kinds = {_SHARDS[p.suffix.lower()] for p in files}
        if not files:
            raise ValueError(f"{folder}: no Parquet and no FITS file in this folder")
        if len(kinds) > 1:
            raise ValueError(f"{folder}: holds Parquet and FITS files; keep one kind in a folder")
        self._shards: list[RowSource] = [kinds.copy().pop()(path) for path in files]
        self.names = self._shards[0].names
        for shard in self._shards[1:]:
            if sorted(shard.names) != sorted(self.names):
                other = sorted(set(shard.names) ^ set(self.names)) or ["a name twice"]
                raise ValueError(f"{shard.source}: other columns than {self._shards[0].source} ({other[0]})")
        self._starts = np.concatenate([[0], np.cumsum([s.rows for s in self._shards], dtype=np.int64)])
        self.rows = int(self._starts[-1])

    def blocks(self, bounds: Iterable[slice]) -> Iterator[Block]:
        """Blocks that lie in two files are put together."""
        bounds = list(bounds)
        pieces = self._pieces(bounds)
        for rows in bounds:
            tables, problems, at = [], {}, rows.start
            while at < rows.stop:
                piece = next(pieces)
                problems |= {at - rows.start + i: text for i, text in piece.problems.items()}
                tables.append(piece.table)
                at += len(piece.table)
            whole = tables[0] if len(tables) == 1 else vstack(tables, metadata_conflicts="silent")
            yield Block(rows.start, whole, problems)

    def _pieces(self, bounds: list[slice]) -> Iterator[Block]:
        for shard, first, last in zip(self._shards, self._starts, self._starts[1:], strict=False):
            within = [slice(max(b.start, first), min(b.stop, last)) for b in bounds]
            own = [slice(int(b.start - first), int(b.stop - first)) for b in within if b.start < b.stop]
            if own:
                yield from shard.blocks(own)

    @property
    def facts(self) -> dict[str, Any]:
        """Those of every file."""
        return {"name": Path(self.source).name, "files": [shard.facts for shard in self._shards]}


__all__ = ["FolderSource", "open_rows"]
