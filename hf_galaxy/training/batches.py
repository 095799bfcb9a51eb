"""Batches as pure functions of (seed, step, unit), so that resuming needs no state of a sampler.

A step consists of ``batch_size / micro_batch`` *units*. Every unit has its own rows and its own generator, seeded by
(seed, step, unit); process r of W works on the units r, r + W, … Hence the number of processes changes who computes
what, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..coordinates_galaxy import Coordinates
from ..data.galaxies import GalaxyTable
from ..physics.noise import Observation
from ..variables_galaxy import default_variables
from .seeds import seed_of
from .sources import GalaxySource

# In token coordinates, of which a galaxy has some 5 at most (an equivalent width of 1e4 Å, 8).
ABSURD = 25.0


class Batcher:
    """Rows to model inputs: fresh noise at every visit, then what is shown and what is asked.

    Args:
        source: Galaxies, noiseless or with errors.
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

    def explain(self, step: int, unit: int, positions: Sequence[int]) -> list[dict[str, Any]]:
        """Where some galaxies of a unit come from (``place``), and which of their values are absurd (``values``)."""
        rows = self.source.rows(step, unit)[torch.tensor(positions, dtype=torch.long)].to("cpu")
        tell = getattr(self.source, "places", None)
        places = [{"place": place} for place in tell(step, unit, positions)] if tell else [{} for _ in positions]
        return [{**place, "values": values} for place, values in zip(places, absurd_values(rows), strict=True)]


def absurd_values(rows: GalaxyTable) -> list[dict[str, float]]:
    """Of every galaxy the values that lie further from the usual than any galaxy does: name to physical value."""
    variables = [v for v in default_variables() if v.kind != "category"]
    values = torch.cat([rows.flux, rows.properties], dim=-1)
    far = ~(Coordinates(variables).forward(values).abs() < ABSURD) & ~torch.isnan(values)
    return [
        {variables[column].name: float(values[row, column]) for column in far[row].nonzero().squeeze(-1).tolist()}
        for row in range(len(values))
    ]


def observation_of(rows: GalaxyTable, observe: Callable, generator: torch.Generator) -> Observation:
    """What a survey sees of some galaxies.

    Noiseless ones are observed by a simulated survey; what was synthesised from a spectrum has the errors of that, and
    those of the survey on top; what a survey measured is taken as it is.
    """
    if not rows.has_errors:
        return observe(rows.flux, generator)
    return observe(rows.flux, generator, flux_error=rows.flux_error, skip=rows.noisy)


def inputs_of(
    rows: GalaxyTable, observe: Callable, draw: Callable, generator: torch.Generator
) -> dict[str, torch.Tensor]:
    """Model inputs of some galaxies: observed with noise, split into context and questions."""
    observation = observation_of(rows, observe, generator)
    errors = {"flux_error": rows.flux_error, "property_error": rows.property_error} if rows.has_errors else {}
    return draw(rows.flux, observation, rows.properties, rows.survey, generator, **errors)


def validation_batches(
    table: GalaxyTable, observe: Callable, draw: Callable, seed: int, device: torch.device | str, size: int = 512
) -> list[dict[str, torch.Tensor]]:
    """The fixed questions about the fixed galaxies that every validation asks."""
    batches = []
    for k, start in enumerate(range(0, len(table), size)):
        generator = torch.Generator(device).manual_seed(seed_of(seed, "validation", k))
        batches.append(inputs_of(table[slice(start, start + size)].to(device), observe, draw, generator))
    return batches
