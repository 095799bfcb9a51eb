"""Observed fluxes as the numbers that ordinary machine learning is given, and properties as the numbers it learns.

Inputs are asinh magnitudes (Lupton et al. 1999) and their errors; trees get the colours of neighbouring bands too,
which networks make themselves. Targets are token coordinates: equivalent widths are learnt as arcsinh, as is usual.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.comparison.answers import COMPARED, Floats, Observe
from hf_galaxy.coordinates_galaxy import Coordinates
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.noise import Observation
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, default_variables

VARIABLES = {v.name: v for v in default_variables()}
COLUMNS = [PROPERTIES.index(name) for name in COMPARED]
_BANDS = Coordinates([VARIABLES[name] for name in BANDS])
_PROPERTIES = Coordinates([VARIABLES[name] for name in COMPARED], torch.float64)
_BY_WAVELENGTH = torch.tensor(sorted(range(len(BANDS)), key=lambda i: VARIABLES[BANDS[i]].pivot))


def magnitudes(observation: Observation) -> tuple[Tensor, Tensor]:
    """Asinh magnitudes and their errors (n, 62), in units of 1.25 e-folds of flux; NaN where not observed."""
    t = _BANDS.forward(observation.flux.float())
    return t, _BANDS.error(observation.error.float()) * _BANDS.slope(t)


def features(observation: Observation) -> Floats:
    """(n, 185) for trees: magnitudes, colours of neighbours in wavelength, errors; NaN where not observed."""
    t, error = magnitudes(observation)
    return torch.cat([t, t[:, _BY_WAVELENGTH].diff(dim=1), error], 1).numpy()


def targets(table: GalaxyTable) -> Floats:
    """(n, 12) token coordinates of the compared properties."""
    return _PROPERTIES.forward(table.properties[:, COLUMNS].double()).numpy()


def physical(t: Floats) -> Floats:
    """Token coordinates (..., 12) to physical units."""
    return _PROPERTIES.inverse(torch.as_tensor(t, dtype=torch.float64)).numpy()


def coordinate(name: str, x: Floats) -> Floats:
    """Physical values of one property, of any shape, to its token coordinate."""
    single = Coordinates([VARIABLES[name]], torch.float64)
    return single.forward(torch.as_tensor(x, dtype=torch.float64).unsqueeze(-1)).squeeze(-1).numpy()


def observed_catalogue(train: GalaxyTable, observe: Observe, seed: int) -> Observation:
    """Every training galaxy observed once: the catalogue that a code without a simulator learns from."""
    return observe(train.flux, torch.Generator().manual_seed(seed))


__all__ = ["VARIABLES", "coordinate", "features", "magnitudes", "observed_catalogue", "physical", "targets"]
