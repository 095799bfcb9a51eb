"""Distances and ages of a flat ΛCDM universe (H0 = 70 km/s/Mpc, Ωm = 0.3), tabulated, for tensors on any device."""

from __future__ import annotations

import numpy as np
import torch
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM
from torch import Tensor

HUBBLE_CONSTANT = 70.0
OMEGA_MATTER = 0.3
CM_PER_MPC = 3.0856775814913673e24


def cosmology() -> FlatLambdaCDM:
    """The astropy cosmology of the simulations."""
    return FlatLambdaCDM(H0=HUBBLE_CONSTANT, Om0=OMEGA_MATTER)


def age_today_gyr() -> float:
    """Age of the universe in Gyr."""
    return float(cosmology().age(0.0).to_value(u.Gyr))


def interpolate(x: Tensor, start: float, step: float, table: Tensor) -> Tensor:
    """Linear interpolation in a table (m,) on a uniform grid; constant beyond its ends."""
    position = ((x - start) / step).clamp(0, len(table) - 1)
    low = position.long().clamp(max=len(table) - 2)
    return torch.lerp(table[low], table[low + 1], (position - low).to(table.dtype))


class CosmologyTables:
    """Luminosity distance, age and volume for tensors of redshifts in [0, redshift_max].

    Relative error of the interpolation below 1e-6 (step 1e-3 in ln(1+z); the distance is held as D_L / z, which is
    smooth at zero).
    """

    step = 1e-3

    def __init__(self, redshift_max: float, device: str | torch.device = "cpu") -> None:
        model = cosmology()
        grid = np.expm1(np.arange(int(np.ceil(np.log1p(redshift_max) / self.step)) + 2) * self.step)
        hubble_distance = (2.99792458e5 * u.Mpc / HUBBLE_CONSTANT).value
        ratio = np.concatenate([[hubble_distance], model.luminosity_distance(grid[1:]).to_value(u.Mpc) / grid[1:]])
        self._distance = torch.as_tensor(ratio, device=device)
        self._age = torch.as_tensor(model.age(grid).to_value(u.Gyr), device=device)

    def luminosity_distance(self, redshift: Tensor) -> Tensor:
        """Mpc, float64."""
        return redshift * interpolate(torch.log1p(redshift), 0.0, self.step, self._distance)

    def age(self, redshift: Tensor) -> Tensor:
        """Age of the universe in Gyr, float64."""
        return interpolate(torch.log1p(redshift), 0.0, self.step, self._age)

    def distance_modulus(self, redshift: Tensor) -> Tensor:
        """mag, float64."""
        return 5.0 * torch.log10(self.luminosity_distance(redshift)) + 25.0


__all__ = ["CM_PER_MPC", "CosmologyTables", "age_today_gyr", "cosmology", "interpolate"]
