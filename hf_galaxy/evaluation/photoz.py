"""Point estimates against the truth: photometric redshifts and any other property.

The scaled redshift error is ``delta = (z_phot - z_true) / (1 + z_true)``. Two outlier definitions are always given
together, because the literature uses both: 0.03 (Hernán-Caballero et al. 2021, A&A 654, A101) and 0.15 (most others).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

NMAD_FACTOR = 1.4826  # standard deviation of a Gaussian over its median absolute deviation, 1 / (sqrt(2) erfinv(1/2))
OUTLIER_NARROW = 0.03
OUTLIER_WIDE = 0.15


class PhotozStatistics(NamedTuple):
    """Quality of redshift estimates; every figure but ``n`` is NaN where there is no galaxy.

    Attributes:
        n: Number of galaxies.
        sigma_nmad: ``1.4826 median |delta - median delta|``.
        bias: ``median delta``.
        outliers_003: Share with ``|delta| > 0.03``.
        outliers_015: Share with ``|delta| > 0.15``.
    """

    n: int
    sigma_nmad: float
    bias: float
    outliers_003: float
    outliers_015: float


class PhotozBin(NamedTuple):
    """Statistics of the galaxies with ``lower <= value < upper`` (the last bin holds its upper edge)."""

    lower: float
    upper: float
    statistics: PhotozStatistics


class ResidualStatistics(NamedTuple):
    """Quality of point estimates of a property, in its own unit: ``residual = predicted - truth``.

    Attributes:
        n: Number of galaxies.
        bias: Median residual.
        sigma_nmad: ``1.4826 median |residual - bias|``.
        standard_deviation: Of the residuals, outliers and all.
    """

    n: int
    bias: float
    sigma_nmad: float
    standard_deviation: float


class ResidualBin(NamedTuple):
    """Statistics of the galaxies with ``lower <= value < upper`` (the last bin holds its upper edge)."""

    lower: float
    upper: float
    statistics: ResidualStatistics


def sigma_nmad(residual: ArrayLike) -> float:
    """Normalised median absolute deviation about the median; NaN of an empty array."""
    residual = np.asarray(residual, dtype=float)
    if residual.size == 0:
        return float("nan")
    return float(NMAD_FACTOR * np.median(np.abs(residual - np.median(residual))))


def scaled_error(z_phot: ArrayLike, z_true: ArrayLike) -> NDArray[np.float64]:
    """``(z_phot - z_true) / (1 + z_true)``, one number a galaxy.

    Raises:
        ValueError: Shapes differ, or a value is not finite.
    """
    z_phot, z_true = _paired(z_phot, z_true)
    return (z_phot - z_true) / (1.0 + z_true)


def photoz_statistics(z_phot: ArrayLike, z_true: ArrayLike) -> PhotozStatistics:
    """Scatter, bias and outlier shares of redshift estimates of shape (n,)."""
    delta = scaled_error(z_phot, z_true)
    if delta.size == 0:
        return PhotozStatistics(0, *[float("nan")] * 4)
    return PhotozStatistics(
        n=int(delta.size),
        sigma_nmad=sigma_nmad(delta),
        bias=float(np.median(delta)),
        outliers_003=float(np.mean(np.abs(delta) > OUTLIER_NARROW)),
        outliers_015=float(np.mean(np.abs(delta) > OUTLIER_WIDE)),
    )


def odds_interval(z_phot: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Limits ``z_phot ∓ 0.03 (1 + z_phot)``; the probability between them is the odds of the estimate.

    Hernán-Caballero et al. (2021, A&A 654, A101).
    """
    z_phot = np.asarray(z_phot, dtype=float)
    half = OUTLIER_NARROW * (1 + z_phot)
    return z_phot - half, z_phot + half


def photoz_by_bin(z_phot: ArrayLike, z_true: ArrayLike, value: ArrayLike, edges: ArrayLike) -> list[PhotozBin]:
    """The same in bins of another quantity, such as magnitude or odds; galaxies outside every bin are left out.

    Raises:
        ValueError: ``edges`` do not increase, or the shapes differ.
    """
    z_phot, z_true = _paired(z_phot, z_true)
    return [
        PhotozBin(lower, upper, photoz_statistics(z_phot[inside], z_true[inside]))
        for lower, upper, inside in _bins(value, edges, z_phot.shape)
    ]


def residuals_by_bin(predicted: ArrayLike, truth: ArrayLike, value: ArrayLike, edges: ArrayLike) -> list[ResidualBin]:
    """Residuals of a property in bins of another quantity, or of its own true value; see ``photoz_by_bin``."""
    predicted, truth = _paired(predicted, truth)
    return [
        ResidualBin(lower, upper, residual_statistics(predicted[inside], truth[inside]))
        for lower, upper, inside in _bins(value, edges, truth.shape)
    ]


def residual_statistics(predicted: ArrayLike, truth: ArrayLike) -> ResidualStatistics:
    """Bias and scatter of point estimates of a property, in its own unit."""
    predicted, truth = _paired(predicted, truth)
    residual = predicted - truth
    if residual.size == 0:
        return ResidualStatistics(0, *[float("nan")] * 3)
    return ResidualStatistics(
        n=int(residual.size),
        bias=float(np.median(residual)),
        sigma_nmad=sigma_nmad(residual),
        standard_deviation=float(np.std(residual)),
    )


def _bins(value: ArrayLike, edges: ArrayLike, shape: tuple) -> list[tuple[float, float, NDArray[np.bool_]]]:
    value, edges = np.asarray(value, dtype=float), np.asarray(edges, dtype=float)
    if value.shape != shape:
        raise ValueError(f"value has shape {value.shape}, estimates have {shape}: give one value a galaxy")
    if edges.ndim != 1 or edges.size < 2 or np.any(np.diff(edges) <= 0):
        raise ValueError(f"edges of bins must be two or more increasing numbers, not {edges.tolist()}")
    return [
        (float(low), float(high), (value >= low) & ((value < high) | ((value == high) & (high == edges[-1]))))
        for low, high in pairwise(edges)
    ]


def _paired(predicted: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    predicted, truth = np.asarray(predicted, dtype=float), np.asarray(truth, dtype=float)
    if predicted.shape != truth.shape or predicted.ndim != 1:
        raise ValueError(f"estimates have shape {predicted.shape}, truths {truth.shape}: give two arrays of one length")
    bad = np.flatnonzero(~(np.isfinite(predicted) & np.isfinite(truth)))
    if bad.size:
        raise ValueError(f"{bad.size} of {truth.size} pairs are not finite, the first in row {bad[0]}: leave them out")
    return predicted, truth
