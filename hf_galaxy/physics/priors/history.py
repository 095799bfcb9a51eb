"""Histories of star formation: a family, the main sequence, and what happened lately."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_galaxy.physics import sfh
from hf_galaxy.physics.distributions import log_uniform, student_t2, truncated_normal, uniform
from hf_galaxy.physics.random import CounterRandom
from hf_galaxy.physics.settings import HistorySettings

CONTINUITY_BINS = 8
RECENT, YOUNG = 1e8, 1e7  # yr: what the label log_sfr means, and what ionises gas


def main_sequence(log_mass: Tensor, redshift: Tensor) -> Tensor:
    """log10 of the specific star formation rate in 1/yr of the main sequence (Chabrier).

    Renzini & Peng (2015, ApJ 801, L29) at z = 0.05, times (1 + z)^3.2 (a fit to Speagle et al. 2014, ApJS 214, 15,
    for z < 1.5 at 10^10.5 M☉); above 10^10.7 M☉ the sequence bends and is
    all but flat (Leslie et al. 2020, ApJ 899, 58).
    """
    log_sfr = 0.76 * log_mass - 7.64 - 0.6 * (log_mass - 10.7).clamp(min=0.0)
    return log_sfr - log_mass + 3.2 * torch.log10((1 + redshift) / 1.05)


def draw_history(r: CounterRandom, p: dict[str, Tensor], s: HistorySettings, edges: Tensor, age: Tensor) -> Tensor:
    """(n, k) shares of the formed mass in the bins of age.

    Args:
        r: Random numbers.
        p: ``passive`` and ``free`` (follows no relation) bool, ``log_mass``, ``redshift``, all (n,).
        s: Settings.
        edges: (k + 1,) edges of the bins in yr.
        age: (n,) of the universe in yr.
    """
    shares = _family(r, p, s, edges, age)
    shares = _truncated(r, p, s, edges, shares)
    shares = _on_sequence(r, p, s, edges, shares)
    # some star formation remains everywhere: a history that ends would put all log_sfr on the floor of the label
    embers = 1e9 * 10 ** truncated_normal(r.uniform("embers"), -13.3, 0.45, -14.5, -11.5)
    gyr = torch.full_like(embers, 1e9)
    shares = sfh.add_burst(edges, shares, gyr, gyr, embers)
    return _flickering(r, p, s, edges, _burst(r, p, s, edges, shares))


def _family(r: CounterRandom, p: dict[str, Tensor], s: HistorySettings, edges: Tensor, age: Tensor) -> Tensor:
    passive, free = p["passive"], p["free"]
    u = r.uniform("onset")
    onset = age * torch.where(passive, uniform(u**0.6, 0.45, 0.98), uniform(u, 0.25, 0.98))
    tau = torch.where(
        passive, onset / log_uniform(r.uniform("tau"), 5.0, 40.0), 1e9 * log_uniform(r.uniform("tau"), 0.3, 10.0)
    )
    families = [
        sfh.delayed(edges, onset, tau),
        _continuity(r, passive, free, s, edges, age),
        sfh.dirichlet(edges, onset, r.uniform("dirichlet", s.dirichlet_bins)),
    ]
    # galaxies that passed away long ago have no Dirichlet history: its last bins are never empty
    weights = torch.tensor([s.delayed, s.continuity, s.dirichlet], dtype=u.dtype, device=u.device)
    borders = (weights / weights.sum()).cumsum(0)
    which = torch.searchsorted(borders, r.uniform("family")).clamp(max=2)
    which = torch.where(passive & (which == 2), 0, which)
    return torch.stack(families)[which, torch.arange(len(which), device=which.device)]


def _continuity(r: CounterRandom, passive: Tensor, free: Tensor, s: HistorySettings, edges: Tensor, age: Tensor):
    """Student-t steps of the log rate between bins, with a tilt over cosmic time."""
    scale = torch.where(free, s.continuity_scale_broad, s.continuity_scale)[:, None]
    steps = scale * student_t2(r.uniform("continuity", CONTINUITY_BINS - 1), 8.0)
    u, rising = r.uniform("tilt"), torch.where(free, -0.12, 0.0)
    tilt = torch.where(passive, uniform(u, 0.25, 0.6), uniform(u, rising, 0.25))
    log_rate = torch.cat([torch.zeros_like(steps[:, :1]), -steps.cumsum(1)], 1)
    log_rate = log_rate + tilt[:, None] * torch.arange(CONTINUITY_BINS, device=steps.device, dtype=steps.dtype)
    return sfh.piecewise(edges, sfh.continuity_borders(age, CONTINUITY_BINS), log_rate)


def _truncated(r: CounterRandom, p: dict[str, Tensor], s: HistorySettings, edges: Tensor, shares: Tensor) -> Tensor:
    """Some histories fall at one time, or end."""
    passive, u = p["passive"], r.uniform("quenching since")
    since = torch.where(passive, log_uniform(u, 2e8, 5e9), log_uniform(u, 1e7, 2e9))
    v = r.uniform("quenching")
    factor = 10 ** torch.where(passive, uniform(v, -4, -1), uniform(v, -3, -0.3))
    quenched = r.uniform("quenched") < torch.where(passive, s.truncated_passive, s.truncated)
    return sfh.truncate(edges, shares, since, torch.where(quenched, factor, torch.ones_like(factor)))


def _on_sequence(r: CounterRandom, p: dict[str, Tensor], s: HistorySettings, edges: Tensor, shares: Tensor) -> Tensor:
    """The recent rate of most star-forming galaxies brought to the main sequence, or below it on the way down."""
    target = main_sequence(p["log_mass"], p["redshift"]) + s.sequence_offset + s.sequence_scatter * r.normal("sequence")
    leaving = r.uniform("green") < s.green
    target = torch.where(leaving, target - 2.0 * r.uniform("green by"), target)
    chosen = ~p["passive"] & ~p["free"] & (r.uniform("on sequence") < s.on_sequence)
    since = log_uniform(r.uniform("sequence since"), 1.5e8, 2e9)
    # the sequence counts surviving mass, the shares formed mass, some 1.9 times more
    rate = torch.minimum(10**target / 1.9, 0.5 / since)
    return torch.where(chosen[:, None], sfh.with_recent_rate(edges, shares, RECENT, since, rate), shares)


def _burst(r: CounterRandom, p: dict[str, Tensor], s: HistorySettings, edges: Tensor, shares: Tensor) -> Tensor:
    passive, free = p["passive"], p["free"]
    start = log_uniform(r.uniform("burst start"), 3e6, 5e8)
    length = start * uniform(r.uniform("burst length"), 0.2, 1.0)
    u = r.uniform("burst")
    ratio = torch.where(free, uniform(u, -3.0, 1.0), uniform(u, -3.5, -1.6))
    ratio = 10 ** torch.where(passive, uniform(u, -4.5, -2.2), ratio)
    chance = torch.where(passive, s.bursting_passive, torch.where(free, s.bursting_broad, s.bursting))
    fraction = torch.where(r.uniform("bursting") < chance, ratio / (1 + ratio), torch.zeros_like(ratio))
    return sfh.add_burst(edges, shares, start, length, fraction)


def _flickering(r: CounterRandom, p: dict[str, Tensor], s: HistorySettings, edges: Tensor, shares: Tensor) -> Tensor:
    """The last 10 Myr vary more than the last 100, and most in dwarfs (Weisz et al. 2012, ApJ 744, 44)."""
    sigma = s.burstiness * (1 - 0.25 * (p["log_mass"] - 9.0)).clamp(0.4, 1.5)
    factor = 10 ** (sigma * r.normal("flicker"))
    return sfh.truncate(edges, shares, torch.full_like(factor, YOUNG), factor)


__all__ = ["draw_history", "main_sequence"]
