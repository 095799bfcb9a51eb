"""Simulated galaxies of the `survey` population in any filters, for others to choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hf_galaxy.physics.filters import FilterCurve, FilterSet
from hf_galaxy.physics.labels import PROPERTY_NAMES
from hf_galaxy.physics.simulate import SimulationSettings, Simulator
from hf_galaxy.physics.synthesis import RestFrame, Synthesizer

BATCH = 512

# measures a batch of galaxies in the rest frame: parameters and spectra to (n,) or (n, k) by name
Measure = Callable[[Synthesizer, Mapping[str, Tensor], RestFrame], dict[str, Tensor]]


class Pool(NamedTuple):
    """Simulated galaxies.

    Attributes:
        magnitude: AB magnitude (n,) by band.
        properties: (n,) by name of property.
        passive: (n,) bool, drawn as quiescent.
        measured: What was measured in the rest frame, by name.
    """

    magnitude: dict[str, np.ndarray]
    properties: dict[str, np.ndarray]
    passive: np.ndarray
    measured: dict[str, np.ndarray]


def read_curve(path: Path, name: str) -> FilterCurve:
    """A filter from two columns, Å and throughput."""
    columns = np.loadtxt(path, comments="#")
    return FilterCurve(name, columns[:, 0], columns[:, 1])


def sdss_filters(folder: Path) -> list[FilterCurve]:
    """u, g, r, i, z of SDSS from the folder of real filters."""
    return [read_curve(folder / "sdss" / f"SLOAN_SDSS.{band}.dat", band) for band in "ugriz"]


def draw_pool(
    filters: Iterable[FilterCurve],
    n: int,
    seed: int,
    settings: Mapping[str, Any],
    measure: Measure | None = None,
    **limits: float,
) -> Pool:
    """Draw galaxies.

    Args:
        filters: Bands to be seen in. They stay in place: displaced filters are an error of a survey of narrow bands.
        n: Galaxies drawn.
        seed: Of the simulation.
        settings: Changes to the default ``SimulationSettings``, groups as dicts.
        measure: Measures rest-frame spectra.
        limits: Of redshift and i, over ``settings``.
    """
    given = {**settings, "population": "survey", "filter_shift": 0.0, **limits}
    simulator = Simulator(SimulationSettings(**given), FilterSet(filters))
    drawn = simulator.rows(seed, 0, n)
    magnitude = 31.4 - 2.5 * np.log10(drawn.flux.double().numpy().clip(1e-12))
    parts = [] if measure is None else list(_measured(simulator, seed, drawn, measure))
    return Pool(
        dict(zip(simulator.bands, magnitude.T, strict=True)),
        dict(zip(PROPERTY_NAMES, drawn.properties.double().numpy().T, strict=True)),
        drawn.latent["passive"].numpy(),
        {name: torch.cat([part[name] for part in parts]).double().numpy() for name in parts[0]} if parts else {},
    )


def _measured(simulator: Simulator, seed: int, drawn: Any, measure: Measure) -> Iterable[dict[str, Tensor]]:
    """What ``measure`` finds, batch by batch: spectra of all at once would fill the memory."""
    for start in range(0, len(drawn.flux), BATCH):
        rows = slice(start, start + BATCH)
        latent = {key: value[rows] for key, value in drawn.latent.items()}
        p = simulator.parameters(seed, drawn._replace(latent=latent))
        yield measure(simulator.synthesizer, p, simulator.synthesizer.rest_frame(p))
