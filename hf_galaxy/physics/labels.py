"""The properties of simulated galaxies, in their fixed order."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from hf_galaxy.physics import sfh
from hf_galaxy.physics.nebular import MEASURED
from hf_galaxy.physics.synthesis import RestFrame, Synthesizer

STELLAR = ("redshift", "log_mstar", "log_zstar", "av", "log_age", "log_sfr", "dn4000")
PROPERTY_NAMES = (*STELLAR, *(f"ew_{name}" for name in MEASURED), *(f"flux_{name}" for name in MEASURED))
SFR_PERIOD = 1e8
LOG_SSFR_FLOOR = -14.0  # keeps the logarithm of no star formation finite, far below what can be measured

# Side bands of the continuum in Å (vacuum): blue low, high, red low, high
SIDE_BANDS = {
    "halpha": (6482.0, 6542.0, 6612.0, 6652.0),
    "hbeta": (4801.0, 4841.0, 4881.0, 4931.0),
    "oiii_5007": (4979.0, 4999.0, 5016.0, 5046.0),
    "nii_6584": (6482.0, 6542.0, 6612.0, 6652.0),
    "oii_3727": (3697.0, 3717.0, 3741.0, 3761.0),
    "sii_6717_6731": (6662.0, 6702.0, 6747.0, 6792.0),
}
BREAK_BANDS = (3850.0, 3950.0, 4000.0, 4100.0)  # Balogh et al. (1999)


def mean_metallicity(p: Mapping[str, Tensor]) -> Tensor:
    """(n,) mass-weighted Z/Z☉ of the stars."""
    if "poor_share" not in p:
        return p["metallicity"]
    return torch.lerp(p["metallicity"], p["poor_metallicity"], p["poor_share"])


class Labels:
    """Measures the properties of galaxies on their rest-frame spectra."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        s = self._synthesizer = synthesizer
        self._columns = {name: s.line_table.columns(name) for name in MEASURED}
        self._waves = {name: s.line_table.wave(name) for name in MEASURED}
        self._sides = {k: (self._window(*v[:2]), self._window(*v[2:])) for k, v in SIDE_BANDS.items()}
        self._break = self._window(*BREAK_BANDS[:2], power=2), self._window(*BREAK_BANDS[2:], power=2)

    def _window(self, low: float, high: float, power: int = 0) -> tuple[slice, Tensor]:
        """Pixels and weights of the mean of λ^power f_λ between two wavelengths, with parts of pixels at both ends."""
        s = self._synthesizer
        a, b = ((math.log(x) - s.log_start) / s.step for x in (low, high))
        pixels = np.arange(math.floor(a), math.ceil(b) + 2)
        cover = np.clip(np.minimum(b, pixels + 0.5) - np.maximum(a, pixels - 0.5), 0.0, None)
        wave = s.wavelength[pixels]
        weight = cover * wave * (wave / low) ** power / (cover * wave).sum()
        return slice(int(pixels[0]), int(pixels[-1]) + 1), torch.as_tensor(weight, dtype=torch.float32, device=s.device)

    def _mean(self, spectrum: Tensor, window: tuple[slice, Tensor]) -> Tensor:
        return spectrum[:, window[0]] @ window[1]

    def continuum(self, spectrum: Tensor, line: str) -> Tensor:
        """(n,) continuum below a line, interpolated between its side bands."""
        a, b, c, d = SIDE_BANDS[line]
        blue, red = (self._mean(spectrum, window) for window in self._sides[line])
        return blue + (red - blue) * (self._waves[line] - 0.5 * (a + b)) / (0.5 * (c + d - a - b))

    def dn4000(self, spectrum: Tensor) -> Tensor:
        """(n,) ratio of the mean f_ν of 4000–4100 Å to that of 3850–3950 Å, each mean over wavelength."""
        blue, red = (self._mean(spectrum, window) for window in self._break)
        return red / blue * (BREAK_BANDS[2] / BREAK_BANDS[0]) ** 2

    @torch.no_grad()
    def __call__(self, p: Mapping[str, Tensor], rest: RestFrame) -> Tensor:
        """(n, P) float32 in the order of ``PROPERTY_NAMES``, of a spectrum before the intergalactic medium."""
        edges = self._synthesizer.age_edges
        log_mass = p["log_mass"]
        rate = sfh.recent_rate(edges, p["weights"], SFR_PERIOD) * 10 ** p["log_mass_formed"]
        floor = 10 ** (log_mass + LOG_SSFR_FLOOR)
        columns = [p["redshift"], log_mass, torch.log10(mean_metallicity(p)), p["av"]]
        columns += [
            torch.log10(sfh.mean_age(edges, p["weights"])),
            torch.log10(rate + floor),
            self.dn4000(rest.spectrum),
        ]
        luminosity = {name: rest.lines[:, places].sum(1) for name, places in self._columns.items()}
        columns += [luminosity[name] / self.continuum(rest.spectrum, name) for name in MEASURED]
        scale = self._synthesizer.flux_scale(p)
        columns += [luminosity[name] * scale for name in MEASURED]
        return torch.stack([c.float() for c in columns], 1)


__all__ = ["PROPERTY_NAMES", "Labels"]
