"""Where the galaxies of a step come from: a table in memory, files read as they are needed, a simulator, or several.

All give the same galaxies for the same (seed, step, unit), whatever was asked before: a run that is resumed needs no
state of its source. What comes in epochs is a *sequence*, addressed by the position of a galaxy in the endless row of
epochs; a step takes ``batch_size`` of them.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
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


class TableSequence:
    """Galaxies of a table in the order of one permutation an epoch, seeded by (seed, epoch)."""

    def __init__(self, table: GalaxyTable, seed: int) -> None:
        self.table, self.seed = table, seed
        self._orders: dict[int, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self.table)

    def span(self, first: int, n: int) -> GalaxyTable:
        """The galaxies at positions first … first + n - 1."""
        position = torch.arange(first, first + n)
        epoch, offset = position // len(self.table), position % len(self.table)
        low, high = (int(epoch[0]), int(epoch[-1])) if n else (0, -1)
        self._orders = {e: o for e, o in self._orders.items() if e >= low}
        orders = [self._order(e)[offset[epoch == e]] for e in range(low, high + 1)]
        return self.table[torch.cat(orders) if orders else slice(0, 0)]

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
        parts, stop = [], first + n
        while first < stop:
            epoch, offset = divmod(first, self._size)
            windows, ends = self._windows_of(epoch)
            number = bisect.bisect_right(ends, offset)
            take = min(stop - first, ends[number] - offset)
            start = offset - (ends[number - 1] if number else 0)
            table, order = self._load(epoch, number, windows[number])
            parts.append(table[order[start : start + take]])
            first += take
        return GalaxyTable.join(parts) if parts else GalaxyTable(**self.files.read(0))[slice(0, 0)]

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
            raise ValueError(f"shares {listed}: too much of {micro_batch} galaxies a unit; give a larger micro_batch")

    def rows(self, step: int, unit: int) -> GalaxyTable:
        """The galaxies of this unit: the main source first, then the others."""
        number = step * self.units + unit
        spans = [
            (int(number * self.micro_batch * share), int((number + 1) * self.micro_batch * share))
            for _, share in self.others
        ]
        n = self.micro_batch - sum(stop - start for start, stop in spans)
        if isinstance(self.main, OnlineSource):
            first = self.main.rows(step, unit)[slice(0, n)]
        else:
            first = self.main.span(number * self.micro_batch - sum(start for start, _ in spans), n)
        rest = [
            sequence.span(start, stop - start) for (sequence, _), (start, stop) in zip(self.others, spans, strict=True)
        ]
        return GalaxyTable.join([first, *rest])


__all__ = ["GalaxySource", "MixedSource", "OnlineSource", "SequenceSource", "StreamedSequence", "TableSequence"]
