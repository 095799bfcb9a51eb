"""What every source of rows gives, and the watch over files that change while they are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from astropy.table import Table


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a catalogue.

    Attributes:
        start: Row of the catalogue, from 0, that the first one is.
        table: The rows.
        problems: Row within the block to the reason why it cannot be read; the table holds blanks there.
    """

    start: int
    table: Table
    problems: dict[int, str] = field(default_factory=dict)


class RowSource(ABC):
    """Rows of a catalogue, in order.

    Attributes:
        source: What to call it in messages.
        names: Names of the columns as they stand in it, those that stand twice twice.
        rows: Number of rows.
    """

    source: str
    names: list[str]
    rows: int

    @abstractmethod
    def blocks(self, bounds: Iterable[slice]) -> Iterator[Block]:
        """The rows of some slices, which ascend and do not overlap.

        Raises:
            ValueError: The file changed, vanished, or is damaged.
        """

    @property
    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What tells this catalogue from another one, or from an earlier state of itself: JSON types."""

    def head(self, rows: int) -> Table:
        """The first rows."""
        return next(iter(self.blocks([slice(0, min(rows, self.rows))]))).table


@dataclass(frozen=True)
class Stamp:
    """A file as it was when it was opened."""

    path: Path
    bytes: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """The file as it is now."""
        state = path.stat()
        return cls(path, state.st_size, state.st_mtime_ns)

    def check(self) -> None:
        """Refuse to go on with a file that is another one by now.

        Raises:
            ValueError: It vanished, grew, shrank or was written anew.
        """
        try:
            now = Stamp.of(self.path)
        except OSError:
            raise ValueError(f"{self.path}: vanished while it was read; bring it back") from None
        if now != self:
            size = f" ({self.bytes:,} bytes before, {now.bytes:,} now)" if now.bytes != self.bytes else ""
            raise ValueError(f"{self.path}: changed while it was read{size}; wait until it is complete, begin anew")

    @property
    def facts(self) -> dict[str, Any]:
        """As ``RowSource.facts``."""
        return {"name": self.path.name, "bytes": self.bytes, "modified": self.modified}


def columns_twice(names: Sequence[str]) -> bool:
    """Whether a name stands twice: most readers give such a table up, and the caller must say why."""
    return len(set(names)) < len(names)


__all__ = ["Block", "RowSource", "Stamp", "columns_twice"]
