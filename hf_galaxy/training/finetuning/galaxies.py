"""The galaxies of a fine-tuning: those of the user, with the new variables, and simulated ones against forgetting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...data.galaxies import GalaxyTable, splits
from ..batches import observation_of
from ..feeding import simulator_of
from ..seeds import seed_of
from ..settings import TrainSettings
from ..sources import GalaxySource, MixedSource, OnlineSource, SequenceSource, TableSequence
from .settings import FinetuningSettings

VALIDATED_TOGETHER = 512


class GrownBatcher:
    """Rows with further variables to inputs of the model; a pure function of (seed, step, unit), as every batcher.

    Args:
        source: Galaxies, with or without the further variables.
        observe: ``NoiseModel.observe``.
        draw: ``Conditioner.draw``.
        width: Number of the further variables.
        seed: Of noise and conditioning.
        device: Where noise and conditioning are drawn.
    """

    def __init__(
        self,
        source: GalaxySource,
        observe: Callable,
        draw: Callable,
        width: int,
        seed: int,
        device: torch.device | str,
    ) -> None:
        self.source, self.observe, self.draw, self.width = source, observe, draw, width
        self.seed, self.device = seed, device

    def __call__(self, step: int, unit: int) -> dict[str, Tensor]:
        """Keyword arguments of the model for one unit of one step."""
        generator = torch.Generator(self.device).manual_seed(seed_of(self.seed, "step", step, unit))
        return self.inputs(self.source.rows(step, unit).to(self.device), generator)

    def inputs(self, rows: GalaxyTable, generator: torch.Generator) -> dict[str, Tensor]:
        """Keyword arguments of the model for some galaxies."""
        rows = rows.with_errors().with_extra(self.width)
        observation = observation_of(rows, self.observe, generator)
        return self.draw(
            rows.flux,
            observation,
            rows.properties,
            rows.survey,
            generator,
            flux_error=rows.flux_error,
            property_error=rows.property_error,
            extra=rows.extra,
            extra_error=rows.extra_error,
        )

    def validation(self, table: GalaxyTable) -> list[dict[str, Tensor]]:
        """The fixed questions about the fixed galaxies that every validation asks."""
        batches = []
        for k, start in enumerate(range(0, len(table), VALIDATED_TOGETHER)):
            generator = torch.Generator(self.device).manual_seed(seed_of(self.seed, "validation", k))
            rows = table[slice(start, start + VALIDATED_TOGETHER)].to(self.device)
            batches.append(self.inputs(rows, generator))
        return batches


def source_of(
    galaxies: GalaxyTable, chosen: FinetuningSettings, settings: TrainSettings, device: torch.device
) -> GalaxySource:
    """The galaxies of the user, and the share of replayed ones among them.

    Raises:
        ValueError: the replayed galaxies cannot be read, or the micro-batch is too small for the share.
    """
    mine = TableSequence(galaxies, settings.seed)
    if not chosen.replay:
        return SequenceSource(mine, settings.batch_size, settings.micro_batch)
    if chosen.replay_data:
        present = splits(chosen.replay_data) if Path(chosen.replay_data).is_dir() else []
        table = GalaxyTable.load(chosen.replay_data, "train" if "train" in present else None)
        known = TableSequence(table, settings.seed)
    else:
        known = OnlineSource(simulator_of(settings, device), settings.micro_batch, settings.seed)
    return MixedSource(known, [(mine, 1 - chosen.replay)], settings.batch_size, settings.micro_batch)


def held_out_of(galaxies: GalaxyTable, share: float, most: int, seed: int) -> tuple[GalaxyTable, GalaxyTable]:
    """Galaxies to train on, and some chosen at random to validate on: tables of people are often sorted."""
    generator = torch.Generator().manual_seed(seed_of(seed, "held out"))
    order = torch.randperm(len(galaxies), generator=generator)
    n = min(most, max(1, round(share * len(galaxies))))
    return galaxies[order[n:]], galaxies[order[:n]]


def ranges_of(names: list[str], values: Tensor) -> dict[str, list[float]]:
    """Lowest and highest known value of some columns, in physical units."""
    found = {}
    for name, column in zip(names, values.double().unbind(1), strict=True):
        known = column[torch.isfinite(column)]
        if len(known):
            found[name] = [float(known.min()), float(known.max())]
    return found


def wider(ranges: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, list[float]]:
    """What a model has seen, now or before."""
    pairs = {name: [r[name] for r in (ranges, before) if name in r] for name in {**before, **ranges}}
    return {name: [min(p[0] for p in both), max(p[1] for p in both)] for name, both in pairs.items()}


__all__ = ["GrownBatcher", "held_out_of", "ranges_of", "source_of", "wider"]
