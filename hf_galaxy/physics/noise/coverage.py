"""Which bands are observed: GALEX layers, spectrographs, filter trays, gaps."""

from __future__ import annotations

import torch
from torch import Tensor

from ..filters import FilterCurve, FilterSet
from .draw import Draw
from .instruments import BROAD_BANDS, GALEX_BANDS
from .settings import NoiseSettings

SUPPORT = 0.005  # share of ∫ T λ dλ that a window may cut from a band (as in photometry.MIN_COVERED)
NO_GALEX = 3  # number of the layer of galaxies without GALEX


class Coverage:
    """Draws which bands are observed.

    Args:
        settings: Shares.
        filters: The bands.
        device: Where the fluxes are.
    """

    def __init__(self, settings: NoiseSettings, filters: FilterSet, device: torch.device) -> None:
        self.settings, self._n_band = settings, len(filters)
        names = filters.names

        def tensor(values: list) -> Tensor:
            return torch.tensor(values, device=device)

        self.galex = tensor([name in GALEX_BANDS for name in names])
        self._fuv = tensor([name == "FUV" for name in names])
        self._broad = tensor([name in BROAD_BANDS for name in names])
        self._inside = tensor([[_share(c, *w) >= 1 - SUPPORT for c in filters.values()] for w in settings.windows])
        self._layer_edges = torch.tensor(settings.galex_shares, dtype=torch.float32, device=device).cumsum(0)
        in_trays = [i for i in filters.pivots.argsort().tolist() if names[i] not in (*GALEX_BANDS, *BROAD_BANDS)]
        self._n_in_trays = len(in_trays)
        # Place of a band in order of wavelength among those in trays; −1: not in one.
        self._place = tensor([in_trays.index(i) if i in in_trays else -1 for i in range(len(names))])

    def layer(self, draw: Draw) -> Tensor:
        """(n,) number of the GALEX layer: AIS, MIS, DIS or ``NO_GALEX``."""
        return torch.bucketize(draw.uniform(1)[:, 0], self._layer_edges, right=True)

    def spectrograph(self, draw: Draw) -> Tensor | None:
        """(n, 1) bool, seen by a spectrograph; None if none is."""
        return draw.below(self.settings.window_share) if self.settings.window_share else None

    def tray_depth(self, draw: Draw) -> Tensor:
        """(n, n_band) standard normal numbers, equal in contiguous groups of bands; 0 for GALEX."""
        size = self.settings.tray_bands
        last = (self._n_in_trays + 2 * size - 2) // size  # the broad bands
        tray = (self._place + draw.integer(0, size - 1)).div(size, rounding_mode="floor")
        tray = torch.where(self._place >= 0, tray, last)
        return draw.normal(last + 1).gather(1, tray) * ~self.galex

    def observed(self, draw: Draw, layer: Tensor, spectrograph: Tensor | None) -> Tensor:
        """(n, n_band) bool."""
        s = self.settings
        seen = ~(self.galex & (layer == NO_GALEX)[:, None])
        if s.galex_no_fuv_share:
            seen = seen & ~(self._fuv & draw.below(s.galex_no_fuv_share))
        if spectrograph is not None:
            which = draw.integer(0, len(self._inside) - 1)[:, 0]
            inside = torch.where(self.galex, draw.below(s.window_galex_share), self._inside[which])
            seen = seen & (inside | ~spectrograph)
        if s.gappy_share:
            probability = s.gappy_fraction * draw.uniform(1) * draw.below(s.gappy_share)
            seen = seen & (draw.uniform() >= probability)
        lost = self._lost_in_imaging(draw)
        if lost is not None:
            seen = seen & ~(lost if spectrograph is None else lost & ~spectrograph)
        return seen

    def _lost_in_imaging(self, draw: Draw) -> Tensor | None:
        """(n, n_band) bool, bands of whole trays that were not observed; None if there is no such thing."""
        s, lost = self.settings, None
        if s.run_share and self._n_in_trays:
            low, high = (min(n, self._n_in_trays) for n in s.run_bands)
            length = draw.integer(low, high)
            begin = (draw.uniform(1) * (self._n_in_trays - length + 1)).long()  # a float may reach the end: one less
            run = (self._place >= begin) & (self._place < begin + length)
            lost = run & draw.below(s.run_share)
        if s.broad_missing_share or s.broad_only_share:
            u = draw.uniform(1)
            none = u < s.broad_missing_share
            only = (u >= s.broad_missing_share) & (u < s.broad_missing_share + s.broad_only_share)
            apart = (none & self._broad) | (only & (self._place >= 0))
            lost = apart if lost is None else lost | apart
        return lost


def _share(curve: FilterCurve, low: float, high: float) -> float:
    """Share of ∫ T λ dλ between two wavelengths in Å."""
    wave, trans = curve.fine()
    weight = trans * wave
    return float(weight[(wave >= low) & (wave <= high)].sum() / weight.sum())


__all__ = ["NO_GALEX", "Coverage"]
