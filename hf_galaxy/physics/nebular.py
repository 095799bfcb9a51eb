"""Emission lines by name: which Cloudy line is what, how species scatter, and the lines of nuclei (LINER, Seyfert)."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from hf_galaxy.physics.random import CounterRandom
from hf_galaxy.physics.settings import NebulaSettings

# measured line: its Cloudy lines
MEASURED = {
    "halpha": ("H  1  6562.80A",),
    "hbeta": ("H  1  4861.32A",),
    "oiii_5007": ("O  3  5006.84A",),
    "nii_6584": ("N  2  6583.45A",),
    "oii_3727": ("O  2  3726.03A", "O  2  3728.81A"),
    "sii_6717_6731": ("S  2  6716.44A", "S  2  6730.82A"),
}
LYMAN_ALPHA = "H  1  1215.67A"

# Scatter in dex about the grid, of one galaxy. Hydrogen has none: its ratios are atomic physics.
SPECIES_SCATTER = {
    "N  2": 0.12, "O  3": 0.12, "O  2": 0.12, "S  2": 0.10, "O  1": 0.20, "S  3": 0.10, "Ne 3": 0.12, "Mg 2": 0.30,
    "He 1": 0.03, "He 2": 0.30, "C  3": 0.20, "Ar 3": 0.10,
}  # fmt: skip

# Lines of gas that is not ionised by young stars, over Hα (Balmer decrement 3.1: Osterbrock & Ferland 2006), with the
# scatter of their species in dex.
LINER = {
    "H  1  6562.80A": 1.0, "H  1  4861.32A": 0.323, "H  1  4340.46A": 0.151,
    "N  2  6583.45A": 1.1, "N  2  6548.05A": 0.37,
    "O  3  5006.84A": 0.60, "O  3  4958.91A": 0.20, "O  2  3726.03A": 0.62, "O  2  3728.81A": 0.75,
    "S  2  6716.44A": 0.50, "S  2  6730.82A": 0.42, "O  1  6300.30A": 0.20, "Ne 3  3868.76A": 0.06,
}  # fmt: skip
SEYFERT = LINER | {
    "N  2  6583.45A": 0.85, "N  2  6548.05A": 0.285, "O  3  5006.84A": 2.3, "O  3  4958.91A": 0.77,
    "O  2  3726.03A": 0.36, "O  2  3728.81A": 0.44, "S  2  6716.44A": 0.27, "S  2  6730.82A": 0.26,
    "O  1  6300.30A": 0.12, "Ne 3  3868.76A": 0.25,
}  # fmt: skip
NUCLEAR_SCATTER = {"N  2": 0.15, "O  3": 0.22, "O  2": 0.20, "S  2": 0.13, "O  1": 0.20, "Ne 3": 0.15}


class LineTable:
    """The lines of a grid.

    Args:
        names: (L,) Cloudy names.
        wavelength: (L,) Å in vacuum.
        device: Where galaxies are drawn.

    Raises:
        ValueError: a line that is needed is not in the grid.
    """

    def __init__(self, names: np.ndarray, wavelength: np.ndarray, device: str | torch.device = "cpu") -> None:
        self.names, self.wavelength, self.device = [str(name) for name in names], np.asarray(wavelength), device
        self._place = {name: i for i, name in enumerate(self.names)}
        # filters redder than the line leave it out of the grid
        self.lyman_alpha = [self._place[LYMAN_ALPHA]] if LYMAN_ALPHA in self._place else []
        self._liner, self._seyfert = self._table(LINER), self._table(SEYFERT)
        self._line_scatter, self._nuclear_scatter = self._species(SPECIES_SCATTER), self._species(NUCLEAR_SCATTER)

    def __len__(self) -> int:
        return len(self.names)

    def columns(self, measured: str) -> list[int]:
        """Places of the lines that make up a measured line."""
        missing = [name for name in MEASURED[measured] if name not in self._place]
        if missing:
            raise ValueError(f"line {measured}: {missing[0]!r} is not in the grid of lines or beyond its wavelengths")
        return [self._place[name] for name in MEASURED[measured]]

    def wave(self, measured: str) -> float:
        """Mean vacuum wavelength in Å of a measured line."""
        return float(np.mean(self.wavelength[self.columns(measured)]))

    def _table(self, values: dict[str, float]) -> Tensor:
        """(L,) values by name of line, 0 where nothing is said."""
        return torch.tensor([values.get(name, 0.0) for name in self.names], device=self.device)

    def _species(self, sigma: dict[str, float]) -> Tensor:
        """(S, L) scatter in dex of the lines of each species."""
        rows = [[s if name.startswith(species) else 0.0 for name in self.names] for species, s in sigma.items()]
        return torch.tensor(rows, device=self.device)

    def draw_factor(self, random: CounterRandom, s: NebulaSettings, spread: Tensor, free: Tensor) -> Tensor:
        """(n, L) what the lines of star-forming regions are multiplied by.

        Args:
            random: Random numbers of n galaxies.
            s: Settings.
            spread: (n,) factor on the scatter.
            free: (n,) bool, galaxies that follow no relation.
        """
        common = s.ionising_scatter * random.normal("line common").float()
        species = s.species * _normals(random, "line ", SPECIES_SCATTER) @ self._line_scatter
        offset = {"N  2": s.nii, "O  3": s.oiii, "O  2": s.oii, "S  2": s.sii}
        ionising = torch.where(free, math.log10(s.ionising_free), math.log10(s.ionising)).float()[:, None]
        return 10 ** (ionising + self._species(offset).sum(0) + spread.float()[:, None] * (common[:, None] + species))

    def draw_nuclear(self, random: CounterRandom, seyfert: Tensor) -> Tensor:
        """(n, L) lines of the nucleus over its Hα, for ``seyfert`` (n,) bool or else LINER."""
        species = _normals(random, "nuclear ", NUCLEAR_SCATTER) @ self._nuclear_scatter
        return torch.where(seyfert[:, None], self._seyfert, self._liner) * 10**species


def _normals(random: CounterRandom, prefix: str, names: Iterable[str]) -> Tensor:
    """(n, S) float32, one named number a species."""
    return torch.stack([random.normal(prefix + name) for name in names], 1).float()


__all__ = ["LINER", "MEASURED", "SEYFERT", "LineTable"]
