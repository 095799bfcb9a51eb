"""Indices measured on an observed spectrum."""

from __future__ import annotations

import numpy as np

from .labels import BREAK_BANDS
from .photometry import MAX_MASKED
from .spectra import Spectrum


def dn4000(spectrum: Spectrum) -> tuple[float, float] | None:
    """The 4000 Å break and its error from the noise; None where a side is not covered or more than a tenth masked.

    Ratio of the mean f_ν of 4000–4100 Å to that of 3850–3950 Å in the rest frame, each mean over wavelength (Balogh et
    al. 1999, ApJ 527, 54), as the labels of simulated galaxies. Neither velocity dispersion nor dust is taken out.
    """
    if spectrum.redshift is None:
        return None
    sides = [_mean(spectrum, low, high) for low, high in (BREAK_BANDS[:2], BREAK_BANDS[2:])]
    if None in sides or not sides[0][0] > 0 or not sides[1][0] > 0:
        return None
    (blue, blue_error), (red, red_error) = sides
    return red / blue, red / blue * np.hypot(blue_error / blue, red_error / red)


def _mean(spectrum: Spectrum, low: float, high: float) -> tuple[float, float] | None:
    """Mean of λ² f_λ between two rest-frame wavelengths, parts of pixels at both ends counted, and its error."""
    edges = np.empty(spectrum.wavelength.size + 1)
    edges[1:-1] = 0.5 * (spectrum.wavelength[1:] + spectrum.wavelength[:-1])
    edges[[0, -1]] = 2 * spectrum.wavelength[[0, -1]] - edges[[1, -2]]
    edges /= 1 + spectrum.redshift
    cover = np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0.0, None)
    used = np.where(spectrum.good, cover, 0.0)
    if used.sum() < (1 - MAX_MASKED) * (high - low):
        return None
    # the continuum rises through a side, so what is masked must not tilt its mean wavelength: weights per pixel only
    weight = used / used.sum() * spectrum.wavelength**2
    size = np.abs(spectrum.flux).max()
    variance = np.where(spectrum.good, 1.0 / np.where(spectrum.good, spectrum.ivar * size**2, 1.0), 0.0)
    return float(weight @ (spectrum.flux / size)), float(np.sqrt(weight**2 @ variance))


__all__ = ["dn4000"]
