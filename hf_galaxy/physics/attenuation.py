"""Attenuation by dust: the modified starburst law (Calzetti et al. 2000; Noll et al. 2009; Salim et al. 2018)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

RV_CALZETTI = 4.05
V_BAND = 5500.0
BUMP_CENTER = 2175.0
BUMP_WIDTH = 350.0


def calzetti(wavelength: np.ndarray) -> np.ndarray:
    """A(λ)/A(V) of Calzetti et al. (2000), eq. 4, λ in Å; below 1200 Å a power law that joins on, 0 above 3.1 μm.

    The published law has a real step of 0.7 % at 6300 Å.
    """
    x = 1e4 / np.asarray(wavelength, dtype=float)
    blue = 2.659 * (-2.156 + 1.509 * x - 0.198 * x**2 + 0.011 * x**3) + RV_CALZETTI
    red = 2.659 * (-1.857 + 1.040 * x) + RV_CALZETTI
    edge = 1e4 / 1200.0
    at_edge = 2.659 * (-2.156 + 1.509 * edge - 0.198 * edge**2 + 0.011 * edge**3) + RV_CALZETTI
    far = at_edge * (x / edge) ** 0.77
    law = np.select([x > edge, x > 1e4 / 6300.0, x > 1e4 / 31000.0], [far, blue, red], 0.0)
    return law / RV_CALZETTI


def drude(wavelength: np.ndarray) -> np.ndarray:
    """Profile of the 2175 Å bump, 1 at its centre."""
    w = np.asarray(wavelength, dtype=float)
    return (w * BUMP_WIDTH) ** 2 / ((w**2 - BUMP_CENTER**2) ** 2 + (w * BUMP_WIDTH) ** 2)


class AttenuationLaw:
    """A(λ)/A(V) on fixed wavelengths (m,) in Å for galaxies with their own slope and bump."""

    def __init__(self, wavelength: np.ndarray, device: str | torch.device = "cpu") -> None:
        def tensor(values: np.ndarray) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=device)

        self._base = tensor(calzetti(wavelength))
        self._log_wave = tensor(np.log(np.asarray(wavelength) / V_BAND))
        self._bump = tensor(drude(wavelength))

    def __call__(self, slope: Tensor, bump: Tensor) -> Tensor:
        """(n, m): Calzetti x (λ/5500)^slope + bump x Drude / R_V(slope) (Salim et al. 2018, eqs. 3 and 4)."""
        slope, bump = slope.float()[:, None], bump.float()[:, None]
        ratio = RV_CALZETTI / ((RV_CALZETTI + 1) * (4400.0 / V_BAND) ** slope - RV_CALZETTI)
        return self._base * torch.exp(slope * self._log_wave) + bump / ratio * self._bump


def transmission(attenuation: Tensor, depth: Tensor) -> Tensor:
    """exp of minus the optical depth for A(λ)/A(V) (n, m) and A(V) (n,), bounded below by 1e-26.

    The bound keeps products with it out of the subnormal numbers of float32, which are slow.
    """
    return torch.exp((-0.4 * math.log(10.0) * depth.float()[:, None] * attenuation).clamp_(min=-60.0))


__all__ = ["AttenuationLaw", "calzetti", "drude", "transmission"]
