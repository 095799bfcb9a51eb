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


def photoz_by_bin(z_phot: ArrayLike, z_true: ArrayLike, value: ArrayLike, edges: ArrayLike) -> list[PhotozBin]:
    """The same in bins of another quantity, such as magnitude; galaxies outside every bin are left out.

    Raises:
        ValueError: ``edges`` do not increase, or the shapes differ.
    """
    z_phot, z_true = _paired(z_phot, z_true)
    value, edges = np.asarray(value, dtype=float), np.asarray(edges, dtype=float)
    if value.shape != z_phot.shape:
        raise ValueError(f"value has shape {value.shape}, redshifts have {z_phot.shape}: give one value a galaxy")
    if edges.ndim != 1 or edges.size < 2 or np.any(np.diff(edges) <= 0):
        raise ValueError(f"edges of bins must be two or more increasing numbers, not {edges.tolist()}")
    bins = []
    for lower, upper in pairwise(edges):
        inside = (value >= lower) & ((value < upper) | ((value == upper) & (upper == edges[-1])))
        bins.append(PhotozBin(float(lower), float(upper), photoz_statistics(z_phot[inside], z_true[inside])))
    return bins


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


def _paired(predicted: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    predicted, truth = np.asarray(predicted, dtype=float), np.asarray(truth, dtype=float)
    if predicted.shape != truth.shape or predicted.ndim != 1:
        raise ValueError(f"estimates have shape {predicted.shape}, truths {truth.shape}: give two arrays of one length")
    bad = np.flatnonzero(~(np.isfinite(predicted) & np.isfinite(truth)))
    if bad.size:
        raise ValueError(f"{bad.size} of {truth.size} pairs are not finite, the first in row {bad[0]}: leave them out")
    return predicted, truth
