"""Rest-frame bins of simulated spectra, with emission lines masked as the authors of the DESI set masked them.

They bridged 10 Å about ten lines by straight lines between the pixels at the edges of each mask (Khederlarian et al.
2024, MNRAS 531, 1454; the code published with it). Lines broader than the mask leave light in the bins (half of Hα and
[NII] at a dispersion of 150 km/s), and lines that are not on the list leave all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from hf_galaxy.physics.synthesis import RestFrame, Synthesizer

MASKED = (3728.5, 4342.0, 4862.7, 4960.3, 5008.2, 6549.9, 6564.6, 6585.3, 6718.3, 6732.7)  # Å, vacuum
MASK = 5.0  # Å to either side
NEAR = 35.0  # Å around a masked line in which the light of lines is followed pixel by pixel
PIXEL = 0.7  # Å in the rest frame, DESI's 0.8 Å at the median redshift
INSTRUMENT = 40.0  # km/s, dispersion of DESI's resolution: Guy et al. (2023, AJ 165, 144)
NO_DISPERSION = 100.0  # km/s, where the simulation has none
LIGHT_SPEED = 299_792.458


class RestBins:
    """Measures batches of spectra.

    Args:
        centres: Of the bins in Å.
        half: Half of their width in Å.
        lines: The lines of the grid that make up each line whose luminosity is asked for.
    """

    def __init__(self, centres: Sequence[float], half: float, lines: Mapping[str, Sequence[str]]) -> None:
        self._centres, self._half, self._lines = centres, half, lines

    def __call__(self, synthesizer: Synthesizer, p: Mapping[str, Tensor], rest: RestFrame) -> dict[str, Tensor]:
        """``bins`` (n, k): mean f_λ in L☉/Å per M☉ formed; ``line <name>`` (n,) in L☉; ``log_scale`` to erg/s/cm²."""
        names, n = synthesizer.line_table.names, len(rest.spectrum)
        dispersion = p.get("velocity_dispersion", torch.full((n,), NO_DISPERSION)).float()
        bins = self._continuum(synthesizer.wavelength, rest.spectrum)
        bins += self._light_of_lines(synthesizer.line_table.wavelength, rest.lines, dispersion)
        found = {
            f"line {line}": rest.lines[:, [names.index(part) for part in parts]].sum(1)
            for line, parts in self._lines.items()
        }
        return {"bins": bins, "log_scale": torch.log10(synthesizer.flux_scale(p)), **found}

    def _continuum(self, wave: np.ndarray, spectrum: Tensor) -> Tensor:
        """Means over the bins, with what is below the masks bridged."""
        weights = np.stack([np.where(np.abs(wave - c) < self._half, wave, 0.0) for c in self._centres], 1)
        weights /= weights.sum(0)
        for line in MASKED:
            inside = np.nonzero(np.abs(wave - line) <= MASK)[0]
            edges = np.array([inside[0] - 1, inside[-1] + 1])
            # the sum over the pixels below a mask becomes that of the straight line between its edges
            share = weights[inside].sum(0)
            weights[inside] = 0.0
            weights[edges] += 0.5 * share
        return spectrum @ torch.as_tensor(weights, dtype=torch.float32)

    def _light_of_lines(self, wave: np.ndarray, lines: Tensor, dispersion: Tensor) -> Tensor:
        """(n, k) light of lines left in the bins, L☉/Å."""
        out = torch.zeros(len(lines), len(self._centres))
        sigma = torch.sqrt(dispersion**2 + INSTRUMENT**2)[:, None] / LIGHT_SPEED
        followed = np.zeros(len(wave), dtype=bool)
        for group in _groups():
            grid = torch.arange(group[0] - NEAR, group[-1] + NEAR, PIXEL)
            near = np.nonzero((wave > group[0] - 0.5 * NEAR) & (wave < group[-1] + 0.5 * NEAR))[0]
            followed[near] = True
            light = torch.zeros(len(lines), len(grid))
            for i in near:
                width = sigma * float(wave[i])
                light += lines[:, i, None] / (width * 2.5066283) * torch.exp(-0.5 * ((grid - wave[i]) / width) ** 2)
            masked = light.clone()
            for line in group:
                inside = torch.nonzero((grid - line).abs() <= MASK)[:, 0]
                low, high = int(inside[0]) - 1, int(inside[-1]) + 1
                part = (grid[inside] - grid[low]) / (grid[high] - grid[low])
                masked[:, inside] = torch.lerp(light[:, low, None], light[:, high, None], part)
            for k, centre in enumerate(self._centres):
                out[:, k] += masked[:, (grid - centre).abs() < self._half].sum(1) * PIXEL
        for k, centre in enumerate(self._centres):
            out[:, k] += lines[:, (np.abs(wave - centre) < self._half) & ~followed].sum(1)
        return out / (2 * self._half)


def _groups() -> list[list[float]]:
    """Masked lines so near each other that the wings of one reach the mask of the next."""
    groups = [[MASKED[0]]]
    for line in MASKED[1:]:
        if line - groups[-1][-1] < 2 * NEAR:
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups
