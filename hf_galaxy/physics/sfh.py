"""Histories of star formation as shares of the formed mass in bins of lookback time (float64, any device)."""

from __future__ import annotations

import torch
from torch import Tensor


def _overlap(edges: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """(n, k) part of each bin between lookback times start and end (n,) in yr, as time."""
    low = torch.maximum(edges[None, :-1], start[:, None])
    return (torch.minimum(edges[None, 1:], end[:, None]) - low).clamp(min=0.0)


def normalised(mass: Tensor) -> Tensor:
    """Shares that add to one."""
    return mass / mass.sum(1, keepdim=True)


def delayed(edges: Tensor, onset: Tensor, tau: Tensor) -> Tensor:
    """(n, k) shares of SFR ∝ t exp(-t / tau), t since the onset (lookback, n,); edges (k + 1,); all in yr."""

    def formed(since: Tensor) -> Tensor:
        x = since / tau[:, None]
        return -torch.expm1(-x) - x * torch.exp(-x)

    cumulative = formed((onset[:, None] - edges[None]).clamp(min=0.0))
    return normalised(cumulative[:, :-1] - cumulative[:, 1:])


def piecewise(edges: Tensor, borders: Tensor, log_rate: Tensor) -> Tensor:
    """(n, k) shares of a history constant between borders (n, b + 1) in yr with log10 rates (n, b)."""
    rate = 10 ** (log_rate - log_rate.amax(1, keepdim=True))
    parts = (rate[:, j, None] * _overlap(edges, borders[:, j], borders[:, j + 1]) for j in range(rate.shape[1]))
    return normalised(sum(parts))


def continuity_borders(age: Tensor, bins: int = 8) -> Tensor:
    """(n, bins + 1) borders in yr: 0, 30, 100, 330 Myr, then even in log to 95 % of the age (n,), and the age."""
    fixed = torch.tensor([0.0, 3e7, 1e8, 3.3e8], dtype=age.dtype, device=age.device).expand(len(age), 4)
    t = torch.linspace(0, 1, bins - 4 + 1, dtype=age.dtype, device=age.device)[None]
    start = torch.log10(torch.full_like(age, 9e8)).minimum(torch.log10(0.6 * age))[:, None]
    middle = 10 ** (start + (torch.log10(0.95 * age)[:, None] - start) * t[:, : bins - 4])
    return torch.cat([fixed, middle, age[:, None]], 1)


def dirichlet(edges: Tensor, onset: Tensor, u: Tensor) -> Tensor:
    """(n, k) shares of a history whose masses in equal bins of time since the onset (n,) in yr are Dirichlet(1, …, 1).

    ``u`` (n, bins) are uniform numbers: exponential variates, divided by their sum, are such a draw.
    """
    bins = u.shape[1]
    borders = onset[:, None] * torch.linspace(0, 1, bins + 1, dtype=onset.dtype, device=onset.device)
    return piecewise(edges, borders, torch.log10(-torch.log(u)))


def truncate(edges: Tensor, shares: Tensor, since: Tensor, factor: Tensor) -> Tensor:
    """The history times ``factor`` (n,) after the lookback time ``since`` (n,) in yr."""
    young = _overlap(edges, torch.zeros_like(since), since) / (edges[1:] - edges[:-1])
    return normalised(shares * (1 - young + young * factor[:, None]))


def add_burst(edges: Tensor, shares: Tensor, start: Tensor, length: Tensor, fraction: Tensor) -> Tensor:
    """A share ``fraction`` (n,) of the mass formed at a constant rate from lookback ``start`` on, for ``length`` yr."""
    burst = normalised(_overlap(edges, (start - length).clamp(min=0.0), start))
    return shares * (1 - fraction[:, None]) + burst * fraction[:, None]


def recent_rate(edges: Tensor, shares: Tensor, period: float) -> Tensor:
    """(n,) mean star formation rate of the last ``period`` yr per mass formed, in 1/yr."""
    part = ((period - edges[:-1]) / (edges[1:] - edges[:-1])).clamp(0.0, 1.0)
    return (shares * part).sum(1) / period


def with_recent_rate(edges: Tensor, shares: Tensor, period: float, since: Tensor, rate: Tensor) -> Tensor:
    """The history with another ``recent_rate`` (n,) of ``period``, in 1/yr, below 1 / since.

    A rate that is too high is cut by one factor from the lookback time ``since`` (n,) >= period on; one that is too
    low is raised by a constant rate since then.
    """
    present = recent_rate(edges, shares, period)
    late = (shares * _overlap(edges, torch.zeros_like(since), since) / (edges[1:] - edges[:-1])).sum(1)
    factor = rate * (1 - late) / (present - rate * late).clamp(min=1e-30)
    lower = truncate(edges, shares, since, factor.clamp(0.0, 1.0))
    fraction = ((rate - present) / (1 / since - present)).clamp(0.0, 1.0)
    higher = add_burst(edges, shares, since, since, fraction)
    return torch.where((present > rate)[:, None], lower, higher)


def mean_age(edges: Tensor, shares: Tensor) -> Tensor:
    """(n,) mass-weighted age in yr."""
    return shares @ (0.5 * (edges[1:] + edges[:-1]))


__all__ = [
    "add_burst",
    "continuity_borders",
    "delayed",
    "dirichlet",
    "mean_age",
    "normalised",
    "piecewise",
    "recent_rate",
    "truncate",
    "with_recent_rate",
]
