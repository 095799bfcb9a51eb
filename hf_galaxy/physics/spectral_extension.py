"""Photometry of a spectrum whose gaps and missing ends are filled by a fitted template.

Fluxes come from the observed pixels wherever there are any; the template speaks only where there is none. A band that
needs it beyond an end of the spectrum is *extrapolated*, with an error that grows with the distance. The ultraviolet is
never made: the bands of GALEX lie too far from any optical spectrum (measured: wrong by half a magnitude and more).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .filters import FilterSet
from .photometry import MAX_MASKED, MIN_COVERED, PhotometryOperator
from .spectra import Spectrum
from .template_fit import TemplateFit

NEVER = ("FUV", "NUV")  # bands that are measured or missing
REACH = 0.10  # in ln λ: the farthest that the missing light of a band may lie, on average, from the spectrum
NEAR_ERROR, FAR_ERROR = 0.05, 0.10  # mag, added to the template's share of a band at distances of 0 and of REACH
EXTENT = 0.35  # in ln λ: how far the template is drawn, more than any band within REACH needs
FINE = 2.5e-4  # in ln λ
FILL_ERROR = 0.05  # relative, of the template in place of masked pixels
SMOOTHING = 25  # good pixels over which the template is scaled to the data beside a mask
LN_PER_MAG = 0.4 * np.log(10.0)


class ExtendedPhotometry(NamedTuple):
    """Fluxes of the bands of one spectrum, each (n_band,).

    Attributes:
        flux: AB flux density in nJy; NaN where it cannot be said.
        error: 1σ in nJy; NaN where the flux is.
        extrapolated: Whether light beyond the spectrum is in the flux.
        masked: Share of the band over bad pixels.
    """

    flux: np.ndarray
    error: np.ndarray
    extrapolated: np.ndarray
    masked: np.ndarray


@dataclass(frozen=True, eq=False)
class ExtendedSpectrum:
    """Observed pixels with the template between and beyond them.

    Attributes:
        wavelength: (n,) Å, observed frame, increasing.
        flux: (n,) erg/s/cm²/Å.
        variance: (n,) of independent noise; zero where the template speaks.
        sigma: (n,) 1σ of the template from the noise of the spectrum; zero where a pixel speaks.
        kind: (n,) 0 an observed pixel, 1 the template inside the spectrum, 2 the template beyond its ends.
        limits: First and last good wavelength of the spectrum.
    """

    wavelength: np.ndarray
    flux: np.ndarray
    variance: np.ndarray
    sigma: np.ndarray
    kind: np.ndarray
    limits: tuple[float, float]

    def scaled(self, stretch: float, factor: float) -> ExtendedSpectrum:
        """Wavelengths times ``stretch``, fluxes times ``factor``."""
        return replace(
            self,
            wavelength=self.wavelength * stretch,
            flux=self.flux * factor,
            variance=self.variance * factor**2,
            sigma=self.sigma * factor,
            limits=(self.limits[0] * stretch, self.limits[1] * stretch),
        )

    def photometry(self, filters: FilterSet) -> ExtendedPhotometry:
        """Fluxes in all bands that the spectrum, or the template within ``REACH`` of it, covers."""
        operator = PhotometryOperator(filters, self.wavelength)
        share = operator.weights / np.where(operator.scale > 0, operator.scale, 1.0)[:, None]
        masked, missing = ((share * (self.kind == k)).sum(axis=1) for k in (1, 2))
        distance = self._distance(share, missing)
        beyond = missing > 1 - MIN_COVERED
        never = np.isin(filters.names, NEVER) & beyond
        keep = operator.covered & (masked <= MAX_MASKED) & ~never & (~beyond | (distance <= REACH))
        flux = operator.weights @ self.flux
        error = self._error(operator.weights, distance)
        return ExtendedPhotometry(np.where(keep, flux, np.nan), np.where(keep, error, np.nan), keep & beyond, masked)

    def _distance(self, share: np.ndarray, missing: np.ndarray) -> np.ndarray:
        """(n_band,) mean distance in ln λ of the missing light of a band from the nearer end of the spectrum."""
        low, high = np.log(self.limits)
        wave = np.log(self.wavelength)
        away = np.where(self.kind == 2, np.maximum(low - wave, wave - high), 0.0)
        return (share @ np.maximum(away, 0.0)) / np.where(missing > 0, missing, 1.0)

    def _error(self, weights: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """(n_band,) 1σ in nJy: noise of pixels, noise of the template (common to a band), and what it cannot know."""
        noise = weights**2 @ self.variance
        common = (weights @ self.sigma) ** 2
        inside, beyond = ((weights @ np.where(self.kind == k, np.abs(self.flux), 0.0)) for k in (1, 2))
        added = LN_PER_MAG * (NEAR_ERROR + (FAR_ERROR - NEAR_ERROR) * np.clip(distance / REACH, 0.0, 1.0))
        return np.sqrt(noise + common + (FILL_ERROR * inside) ** 2 + (added * beyond) ** 2)


def extend(spectrum: Spectrum, fit: TemplateFit) -> ExtendedSpectrum:
    """A spectrum with its masked pixels and the range beyond its ends filled by the fit at its redshift."""
    stretch = 1.0 + spectrum.redshift
    good = np.nonzero(spectrum.good)[0]
    inside = slice(good[0], good[-1] + 1)
    wave, is_good = spectrum.wavelength[inside], spectrum.good[inside]
    scale = _local_scale(spectrum.flux[inside], fit(wave / stretch), is_good, fit)
    flux = np.where(is_good, spectrum.flux[inside], fit(wave / stretch) * scale)
    variance = np.where(is_good, 1.0 / np.where(is_good, spectrum.ivar[inside], 1.0), 0.0)
    usable = np.isfinite(flux)  # the template does not reach everywhere
    blue, red = _beyond(wave[0], -1) / stretch, _beyond(wave[-1], 1) / stretch
    blue, red = (rest[np.isfinite(fit(rest))] for rest in (blue, red))
    parts = [
        (blue * stretch, fit(blue) * fit.blue_scale, fit.sigma(blue)),
        (wave[usable], flux[usable], np.zeros(usable.sum())),
        (red * stretch, fit(red) * fit.red_scale, fit.sigma(red)),
    ]
    wavelength, flux, sigma = (np.concatenate(x) for x in zip(*parts, strict=True))
    variance = np.concatenate([np.zeros(blue.size), variance[usable], np.zeros(red.size)])
    kind = np.concatenate([np.full(blue.size, 2), np.where(is_good[usable], 0, 1), np.full(red.size, 2)])
    return ExtendedSpectrum(wavelength, flux, variance, sigma, kind, (float(wave[0]), float(wave[-1])))


def as_observed(spectrum: Spectrum) -> ExtendedSpectrum:
    """A spectrum without any template: masked pixels are bridged by straight lines, its ends are its ends."""
    good = np.nonzero(spectrum.good)[0]
    inside = slice(good[0], good[-1] + 1)
    wave, is_good = spectrum.wavelength[inside], spectrum.good[inside]
    flux = np.interp(wave, wave[is_good], spectrum.flux[inside][is_good])
    variance = np.where(is_good, 1.0 / np.where(is_good, spectrum.ivar[inside], 1.0), 0.0)
    kind = np.where(is_good, 0, 1)
    return ExtendedSpectrum(wave, flux, variance, np.zeros_like(flux), kind, (float(wave[0]), float(wave[-1])))


def _beyond(end: float, direction: int) -> np.ndarray:
    """Wavelengths in Å, increasing, from ``end`` outwards; as fine as spectra are, so that none counts as a gap."""
    steps = np.arange(1, int(EXTENT / FINE) + 1)
    return end * np.exp(np.sort(direction * steps) * FINE)


def _local_scale(flux: np.ndarray, model: np.ndarray, good: np.ndarray, fit: TemplateFit) -> np.ndarray:
    """(n,) data over template in the good pixels around every pixel; between the scales of the ends where it fails."""
    use = good & np.isfinite(model)
    kernel = np.ones(2 * SMOOTHING + 1)

    def around(values: np.ndarray) -> np.ndarray:
        return np.convolve(np.where(use, values, 0.0), kernel, mode="same")

    data, template = around(flux), around(model)
    sure = (template > 0) & (data > 0.5 * template) & (data < 2.0 * template)
    fallback = 0.5 * (fit.blue_scale + fit.red_scale)
    return np.where(sure, data / np.where(sure, template, 1.0), fallback)


__all__ = ["NEVER", "REACH", "ExtendedPhotometry", "ExtendedSpectrum", "as_observed", "extend"]
