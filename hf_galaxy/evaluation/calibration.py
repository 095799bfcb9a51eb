"""Calibration of posteriors: do stated probabilities come true?

The probability integral transform (PIT) of a galaxy is its posterior cumulative distribution at the truth. Over many
galaxies the PIT of an honest posterior is uniform on [0, 1]; posteriors that are too narrow pile it up at both ends,
too wide ones in the middle, biased ones at one end (Dawid 1984; Gneiting, Balabdaoui & Raftery 2007).

Arrays of posterior draws have shape (n_galaxy, n_sample); of quantiles (n_galaxy, n_level).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


class PitHistogram(NamedTuple):
    """Counts of PIT values in equal bins, and the band that a uniform PIT stays in.

    Attributes:
        edges: (n_bin + 1,).
        counts: (n_bin,) galaxies in each bin.
        expected: Galaxies in each bin of a uniform PIT.
        lower, upper: Binomial limits of one bin's count under uniformity.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    expected: float
    lower: float
    upper: float


class CoverageCurve(NamedTuple):
    """Share of truths inside an interval or below a quantile: ``level`` stated, ``observed`` found, binomial band."""

    level: NDArray[np.float64]
    observed: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


class ReliabilityCurve(NamedTuple):
    """Frequency of an event against its stated probability, in the bins that hold any galaxy.

    Attributes:
        probability: Mean stated probability in each bin.
        frequency: Share of the galaxies of the bin with which it came true.
        count: Galaxies in each bin.
        lower, upper: Binomial band of the frequency if the stated probability is right.
    """

    probability: NDArray[np.float64]
    frequency: NDArray[np.float64]
    count: NDArray[np.int64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]


class CalibrationTest(NamedTuple):
    """What a set of PIT values says about the posteriors that they came from.

    Attributes:
        n: Number of galaxies.
        deviation: Greatest distance of the empirical distribution of the PIT from the uniform one.
        p_value: Of that distance (Kolmogorov-Smirnov, two sided).
        spread_score: Excess of the PIT's spread in standard errors; positive means posteriors too narrow.
        shift_score: Excess of the PIT's mean in standard errors; positive means truths above their posteriors.
        verdict: ``"calibrated"``, ``"over-confident"``, ``"under-confident"``, ``"biased"`` or ``"misshapen"``.
    """

    n: int
    deviation: float
    p_value: float
    spread_score: float
    shift_score: float
    verdict: str


def pit_from_samples(samples: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Mid-rank of the truth among its draws, ``(below + ties / 2 + 1/2) / (n_sample + 1)``: never 0 nor 1."""
    samples, truth = _matched(samples, truth, "samples")
    below = np.sum(samples < truth[:, None], axis=1) + 0.5 * np.sum(samples == truth[:, None], axis=1)
    return (below + 0.5) / (samples.shape[1] + 1)


def pit_from_quantiles(quantiles: ArrayLike, levels: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Level at which the truth lies, linear between levels; truths beyond the extreme levels get half of that tail."""
    quantiles, truth = _matched(quantiles, truth, "quantiles")
    levels = _levels(levels, quantiles.shape[1])
    tails = (0.5 * levels[0], 0.5 * (1.0 + levels[-1]))
    rows = zip(truth, quantiles, strict=True)
    return np.array([np.interp(t, q, levels, left=tails[0], right=tails[1]) for t, q in rows])


def pit_histogram(pit: ArrayLike, bins: int = 20, confidence: float = 0.99) -> PitHistogram:
    """Histogram of the PIT with the two-sided binomial band of a single bin at ``confidence``."""
    pit = _pit(pit)
    counts, edges = np.histogram(pit, bins=bins, range=(0.0, 1.0))
    lower, upper = stats.binom.interval(confidence, pit.size, 1.0 / bins)
    return PitHistogram(edges, counts, pit.size / bins, float(lower), float(upper))


def pit_deviation(pit: ArrayLike) -> float:
    """Greatest distance between the empirical distribution function of the PIT and the uniform one."""
    pit = np.sort(_pit(pit))
    steps = np.arange(pit.size + 1) / pit.size
    return float(max(np.max(steps[1:] - pit), np.max(pit - steps[:-1])))


def central_coverage(pit: ArrayLike, levels: ArrayLike, confidence: float = 0.99) -> CoverageCurve:
    """Share of truths inside the central interval of each level, with the binomial band under honesty."""
    pit, levels = _pit(pit), np.atleast_1d(np.asarray(levels, dtype=float))
    distance = 2.0 * np.abs(pit - 0.5)
    observed = np.mean(distance[None, :] <= levels[:, None], axis=1)
    lower, upper = stats.binom.interval(confidence, pit.size, levels)
    return CoverageCurve(levels, observed, lower / pit.size, upper / pit.size)


def quantile_coverage(pit: ArrayLike, levels: ArrayLike, confidence: float = 0.99) -> CoverageCurve:
    """Share of truths below the quantile of each level, with the binomial band under honesty."""
    pit, levels = _pit(pit), np.atleast_1d(np.asarray(levels, dtype=float))
    observed = np.mean(pit[None, :] <= levels[:, None], axis=1)
    lower, upper = stats.binom.interval(confidence, pit.size, levels)
    return CoverageCurve(levels, observed, lower / pit.size, upper / pit.size)


def interval_coverage(lower: ArrayLike, upper: ArrayLike, truth: ArrayLike) -> float:
    """Share of truths with ``lower <= truth <= upper``; all of shape (n,)."""
    lower, upper, truth = (np.asarray(a, dtype=float) for a in (lower, upper, truth))
    return float(np.mean((truth >= lower) & (truth <= upper)))


def crps_gaussian(mean: ArrayLike, sigma: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Continuous ranked probability score of Gaussians, in closed form (Gneiting et al. 2005, eq. 5)."""
    mean, sigma, truth = (np.asarray(a, dtype=float) for a in (mean, sigma, truth))
    z = (truth - mean) / sigma
    return sigma * (z * (2.0 * stats.norm.cdf(z) - 1.0) + 2.0 * stats.norm.pdf(z) - 1.0 / np.sqrt(np.pi))


def crps_from_samples(samples: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """``E|X - truth| - E|X - X'| / 2`` with the unbiased mean over pairs of different draws (Ferro 2014).

    Raises:
        ValueError: Fewer than two draws a galaxy.
    """
    samples, truth = _matched(samples, truth, "samples")
    n = samples.shape[1]
    if n < 2:
        raise ValueError("the score needs two draws a galaxy or more")
    ordered = np.sort(samples, axis=1)
    weights = 2.0 * np.arange(1, n + 1) - n - 1.0  # sum over pairs of |x_i - x_j| from the order statistics
    spread = ordered @ weights / (n * (n - 1))
    return np.mean(np.abs(samples - truth[:, None]), axis=1) - spread


def crps_from_quantiles(quantiles: ArrayLike, levels: ArrayLike, truth: ArrayLike) -> NDArray[np.float64]:
    """Twice the quantile (pinball) loss integrated over the level, each level standing for the cell around it.

    The error falls as the square of the spacing of the levels; levels ``(k - 1/2) / K`` are the natural choice.
    """
    quantiles, truth = _matched(quantiles, truth, "quantiles")
    levels = _levels(levels, quantiles.shape[1])
    cells = np.diff(np.concatenate([[0.0], 0.5 * (levels[1:] + levels[:-1]), [1.0]]))
    miss = truth[:, None] - quantiles
    pinball = np.maximum(levels * miss, (levels - 1.0) * miss)
    return 2.0 * pinball @ cells


def reliability(
    probability: ArrayLike, outcome: ArrayLike, bins: int = 10, confidence: float = 0.99
) -> ReliabilityCurve:
    """Frequency of a yes-or-no event in equal bins of its stated probability.

    Raises:
        ValueError: Shapes differ or a probability lies outside [0, 1].
    """
    probability, outcome = np.asarray(probability, dtype=float), np.asarray(outcome, dtype=bool)
    if probability.shape != outcome.shape or probability.ndim != 1:
        raise ValueError(f"probabilities have shape {probability.shape}, outcomes {outcome.shape}: give equal lengths")
    if not np.all((probability >= 0) & (probability <= 1)):
        raise ValueError("probabilities must lie in [0, 1]")
    index = np.minimum((probability * bins).astype(int), bins - 1)
    count = np.bincount(index, minlength=bins)
    full = count > 0
    count = count[full]
    stated = np.bincount(index, weights=probability, minlength=bins)[full] / count
    frequency = np.bincount(index, weights=outcome, minlength=bins)[full] / count
    lower, upper = stats.binom.interval(confidence, count, stated)
    return ReliabilityCurve(stated, frequency, count, lower / count, upper / count)


def calibration_test(pit: ArrayLike, false_alarm: float = 1e-3) -> CalibrationTest:
    """Whether PIT values can have come from honest posteriors, and if not, what is wrong with them.

    Under uniformity ``(u - 1/2)**2`` has mean 1/12 and variance 1/180, and ``u`` mean 1/2 and variance 1/12; the three
    tests (distance, spread, shift) share ``false_alarm`` evenly. With many galaxies any real model fails: read
    ``deviation`` for how much.
    """
    pit = _pit(pit)
    n, each = pit.size, false_alarm / 3.0
    deviation = pit_deviation(pit)
    p_value = float(stats.kstwo.sf(deviation, n))
    spread = float((np.mean((pit - 0.5) ** 2) - 1.0 / 12.0) / np.sqrt(1.0 / (180.0 * n)))
    shift = float((np.mean(pit) - 0.5) / np.sqrt(1.0 / (12.0 * n)))
    critical = stats.norm.isf(each / 2.0)
    if abs(shift) > critical and abs(shift) > abs(spread):
        verdict = "biased"
    elif abs(spread) > critical:
        verdict = "over-confident" if spread > 0 else "under-confident"
    else:
        verdict = "misshapen" if p_value < each else "calibrated"
    return CalibrationTest(n, deviation, p_value, spread, shift, verdict)


def _matched(values: ArrayLike, truth: ArrayLike, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, truth = np.asarray(values, dtype=float), np.asarray(truth, dtype=float)
    if values.ndim != 2 or truth.shape != values.shape[:1]:
        raise ValueError(f"{name} have shape {values.shape}, truths {truth.shape}: give (n_galaxy, n) and (n_galaxy,)")
    return values, truth


def _levels(levels: ArrayLike, n: int) -> NDArray[np.float64]:
    levels = np.asarray(levels, dtype=float)
    if levels.shape != (n,) or np.any(np.diff(levels) <= 0) or not (levels[0] > 0 and levels[-1] < 1):
        raise ValueError(f"levels must be {n} increasing numbers between 0 and 1, one for each column of quantiles")
    return levels


def _pit(pit: ArrayLike) -> NDArray[np.float64]:
    pit = np.asarray(pit, dtype=float)
    if pit.ndim != 1 or pit.size == 0 or not np.all((pit >= 0) & (pit <= 1)):
        raise ValueError(f"PIT values must be a non-empty array of numbers in [0, 1]; got shape {pit.shape}")
    return pit
