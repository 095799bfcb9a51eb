"""What an instrument makes of noiseless fluxes: errors, calibration, depth and missing bands, in torch on any device.

The variance of a flux F (nJy) is::

    σ² = (F(m5) / 5)² + max(F, 0) / (electrons per nJy) + (floor · F)²

sky, photons of the galaxy, and a relative floor for everything that does not fall with exposure time. The noise is
drawn with σ of the true flux; the *stated* error is σ of the observed flux, as in any catalogue: an error computed from
the true flux would tell a network the answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch

from .filters import EMBEDDED_BANDS, FilterSet

# 5σ depths in AB magnitudes (3 arcsec). ASSUMED, like J-PAS, not published: jpas_bands.csv of the project's reference.
# GALEX is given by layer below.
DEPTHS = {
    "uJAVA": 22.6, "uJPAS": 23.0, "J0378": 22.22, "J0390": 22.31, "J0400": 22.4, "J0410": 22.45, "J0420": 22.48,
    "J0430": 22.52, "J0440": 22.56, "J0450": 22.6, "J0460": 22.6, "J0470": 22.6, "J0480": 22.6, "J0490": 22.6,
    "J0500": 22.6, "J0510": 22.6, "J0520": 22.6, "J0530": 22.6, "J0540": 22.6, "J0550": 22.6, "J0560": 22.59,
    "J0570": 22.58, "J0580": 22.57, "J0590": 22.56, "J0600": 22.55, "J0610": 22.54, "J0620": 22.53,
    "J0630": 22.52, "J0640": 22.51, "J0650": 22.5, "J0660": 22.48, "J0670": 22.46, "J0680": 22.44,
    "J0690": 22.42, "J0700": 22.4, "J0710": 22.35, "J0720": 22.32, "J0730": 22.28, "J0740": 22.23,
    "J0750": 22.2, "J0760": 22.16, "J0770": 22.11, "J0780": 22.08, "J0790": 22.04, "J0800": 22.0,
    "J0810": 21.95, "J0820": 21.91, "J0830": 21.87, "J0840": 21.84, "J0850": 21.8, "J0860": 21.75,
    "J0870": 21.7, "J0880": 21.64, "J0890": 21.59, "J0900": 21.55, "J0910": 21.5, "J1007": 21.5, "gSDSS": 23.7,
    "rSDSS": 23.4, "iSDSS": 23.0,
}  # fmt: skip
# GALEX layers: 5σ depth in FUV and NUV (AB; Morrissey et al. 2007; DIS from the GALEX documentation), exposure in s.
GALEX_LAYERS = {"AIS": (19.9, 20.8, 100.0), "MIS": (22.6, 22.7, 1500.0), "DIS": (24.8, 24.4, 30000.0)}
# Relative error floors in units of the floor of a narrow band (0.02 : 0.03 : 0.05).
FLOOR_RATIO = {"uJAVA": 1.5, "uJPAS": 1.5, "NUV": 1.5, "FUV": 2.5}

AB_ZERO_NJY = 31.4  # AB magnitude of 1 nJy
NJY = 1e-32  # erg/s/cm²/Hz
PLANCK = 6.62607015e-27  # erg s
JST_AREA, JST_EXPOSURE = 3.8e4, 480.0  # cm² net of JST/T250; s, 4 × 120 s (assumed for every band)
GALEX_AREA = 1963.0  # cm², 50 cm aperture
GALEX_PHOTON_WIDTH = {"FUV": 0.0095, "NUV": 0.027}  # ∫ T / λ dλ with the effective area over the aperture; rough
SUPPORT = 0.005  # share of ∫ T λ dλ that a window may cut from a band (as in photometry.MIN_COVERED)
OPTICAL_RANGE = (3500.0, 9600.0)  # Å; half a period of the calibration cosine of order one


@dataclass(frozen=True)
class NoiseSettings:
    """How noisy, how badly calibrated and how incomplete the observations are.

    Attributes:
        depth_offset: Added to every depth, mag; positive is deeper.
        depth_scatter_galaxy, depth_scatter_band: σ in mag of the depth, common to a galaxy and of each of its bands.
        floor_range: Relative error floor of a narrow band, log-uniform between the two, one per galaxy; other bands in
            proportion (FLOOR_RATIO). The stated error includes it.
        fixed_floor: Floor of a narrow band for every galaxy, in place of ``floor_range``.
        galex_shares: Shares of galaxies in AIS, MIS and DIS; the rest has no GALEX.
        zero_point_scatter: σ in mag of the zero point of each band; not in the stated error.
        calibration_scatter: σ of the half-normal rms, in mag, of a smooth distortion over wavelength; not in the stated
            error.
        calibration_orders: Highest order of the cosines in ln λ of that distortion.
        gappy_share, gappy_fraction: Share of galaxies that lack random bands, and the largest fraction lacking.
        window_share, windows: Share of galaxies seen by a spectrograph, and its ranges in Å: only bands inside are
            observed.
        window_depth_gain: Such galaxies are deeper by a random 0 to this many mag.
    """

    depth_offset: float = 0.0
    depth_scatter_galaxy: float = 0.25
    depth_scatter_band: float = 0.1
    floor_range: tuple[float, float] = (0.005, 0.03)
    fixed_floor: float | None = None
    galex_shares: tuple[float, float, float] = (0.3, 0.3, 0.1)
    zero_point_scatter: float = 0.01
    calibration_scatter: float = 0.03
    calibration_orders: int = 4
    gappy_share: float = 0.2
    gappy_fraction: float = 0.15
    window_share: float = 0.15
    windows: tuple[tuple[float, float], ...] = ((3800.0, 9200.0), (4450.0, 9250.0), (3600.0, 9824.0), (3600.0, 10300.0))
    window_depth_gain: float = 2.5

    def __post_init__(self) -> None:
        if not 0 < self.floor_range[0] <= self.floor_range[1]:
            raise ValueError(f"floor_range {self.floor_range}: must be positive and increase")
        if self.fixed_floor is not None and self.fixed_floor < 0:
            raise ValueError(f"fixed_floor {self.fixed_floor}: must not be negative")
        if min(self.galex_shares) < 0 or sum(self.galex_shares) > 1 + 1e-9:
            raise ValueError(f"galex_shares {self.galex_shares}: must not be negative nor sum to more than 1")
        for name in ("gappy_share", "gappy_fraction", "window_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}: must be within 0 and 1")

    @classmethod
    def survey(cls) -> NoiseSettings:
        """The training default: everything varies from galaxy to galaxy."""
        return cls()

    @classmethod
    def nominal(cls) -> NoiseSettings:
        """The plain assumed depths, GALEX MIS, floor 0.02, every band observed, no calibration error."""
        return cls(
            depth_scatter_galaxy=0.0,
            depth_scatter_band=0.0,
            fixed_floor=0.02,
            galex_shares=(0.0, 1.0, 0.0),
            zero_point_scatter=0.0,
            calibration_scatter=0.0,
            gappy_share=0.0,
            window_share=0.0,
        )


class Observation(NamedTuple):
    """Observed fluxes.

    Attributes:
        flux: (n, n_band) nJy; NaN where not observed.
        error: (n, n_band) stated 1σ error, nJy; NaN where not observed.
        observed: (n, n_band) bool.
    """

    flux: torch.Tensor
    error: torch.Tensor
    observed: torch.Tensor


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
        unknown = [name for name in self.bands if name not in DEPTHS and name not in ("FUV", "NUV")]
        if unknown:
            raise ValueError(f"no depth is known for {', '.join(unknown)}; known are FUV, NUV, {', '.join(DEPTHS)}")
        filters = (filters or FilterSet.embedded()).subset(self.bands)
        self._depth, self._per_electron = self._layer_tables(filters)
        self._floor_ratio = self._tensor([FLOOR_RATIO.get(name, 1.0) for name in self.bands])
        self._galex = torch.tensor([name in ("FUV", "NUV") for name in self.bands], device=self.device)
        self._cosines = self._cosine_table(filters)
        self._windows = self._window_table(filters)
        self._layer_edges = self._tensor(self.settings.galex_shares).cumsum(0)

    def observe(self, flux: torch.Tensor, generator: torch.Generator) -> Observation:
        """Observe each row of ``flux`` (n, n_band), nJy, noiseless, with randomness from ``generator`` alone.

        Raises:
            ValueError: A shape other than (n, n_band).
        """
        if flux.ndim != 2 or flux.shape[1] != len(self.bands):
            raise ValueError(f"flux has shape {tuple(flux.shape)}; (n, {len(self.bands)}) is needed, one column a band")
        draw = _Draw(flux.shape[0], len(self.bands), generator, flux.device, flux.dtype)
        layer = torch.bucketize(draw.uniform(1)[:, 0], self._layer_edges, right=True)  # 3: no GALEX
        window, in_window = self._draw_windows(draw)
        sky_variance = self._draw_sky(draw, layer, in_window)
        floor = self._draw_floor(draw)
        per_electron = self._per_electron[layer]

        seen = flux * self._draw_calibration(draw)
        sigma = (sky_variance + seen.clamp(min=0) * per_electron + (floor * seen) ** 2).sqrt()
        value = seen + sigma * draw.normal()
        error = (sky_variance + value.clamp(min=0) * per_electron + (floor * value) ** 2).sqrt()

        observed = ~(self._galex & (layer == 3)[:, None]) & window & self._draw_gaps(draw)
        value, error = (torch.where(observed, x, torch.nan) for x in (value, error))
        return Observation(value, error, observed)

    def _draw_sky(self, draw: _Draw, layer: torch.Tensor, in_window: torch.Tensor) -> torch.Tensor:
        """(n, n_band) variance of the sky, nJy²."""
        s = self.settings
        depth = self._depth[layer]
        if s.depth_scatter_galaxy or s.depth_scatter_band:
            depth = depth + s.depth_scatter_galaxy * draw.normal(1) + s.depth_scatter_band * draw.normal()
        if s.window_share and s.window_depth_gain:
            depth = depth + s.window_depth_gain * draw.uniform(1) * in_window[:, None]
        return torch.exp((AB_ZERO_NJY - depth) * (0.8 * math.log(10))) / 25

    def _draw_floor(self, draw: _Draw) -> torch.Tensor:
        """(n or 1, n_band) relative error floor."""
        s = self.settings
        if s.fixed_floor is not None:
            return s.fixed_floor * self._floor_ratio[None]
        low, high = (math.log(x) for x in s.floor_range)
        return torch.exp(low + (high - low) * draw.uniform(1)) * self._floor_ratio

    def _draw_calibration(self, draw: _Draw) -> torch.Tensor:
        """(n, n_band) factor by which the calibration is wrong; or 1."""
        s = self.settings
        shift = 0.0
        if s.zero_point_scatter:
            shift = s.zero_point_scatter * draw.normal()
        if s.calibration_scatter:
            terms = draw.normal(s.calibration_orders)
            terms = terms / (0.5 * terms.square().sum(1, keepdim=True)).sqrt()  # rms of one over a period
            shift = shift + s.calibration_scatter * draw.normal(1) * (terms.to(self._cosines.dtype) @ self._cosines)
        return torch.exp(shift * (-0.4 * math.log(10))) if isinstance(shift, torch.Tensor) else draw.ones()

    def _draw_windows(self, draw: _Draw) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, n_band) whether the band is inside the range of the instrument, (n,) whether that is a spectrograph."""
        if not self.settings.window_share:
            return torch.ones((), dtype=torch.bool, device=draw.device), torch.zeros((), device=draw.device)
        in_window = draw.uniform(1)[:, 0] < self.settings.window_share
        which = (draw.uniform(1)[:, 0] * len(self._windows)).long().clamp(max=len(self._windows) - 1)
        return self._windows[which] | ~in_window[:, None], in_window

    def _draw_gaps(self, draw: _Draw) -> torch.Tensor:
        """(n, n_band) false in random bands of some galaxies."""
        s = self.settings
        if not s.gappy_share:
            return torch.ones((), dtype=torch.bool, device=draw.device)
        probability = s.gappy_fraction * draw.uniform(1) * (draw.uniform(1) < s.gappy_share)
        return draw.uniform() >= probability

    def _layer_tables(self, filters: FilterSet) -> tuple[torch.Tensor, torch.Tensor]:
        """Depth in mag, and nJy per electron, (4, n_band) each: GALEX layers and none (there as in AIS, unused)."""
        depths, per_electron = [], []
        for fuv, nuv, exposure in (*GALEX_LAYERS.values(), GALEX_LAYERS["AIS"]):
            galex = {"FUV": fuv, "NUV": nuv}
            depths.append([galex.get(name) or DEPTHS[name] for name in self.bands])
            per_electron.append([1 / electrons_per_njy(name, filters, exposure) for name in self.bands])
        return self._tensor(depths) + self.settings.depth_offset, self._tensor(per_electron)

    def _cosine_table(self, filters: FilterSet) -> torch.Tensor:
        """(order, n_band) cosines in ln λ."""
        low, high = (math.log(x) for x in OPTICAL_RANGE)
        phase = torch.pi * (self._tensor(filters.pivots.tolist()).log() - low) / (high - low)
        orders = torch.arange(1, self.settings.calibration_orders + 1, device=self.device)
        return torch.cos(orders[:, None] * phase)

    def _window_table(self, filters: FilterSet) -> torch.Tensor:
        """(n_window, n_band) whether the window holds all but SUPPORT of the band."""
        inside = [
            [_share(curve, *window) >= 1 - SUPPORT for curve in filters.values()] for window in self.settings.windows
        ]
        return torch.tensor(inside, dtype=torch.bool, device=self.device)

    def _tensor(self, values) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)


class _Draw:
    """Random numbers (n, k) from one generator; k is the number of bands if not given."""

    def __init__(self, n: int, n_band: int, generator: torch.Generator, device, dtype) -> None:
        self.n, self.n_band, self.device = n, n_band, device
        self._how = {"generator": generator, "device": device, "dtype": dtype}

    def normal(self, k: int | None = None) -> torch.Tensor:
        return torch.randn(self.n, k or self.n_band, **self._how)

    def uniform(self, k: int | None = None) -> torch.Tensor:
        return torch.rand(self.n, k or self.n_band, **self._how)

    def ones(self) -> torch.Tensor:
        return torch.ones(1, 1, device=self.device, dtype=self._how["dtype"])


def electrons_per_njy(name: str, filters: FilterSet, galex_exposure: float = 1500.0) -> float:
    """Photo-electrons of a galaxy of 1 nJy in the exposure; approximate (JST/T250, 4 × 120 s; GALEX, s)."""
    if name in GALEX_PHOTON_WIDTH:
        return NJY / PLANCK * GALEX_AREA * galex_exposure * GALEX_PHOTON_WIDTH[name]
    return NJY / PLANCK * JST_AREA * JST_EXPOSURE * filters[name].photon_width


def _share(curve, low: float, high: float) -> float:
    """Share of ∫ T λ dλ between two wavelengths in Å."""
    wave, trans = curve.fine()
    weight = trans * wave
    return float(weight[(wave >= low) & (wave <= high)].sum() / weight.sum())


__all__ = ["DEPTHS", "GALEX_LAYERS", "NoiseModel", "NoiseSettings", "Observation", "electrons_per_njy"]
