"""Emission lines: classes of the diagram of Baldwin, Phillips & Terlevich (1981), and the Balmer decrement.

Classes follow Kauffmann et al. (2003, MNRAS 346, 1055, eq. 1) and Kewley et al. (2001, ApJ 556, 121, eq. 5): below the
first curve star-forming, above the second active nuclei, composite between; ``weak`` comes before all, where EW(Hα) is
below 3 Å (Cid Fernandes et al. 2011, MNRAS 413, 1687) or a line is not in emission. Since each galaxy has a class, and
none is left out by what is only known of the truth, probabilities of classes can be held to what they say.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .calibration import ReliabilityCurve, reliability

CLASSES = ("star-forming", "composite", "active", "weak")
STAR_FORMING, COMPOSITE, ACTIVE, WEAK = range(4)
WEAK_EW = 3.0  # Å
CASE_B = 2.86  # Hα/Hβ without dust; Osterbrock & Ferland (2006), 10,000 K
CASE_B_MARGIN = 0.05
BALMER_EW = 1.0  # Å


class ClassificationStatistics(NamedTuple):
    """Quality of probabilities of classes.

    Attributes:
        n: Number of galaxies.
        accuracy: Share whose most probable class is the true one.
        confusion: (K, K) galaxies of true class (row) whose most probable class is that of the column.
        f1: (K,) harmonic mean of purity and completeness; NaN of a class that no galaxy has or gets.
        brier: Mean over galaxies of the sum over classes of (probability − outcome)², 0 to 2 (Brier 1950).
        brier_of_frequencies: The same of a forecast that gives every galaxy the frequencies of the classes.
        expected_brier: What ``brier`` would be if the probabilities were right.
    """

    n: int
    accuracy: float
    confusion: NDArray[np.int64]
    f1: NDArray[np.float64]
    brier: float
    brier_of_frequencies: float
    expected_brier: float


def bpt_class(
    halpha: ArrayLike, hbeta: ArrayLike, oiii: ArrayLike, nii: ArrayLike, ew_halpha: ArrayLike
) -> NDArray[np.int64]:
    """Index into ``CLASSES`` of fluxes of Hα, Hβ, [OIII] 5007, [NII] 6584 and of EW(Hα) in Å, all of one shape.

    Raises:
        ValueError: A value is not finite.
    """
    halpha, hbeta, oiii, nii, width = (np.asarray(a, dtype=float) for a in (halpha, hbeta, oiii, nii, ew_halpha))
    lines = np.stack(np.broadcast_arrays(halpha, hbeta, oiii, nii))
    if not (np.isfinite(lines).all() and np.isfinite(width).all()):
        raise ValueError("fluxes of lines and widths must be finite: leave such galaxies out")
    weak = (lines <= 0).any(axis=0) | (width < WEAK_EW)
    safe = np.where(weak, 1.0, lines)
    x, y = np.log10(safe[3] / safe[0]), np.log10(safe[2] / safe[1])
    with np.errstate(divide="ignore"):
        star_forming = (x < 0.05) & (y < 0.61 / (x - 0.05) + 1.3)
        below_maximum = (x < 0.47) & (y < 0.61 / (x - 0.47) + 1.19)
    classes = np.where(star_forming, STAR_FORMING, np.where(below_maximum, COMPOSITE, ACTIVE))
    return np.where(weak, WEAK, classes)


def class_probabilities(classes: ArrayLike, count: int = len(CLASSES)) -> NDArray[np.float64]:
    """Share of the draws in each class, (n_galaxy, K), of classes of joint draws (n_galaxy, n_draw).

    One draw's worth is spread over all classes, so that what no draw shows keeps a probability.
    """
    classes = np.asarray(classes)
    hits = (classes[..., None] == np.arange(count)).sum(axis=1)
    return (hits + 1 / count) / (classes.shape[1] + 1)


def classification_statistics(probability: ArrayLike, truth: ArrayLike) -> ClassificationStatistics:
    """Confusion, F1 and Brier score of probabilities (n_galaxy, K) against true classes (n_galaxy,)."""
    probability, truth = _checked(probability, truth)
    n, count = probability.shape
    guess = probability.argmax(axis=1)
    confusion = np.zeros((count, count), dtype=np.int64)
    np.add.at(confusion, (truth, guess), 1)
    outcome = np.eye(count)[truth]
    frequency = outcome.mean(axis=0)
    with np.errstate(invalid="ignore"):
        f1 = 2 * np.diag(confusion) / (confusion.sum(axis=0) + confusion.sum(axis=1))
    return ClassificationStatistics(
        n=n,
        accuracy=float(np.mean(guess == truth)),
        confusion=confusion,
        f1=f1,
        brier=float(np.mean(np.sum((probability - outcome) ** 2, axis=1))),
        brier_of_frequencies=float(1 - np.sum(frequency**2)),
        expected_brier=float(np.mean(1 - np.sum(probability**2, axis=1))),
    )


def class_reliability(probability: ArrayLike, truth: ArrayLike, bins: int = 10) -> list[ReliabilityCurve]:
    """Frequency against stated probability of each class."""
    probability, truth = _checked(probability, truth)
    return [reliability(column, truth == i, bins) for i, column in enumerate(probability.T)]


def balmer_decrements(
    halpha: ArrayLike, hbeta: ArrayLike, ew_halpha: ArrayLike, ew_hbeta: ArrayLike
) -> NDArray[np.float64]:
    """Hα/Hβ, flat, where both lines are in emission by more than 1 Å: a ratio of two vanishing lines says nothing."""
    halpha, hbeta, ew_halpha, ew_hbeta = (np.asarray(a, dtype=float) for a in (halpha, hbeta, ew_halpha, ew_hbeta))
    real = (ew_halpha > BALMER_EW) & (ew_hbeta > BALMER_EW) & (hbeta > 0)
    return halpha[real] / hbeta[real]


def below_case_b(halpha: ArrayLike, hbeta: ArrayLike, ew_halpha: ArrayLike, ew_hbeta: ArrayLike) -> float:
    """Share of ``balmer_decrements`` more than 5 % below case B, which no dust can do; NaN of none."""
    ratio = balmer_decrements(halpha, hbeta, ew_halpha, ew_hbeta)
    return float(np.mean(ratio < (1 - CASE_B_MARGIN) * CASE_B)) if ratio.size else float("nan")


def _checked(probability: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    probability, truth = np.asarray(probability, dtype=float), np.asarray(truth)
    if probability.ndim != 2 or truth.shape != probability.shape[:1] or not truth.size:
        raise ValueError(f"probabilities have shape {probability.shape}, classes {truth.shape}: give (n, K) and (n,)")
    if truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= probability.shape[1]:
        raise ValueError(f"classes are whole numbers from 0 to {probability.shape[1] - 1}")
    if (probability < 0).any() or not np.allclose(probability.sum(axis=1), 1, atol=1e-6):  # float32 softmax: 1e-7
        raise ValueError("probabilities of the classes of a galaxy must not be negative and must sum to one")
    return probability, truth
