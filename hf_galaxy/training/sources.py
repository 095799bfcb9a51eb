"""Where the galaxies of a step come from: a table in memory, files read as they are needed, a simulator, or several.

All give the same galaxies for the same (seed, step, unit), whatever was asked before: a run that is resumed needs no
state of its source. What comes in epochs is a *sequence*, addressed by the position of a galaxy in the endless row of
epochs; a step takes ``batch_size`` of them.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import torch

from ..data.galaxies import GalaxyTable
from ..data.galaxy_files import GalaxyFiles
from .seeds import seed_of

# Galaxies of a streamed folder that are in memory and shuffled together: some 50 to 100 MB.
WINDOW_ROWS = 131_072


class GalaxySource(Protocol):
    """Gives the galaxies of one unit of one step."""

    def rows(self, step: int, unit: int) -> GalaxyTable:
        """(micro_batch,) galaxies."""


class GalaxySequence(Protocol):
    """Galaxies in an endless row of epochs, each of which has its own order."""

    def __len__(self) -> int:
        """Galaxies of an epoch."""

    def span(self, first: int, n: int) -> GalaxyTable:
        """The galaxies at positions first … first + n - 1."""

    def places(self, first: int, n: int) -> list[str]:
        """Where these galaxies come from, for a reader."""


class TableSequence:
    """Galaxies of a table in the order of one permutation an epoch, seeded by (seed, epoch).

    Args:
        table: The galaxies.
        seed: Of the orders.
        place: Names a row of the table for a reader, such as the row of a file.
    """

    def __init__(self, table: GalaxyTable, seed: int, place: Callable[[int], str] | None = None) -> None:
        self.table, self.seed, self.place = table, seed, place or (lambda row: f"row {row}")
        self._orders: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self.table)

    def span(self, first: int, n: int) -> GalaxyTable:
        """The galaxies at positions first … first + n - 1."""
        return self.table[self._rows(first, n)]

    def places(self, first: int, n: int) -> list[str]:
        """Where these galaxies come from."""
        return [self.place(row) for row in self._rows(first, n).tolist()]

    def _rows(self, first: int, n: int) -> torch.Tensor:
        position = torch.arange(first, first + n)
        epoch, offset = position // len(self.table), position % len(self.table)
        low, high = (int(epoch[0]), int(epoch[-1])) if n else (0, -1)
        self._orders = {e: o for e, o in self._orders.items() if e >= low}
        orders = [self._order(e)[offset[epoch == e]] for e in range(low, high + 1)]
        return torch.cat(orders) if orders else torch.empty(0, dtype=torch.long)

    def _order(self, epoch: int) -> torch.Tensor:
        if epoch not in self._orders:
            generator = torch.Generator().manual_seed(seed_of(self.seed, "epoch", epoch))
            self._orders[epoch] = torch.randperm(len(self.table), generator=generator)
        return self._orders[epoch]


class StreamedSequence:
    """Galaxies of Parquet files too large for memory.

    In every epoch the row groups come in another order, so many together as make a window of ``window`` galaxies;
    within a window the galaxies are permuted. At most two windows are in memory.

    Args:
        files: The files.
        seed: Of the orders.
        window: Galaxies that are shuffled together, at least.
    """

    def __init__(self, files: GalaxyFiles, seed: int, window: int = WINDOW_ROWS) -> None:
        self.files, self.seed, self.window = files, seed, window
        self._size = len(files)
        self._plan: tuple[int, list[list[int]], list[int]] | None = None
        self._windows: dict[tuple[int, int], tuple[GalaxyTable, torch.Tensor]] = {}

    def __len__(self) -> int:
        return self._size

    def span(self, first: int, n: int) -> GalaxyTable:
        """The galaxies at positions first … first + n - 1."""
        parts = [table[rows] for table, rows, _ in self._pieces(first, n)]
        return GalaxyTable.join(parts) if parts else GalaxyTable(**self.files.read(0))[slice(0, 0)]

    def places(self, first: int, n: int) -> list[str]:
        """Where these galaxies come from."""
        return [
            row_of_groups(self.files.groups, groups, row)
            for _, rows, groups in self._pieces(first, n)
            for row in rows.tolist()
        ]

    def _pieces(self, first: int, n: int) -> Iterator[tuple[GalaxyTable, torch.Tensor, list[int]]]:
        """Windows, the rows in them that make up a span, and the row groups of each window."""
        stop = first + n
        while first < stop:
            epoch, offset = divmod(first, self._size)
            windows, ends = self._windows_of(epoch)
            number = bisect.bisect_right(ends, offset)
            take = min(stop - first, ends[number] - offset)
            start = offset - (ends[number - 1] if number else 0)
            table, order = self._load(epoch, number, windows[number])
            yield table, order[start : start + take], windows[number]
            first += take

    def _windows_of(self, epoch: int) -> tuple[list[list[int]], list[int]]:
        """Row groups of every window of an epoch, and the positions where the windows end."""
        if self._plan is None or self._plan[0] != epoch:
            sizes = [n for _, _, n in self.files.groups]
            generator = torch.Generator().manual_seed(seed_of(self.seed, "groups", epoch))
            windows: list[list[int]] = [[]]
            held = 0
            for group in torch.randperm(len(sizes), generator=generator).tolist():
                if held >= self.window:
                    windows.append([])
                    held = 0
                windows[-1].append(group)
                held += sizes[group]
            ends = list(accumulate(sum(sizes[g] for g in window) for window in windows))
            self._plan = epoch, windows, ends
        return self._plan[1:]

    def _load(self, epoch: int, number: int, groups: list[int]) -> tuple[GalaxyTable, torch.Tensor]:
        """The galaxies of a window and their order."""
        key = epoch, number
        if key not in self._windows:
            self._windows = dict(list(self._windows.items())[-1:])
            table = GalaxyTable(**self.files.read_all(groups))
            generator = torch.Generator().manual_seed(seed_of(self.seed, "window", epoch, number))
            self._windows[key] = table, torch.randperm(len(table), generator=generator)
        return self._windows[key]


class SequenceSource:
    """The galaxies of one sequence, ``batch_size`` a step.

    The units of a step are the batch cut into pieces.
    """

    def __init__(self, sequence: GalaxySequence, batch_size: int, micro_batch: int) -> None:
        self.sequence, self.batch_size, self.micro_batch = sequence, batch_size, micro_batch

    def rows(self, step: int, unit: int) -> GalaxyTable:
        """The galaxies at the positions of this unit in the endless row of epochs."""
        return self.sequence.span(step * self.batch_size + unit * self.micro_batch, self.micro_batch)

    def places(self, step: int, unit: int, positions: Sequence[int]) -> list[str]:
        """Where some galaxies of this unit come from."""
        named = self.sequence.places(step * self.batch_size + unit * self.micro_batch, self.micro_batch)
        return [named[i] for i in positions]


class OnlineSource:
    """Galaxies that a simulator makes as they are needed; no galaxy comes twice.

    ``simulate(seed, start, n)`` gives a table whose row i depends on (seed, start + i) alone. Unit u has its own seed
    and runs through its rows in order, ``chunk`` at a time, so that a process simulates nothing for the others.
    """

    def __init__(
        self, simulate: Callable[[int, int, int], GalaxyTable], micro_batch: int, seed: int, chunk: int = 4096
    ):
        self.simulate, self.micro_batch, self.seed = simulate, micro_batch, seed
        self.steps_a_chunk = max(1, chunk // micro_batch)
        self._chunks: dict[int, tuple[int, GalaxyTable]] = {}

    def rows(self, step: int, unit: int) -> GalaxyTable:
        """The galaxies of this step within the chunk of this unit."""
        number, within = divmod(step, self.steps_a_chunk)
        if self._chunks.get(unit, (None,))[0] != number:
            n = self.steps_a_chunk * self.micro_batch
            self._chunks[unit] = number, self.simulate(seed_of(self.seed, "online", unit), number * n, n)
        return self._chunks[unit][1][slice(within * self.micro_batch, (within + 1) * self.micro_batch)]

    def places(self, step: int, unit: int, positions: Sequence[int]) -> list[str]:
        """What some galaxies of this unit are simulated from."""
        seed = seed_of(self.seed, "online", unit)
        return [f"simulated galaxy {step * self.micro_batch + i} of seed {seed}" for i in positions]


class MixedSource:
    """Galaxies of several sources, in fixed shares of every unit, to within one galaxy.

    Args:
        main: Fills what the others leave; gives ``micro_batch`` galaxies a unit at least.
        others: (sequence, share) of the rest.
        batch_size, micro_batch: Galaxies of a step and of a unit.

    Raises:
        ValueError: the shares leave the main source less than one galaxy a unit.
    """

    def __init__(
        self,
        main: GalaxySource | GalaxySequence,
        others: Sequence[tuple[GalaxySequence, float]],
        batch_size: int,
        micro_batch: int,
    ) -> None:
        self.main, self.others, self.micro_batch = main, list(others), micro_batch
        self.units = batch_size // micro_batch
        if micro_batch * (1 - sum(share for _, share in others)) < len(others):
            listed = ", ".join(f"{share:g}" for _, share in others)
            raise ValueError(f"shares {listed}: too much of {micro_batch} galaxies a unit; give a larger --micro-batch")

    def rows(self, step: int, unit: int) -> GalaxyTable:
        """The galaxies of this unit: the main source first, then the others."""
        (start, n), others = self._spans(step, unit)
        if isinstance(self.main, OnlineSource):
            first = self.main.rows(step, unit)[slice(0, n)]
        else:
            first = self.main.span(start, n)
        return GalaxyTable.join([first, *(sequence.span(*span) for sequence, span in others)])

    def places(self, step: int, unit: int, positions: Sequence[int]) -> list[str]:
        """Where some galaxies of this unit come from."""
        (start, n), others = self._spans(step, unit)
        if isinstance(self.main, OnlineSource):
            named = self.main.places(step, unit, range(n))
        else:
            named = self.main.places(start, n)
        named = sum((sequence.places(*span) for sequence, span in others), named)
        return [named[i] for i in positions]

    def _spans(self, step: int, unit: int) -> tuple[tuple[int, int], list[tuple[GalaxySequence, tuple[int, int]]]]:
        """First position and number of galaxies of the main source, and of each other sequence."""
        number = step * self.units + unit
        firsts = [int(number * self.micro_batch * share) for _, share in self.others]
        stops = [int((number + 1) * self.micro_batch * share) for _, share in self.others]
        counts = [stop - first for first, stop in zip(firsts, stops, strict=True)]
        main = number * self.micro_batch - sum(firsts), self.micro_batch - sum(counts)
        spans = zip(firsts, counts, strict=True)
        return main, [(sequence, span) for (sequence, _), span in zip(self.others, spans, strict=True)]


def row_of_groups(held: Sequence[tuple[Path, int, int]], groups: Sequence[int], row: int) -> str:
    """File and row in it (from 0) of a row of some row groups that were read one after the other.

    Args:
        held: (file, number within it, rows) of all groups; see ``GalaxyFiles``.
        groups: Which of them were read.
        row: Row of what was read.
    """
    for group in groups:
        file, number, n = held[group]
        if row < n:
            before = sum(m for other, k, m in held if other == file and k < number)
            return f"{file.name} row {before + row}"
        row -= n
    return f"row {row}"


__all__ = [
    "GalaxySequence",
    "GalaxySource",
    "MixedSource",
    "OnlineSource",
    "SequenceSource",
    "StreamedSequence",
    "TableSequence",
    "row_of_groups",
]
