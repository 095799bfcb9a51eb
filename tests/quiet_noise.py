"""Observations with all effects off but the ones that a test names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from hf_galaxy.physics.filters import EMBEDDED_BANDS
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings, Observation

N_BAND = len(EMBEDDED_BANDS)
NARROW = slice(4, 58)  # the bands J0378 to J0910
QUIET = NoiseSettings.nominal()
# Neither floor nor photons of a bright source: what is left of flux / truth is the calibration.
BRIGHT = 1e10  # nJy
SHARP = replace(QUIET, fixed_floor=1e-6)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def constant_flux(n: int, njy: float) -> torch.Tensor:
    return torch.full((n, N_BAND), njy, dtype=torch.float64)


def band(name: str) -> int:
    return EMBEDDED_BANDS.index(name)


def observe(n: int, njy: float, seed: int = 2, quiet: NoiseSettings = QUIET, **effects) -> Observation:
    """``n`` galaxies of constant flux under nothing but ``effects``."""
    return NoiseModel(replace(quiet, **effects)).observe(constant_flux(n, njy), generator(seed))


def shifts(n: int, seed: int = 2, **effects) -> np.ndarray:
    """(n, n_band) error of the calibration in mag, positive is fainter; NaN where not observed."""
    seen = observe(n, BRIGHT, seed, SHARP, **effects)
    return -2.5 * torch.log10(seen.flux / BRIGHT).numpy()
