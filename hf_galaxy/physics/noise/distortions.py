"""Errors of the calibration that no stated error holds: in mag, as random combinations of fixed curves over the bands.

A *distortion* is a table of curves (k, n_band) in mag and a rule that draws k coefficients for each galaxy. All of them
together cost one product of matrices. Positive is fainter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..filters import FilterSet
from .draw import Draw
from .extinction import band_extinction
from .instruments import GALEX_BANDS
from .settings import NoiseSettings
from .spectrograph import red_ramp, spectrum_curves, telluric_curves

WORST = 4.0  # times the median: what is worse than that is not published
OPTICAL_RANGE = (3500.0, 9600.0)  # Å; half a period of the cosine of order one
MAG = 0.4 * math.log(10)


class Distortion(NamedTuple):
    """Curves (k, n_band) in mag, and what draws their coefficients (n, k).

    ``draw`` gets the random numbers and (n, 1) whether the galaxy was seen by a spectrograph, None if none was.
    """

    curves: np.ndarray
    draw: Callable[[Draw, Tensor | None], Tensor]


class Distortions:
    """All errors of the calibration.

    Args:
        settings: Their sizes.
        filters: The bands.
        device: Where the fluxes are.
    """

    def __init__(self, settings: NoiseSettings, filters: FilterSet, device: torch.device) -> None:
        self.settings = settings
        made = (imaging_calibration, spectrum_calibration, telluric_correction, milky_way, galex_aperture)
        self._parts = [part for make in made if (part := make(settings, filters)) is not None]
        curves = np.concatenate([np.empty((0, len(filters))), *(part.curves for part in self._parts)])
        self._curves = torch.tensor(curves, dtype=torch.float32, device=device)
        fringes = (settings.fringe_scatter * red_ramp(filters.pivots)) ** 2
        self._fringe_variance = torch.tensor(fringes, dtype=torch.float32, device=device)

    def factor(self, draw: Draw, spectrograph: Tensor | None) -> Tensor:
        """(n, n_band), or (1, 1) if there are none: what the fluxes are multiplied by."""
        shift = self._band_by_band(draw, spectrograph)
        if self._parts:
            coefficients = torch.cat([part.draw(draw, spectrograph) for part in self._parts], dim=1)
            smooth = coefficients.to(self._curves.dtype) @ self._curves
            shift = smooth if shift is None else shift + smooth
        return draw.ones() if shift is None else torch.exp(shift * -MAG)

    def _band_by_band(self, draw: Draw, spectrograph: Tensor | None) -> Tensor | None:
        """(n, n_band) zero points, and fringes in spectra, in mag; None without either."""
        zero_point = self.settings.zero_point_scatter
        if self.settings.fringe_scatter and spectrograph is not None:
            return (zero_point**2 + self._fringe_variance * spectrograph).sqrt() * draw.normal()
        return zero_point * draw.normal() if zero_point else None


def imaging_calibration(s: NoiseSettings, filters: FilterSet) -> Distortion | None:
    """Smooth in ln λ, in every galaxy: cosines, normalised to an rms that is half-normal."""
    if not s.calibration_scatter:
        return None

    def draw(draw: Draw, _) -> Tensor:
        terms = draw.normal(s.calibration_orders)
        terms = terms / (0.5 * terms.square().sum(1, keepdim=True)).sqrt()  # rms of one over a period
        return s.calibration_scatter * draw.normal(1) * terms

    return Distortion(cosines(filters.pivots, s.calibration_orders), draw)


def spectrum_calibration(s: NoiseSettings, filters: FilterSet) -> Distortion | None:
    """Errors of the flux calibration of spectra, of a size that differs much from one spectrum to the next."""
    sizes = (s.spectrum_scatter, s.refraction_scatter, s.red_end_scatter, s.aperture_slope)
    if not s.window_share or not any(sizes):
        return None
    order = np.arange(1, s.spectrum_orders + 1)
    weight = np.sqrt(2) / order / np.sqrt((1.0 / order**2).sum())  # a mean square of one over a period
    ripples = s.spectrum_scatter * weight[:, None] * cosines(filters.pivots, s.spectrum_orders)
    losses, red_end, slope = spectrum_curves(filters.pivots)
    losses, red_end, slope = s.refraction_scatter * losses, s.red_end_scatter * red_end, s.aperture_slope * slope
    curves = np.concatenate([ripples, losses, red_end, slope])
    curves[:, _is_galex(filters)] = 0.0

    def draw(draw: Draw, spectrograph: Tensor) -> Tensor:
        size = torch.exp(s.spectrum_tail * draw.normal(1)).clamp(max=WORST)
        badly = size * draw.normal(len(curves) - len(slope))
        return torch.cat([badly, draw.normal(len(slope))], dim=1) * spectrograph

    return Distortion(curves, draw)


def telluric_correction(s: NoiseSettings, filters: FilterSet) -> Distortion | None:
    """Absorption by O₂ and H₂O that spectra were corrected for wrongly, or not at all."""
    if not s.window_share or not (s.telluric_scatter or s.telluric_uncorrected_share):
        return None
    curves = telluric_curves(filters)
    curves[:, _is_galex(filters)] = 0.0

    def draw(draw: Draw, spectrograph: Tensor) -> Tensor:
        left = s.telluric_scatter * draw.normal(2)
        left[:, 1] *= 2  # O₂ goes with airmass, which is known; water vapour changes within hours
        return torch.where(draw.below(s.telluric_uncorrected_share), 1.0, left) * spectrograph

    return Distortion(curves, draw)


def milky_way(s: NoiseSettings, filters: FilterSet) -> Distortion | None:
    """Extinction by the Milky Way that is left after a correction with the wrong E(B−V), or without any."""
    if not s.extinction_mean or not (s.extinction_scatter or s.extinction_uncorrected_share):
        return None

    def draw(draw: Draw, _) -> Tensor:
        excess = -s.extinction_mean * torch.log1p(-draw.uniform(1))
        left = s.extinction_scatter * draw.normal(1)
        return excess * torch.where(draw.below(s.extinction_uncorrected_share), 1.0, left)

    return Distortion(band_extinction(filters, s.extinction_law, s.extinction_rv)[None], draw)


def galex_aperture(s: NoiseSettings, filters: FilterSet) -> Distortion | None:
    """GALEX against the other bands, and FUV against NUV."""
    if not (s.galex_aperture_scatter or s.galex_colour_scatter):
        return None
    half = np.array([{"FUV": 0.5, "NUV": -0.5}.get(name, 0.0) for name in filters.names])
    curves = np.stack([s.galex_aperture_scatter * _is_galex(filters), s.galex_colour_scatter * half])
    return Distortion(curves, lambda draw, _: draw.normal(2))


def cosines(pivots: np.ndarray, orders: int) -> np.ndarray:
    """(orders, n_band) cosines in ln λ."""
    low, high = np.log(OPTICAL_RANGE)
    phase = np.pi * (np.log(pivots) - low) / (high - low)
    return np.cos(np.arange(1, orders + 1)[:, None] * phase)


def _is_galex(filters: FilterSet) -> np.ndarray:
    return np.isin(filters.names, GALEX_BANDS)


__all__ = ["Distortions", "cosines"]
