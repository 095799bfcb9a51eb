"""Extinction by the dust of our own Galaxy, taken out of spectra."""

from __future__ import annotations

from dataclasses import replace

import astropy.units as u
import numpy as np

from .spectra import Spectrum

# E(B-V) of Schlegel, Finkbeiner & Davis (1998) is 14 % too large (Schlafly & Finkbeiner 2011, ApJ 737, 103)
RECALIBRATION = 0.86
R_V = 3.1


def extinction_factor(wavelength: np.ndarray, ebv: float) -> np.ndarray:
    """(n,) light before the Galaxy over light after it, at vacuum wavelengths in Å, for an E(B-V) of the SFD map.

    Law of Fitzpatrick (1999, PASP 111, 63), R_V = 3.1.
    """
    from dust_extinction.parameter_averages import F99

    inverse_micron = np.clip(1e4 / np.asarray(wavelength), *F99.x_range) / u.micron
    return 10 ** (0.4 * R_V * RECALIBRATION * ebv * F99(Rv=R_V)(inverse_micron))


def deredden(spectrum: Spectrum, ebv: float, line_wavelengths: dict[str, float]) -> Spectrum:
    """The spectrum, and its line fluxes (rest-frame wavelengths in Å by name), as seen from outside the Galaxy."""
    factor = extinction_factor(spectrum.wavelength, ebv)
    lines = {}
    for name, pair in spectrum.line_fluxes.items():
        at = extinction_factor(np.array([line_wavelengths[name] * (1 + spectrum.redshift)]), ebv)[0]
        lines[name] = (pair[0] * at, pair[1] * at)
    return replace(spectrum, flux=spectrum.flux * factor, ivar=spectrum.ivar / factor**2, line_fluxes=lines)


__all__ = ["deredden", "extinction_factor"]
