"""Light that a fibre misses: spectra scaled to what images measured of the whole galaxy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .filters import FilterCurve, FilterSet
from .photometry import PhotometryOperator
from .spectra import Spectrum

# Bands of images as trapezoids: half-maximum wavelengths in Å, edges of 150 Å. Colour terms against the curves are a
# few hundredths of a magnitude, less than what an image and a fibre differ by.
SYSTEMS = {
    "sdss": {"g": (3900.0, 5400.0), "r": (5560.0, 6960.0), "i": (6850.0, 8230.0), "z": (8230.0, 9680.0)},
    "legacy": {"g": (4030.0, 5480.0), "r": (5680.0, 7150.0), "i": (7050.0, 8560.0), "z": (8480.0, 10000.0)},
}
EDGE = 150.0
MODES = ("none", "grey", "smooth")
FACTORS = (0.5, 50.0)  # what a fibre can miss, and less light in the image than noise and calibration explain


class WrongImagingError(ValueError):
    """The image and the spectrum are of different things, or of different units."""


def imaging_bands(system: str) -> FilterSet:
    """The bands of a system of ``SYSTEMS``."""
    curves = []
    for name, (low, high) in SYSTEMS[system].items():
        wave = np.array([low - EDGE / 2, low + EDGE / 2, high - EDGE / 2, high + EDGE / 2])
        curves.append(FilterCurve(name, wave, np.array([0.0, 1.0, 1.0, 0.0])))
    return FilterSet(curves)


def fibre_factor(spectrum: Spectrum, imaging: Mapping[str, float], system: str, mode: str) -> np.ndarray | None:
    """(n,) what to multiply the spectrum by for the light of the whole galaxy; None where no band can be compared.

    Args:
        spectrum: What the fibre saw.
        imaging: Flux densities of the whole galaxy in nJy by band (g, r, i, z); those not positive are left out.
        system: Whose bands they are, of ``SYSTEMS``.
        mode: ``"grey"`` is one factor, the geometric mean; ``"smooth"`` a line in ln λ through the bands, constant
            beyond the outermost.

    Raises:
        WrongImagingError: A factor outside of ``FACTORS``.
    """
    bands = imaging_bands(system)
    operator = PhotometryOperator(bands, spectrum.wavelength, spectrum.good)
    seen = operator(spectrum.flux)
    pairs = [
        (np.log(curve.pivot), np.log(imaging[name] / flux))
        for (name, curve), flux in zip(bands.items(), seen, strict=True)
        if imaging.get(name, np.nan) > 0 and flux > 0
    ]
    if not pairs or mode == "none":
        return None
    pivots, ratios = np.array(sorted(pairs)).T
    outside = (np.exp(ratios) < FACTORS[0]) | (np.exp(ratios) > FACTORS[1])
    if outside.any():
        raise WrongImagingError(
            f"the image has {np.exp(ratios[outside.argmax()]):.3g} times the light of the spectrum at"
            f" {np.exp(pivots[outside.argmax()]):.0f} Å, outside of {FACTORS[0]:g} to {FACTORS[1]:g}"
        )
    if mode == "grey" or len(pairs) == 1:
        return np.full(spectrum.wavelength.shape, np.exp(ratios.mean()))
    return np.exp(np.interp(np.log(spectrum.wavelength), pivots, ratios))


def scale(spectrum: Spectrum, factor: np.ndarray, line_wavelengths: Mapping[str, float]) -> Spectrum:
    """The spectrum times ``factor`` (n,), and its line fluxes (rest-frame wavelengths in Å by name) with it."""
    lines = {
        name: tuple(
            x * np.interp(line_wavelengths[name] * (1 + spectrum.redshift), spectrum.wavelength, factor) for x in v
        )
        for name, v in spectrum.line_fluxes.items()
    }
    return replace(spectrum, flux=spectrum.flux * factor, ivar=spectrum.ivar / factor**2, line_fluxes=lines)


__all__ = ["MODES", "SYSTEMS", "WrongImagingError", "fibre_factor", "imaging_bands", "scale"]
