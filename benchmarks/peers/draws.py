"""Answers from draws of posteriors: quantiles, medians, and densities by a Gaussian kernel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import stats
from scipy.special import logsumexp

from benchmarks.comparison.answers import COMPARED, LEVELS, Answers, Floats
from benchmarks.comparison.catalogue import coordinate

ANYWHERE = 1e-3  # share of every density that is a wide bell: a truth far from all draws is unlikely, not impossible
NARROWEST = 1e-4  # width of a kernel in token coordinates, below which draws count as equal
ROWS_AT_ONCE = 2000


def answers_from_draws(draws: Mapping[str, Floats], seconds: float, effective: Floats | None = None) -> Answers:
    """Answers about the compared properties among ``draws``.

    Args:
        draws: name: (n, k) draws of equal weight in physical units; a row of NaN is a galaxy without an answer.
        seconds: What it took.
        effective: (n,) independent draws that they are worth; k if not given.
    """
    kept = {name: np.asarray(draws[name], dtype=float) for name in COMPARED if name in draws}
    quantiles = {name: np.quantile(values, LEVELS, axis=1).T for name, values in kept.items()}

    def log_prob(truth: Mapping[str, Floats]) -> dict[str, Floats]:
        return {
            name: kernel_log_density(coordinate(name, values), coordinate(name, truth[name]), effective)
            for name, values in kept.items()
        }

    point = {name: np.median(values, axis=1) for name, values in kept.items()}
    return Answers(tuple(kept), dict(quantiles), point, log_prob, seconds)


def kernel_log_density(draws: Floats, truth: Floats, effective: Floats | None = None) -> Floats:
    """(n,) log density at ``truth`` (n,) of draws (n, k), smoothed by the rule of Silverman (1986, eq. 3.31)."""
    parts = []
    for start in range(0, len(draws), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        x, t = draws[rows], truth[rows, None]
        spread = np.subtract(*np.quantile(x, [0.75, 0.25], axis=1)) / 1.349
        deviation = x.std(axis=1)
        spread = np.where(spread > 0, np.minimum(spread, deviation), deviation)
        number = x.shape[1] if effective is None else np.clip(effective[rows], 1, x.shape[1])
        width = np.maximum(0.9 * spread * number**-0.2, NARROWEST)[:, None]
        kernel = logsumexp(-0.5 * ((t - x) / width) ** 2, axis=1) - np.log(
            x.shape[1] * width[:, 0] * np.sqrt(2 * np.pi)
        )
        wide = stats.norm.logpdf(t[:, 0], 0, 2)
        with np.errstate(invalid="ignore"):  # galaxies without draws stay NaN
            parts.append(np.logaddexp(np.log1p(-ANYWHERE) + kernel, np.log(ANYWHERE) + wide))
    return np.concatenate(parts)


__all__ = ["answers_from_draws", "kernel_log_density"]
