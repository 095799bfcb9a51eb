"""Batches as pure functions of (seed, step, unit), so that resuming needs no state of a sampler.

A step consists of ``batch_size / micro_batch`` *units*. Every unit has its own rows and its own generator, seeded by
(seed, step, unit); process r of W works on the units r, r + W, … Hence the number of processes changes who computes
what, and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol

import torch

from ..data.galaxies import GalaxyTable


def seed_of(*parts: int | str) -> int:
    """A seed of 63 bits, the same on every machine, from numbers and names."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class GalaxySource(Protocol):
    """Gives the noiseless galaxies of one unit of one step."""

    def rows(self, step: int, unit: int) -> GalaxyTable:
        """(micro_batch,) galaxies."""


class TableSource:
    """Galaxies of a table in the order of one permutation an epoch, seeded by (seed, epoch)."""

    def __init__(self, table: GalaxyTable, batch_size: int, micro_batch: int, seed: int) -> None:
        self.table, self.batch_size, self.micro_batch, self.seed = table, batch_size, micro_batch, seed
        self._orders: dict[int, torch.Tensor] = {}

    def rows(self, step: int, unit: int) -> GalaxyTable:
        """The galaxies at the positions of this unit in the endless sequence of epochs."""
        first = step * self.batch_size + unit * self.micro_batch
        position = torch.arange(first, first + self.micro_batch)
        epoch, offset = position // len(self.table), position % len(self.table)
        low, high = int(epoch[0]), int(epoch[-1])
        self._orders = {e: o for e, o in self._orders.items() if e >= low}
        return self.table[torch.cat([self._order(e)[offset[epoch == e]] for e in range(low, high + 1)])]

    def _order(self, epoch: int) -> torch.Tensor:
        if epoch not in self._orders:
            generator = torch.Generator().manual_seed(seed_of(self.seed, "epoch", epoch))
            self._orders[epoch] = torch.randperm(len(self.table), generator=generator)
        return self._orders[epoch]


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


class Batcher:
    """Rows to model inputs: fresh noise at every visit, then what is shown and what is asked.

    Args:
        source: Noiseless galaxies.
        observe: ``NoiseModel.observe``.
        draw: ``Conditioner.draw``.
        seed: Of noise and conditioning.
        device: Where noise and conditioning are drawn.
    """

    def __init__(self, source: GalaxySource, observe: Callable, draw: Callable, seed: int, device: torch.device | str):
        self.source, self.observe, self.draw, self.seed, self.device = source, observe, draw, seed, device

    def __call__(self, step: int, unit: int) -> dict[str, torch.Tensor]:
        """Keyword arguments of the model for one unit of one step."""
        generator = torch.Generator(self.device).manual_seed(seed_of(self.seed, "step", step, unit))
        return inputs_of(self.source.rows(step, unit).to(self.device), self.observe, self.draw, generator)


def inputs_of(
    rows: GalaxyTable, observe: Callable, draw: Callable, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """Model inputs of some galaxies: observed with noise, split into context and questions."""
    observation = observe(rows.flux, generator)
    return draw(rows.flux, observation, rows.properties, rows.survey, generator)


def validation_batches(
    table: GalaxyTable, observe: Callable, draw: Callable, seed: int, device: torch.device | str, size: int = 512
) -> list[dict[str, torch.Tensor]]:
    """The fixed questions about the fixed galaxies that every validation asks."""
    batches = []
    for k, start in enumerate(range(0, len(table), size)):
        generator = torch.Generator(device).manual_seed(seed_of(seed, "validation", k))
        batches.append(inputs_of(table[slice(start, start + size)].to(device), observe, draw, generator))
    return batches
