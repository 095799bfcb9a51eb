"""A galaxy at another redshift: the same light, stretched and dimmed."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from astropy.cosmology import FlatLambdaCDM

from .cosmology import cosmology
from .filters import FilterCurve, FilterSet
from .spectral_extension import NEVER, ExtendedSpectrum

HUBBLE_FLOW = 0.01  # below it a redshift is no distance
GRID = 2e-3  # in ln(1 + z), of the redshifts that are tried
AB_ZERO_NJY = 31.4


def dimming(redshift: float, new: float | np.ndarray) -> float | np.ndarray:
    """Ratio of the fluxes (erg/s/cm²) of the same light at a new redshift and at its own: (D_L / D_L')².

    Line fluxes change by it; f_λ by (1 + z) / (1 + z') times it; equivalent widths of the rest frame do not change.
    """
    distance = _cosmology().luminosity_distance(np.append(new, redshift)).value
    ratio = (distance[-1] / distance[:-1]) ** 2
    return ratio if np.ndim(new) else float(ratio[0])


def move(spectrum: ExtendedSpectrum, redshift: float, new: float) -> ExtendedSpectrum:
    """The spectrum of a galaxy at ``redshift`` as it would be at ``new``; signal-to-noise ratios stay."""
    stretch = (1 + new) / (1 + redshift)
    return spectrum.scaled(stretch, dimming(redshift, new) / stretch)


def draw_redshift(
    rng: np.random.Generator,
    limits: tuple[float, float],
    redshift: float,
    filters: FilterSet,
    redshifts: tuple[float, float],
    fewest_bands: int,
    magnitude: float,
    magnitudes: tuple[float, float],
) -> float | None:
    """A redshift, uniform in ln(1 + z) among those where a spectrum would still be of use; None if there is none.

    Args:
        rng: Source of randomness.
        limits: First and last wavelength of the spectrum in Å, at ``redshift``.
        redshift: Of the galaxy.
        filters: The bands.
        redshifts: Range to draw from; never below ``HUBBLE_FLOW``.
        fewest_bands: Bands that must lie within the spectrum, to half of their maximum.
        magnitude: AB magnitude of the galaxy, about the middle of its spectrum.
        magnitudes: Range that it must stay in, (brightest, faintest).
    """
    low, high = np.log1p(max(redshifts[0], HUBBLE_FLOW)), np.log1p(redshifts[1])
    if redshift < HUBBLE_FLOW or high <= low:
        return None
    centers = np.arange(low + GRID / 2, high, GRID)
    new = np.expm1(centers)
    edges = np.array([_half_maximum(filters[name]) for name in filters.names if name not in NEVER])
    stretch = ((1 + new) / (1 + redshift))[:, None]
    inside = (edges[:, 0] > limits[0] * stretch) & (edges[:, 1] < limits[1] * stretch)
    # f_ν goes with λ² f_λ: another factor of (1 + z') / (1 + z)
    fainter = -2.5 * np.log10(dimming(redshift, new) * stretch[:, 0])
    fits = (inside.sum(axis=1) >= fewest_bands) & (magnitude + fainter > magnitudes[0])
    fits &= magnitude + fainter < magnitudes[1]
    if not fits.any():
        return None
    return float(np.expm1(rng.choice(centers[fits]) + GRID * (rng.random() - 0.5)))


def row_generator(seed: int, name: str, draw: int) -> np.random.Generator:
    """A generator that depends on these three alone, not on the order of rows or shards."""
    digest = hashlib.sha256(f"{seed}/{name}/{draw}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


@lru_cache(maxsize=1)
def _cosmology() -> FlatLambdaCDM:
    return cosmology()  # takes 50 ms to make


@lru_cache(maxsize=256)
def _half_maximum(curve: FilterCurve) -> tuple[float, float]:
    wave, trans = curve.fine()
    above = wave[trans >= 0.5 * trans.max()]
    return float(above[0]), float(above[-1])


__all__ = ["HUBBLE_FLOW", "dimming", "draw_redshift", "move", "row_generator"]
