"""Components of a population, and their redshifts, masses and types.

``survey`` is the field above a limit in i: a mass function times volume. ``broad`` supplies what a volume-limited draw
hardly holds, and the tails. Mass function: Baldry et al. (2012, MNRAS 421, 621); quiescent fraction after Muzzin et
al. (2013, ApJ 777, 18).
"""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import torch
from torch import Tensor

from hf_galaxy.physics.cosmology import CosmologyTables, cosmology
from hf_galaxy.physics.distributions import log_uniform, truncated_normal, uniform
from hf_galaxy.physics.random import CounterRandom
from hf_galaxy.physics.settings import SimulationSettings

# a row keeps its component however often it is drawn again
COMPONENTS = ("field", "nearby", "passive", "flat", "low")
FIELD = COMPONENTS.index("field")
FREE = COMPONENTS.index("flat")  # from here on, galaxies follow no relation
NEARBY_MAX, LOW_MAX, PASSIVE_RANGE = 0.25, 0.30, (0.05, 0.75)
I_BAND_SUN = 4.5  # absolute AB magnitude of the sun in i
LIGHTEST, HEAVIEST = 0.07, 4.0  # masses over light in i, young and old, with room: they only bound the search


def schechter(log_mass: np.ndarray) -> np.ndarray:
    """Double Schechter mass function of Baldry et al. (2012), per dex, arbitrary scale."""
    x = 10 ** (log_mass - 10.66)
    return np.exp(-x) * (3.96e-3 * x ** (1 - 0.35) + 0.79e-3 * x ** (1 - 1.47))


class Population:
    """Draws component, redshift, mass and type.

    Args:
        settings: What is simulated.
        tables: Distances and ages.
        device: Where galaxies are drawn.
    """

    def __init__(self, settings: SimulationSettings, tables: CosmologyTables, device: torch.device) -> None:
        self.settings, self._tables = settings, tables
        s = settings
        mass = np.linspace(s.log_mass_min, s.log_mass_max, 601)
        number = schechter(mass)
        mass_cdf = np.concatenate([[0.0], np.cumsum(0.5 * (number[1:] + number[:-1]))])
        z = np.linspace(s.redshift_min, s.redshift_max, 1000)
        low, high = (x.cpu().numpy() for x in self.mass_window(torch.as_tensor(z, device=device)))
        visible = np.interp(high, mass, mass_cdf) - np.interp(low, mass, mass_cdf)
        density = visible * cosmology().differential_comoving_volume(z).value
        cdf = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
        self._field = tuple(torch.as_tensor(a, device=device) for a in (cdf / cdf[-1], z))
        self._mass = tuple(torch.as_tensor(a, device=device) for a in (mass_cdf, mass))

    def mass_window(self, redshift: Tensor) -> tuple[Tensor, Tensor]:
        """Limits (n,) of log mass between which a galaxy can be inside the limits of i."""
        s, modulus = self.settings, self._tables.distance_modulus(redshift)
        low = torch.log10(LIGHTEST * 10 ** (0.4 * (I_BAND_SUN - (s.i_max - modulus))))
        high = torch.log10(HEAVIEST * 10 ** (0.4 * (I_BAND_SUN - (s.i_min - modulus))))
        low = low.clamp(s.log_mass_min, s.log_mass_max - 0.3)
        return low, torch.maximum(high.clamp(s.log_mass_min, s.log_mass_max), low + 0.3)

    def components(self, random: CounterRandom) -> Tensor:
        """(n,) int64 places in ``COMPONENTS``; the same at every attempt."""
        s, first = self.settings, random.first()
        share = {"survey": 1.0, "broad": 0.0, "mixed": s.survey_fraction}[s.population]
        survey, u = first.uniform("population") < share, first.uniform("component")
        borders = torch.tensor(astuple(s.broad), dtype=u.dtype, device=u.device).cumsum(0)
        inside = torch.searchsorted(borders / borders[-1], u).clamp(max=len(borders) - 1)
        return torch.where(survey, FIELD, inside + 1)

    def redshift(self, random: CounterRandom, component: Tensor) -> Tensor:
        """All but the field keep their redshift when they are drawn again: so its distribution is the one asked for."""
        s, u = self.settings, random.first().uniform("redshift")
        cdf, grid = self._field
        draws = {
            "field": interpolate(random.uniform("redshift"), cdf, grid),
            "nearby": log_uniform(u**0.6, *self._between(s.redshift_min, NEARBY_MAX)),
            "passive": uniform(u, *self._between(*PASSIVE_RANGE)),
            "flat": uniform(u, s.redshift_min, s.redshift_max),
            "low": log_uniform(u, *self._between(s.redshift_min, LOW_MAX)),
        }
        return _choose(component, draws)

    def mass_and_type(self, random: CounterRandom, component: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) bool passive, and (n,) log10 of the surviving mass in M☉."""
        low, high = self.mass_window(z)
        u, v = random.uniform("mass"), random.first().uniform("type")
        cdf, grid = self._mass
        at_low, at_high = interpolate(low, grid, cdf), interpolate(high, grid, cdf)
        early = truncated_normal(u, 10.8, 0.8, low, high)
        late = uniform(u**0.7, low, torch.maximum(high.clamp(max=11.7), low + 0.1))
        draws = {
            "field": interpolate(uniform(u, at_low, at_high), cdf, grid),
            "nearby": torch.where(v < 0.5, early, late),
            "passive": truncated_normal(u, 11.0, 0.6, low, high),
            "flat": uniform(u, low, high),
            "low": uniform(u, low, high),
        }
        mass = _choose(component, draws)
        quiescent = 0.01 + 0.98 * (1 - 0.15 * z) * torch.sigmoid((mass - 10.5) / 0.28)
        share = {"field": quiescent, "nearby": 0.5, "passive": 1.0, "flat": 0.3, "low": 0.3}
        v = torch.where(component == FIELD, random.uniform("type"), v)
        chance = _choose(component, {name: torch.zeros_like(z) + value for name, value in share.items()})
        return v < chance, mass

    def _between(self, low: float, high: float) -> tuple[float, float]:
        """A range of redshift cut to the settings, or that of the settings where they do not meet."""
        s = self.settings
        low, high = max(low, s.redshift_min), min(high, s.redshift_max)
        return (low, high) if low < high else (s.redshift_min, s.redshift_max)


def _choose(component: Tensor, draws: dict[str, Tensor]) -> Tensor:
    return torch.stack([draws[name] for name in COMPONENTS]).gather(0, component[None])[0]


def interpolate(x: Tensor, grid: Tensor, values: Tensor) -> Tensor:
    """Linear interpolation of ``values`` (m,) at x on an increasing grid (m,)."""
    high = torch.searchsorted(grid, x.contiguous()).clamp(1, len(grid) - 1)
    t = ((x - grid[high - 1]) / (grid[high] - grid[high - 1])).clamp(0.0, 1.0)
    return torch.lerp(values[high - 1], values[high], t)


__all__ = ["COMPONENTS", "FIELD", "FREE", "Population", "interpolate", "schechter"]
