"""Simulated galaxies of the `survey` population in any filters, for others to choose from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from hf_galaxy.physics.filters import FilterCurve, FilterSet
from hf_galaxy.physics.labels import PROPERTY_NAMES
from hf_galaxy.physics.priors import COMPONENTS
from hf_galaxy.physics.simulate import SimulationSettings, Simulator

BATCH = 512


class Pool(NamedTuple):
    """Simulated galaxies.

    Attributes:
        magnitude: AB magnitude (n,) by band.
        properties: (n,) by name of property.
        passive: (n,) bool, drawn as quiescent.
        bins: (n, k) mean rest-frame f_λ of the continuum in windows, in units of that at luminosity 1 (L☉/Å per M☉
            formed), and None without windows.
        lines: Rest-frame luminosity of lines over that unit (n,) by name; empty without windows.
        log_scale: (n,) log10 of erg/s/cm² per unit of ``bins`` and ``lines``.
    """

    magnitude: dict[str, np.ndarray]
    properties: dict[str, np.ndarray]
    passive: np.ndarray
    bins: np.ndarray | None
    lines: dict[str, np.ndarray]
    log_scale: np.ndarray | None

    def __len__(self) -> int:
        return len(self.passive)


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
    components: Sequence[str] = (),
    windows: Sequence[tuple[float, float]] = (),
    lines: Mapping[str, Sequence[str]] | None = None,
    **settings: float,
) -> Pool:
    """Draw galaxies.

    Args:
        filters: Bands to be seen in.
        n: Galaxies drawn.
        seed: Of the simulation.
        components: Parts of the population to keep; all if empty.
        windows: Rest-frame windows (low, high) in Å in which the mean continuum is asked for.
        lines: Names of the grid's lines that make up each line asked for.
        settings: Limits of redshift and i for ``SimulationSettings``.

    Raises:
        ValueError: No galaxy is left of these components.
    """
    simulator = Simulator(SimulationSettings(population="survey", **settings), FilterSet(filters))
    drawn = simulator.rows(seed, 0, n)
    keep = torch.ones(n, dtype=torch.bool)
    if components:
        places = torch.tensor([COMPONENTS.index(name) for name in components])
        keep = torch.isin(drawn.latent["component"], places)
    if not keep.any():
        raise ValueError(f"none of {n} simulated galaxies is of the components {', '.join(components)}; draw more")
    magnitude = 31.4 - 2.5 * np.log10(drawn.flux[keep].double().numpy().clip(1e-12))
    bins, found, scale = None, {}, None
    if windows:
        bins, found, scale = _rest_frame(simulator, seed, drawn, windows, lines or {})
        bins, scale = bins[keep.numpy()], scale[keep.numpy()]
        found = {name: value[keep.numpy()] for name, value in found.items()}
    return Pool(
        dict(zip(simulator.bands, magnitude.T, strict=True)),
        dict(zip(PROPERTY_NAMES, drawn.properties[keep].double().numpy().T, strict=True)),
        drawn.latent["passive"][keep].numpy(),
        bins,
        found,
        scale,
    )


def _rest_frame(simulator, seed, drawn, windows, lines):
    """Continuum in windows, lines and scale of all drawn galaxies, batch by batch."""
    synthesizer = simulator.synthesizer
    wave = synthesizer.wavelength
    weights = np.stack([np.where((wave >= low) & (wave < high), wave, 0.0) for low, high in windows], 1)
    weights = torch.as_tensor(weights / weights.sum(0), dtype=torch.float32)
    names = synthesizer.line_table.names
    places = {line: [names.index(part) for part in parts] for line, parts in lines.items()}
    bins, luminosity, scale = [], {line: [] for line in lines}, []
    for start in range(0, len(drawn.flux), BATCH):
        part = type(drawn)(
            *(x[start : start + BATCH] for x in drawn[:3]),
            {key: value[start : start + BATCH] for key, value in drawn.latent.items()},
        )
        p = simulator.parameters(seed, part)
        rest = synthesizer.rest_frame(p)
        bins.append(rest.spectrum @ weights)
        for line, where in places.items():
            luminosity[line].append(rest.lines[:, where].sum(1))
        scale.append(torch.log10(synthesizer.flux_scale(p)))
    joined = {line: torch.cat(parts).double().numpy() for line, parts in luminosity.items()}
    return torch.cat(bins).double().numpy(), joined, torch.cat(scale).double().numpy()
