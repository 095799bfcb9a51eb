"""Simulation-based calibration: ranks of truths among posterior draws (Talts et al. 2018, arXiv:1804.06788).

A truth drawn from the prior, data drawn given the truth, draws from the posterior given the data: the rank of the truth
among S independent draws is then uniform over 0 … S, for any number that one computes of them. So a *projection*
tests the joint posterior: log SFR − log M* is wrong if the correlation of both is, though each alone be right. It is
owed only where truths follow the prior and the noise is that of the training.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from .calibration import calibration_test


class RankTest(NamedTuple):
    """Whether ranks are uniform.

    Attributes:
        n: Number of galaxies.
        draws: Draws a galaxy, S.
        chi2: Pearson's statistic of the histogram of ranks.
        bins: Its number of bins; ``chi2`` is compared with the law of bins − 1 degrees of freedom.
        p_value: Of ``chi2``.
        deviation: Greatest distance of the distribution of the ranks from the uniform one.
        verdict: As in ``calibration.CalibrationTest``.
    """

    n: int
    draws: int
    chi2: float
    bins: int
    p_value: float
    deviation: float
    verdict: str


def sbc_ranks(samples: ArrayLike, truth: ArrayLike, seed: int = 0) -> NDArray[np.int64]:
    """Number of draws below the truth, (n_galaxy,), 0 … S; among draws equal to it the place is drawn at random.

    Raises:
        ValueError: Shapes are not (n_galaxy, S) and (n_galaxy,), or a value is not finite.
    """
    samples, truth = np.asarray(samples, dtype=float), np.asarray(truth, dtype=float)
    if samples.ndim != 2 or truth.shape != samples.shape[:1]:
        raise ValueError(f"draws have shape {samples.shape}, truths {truth.shape}: give (n, draws) and (n,)")
    if not (np.isfinite(samples).all() and np.isfinite(truth).all()):
        raise ValueError("draws and truths must be finite: leave such galaxies out")
    below, equal = (np.sum(compare(samples, truth[:, None]), axis=1) for compare in (np.less, np.equal))
    return below + np.random.default_rng(seed).integers(0, equal + 1)


def continuous_ranks(ranks: ArrayLike, draws: int, seed: int = 0) -> NDArray[np.float64]:
    """Ranks 0 … S spread evenly over their cells of [0, 1], so that uniform ranks are uniform numbers for any S."""
    ranks = np.asarray(ranks)
    if ranks.ndim != 1 or not ranks.size or ranks.min() < 0 or ranks.max() > draws:
        raise ValueError(f"ranks among {draws} draws are a non-empty array of whole numbers from 0 to {draws}")
    return (ranks + np.random.default_rng(seed).uniform(size=ranks.size)) / (draws + 1)


def rank_test(ranks: ArrayLike, draws: int, bins: int = 20, seed: int = 0) -> RankTest:
    """Pearson's test of a flat histogram, and what kind of posterior the ranks point to."""
    spread = continuous_ranks(ranks, draws, seed)
    counts = np.histogram(spread, bins=bins, range=(0.0, 1.0))[0]
    expected = spread.size / bins
    chi2 = float(np.sum((counts - expected) ** 2) / expected)
    test = calibration_test(spread)
    p_value = float(stats.chi2.sf(chi2, bins - 1))
    return RankTest(test.n, draws, chi2, bins, p_value, test.deviation, test.verdict)
