"""From the parameters of galaxies to their spectra, emission lines and photometry, in batches.

Spectra live on a logarithmic grid, where redshift is a shift; lines are never put on it but looked up in the filters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hf_galaxy.physics import igm
from hf_galaxy.physics.attenuation import AttenuationLaw, transmission
from hf_galaxy.physics.basis import TOLERANCE, Factor, SpectralBasis, load_basis
from hf_galaxy.physics.cosmology import CM_PER_MPC, CosmologyTables
from hf_galaxy.physics.filter_bank import FilterBank
from hf_galaxy.physics.filters import FilterCurve
from hf_galaxy.physics.nebular import LineTable
from hf_galaxy.physics.ssp import LOG_U, METALLICITIES, SOLAR_LUMINOSITY

LIGHT_SPEED = 2.99792458e5  # km/s
DUST_STRIDE = 8
LABELS_COVER = (3600.0, 6900.0)  # Å that the labels need in the rest frame, whatever the filters
IGM_STEP = 0.01
# Nodes of the error of the templates: ln λ of the first (668 Å), step (220 Å at 5500 Å), number; the same for all
# grids of pixels, so that a galaxy keeps its error in any filters.
TEMPLATE_START, TEMPLATE_STEP, TEMPLATE_NODES = 6.504024892944957, 0.04, 72
# Its size over that of 4000-7000 Å, linear in ln λ between these wavelengths in Å
TEMPLATE_SIZE = {1000.0: 3.0, 2600.0: 3.0, 3900.0: 1.0, 7000.0: 1.0, 7800.0: 2.0}
NJY = 1e32  # nJy per erg/s/cm²/Hz
_KEEP_NEAR_ONE = 1e16  # fluxes of galaxies in erg/s/cm² are far below what float32 holds well


class RestFrame(NamedTuple):
    """Rest-frame light of one solar mass formed.

    Attributes:
        spectrum: (n, m) continuum in L☉/Å, attenuated by dust.
        lines: (n, L) luminosities in L☉, attenuated by dust.
    """

    spectrum: Tensor
    lines: Tensor


def hat_weights(value: Tensor, nodes: Tensor) -> Tensor:
    """(n, k) weights of linear interpolation at ``value`` (n,) between ``nodes`` (k,); the ends beyond them."""
    value = value.to(nodes.dtype).clamp(nodes[0], nodes[-1])
    high = torch.searchsorted(nodes, value.contiguous()).clamp(1, len(nodes) - 1)
    t = ((value - nodes[high - 1]) / (nodes[high] - nodes[high - 1]))[:, None]
    weights = torch.zeros(len(value), len(nodes), dtype=nodes.dtype, device=value.device)
    return weights.scatter_(1, high[:, None], t).scatter_(1, high[:, None] - 1, 1 - t)


class Synthesizer:
    """Photometry of galaxies in a set of filters.

    Args:
        filters: Curves by name.
        redshift_max: Largest redshift that can be asked for.
        step: Pixel in ln λ.
        device: Where to compute.
        tolerance: Of the compressed basis.

    The parameters of ``rest_frame`` and ``photometry`` are a dict of (n,) tensors: ``redshift``, ``log_mass_formed``,
    ``metallicity`` and ``gas_metallicity`` (Z/Z☉), ``log_u``, ``av``, ``birth_cloud`` (A_V of young over old stars),
    ``dust_slope``, ``dust_bump``, ``lya_escape``, ``nuclear_ew`` (Å), and ``weights`` (n, 42), the shares of the formed
    mass in the bins of age. Optional: ``line_factor`` and ``nuclear_ratio`` (n, L) multiply single lines,
    ``velocity_dispersion`` (km/s) broadens stars and gas, ``filter_shift`` (n, n_band) displaces the filters (Å),
    ``poor_share`` of the stars have ``poor_metallicity`` (Z/Z☉), ``template_error`` (n, template_nodes) is the relative
    error of the templates at its nodes.
    """

    template_nodes = TEMPLATE_NODES

    def __init__(
        self,
        filters: Mapping[str, FilterCurve],
        redshift_max: float,
        step: float = 4e-4,
        device: str | torch.device = "cpu",
        tolerance: float = TOLERANCE,
    ) -> None:
        self.device, self.step, self.bands = torch.device(device), step, tuple(filters)
        low = min(LABELS_COVER[0], *(float(f.wavelength[0]) for f in filters.values()))
        high = max(LABELS_COVER[1], *(float(f.wavelength[-1]) for f in filters.values()))
        self._log_observed = math.log(low) - 5 * step
        self._n_observed = math.ceil((math.log(high) - self._log_observed) / step) + 10
        self._max_shift = math.ceil(math.log1p(redshift_max) / step) + 3
        pixels = self._n_observed + self._max_shift + 2
        pixels += -pixels % DUST_STRIDE
        self.log_start = self._log_observed - self._max_shift * step
        self.cosmology = CosmologyTables(redshift_max, device)
        self._load(load_basis(self.log_start, step, pixels, tolerance))
        self._make_dust()
        self._make_igm(redshift_max)
        self._make_filters(filters)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values), dtype=torch.float32, device=self.device)

    def _load(self, basis: SpectralBasis) -> None:
        self.wavelength = basis.wavelength
        self.age_edges = torch.as_tensor(basis.age_edges, device=self.device)
        self.live = self._tensor(basis.live)
        self.n_young, self._old_share = basis.n_young, basis.old_share
        self.line_table = LineTable(basis.line_name, basis.line_wavelength, self.device)
        self._borders = [int(b) for b in basis.borders]
        self._old, self._young = ([self._factor(f) for f in part] for part in (basis.old, basis.young))
        self._line_grid = self._tensor(basis.lines.reshape(-1, basis.lines.shape[-1]))
        self._log_lines = torch.as_tensor(np.log(basis.line_wavelength), device=self.device)
        self._lyman = basis.lyman
        self.metallicities, self._log_u = self._tensor(METALLICITIES), self._tensor(LOG_U)

    def _factor(self, factor: Factor) -> tuple[Tensor, Tensor]:
        return self._tensor(factor.coefficients), self._tensor(factor.vectors)

    def _make_dust(self) -> None:
        coarse = np.exp(self.log_start + self.step * DUST_STRIDE * np.arange(len(self.wavelength) // DUST_STRIDE + 1))
        self._dust = AttenuationLaw(coarse, self.device)
        self._dust_lines = AttenuationLaw(self.line_table.wavelength, self.device)
        self._make_template_nodes(np.log(coarse))
        self._ramp = torch.arange(DUST_STRIDE, device=self.device, dtype=torch.float32) / DUST_STRIDE

    def _make_template_nodes(self, log_wave: np.ndarray) -> None:
        """Hats on which the error of the templates is linear between its nodes, and constant beyond the ends."""
        nodes = TEMPLATE_START + TEMPLATE_STEP * np.arange(self.template_nodes)
        size = np.interp(nodes, np.log(list(TEMPLATE_SIZE)), list(TEMPLATE_SIZE.values()))
        inside = np.clip(log_wave, nodes[0], nodes[-1])
        hats = np.clip(1 - np.abs(inside[None] - nodes[:, None]) / TEMPLATE_STEP, 0, None)
        self._template_hats = self._tensor(hats * size[:, None])

    def _make_igm(self, redshift_max: float) -> None:
        grid = IGM_STEP * np.arange(math.ceil(redshift_max / IGM_STEP) + 2)
        grid = np.minimum(grid, igm.REDSHIFT_MAX)
        self._n_igm = int((self.wavelength < 1215.67).sum())
        lines = np.minimum(self.line_table.wavelength, 1215.67 * (1 - 1e-6)) * (self.line_table.wavelength < 1215.7)
        lines = np.where(lines > 0, lines, 1300.0)
        self._igm = self._tensor([igm.transmission(self.wavelength[: self._n_igm], z, self._lyman) for z in grid])
        self._igm_lines = self._tensor([igm.transmission(lines, z, self._lyman) for z in grid])

    def _make_filters(self, filters: Mapping[str, FilterCurve]) -> None:
        scale = NJY / _KEEP_NEAR_ONE
        self._bank = FilterBank(filters, self._log_observed, self.step, self._n_observed, scale, self.device)

    def index(self, wavelength: float) -> int:
        """Pixel of the rest-frame grid nearest to a wavelength in Å."""
        return round((math.log(wavelength) - self.log_start) / self.step)

    def _assemble(self, rows: Tensor, factors: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Spectra (n, m) of weights (n, r) on the rows of the basis."""
        out = rows.new_empty(len(rows), len(self.wavelength))
        for a, b, (coefficients, vectors) in zip(self._borders[:-1], self._borders[1:], factors, strict=True):
            torch.mm(rows @ coefficients, vectors, out=out[:, a:b])
        return out

    def _attenuate(self, spectrum: Tensor, law: Tensor, depth: Tensor) -> Tensor:
        """In place."""
        return self._modulate(spectrum, transmission(law, depth))

    def _modulate(self, spectrum: Tensor, coarse: Tensor) -> Tensor:
        """Multiplied in place by a factor known on every 8th pixel, linear between."""
        factor = torch.lerp(coarse[:, :-1, None], coarse[:, 1:, None], self._ramp)
        spectrum.view(len(spectrum), -1, DUST_STRIDE).mul_(factor)
        return spectrum

    def population_weights(self, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of the rows of old stars, of young stars, and of nebulae."""
        mass, n = p["weights"].float(), self.n_young
        stars = self._metallicity_weights(p)
        gas = hat_weights(p["gas_metallicity"], self.metallicities)
        ionisation = hat_weights(p["log_u"], self._log_u)
        young, old = mass[:, :n].clone(), mass[:, n - 1 :].clone()
        young[:, -1] *= 1 - self._old_share
        old[:, 0] *= self._old_share
        nebula = (gas[:, :, None, None] * ionisation[:, None, :, None] * young[:, None, None, :]).flatten(1)
        return (stars[:, :, None] * old[:, None]).flatten(1), (stars[:, :, None] * young[:, None]).flatten(1), nebula

    def _metallicity_weights(self, p: Mapping[str, Tensor]) -> Tensor:
        """(n, 7) shares of the stars at the metallicities of the grid."""
        rich = hat_weights(p["metallicity"], self.metallicities)
        if "poor_share" not in p:
            return rich
        poor = hat_weights(p["poor_metallicity"], self.metallicities)
        return torch.lerp(rich, poor, p["poor_share"].to(rich.dtype)[:, None])

    def surviving_share(self, p: Mapping[str, Tensor]) -> Tensor:
        """(n,) float64: surviving mass over formed mass."""
        return ((self._metallicity_weights(p) @ self.live).double() * p["weights"]).sum(1)

    @torch.no_grad()
    def rest_frame(self, p: Mapping[str, Tensor]) -> RestFrame:
        """Attenuated continuum and lines of one solar mass formed."""
        old_rows, young_rows, nebula = self.population_weights(p)
        old = self._assemble(old_rows, self._old)
        young = self._assemble(torch.cat([young_rows, nebula], 1), self._young)
        lines = nebula @ self._line_grid
        if "line_factor" in p:
            lines = lines * p["line_factor"]
        nuclear = old[:, self.index(6480.0) : self.index(6650.0)].mean(1) * p["nuclear_ew"].float()
        law, line_law = self._dust(p["dust_slope"], p["dust_bump"]), self._dust_lines(p["dust_slope"], p["dust_bump"])
        cloud = p["av"] * p["birth_cloud"]
        spectrum = self._attenuate(old, law, p["av"]).add_(self._attenuate(young, law, cloud))
        if "template_error" in p:
            self._modulate(spectrum, torch.exp(p["template_error"].float() @ self._template_hats))
        lines = lines * transmission(line_law, cloud)
        if "nuclear_ratio" in p:
            lines = lines + nuclear[:, None] * p["nuclear_ratio"] * transmission(line_law, p["av"])
        return RestFrame(spectrum, lines)

    def flux_scale(self, p: Mapping[str, Tensor]) -> Tensor:
        """(n,) float64: erg/s/cm² of the galaxy per L☉ of one solar mass formed."""
        distance = self.cosmology.luminosity_distance(p["redshift"]) * CM_PER_MPC
        return 10 ** p["log_mass_formed"].double() * SOLAR_LUMINOSITY / (4 * math.pi * distance**2)

    @torch.no_grad()
    def photometry(self, p: Mapping[str, Tensor], rest: RestFrame) -> Tensor:
        """(n, n_band) mean AB flux density in nJy."""
        z = p["redshift"].double()
        spectrum, lines = self._absorb(z, rest, p["lya_escape"])
        shift = torch.log1p(z) / self.step
        whole = torch.round(shift).long()
        first = self._max_shift - whole - 1
        seen = torch.gather(spectrum, 1, first[:, None] + torch.arange(self._n_observed + 2, device=self.device))
        variance, moved = self._variance(p), None
        if "filter_shift" in p:
            moved = (p["filter_shift"] / self._bank.pivots).float()
        spread = torch.zeros_like(z) if variance is None else variance
        flux = self._bank.continuum(seen, shift - whole, spread, moved) / (1 + z).float()[:, None]
        flux = flux + self._bank.lines(self._log_lines + torch.log1p(z)[:, None], lines, variance, moved)
        return flux * (self.flux_scale(p) * _KEEP_NEAR_ONE).float()[:, None]

    @staticmethod
    def _variance(p: Mapping[str, Tensor]) -> Tensor | None:
        """(n,) variance of ln λ by the motions of stars and gas."""
        if "velocity_dispersion" not in p:
            return None
        return (p["velocity_dispersion"].double() / LIGHT_SPEED) ** 2

    def _absorb(self, z: Tensor, rest: RestFrame, lya_escape: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrum and lines behind the intergalactic medium."""
        low = (z / IGM_STEP).long()
        t = (z / IGM_STEP - low).float()[:, None]
        blue, red = rest.spectrum[:, : self._n_igm], rest.spectrum[:, self._n_igm :]
        spectrum = torch.cat([blue * torch.lerp(self._igm[low], self._igm[low + 1], t), red], 1)
        lines = rest.lines * torch.lerp(self._igm_lines[low], self._igm_lines[low + 1], t)
        lines[:, self.line_table.lyman_alpha] *= lya_escape.float()[:, None]
        return spectrum, lines


__all__ = ["RestFrame", "Synthesizer", "hat_weights"]
