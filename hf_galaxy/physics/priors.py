"""What galaxies there are: the populations that a simulated data set is drawn from.

`survey` is meant to look like the sky above a limit in i: a field (double Schechter mass function times volume), with
weight added near us and on passive galaxies, which a volume-limited draw hardly holds. `broad` is flat in redshift,
mass, dust and metallicity, and supplies the tails.

Relations follow, with generous scatter: mass function Muzzin et al. (2013) and Baldry et al. (2012); mass and
metallicity Gallazzi et al. (2005), gas Tremonti et al. (2004); continuity of star formation Leja et al. (2019); dust
Salim et al. (2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hf_galaxy.physics import sfh
from hf_galaxy.physics.cosmology import CosmologyTables, cosmology
from hf_galaxy.physics.distributions import log_uniform, piecewise_linear, student_t2, truncated_normal, uniform
from hf_galaxy.physics.random import CounterRandom

Parameters = dict[str, Tensor]

POPULATIONS = ("survey", "broad", "mixed")
# components of the populations, with their shares of it; a row keeps its component however often it is drawn again
SURVEY_SHARES = {"field": 0.45, "nearby": 0.35, "passive": 0.20}
BROAD_SHARES = {"flat": 0.85, "low": 0.15}
COMPONENTS = (*SURVEY_SHARES, *BROAD_SHARES)
NEARBY_MAX, LOW_MAX, PASSIVE_RANGE = 0.25, 0.30, (0.05, 0.75)
I_BAND_SUN = 4.5  # absolute AB magnitude of the sun in i
LIGHTEST, HEAVIEST = 0.07, 4.0  # masses over light in i, young and old, with room: they only bound the search


@dataclass(frozen=True)
class SimulationSettings:
    """What is simulated.

    Attributes:
        population: ``survey``, ``broad`` or ``mixed`` (both).
        redshift_min, redshift_max: Limits of the redshift; the maximum is at most 1.5.
        i_min, i_max: Limits of the noiseless iSDSS magnitude (AB).
        log_mass_min, log_mass_max: Limits of log10 of the surviving mass in M☉.
        survey_fraction: Share of ``survey`` rows in ``mixed``.
        step: Pixel of the spectra in ln λ.

    Raises:
        ValueError: limits out of order or beyond what the simulation can do.
    """

    population: str = "mixed"
    redshift_min: float = 0.003
    redshift_max: float = 1.0
    i_min: float = 11.0
    i_max: float = 22.5
    log_mass_min: float = 6.5
    log_mass_max: float = 12.5
    survey_fraction: float = 0.6
    step: float = 4e-4

    def __post_init__(self) -> None:
        if self.population not in POPULATIONS:
            raise ValueError(f"population {self.population!r} is not one of {', '.join(POPULATIONS)}")
        if not 0.001 <= self.redshift_min < self.redshift_max <= 1.5:
            raise ValueError(
                f"redshift limits {self.redshift_min}, {self.redshift_max}: 0.001 <= min < max <= 1.5 is needed"
            )
        if not 5.0 <= self.i_min < self.i_max <= 30.0:
            raise ValueError(f"limits of i {self.i_min}, {self.i_max}: 5 <= i_min < i_max <= 30 is needed")
        if not 5.0 <= self.log_mass_min < self.log_mass_max <= 13.5:
            limits = f"{self.log_mass_min}, {self.log_mass_max}"
            raise ValueError(f"limits of log mass {limits}: 5 <= min < max <= 13.5 is needed")
        if not 0.0 <= self.survey_fraction <= 1.0:
            raise ValueError(f"survey_fraction {self.survey_fraction} is outside [0, 1]")
        if not 5e-5 <= self.step <= 2e-3:
            raise ValueError(f"step {self.step} of ln wavelength is outside [5e-5, 2e-3]")


def _schechter(log_mass: np.ndarray) -> np.ndarray:
    """Double Schechter mass function of Baldry et al. (2012), per dex, arbitrary scale."""
    x = 10 ** (log_mass - 10.66)
    return np.exp(-x) * (3.96e-3 * x ** (1 - 0.35) + 0.79e-3 * x ** (1 - 1.47))


class Prior:
    """Draws the parameters of galaxies.

    Args:
        settings: What is simulated.
        age_edges: (k + 1,) edges of the bins of lookback time in yr.
        surviving_share: Surviving over formed mass of metallicities (n,) and shares of mass (n, k).
        tables: Distances and ages, on the same device.
    """

    def __init__(
        self,
        settings: SimulationSettings,
        age_edges: Tensor,
        surviving_share: Callable[[Tensor, Tensor], Tensor],
        tables: CosmologyTables,
    ) -> None:
        self.settings, self._edges, self._tables = settings, age_edges, tables
        self._surviving_share = surviving_share
        self._make_field(age_edges.device)

    def _make_field(self, device: torch.device) -> None:
        """Cumulative mass function, and the redshifts of galaxies above the mass visible at each."""
        s = self.settings
        self._mass_grid = np.linspace(s.log_mass_min, s.log_mass_max, 601)
        number = _schechter(self._mass_grid)
        self._mass_cdf = np.concatenate([[0.0], np.cumsum(0.5 * (number[1:] + number[:-1]))])
        z = np.linspace(s.redshift_min, s.redshift_max, 1000)
        low, high = (x.cpu().numpy() for x in self.mass_window(torch.as_tensor(z, device=device)))
        visible = np.interp(high, self._mass_grid, self._mass_cdf) - np.interp(low, self._mass_grid, self._mass_cdf)
        density = visible * cosmology().differential_comoving_volume(z).value
        cdf = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
        self._field = tuple(torch.as_tensor(a, device=device) for a in (cdf / cdf[-1], z))
        self._mass = tuple(torch.as_tensor(a, device=device) for a in (self._mass_cdf, self._mass_grid))

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
        survey = first.uniform("population") < share
        u = first.uniform("component")
        borders = [
            torch.tensor(list(x.values()), dtype=u.dtype, device=u.device).cumsum(0)
            for x in (SURVEY_SHARES, BROAD_SHARES)
        ]
        inside = [torch.searchsorted(b, u).clamp(max=len(b) - 1) for b in borders]
        return torch.where(survey, inside[0], inside[1] + len(SURVEY_SHARES))

    def draw(self, random: CounterRandom) -> Parameters:
        """Parameters that ``synthesis.Synthesizer`` takes, and ``component``, ``survey``, ``passive``, ``log_mass``."""
        component = self.components(random)
        p: Parameters = {"component": component, "survey": component < len(SURVEY_SHARES)}
        p["redshift"] = self._redshift(random, component)
        p["passive"], p["log_mass"] = self._mass_and_type(random, component, p["redshift"])
        p["weights"] = self._history(random, p)
        self._metals(random, p)
        self._dust(random, p)
        self._nucleus(random, p)
        p["log_mass_formed"] = p["log_mass"] - torch.log10(self._surviving_share(p["metallicity"], p["weights"]))
        return p

    def _between(self, low: float, high: float) -> tuple[float, float]:
        """A range of redshift cut to the settings, or that of the settings where they do not meet."""
        s = self.settings
        low, high = max(low, s.redshift_min), min(high, s.redshift_max)
        return (low, high) if low < high else (s.redshift_min, s.redshift_max)

    def _redshift(self, random: CounterRandom, component: Tensor) -> Tensor:
        """All but the field keep their redshift when they are drawn again: so its distribution is the one asked for."""
        s, u = self.settings, random.first().uniform("redshift")
        cdf, grid = self._field
        draws = {
            "field": _inverse(random.uniform("redshift"), cdf, grid),
            "nearby": log_uniform(u**0.6, *self._between(s.redshift_min, NEARBY_MAX)),
            "passive": uniform(u, *self._between(*PASSIVE_RANGE)),
            "flat": uniform(u, s.redshift_min, s.redshift_max),
            "low": log_uniform(u, *self._between(s.redshift_min, LOW_MAX)),
        }
        return _choose(component, draws)

    def _mass_and_type(self, random: CounterRandom, component: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        low, high = self.mass_window(z)
        u, v = random.uniform("mass"), random.first().uniform("type")
        cdf, grid = self._mass
        at_low, at_high = _forward(low, grid, cdf), _forward(high, grid, cdf)
        field = _inverse(uniform(u, at_low, at_high), cdf, grid)
        early = truncated_normal(u, 10.8, 0.8, low, high)
        late = uniform(u**0.7, low, torch.maximum(high.clamp(max=11.7), low + 0.1))
        draws = {
            "field": field,
            "nearby": torch.where(v < 0.5, early, late),
            "passive": truncated_normal(u, 11.0, 0.6, low, high),
            "flat": uniform(u, low, high),
            "low": uniform(u, low, high),
        }
        mass = _choose(component, draws)
        quiescent = 0.03 + 0.9 * (1 - 0.4 * z) * torch.sigmoid((mass - 10.5) / 0.35)
        share = {"field": quiescent, "nearby": 0.5, "passive": 1.0, "flat": 0.3, "low": 0.3}
        v = torch.where(component == COMPONENTS.index("field"), random.uniform("type"), v)
        chance = _choose(component, {name: torch.zeros_like(z) + value for name, value in share.items()})
        return v < chance, mass

    def _history(self, random: CounterRandom, p: Parameters) -> Tensor:
        """Shares of the mass formed in the bins of age."""
        r, passive, survey, edges = random, p["passive"], p["survey"], self._edges
        age = 1e9 * self._tables.age(p["redshift"])
        u = r.uniform("onset")
        onset = age * torch.where(passive, uniform(u, 0.45, 0.98), uniform(u, 0.25, 0.98))
        tau_passive = onset / log_uniform(r.uniform("tau"), 5.0, 40.0)
        tau = torch.where(passive, tau_passive, 1e9 * log_uniform(r.uniform("tau"), 0.3, 10.0))
        smooth = sfh.delayed(edges, onset, tau)
        steps = torch.where(survey, 0.22, 0.35)[:, None] * student_t2(r.uniform("continuity", 7), 8.0)
        u, rising = r.uniform("tilt"), torch.where(survey, 0.0, -0.12)
        tilt = torch.where(passive, uniform(u, 0.25, 0.6), uniform(u, rising, 0.25))
        log_rate = torch.cat([torch.zeros_like(steps[:, :1]), -steps.cumsum(1)], 1)
        log_rate = log_rate + tilt[:, None] * torch.arange(8, device=steps.device, dtype=steps.dtype)
        free = sfh.piecewise(edges, sfh.continuity_borders(age), log_rate)
        shares = torch.where((r.uniform("family") < 0.3)[:, None], free, smooth)
        return self._events(r, passive, survey, sfh.normalised(shares))

    def _events(self, r: CounterRandom, passive: Tensor, survey: Tensor, shares: Tensor) -> Tensor:
        """Quenching and bursts."""
        u = r.uniform("quenching since")
        since = torch.where(passive, log_uniform(u, 2e8, 5e9), log_uniform(u, 1e7, 2e9))
        factor = torch.where(
            passive, 10 ** uniform(r.uniform("quenching"), -4, -1), 10 ** uniform(r.uniform("quenching"), -3, -0.3)
        )
        quenched = r.uniform("quenched") < torch.where(passive, 0.3, 0.15)
        shares = sfh.truncate(self._edges, shares, since, torch.where(quenched, factor, torch.ones_like(factor)))
        # some star formation remains everywhere: a history that ends would put all log_sfr on the floor of the label
        embers = 1e9 * 10 ** truncated_normal(r.uniform("embers"), -13.3, 0.45, -14.5, -11.5)
        gyr = torch.full_like(embers, 1e9)
        shares = sfh.add_burst(self._edges, shares, gyr, gyr, embers)
        start = log_uniform(r.uniform("burst start"), 3e6, 5e8)
        length = start * uniform(r.uniform("burst length"), 0.2, 1.0)
        u = r.uniform("burst")
        ratio = torch.where(survey, uniform(u, -3.5, -1.6), uniform(u, -3.0, 0.5))
        ratio = 10 ** torch.where(passive, uniform(u, -4.5, -2.2), ratio)
        bursting = r.uniform("bursting") < torch.where(passive, 0.1, torch.where(survey, 0.15, 0.5))
        fraction = torch.where(bursting, ratio / (1 + ratio), torch.zeros_like(ratio))
        return sfh.add_burst(self._edges, shares, start, length, fraction)

    def _metals(self, r: CounterRandom, p: Parameters) -> None:
        """Metallicity of stars and gas, and the ionisation parameter."""
        mass, survey = p["log_mass"], p["survey"]
        stars = piecewise_linear(
            mass, (7.0, 8.0, 9.0, 10.0, 10.5, 11.0, 11.5), (-1.5, -1.2, -0.85, -0.4, -0.05, 0.1, 0.2)
        )
        u, v = r.uniform("metallicity"), r.uniform("gas metallicity")
        passive = truncated_normal(u, stars + 0.08, 0.2, -2.0, 0.5)
        typical = torch.where(p["passive"], passive, truncated_normal(u, stars, 0.35, -2.0, 0.5))
        p["metallicity"] = 10 ** torch.where(survey, typical, uniform(u, -2.0, 0.5))
        gas = piecewise_linear(mass, (7.0, 8.0, 9.0, 10.0, 11.0), (-1.0, -0.7, -0.45, -0.1, 0.15))
        gas = truncated_normal(v, gas, torch.where(survey, 0.2, 0.4), -1.6, 0.397)
        p["gas_metallicity"] = 10**gas
        p["log_u"] = truncated_normal(r.uniform("log u"), -2.95 - 0.5 * gas, 0.35, -4.0, -1.3)

    def _dust(self, r: CounterRandom, p: Parameters) -> None:
        mass, u = p["log_mass"], r.uniform("av")
        forming = truncated_normal(u, piecewise_linear(mass, (8.0, 11.0), (0.05, 0.9)), 0.4, 0.0, 3.5)
        clear = truncated_normal(u, 0.0, torch.where(r.uniform("dusty") < 0.2, 0.5, 0.12), 0.0, 2.0)
        p["av"] = torch.where(p["survey"], torch.where(p["passive"], clear, forming), 3.0 * u**1.5)
        p["birth_cloud"] = truncated_normal(r.uniform("birth cloud"), 2.0, 0.5, 1.0, 3.5)
        p["dust_slope"] = truncated_normal(r.uniform("dust slope"), -0.15, 0.3, -1.0, 0.5)
        p["dust_bump"] = truncated_normal(r.uniform("dust bump"), 0.0, 1.5, 0.0, 4.0)
        p["lya_escape"] = 0.3 * r.uniform("lya escape") ** 2

    def _nucleus(self, r: CounterRandom, p: Parameters) -> None:
        """EW(Hα) of gas that stars older than the birth clouds or a nucleus ionise: LINER-like, absent, or Seyfert."""
        u = r.uniform("nuclear ew")
        p["seyfert"] = r.uniform("nucleus") < torch.where(p["log_mass"] > 10, 0.1, 0.05)
        absent = r.uniform("gas") < torch.where(p["passive"], 0.35, 0.1)
        weak = torch.where(
            absent, truncated_normal(u, -1.4, 0.4, -2.5, 0.9), truncated_normal(u, -0.15, 0.35, -1.5, 0.9)
        )
        p["nuclear_ew"] = 10 ** torch.where(p["seyfert"], truncated_normal(u, 0.8, 0.45, -0.3, 2.0), weak)


def _choose(component: Tensor, draws: dict[str, Tensor]) -> Tensor:
    return torch.stack([draws[name] for name in COMPONENTS]).gather(0, component[None])[0]


def _forward(x: Tensor, grid: Tensor, values: Tensor) -> Tensor:
    """Linear interpolation of ``values`` (m,) at x on an increasing grid (m,)."""
    high = torch.searchsorted(grid, x.contiguous()).clamp(1, len(grid) - 1)
    t = ((x - grid[high - 1]) / (grid[high] - grid[high - 1])).clamp(0.0, 1.0)
    return torch.lerp(values[high - 1], values[high], t)


def _inverse(u: Tensor, cdf: Tensor, grid: Tensor) -> Tensor:
    return _forward(u, cdf, grid)


__all__ = ["BROAD_SHARES", "COMPONENTS", "POPULATIONS", "SURVEY_SHARES", "Prior", "SimulationSettings"]
