"""Mean f_ν of a photon counter, of spectra and of lines, through many filters at once.

A filter that is displaced, and a spectrum that is broadened by motions of stars and gas, are both answered by the
filters at three neighbouring places: the first difference moves the filter, the second one smooths it (a Gaussian of
variance σ² adds σ²/2 times the second derivative). So a spectrum is never smoothed, and each galaxy has its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from hf_galaxy.physics.filters import FilterCurve

LIGHT_SPEED = 2.99792458e18  # Å/s
RESPONSE_STEP = 1e-4  # in ln λ, of the filters where lines are looked up
RESPONSE_STRIDE = 6  # steps between the three places where a line is looked up: 180 km/s
FINE = 16  # samples of a filter in a pixel


class FilterBank:
    """Filters on the observed grid ln λ = log_start + step * (0 … n - 1).

    Args:
        filters: Curves by name.
        log_start, step, n: The grid, n pixels.
        scale: Of the fluxes that come out.
        device: Where to compute.

    Attributes:
        pivots: (B,) float64, pivot wavelengths in Å.
    """

    def __init__(
        self,
        filters: Mapping[str, FilterCurve],
        log_start: float,
        step: float,
        n: int,
        scale: float,
        device: str | torch.device = "cpu",
    ) -> None:
        self.step, self.n, self._log_start = step, n, log_start
        self.pivots = torch.tensor([f.pivot for f in filters.values()], dtype=torch.float64, device=device)
        n_response = int(n * step / RESPONSE_STEP) + 2
        grid = np.exp(log_start + RESPONSE_STEP * np.arange(n_response))
        sub = np.exp(log_start + step * ((np.arange(n * FINE) + 0.5) / FINE - 0.5))
        pixel, response = np.empty((n, len(filters))), np.empty((n_response, len(filters)))
        for i, curve in enumerate(filters.values()):
            through = curve.interpolate(sub)
            norm = LIGHT_SPEED * np.sum(through) * step / FINE
            pixel[:, i] = (through * sub**2).reshape(-1, FINE).sum(1) * step / FINE / norm
            response[:, i] = curve.interpolate(grid) * grid / norm
        self._pixel, self._response = (
            torch.as_tensor(x * scale, dtype=torch.float32, device=device) for x in (pixel, response)
        )

    def continuum(self, spectrum: Tensor, offset: Tensor, variance: Tensor, displacement: Tensor | None) -> Tensor:
        """(n, B) mean f_ν of spectra f_λ (n, N + 2) that reach one pixel beyond the grid on either side.

        Args:
            spectrum: f_λ; pixel j + 1 belongs to pixel j of the grid.
            offset: (n,) pixels by which the spectrum has to move to the red.
            variance: (n,) variance of ln λ by which it is broadened.
            displacement: (n, B) of the filters in ln λ, to the red.
        """
        red, centre, blue = (spectrum[:, i : i + self.n] @ self._pixel for i in range(3))
        x, spread = offset.float()[:, None], (variance / self.step**2).float()[:, None]
        if displacement is None:
            return _parabola(blue, centre, red, x, spread)
        # a filter moved to the red sees the spectrum moved to the blue, over wider pixels
        x = x - displacement / self.step
        return _parabola(blue, centre, red, x, spread) * (1 + 2 * displacement)

    def lines(self, log_wave: Tensor, flux: Tensor, variance: Tensor | None, displacement: Tensor | None) -> Tensor:
        """(n, B) mean f_ν of lines of some flux (n, L) at ln λ (n, L); variance and displacement as above, or none."""
        position = (log_wave - self._log_start) / RESPONSE_STEP
        centre = self._look_up(position, flux)
        if variance is None and displacement is None:
            return centre
        blue, red = (self._look_up(position + k * RESPONSE_STRIDE, flux) for k in (-1, 1))
        width = RESPONSE_STRIDE * RESPONSE_STEP
        spread = torch.zeros_like(centre[:, :1]) if variance is None else (variance / width**2).float()[:, None]
        if displacement is None:
            return _parabola(blue, centre, red, torch.zeros_like(spread), spread).clamp_(min=0.0)
        return _parabola(blue, centre, red, -displacement / width, spread).mul_(1 + displacement).clamp_(min=0.0)

    def _look_up(self, position: Tensor, flux: Tensor) -> Tensor:
        """Sum over the lines of flux times response, linear between the steps of the table."""
        low = torch.floor(position).long()
        inside = (low >= 0) & (low < len(self._response) - 1)
        t = (position - low).float()
        low, flux = low.clamp(0, len(self._response) - 2), flux * inside
        return embedding_bag(low, self._response, per_sample_weights=flux * (1 - t), mode="sum") + embedding_bag(
            low + 1, self._response, per_sample_weights=flux * t, mode="sum"
        )


def _parabola(blue: Tensor, centre: Tensor, red: Tensor, x: Tensor, spread: Tensor) -> Tensor:
    """The parabola through values at -1, 0, 1, averaged over a distribution of mean x and variance ``spread``."""
    slope, curvature = 0.5 * (red - blue), red + blue - 2 * centre
    return centre + x * slope + 0.5 * (x * x + spread) * curvature


__all__ = ["LIGHT_SPEED", "FilterBank"]
