"""A compressed, cached basis of the stellar populations: few vectors a segment instead of hundreds of spectra.

Each spectrum of the grid is divided by its own mean in the segment, so that what the truncated singular value
decomposition leaves out is small *relative* to every population at every wavelength; a galaxy, which is a sum of
populations with positive weights, inherits that bound.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from hf_galaxy.physics.ssp import StellarGrid, read_grid

SEGMENTS = (0.0, 912.0, 1216.0, 1700.0, 2600.0, 3646.0, 5200.0, np.inf)
TOLERANCE = 1e-3  # makes less than 0.3 mmag in any narrow band
_CACHE_VERSION = 1
_FROM_GRID = ("wavelength", "lines", "line_wavelength", "line_name", "live", "age_edges", "lyman")


@dataclass(frozen=True)
class Factor:
    """Low-rank form of one segment: spectra (r, w) = coefficients (r, k) @ vectors (k, w)."""

    coefficients: np.ndarray
    vectors: np.ndarray


@dataclass(frozen=True)
class SpectralBasis:
    """What the synthesis needs of a ``StellarGrid``; attributes of the same names mean the same.

    Attributes:
        borders: (s + 1,) first pixel of each segment, then the number of pixels.
        old: Factors of the rows (metallicity, age) of the old stars, by segment.
        young: Factors of the rows (metallicity, age) of young stars, then (metallicity, log U, age) of nebulae.
    """

    wavelength: np.ndarray
    borders: np.ndarray
    old: tuple[Factor, ...]
    young: tuple[Factor, ...]
    lines: np.ndarray
    line_wavelength: np.ndarray
    line_name: np.ndarray
    live: np.ndarray
    age_edges: np.ndarray
    lyman: np.ndarray
    n_young: int
    old_share: float


def factorise(spectra: np.ndarray, tolerance: float = TOLERANCE) -> Factor:
    """Smallest factors of spectra (r, w) whose rms residual is below ``tolerance`` of the mean of every spectrum."""
    norm = np.abs(spectra).mean(1, keepdims=True)
    shape = spectra / np.where(norm > 0, norm, 1.0)
    weight = (
        1.0 / np.maximum(np.median(shape[norm[:, 0] > 0], axis=0), 1e-3)
        if (norm > 0).any()
        else np.ones(shape.shape[1])
    )
    u, s, vt = np.linalg.svd(shape * weight, full_matrices=False)
    left = (u * s) ** 2 / shape.shape[1]
    residual = np.sqrt(np.maximum(left.sum(1, keepdims=True) - np.cumsum(left, axis=1), 0.0)).max(0)
    rank = min(int((residual > tolerance).sum()) + 1, len(s))
    return Factor(norm * u[:, :rank] * s[:rank], vt[:rank] / weight)


def compress(grid: StellarGrid, tolerance: float = TOLERANCE) -> SpectralBasis:
    """The basis of a grid."""
    pixels = len(grid.wavelength)
    borders = np.unique(np.searchsorted(grid.wavelength, SEGMENTS).clip(0, pixels))
    old = grid.old.reshape(-1, pixels)
    young = np.concatenate([grid.young.reshape(-1, pixels), grid.nebular.reshape(-1, pixels)])
    parts = [slice(a, b) for a, b in pairwise(borders)]
    return SpectralBasis(
        borders=borders,
        old=tuple(factorise(old[:, part], tolerance) for part in parts),
        young=tuple(factorise(young[:, part], tolerance) for part in parts),
        n_young=grid.n_young,
        old_share=grid.old_share,
        **{name: getattr(grid, name) for name in _FROM_GRID},
    )


def cache_folder() -> Path:
    """$HF_GALAXY_CACHE, or the user's cache folder."""
    given = os.environ.get("HF_GALAXY_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(given).expanduser() if given else Path(home) / "hf_galaxy"


def _save(basis: SpectralBasis, path: Path) -> None:
    """Atomic: readers see the whole file or none, also when two processes write."""
    arrays = {name: getattr(basis, name) for name in _FROM_GRID}
    arrays |= {"borders": basis.borders, "young_bins": np.array([basis.n_young, basis.old_share])}
    for kind in ("old", "young"):
        for i, factor in enumerate(getattr(basis, kind)):
            arrays[f"{kind}_{i}_c"] = factor.coefficients.astype(np.float32)
            arrays[f"{kind}_{i}_v"] = factor.vectors.astype(np.float32)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _load(path: Path) -> SpectralBasis:
    with np.load(path) as file:
        arrays = dict(file)
    n_segments = len(arrays["borders"]) - 1
    n_young, old_share = arrays.pop("young_bins")
    factors = {
        kind: tuple(Factor(arrays.pop(f"{kind}_{i}_c"), arrays.pop(f"{kind}_{i}_v")) for i in range(n_segments))
        for kind in ("old", "young")
    }
    return SpectralBasis(n_young=int(n_young), old_share=float(old_share), **factors, **arrays)


def load_basis(log_start: float, step: float, pixels: int, tolerance: float = TOLERANCE) -> SpectralBasis:
    """The basis on the grid ln λ = log_start + step * (0 … pixels - 1), from the cache or made now (about ten seconds).

    A cache that cannot be read or written is made again or done without.

    Raises:
        MissingGridsError: there is no cached basis and the grids are not installed.
    """
    key = f"{_CACHE_VERSION} {log_start:.12g} {step:.12g} {pixels} {tolerance:.6g} {SEGMENTS}"
    path = cache_folder() / f"basis-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
    try:
        return _load(path)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        basis = compress(read_grid(np.exp(log_start + step * (np.arange(pixels + 1) - 0.5))), tolerance)
    with suppress(OSError):
        _save(basis, path)
    return basis


__all__ = ["Factor", "SpectralBasis", "cache_folder", "compress", "factorise", "load_basis"]
