"""Synthetic photometry: AB flux densities that a photon-counting detector measures of a spectrum."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .filters import FilterCurve, FilterSet
from .spectra import Spectrum

SPEED_OF_LIGHT = 2.99792458e18  # Å/s
NJY_PER_CGS = 1e32  # 1 erg/s/cm²/Hz in nJy
MIN_COVERED = 0.995  # share of ∫ T λ dλ inside the spectrum below which a band is missing, never extrapolated
MAX_MASKED = 0.10  # share of the covered ∫ T λ dλ that may be masked and bridged
GAP = 5.0  # a step wider than this many median steps is a gap, masked like a bad pixel
_GAUSS = np.array([-1.0, 1.0]) / np.sqrt(3.0)  # two-point Gauss-Legendre nodes, exact for cubics


class SyntheticPhotometry(NamedTuple):
    """Fluxes of the bands of one spectrum, each (n_band,).

    Attributes:
        flux: AB flux density in nJy; NaN where not covered.
        error: 1σ error in nJy; NaN where not covered.
        covered: Whether the spectrum covers the band.
        masked: Share of the covered band that was bridged over bad pixels.
    """

    flux: np.ndarray
    error: np.ndarray
    covered: np.ndarray
    masked: np.ndarray


class PhotometryOperator:
    """Matrix from the pixels of a wavelength grid to AB flux densities.

    ``<f_ν> = ∫ f_λ T λ dλ / (c ∫ T / λ dλ)`` (Bessell & Murphy 2012, PASP 124, 140), exact for spectra that are linear
    between their pixels and throughputs linear between their samples: the integrand is a cubic on every interval of the
    merged grid, integrated by two Gauss points. Bad pixels are bridged by straight lines.

    Args:
        filters: The bands.
        wavelength: (n,) increasing wavelengths in Å.
        good: (n,) bool, pixels that count; all if not given.

    Attributes:
        weights: (n_band, n) nJy per erg/s/cm²/Å; zero for bad pixels and for bands that are not covered.
        coverage: (n_band,) share of ∫ T λ dλ between the first and the last good pixel.
        masked: (n_band,) share of the covered ∫ T λ dλ over bad pixels and gaps.
        covered: (n_band,) whether coverage and mask let the band be measured.

    Raises:
        ValueError: Fewer than two good pixels, or wavelengths that do not increase.
    """

    def __init__(self, filters: FilterSet, wavelength: np.ndarray, good: np.ndarray | None = None) -> None:
        wavelength = np.asarray(wavelength, dtype=np.float64)
        good = np.ones(wavelength.shape, dtype=bool) if good is None else np.asarray(good, dtype=bool)
        if good.sum() < 2 or (np.diff(wavelength) <= 0).any():
            raise ValueError(
                f"wavelengths must increase and two pixels must be good; {int(good.sum())} of {good.size} are"
            )
        self.filters, self.wavelength = filters, wavelength
        grid = wavelength[good]
        bridged = _bridged_share(wavelength, good)
        rows = [_band_row(curve, grid, bridged) for curve in filters.values()]
        self.coverage = np.array([row.coverage for row in rows])
        self.masked = np.array([row.masked for row in rows])
        self.covered = (self.coverage >= MIN_COVERED) & (self.masked <= MAX_MASKED)
        self.weights = np.zeros((len(filters), wavelength.size))
        self.weights[:, good] = np.stack([row.weights for row in rows]) * self.covered[:, None]
        # ∫ T λ dλ / (c ∫ T / λ dλ): turns a mean f_λ in erg/s/cm²/Å into nJy
        self.scale = self.weights.sum(axis=1)

    def __call__(self, flux: np.ndarray) -> np.ndarray:
        """AB flux densities (…, n_band) in nJy of f_λ (…, n) in erg/s/cm²/Å; NaN where not covered."""
        return np.where(self.covered, np.asarray(flux) @ self.weights.T, np.nan)

    def observe(self, flux: np.ndarray, ivar: np.ndarray) -> SyntheticPhotometry:
        """Fluxes and errors of one spectrum, f_λ (n,) and its inverse variance (n,).

        The errors of pixels are taken as independent. The bridged share of a band adds the scatter of the band's good
        pixels about a straight line times that share: what a mask hides may differ from its neighbours by that.
        """
        value = self(flux)
        variance = self.weights**2 @ np.where(ivar > 0, 1.0 / np.where(ivar > 0, ivar, 1.0), 0.0)
        error = np.sqrt(variance + (self.masked * self._scatter(flux)) ** 2)
        return SyntheticPhotometry(value, np.where(self.covered, error, np.nan), self.covered, self.masked)

    def _scatter(self, flux: np.ndarray) -> np.ndarray:
        """(n_band,) weighted standard deviation of a band's pixels about a straight line, as a flux density in nJy."""
        weight = self.weights / np.where(self.scale > 0, self.scale, 1.0)[:, None]
        size = np.abs(flux).max() or 1.0
        f = flux / size - (weight @ flux / size)[:, None]
        x = self.wavelength / 1e4 - (weight @ self.wavelength / 1e4)[:, None]
        covariance, spread = ((weight * x * y).sum(axis=1) for y in (f, x))
        slope = covariance / np.where(spread > 0, spread, 1.0)
        return self.scale * size * np.sqrt((weight * (f - slope[:, None] * x) ** 2).sum(axis=1))


def synthesize(spectrum: Spectrum, filters: FilterSet | None = None) -> SyntheticPhotometry:
    """Photometry of a spectrum in the bands of ``filters`` (the embedded set if not given), nJy.

    A band with less than MIN_COVERED of its throughput inside the spectrum, or more than MAX_MASKED of it masked, is
    not covered: NaN. The error comes from the inverse variance alone (no floor for the calibration).
    """
    filters = filters or FilterSet.embedded()
    return PhotometryOperator(filters, spectrum.wavelength, spectrum.good).observe(spectrum.flux, spectrum.ivar)


class _Row(NamedTuple):
    weights: np.ndarray
    coverage: float
    masked: float


def _bridged_share(wavelength: np.ndarray, good: np.ndarray) -> np.ndarray:
    """(n_good - 1,) share of each interval between good pixels that no good pixel stands for.

    An interval over one bad pixel is two steps wide, and half of it is bridged.
    """
    index = np.nonzero(good)[0]
    gap = np.diff(wavelength[index])
    step = np.median(np.diff(wavelength))
    # the width of an ordinary step here: what the pixels of the file have, unless the file itself has a gap
    usual = np.minimum(gap / np.diff(index), GAP * step)
    return 1.0 - usual / gap


def _band_row(curve: FilterCurve, grid: np.ndarray, bridged: np.ndarray) -> _Row:
    """Weights (n_good,), coverage and masked share of one band."""
    low, high = curve.wavelength[[0, -1]]
    first, last = max(low, grid[0]), min(high, grid[-1])
    weights = np.zeros(grid.size)
    if first >= last:
        return _Row(weights, 0.0, 0.0)
    inside = grid[(grid > first) & (grid < last)]
    knots = curve.wavelength[(curve.wavelength > first) & (curve.wavelength < last)]
    nodes, widths = _gauss_nodes(np.unique(np.concatenate([[first, last], inside, knots])))
    trans = curve.interpolate(nodes)
    photons = trans * nodes * widths
    left = np.clip(np.searchsorted(grid, nodes, side="right") - 1, 0, grid.size - 2)
    share = (nodes - grid[left]) / (grid[left + 1] - grid[left])
    weights += np.bincount(left, photons * (1 - share), minlength=grid.size)
    weights += np.bincount(left + 1, photons * share, minlength=grid.size)
    total = _photons(curve)
    # the normalisation is over the covered part too, so that a trimmed tail takes no flux away
    norm = SPEED_OF_LIGHT * _inverse_integral(curve, first, last)
    masked = (photons * bridged[left]).sum() / photons.sum()
    return _Row(weights * NJY_PER_CGS / norm, photons.sum() / total, masked)


@lru_cache(maxsize=256)
def _photons(curve: FilterCurve) -> float:
    """∫ T λ dλ."""
    nodes, widths = _gauss_nodes(curve.fine()[0])
    return float((curve.interpolate(nodes) * nodes * widths).sum())


@lru_cache(maxsize=1024)
def _inverse_integral(curve: FilterCurve, first: float, last: float) -> float:
    """∫ T / λ dλ between two wavelengths."""
    wave = curve.fine()[0]
    edges = np.unique(np.concatenate([[first, last], wave[(wave > first) & (wave < last)]]))
    nodes, widths = _gauss_nodes(edges)
    return float((curve.interpolate(nodes) / nodes * widths).sum())


def _gauss_nodes(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two Gauss-Legendre nodes and their weights on each interval between ``edges`` (n,); (2 n - 2,) each."""
    half = 0.5 * np.diff(edges)
    centre = 0.5 * (edges[1:] + edges[:-1])
    nodes = centre[:, None] + half[:, None] * _GAUSS
    return nodes.ravel(), np.repeat(half, 2)


__all__ = ["MAX_MASKED", "MIN_COVERED", "PhotometryOperator", "SyntheticPhotometry", "synthesize"]
