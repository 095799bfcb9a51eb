"""Observations of noiseless fluxes, in torch on any device."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..filters import EMBEDDED_BANDS, FilterSet
from .coverage import Coverage
from .distortions import Distortions
from .draw import Draw
from .instruments import DEPTHS, FLOOR_RATIO, GALEX_BANDS, GALEX_LAYERS, electrons_per_njy
from .settings import NoiseSettings

AB_ZERO_NJY = 31.4  # AB magnitude of 1 nJy
TOO_LOW = 1 / 3  # share of outliers that are too faint; neighbours and cosmic rays add light, few things take it


class Observation(NamedTuple):
    """Observed fluxes.

    Attributes:
        flux: (n, n_band) nJy; NaN where not observed.
        error: (n, n_band) stated 1σ error, nJy; NaN where not observed.
        observed: (n, n_band) bool.
    """

    flux: Tensor
    error: Tensor
    observed: Tensor


class NoiseModel:
    """Draws observations of noiseless fluxes.

    Args:
        settings: The noise; the training default if not given.
        bands: Names in the order of the columns.
        device: Where the fluxes are.
        filters: Curves of the bands; the embedded set if not given.

    Raises:
        ValueError: A band without a depth.
    """

    def __init__(
        self,
        settings: NoiseSettings | None = None,
        bands: tuple[str, ...] = EMBEDDED_BANDS,
        device: str | torch.device = "cpu",
        filters: FilterSet | None = None,
    ) -> None:
        self.settings = settings or NoiseSettings.survey()
        self.bands = tuple(bands)
        self.device = torch.device(device)
        unknown = [name for name in self.bands if name not in DEPTHS and name not in GALEX_BANDS]
        if unknown:
            raise ValueError(f"no depth is known for {', '.join(unknown)}; known are FUV, NUV, {', '.join(DEPTHS)}")
        filters = (filters or FilterSet.embedded()).subset(self.bands)
        self._depth, self._per_electron = self._layer_tables(filters)
        self._floor_ratio = self._tensor([FLOOR_RATIO.get(name, 1.0) for name in self.bands])
        self._coverage = Coverage(self.settings, filters, self.device)
        self._distortions = Distortions(self.settings, filters, self.device)

    def observe(
        self,
        flux: Tensor,
        generator: torch.Generator,
        flux_error: Tensor | None = None,
        skip: Tensor | None = None,
    ) -> Observation:
        """Observe each row, with randomness from ``generator`` alone.

        Args:
            flux: (n, n_band) nJy; noiseless, or with the noise that ``flux_error`` states. NaN stays unobserved.
            generator: On the device of ``flux``.
            flux_error: (n, n_band) 1σ error of ``flux``, nJy: 0 where it is noiseless; where it is NaN, the band is
                unobserved. It is not drawn again, but part of the stated error.
            skip: (n,) bool, rows that are real photometry of a survey: returned as they are, with ``flux_error``.

        Raises:
            ValueError: A shape that does not fit, ``skip`` without ``flux_error``.
        """
        self._check(flux, flux_error, skip)
        draw = Draw(flux, generator)
        layer = self._coverage.layer(draw)
        spectrograph = self._coverage.spectrograph(draw)
        sky_variance, per_electron = self._draw_exposure(draw, layer, spectrograph)
        floor = self._draw_floor(draw)
        factor = self._distortions.factor(draw, spectrograph)

        seen = flux * factor
        sigma = _sigma(seen, sky_variance, per_electron, floor)
        value = seen + sigma * draw.normal()
        if self.settings.floor_unstated_share:
            floor = floor * ~draw.below(self.settings.floor_unstated_share)
        error = self._misstate(draw, _sigma(value, sky_variance, per_electron, floor))
        value = self._spoil(draw, value, sigma)
        observed = self._coverage.observed(draw, layer, spectrograph) & flux.isfinite()
        if flux_error is not None:
            flux_error = flux_error.to(error.dtype)
            error = torch.hypot(error, flux_error * factor)
            observed = observed & flux_error.isfinite()
        if skip is not None:
            row = skip[:, None]
            value, error = torch.where(row, flux, value), torch.where(row, flux_error, error)
            observed = torch.where(row, flux.isfinite() & flux_error.isfinite(), observed)
        value, error = (torch.where(observed, x, torch.nan) for x in (value, error))
        return Observation(value, error, observed)

    def _check(self, flux: Tensor, flux_error: Tensor | None, skip: Tensor | None) -> None:
        if flux.ndim != 2 or flux.shape[1] != len(self.bands):
            raise ValueError(f"flux has shape {tuple(flux.shape)}; (n, {len(self.bands)}) is needed, one column a band")
        if flux_error is not None and flux_error.shape != flux.shape:
            raise ValueError(f"flux_error has shape {tuple(flux_error.shape)}; that of flux is {tuple(flux.shape)}")
        if skip is not None and (skip.shape != flux.shape[:1] or skip.dtype != torch.bool):
            raise ValueError(
                f"skip is {skip.dtype} {tuple(skip.shape)}; torch.bool ({len(flux)},) is needed, one a row"
            )
        if skip is not None and flux_error is None:
            raise ValueError("rows to skip are real photometry, and no flux_error is given; give it, 0 where noiseless")

    def _draw_exposure(self, draw: Draw, layer: Tensor, spectrograph: Tensor | None) -> tuple[Tensor, Tensor]:
        """Variance of the sky, nJy², and nJy per electron, (n, n_band) each."""
        s, galex = self.settings, self._coverage.galex
        depth = self._depth[layer]
        if s.depth_scatter_galaxy or s.depth_scatter_band:
            depth = depth + s.depth_scatter_galaxy * draw.normal(1) + s.depth_scatter_band * draw.normal()
        if s.depth_scatter_tray:
            depth = depth + s.depth_scatter_tray * self._coverage.tray_depth(draw)
        if spectrograph is not None and s.window_depth_gain:
            depth = depth + s.window_depth_gain * draw.uniform(1) * spectrograph * ~galex
        sky_variance = torch.exp((AB_ZERO_NJY - depth) * (0.8 * math.log(10))) / 25
        per_electron = self._per_electron[layer]
        if s.galex_exposure_scatter:  # background and photons alike go with the time
            shorter = torch.exp(s.galex_exposure_scatter * math.log(10) * draw.normal(1))
            shorter = torch.where(galex, shorter, 1.0)
            sky_variance, per_electron = sky_variance * shorter, per_electron * shorter
        return sky_variance, per_electron

    def _draw_floor(self, draw: Draw) -> Tensor:
        """(n or 1, n_band) relative error floor."""
        s = self.settings
        if s.fixed_floor is not None:
            return s.fixed_floor * self._floor_ratio[None]
        low, high = (math.log(x) for x in s.floor_range)
        return torch.exp(low + (high - low) * draw.uniform(1)) * self._floor_ratio

    def _misstate(self, draw: Draw, error: Tensor) -> Tensor:
        """The error as the catalogue states it: over- or underestimated."""
        s = self.settings
        if not (s.error_scatter_galaxy or s.error_scatter_band):
            return error
        off = s.error_scatter_galaxy * draw.normal(1)
        if s.error_scatter_band:
            off = off + s.error_scatter_band * draw.normal()
        return error * torch.exp(off)

    def _spoil(self, draw: Draw, value: Tensor, sigma: Tensor) -> Tensor:
        """Wrong fluxes in rare bands of some galaxies."""
        s = self.settings
        if not (s.outlier_share and s.outlier_fraction):
            return value
        low, high = (math.log(x) for x in s.outlier_sigmas)
        u = draw.uniform() / s.outlier_fraction  # below one: an outlier, and then uniform
        wrong = (u < 1) & draw.below(s.outlier_share)
        # One number says whether, which way and how far, for the numbers are what costs time.
        faint = u < TOO_LOW
        far = torch.where(faint, u / TOO_LOW, (u - TOO_LOW) / (1 - TOO_LOW))
        size = torch.exp(low + (high - low) * far.clamp(max=1.0)) * sigma
        return value + torch.where(faint, -size, size) * wrong

    def _layer_tables(self, filters: FilterSet) -> tuple[Tensor, Tensor]:
        """Depth in mag, and nJy per electron, (4, n_band) each: GALEX layers and none (there as in AIS, unused)."""
        depths, per_electron = [], []
        for fuv, nuv, exposure in (*GALEX_LAYERS.values(), GALEX_LAYERS["AIS"]):
            galex = {"FUV": fuv, "NUV": nuv}
            depths.append([galex.get(name) or DEPTHS[name] for name in self.bands])
            per_electron.append([1 / electrons_per_njy(name, filters, exposure) for name in self.bands])
        return self._tensor(depths) + self.settings.depth_offset, self._tensor(per_electron)

    def _tensor(self, values: list) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)


def _sigma(flux: Tensor, sky_variance: Tensor, per_electron: Tensor, floor: Tensor) -> Tensor:
    """1σ error of a flux: sky, photons of the galaxy, floor."""
    return (sky_variance + flux.clamp(min=0) * per_electron + (floor * flux) ** 2).sqrt()


__all__ = ["NoiseModel", "Observation"]
