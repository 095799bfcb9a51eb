"""Transmission curves of the bands: the embedded J-PAS and GALEX set, folders of files, the SVO service."""

from __future__ import annotations

import io
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from .filter_tables import KNOTS, TRAPEZOIDS

SVO_URL = "https://svo2.cab.inta-csic.es/theory/fps/fps.php"
# Names of the SVO Filter Profile Service that differ from ours.
SVO_IDS = {"uJAVA": "OAJ/JPAS.uJava", "uJPAS": "OAJ/JPAS.u", "FUV": "GALEX/GALEX.FUV", "NUV": "GALEX/GALEX.NUV"}
_RED_BANDS = ("J1007", "gSDSS", "rSDSS", "iSDSS")
_NARROW = sorted((KNOTS.keys() | TRAPEZOIDS.keys()) - {*SVO_IDS, *_RED_BANDS})
EMBEDDED_BANDS = ("FUV", "NUV", "uJAVA", "uJPAS", *_NARROW, *_RED_BANDS)
# Names in files, in lower case, that differ from ours in more than case.
FILE_NAMES = {"u": "uJPAS", "ujpas": "uJPAS", "ujava": "uJAVA", "j0348": "uJAVA"}
FILE_SUFFIXES = (".dat", ".txt", ".csv", ".ascii", ".tab")
FINE_STEP = 1.0  # Å; widest step on which T λ and T / λ are integrated by the trapezoid rule (error < 1e-8)


@dataclass(frozen=True, eq=False)
class FilterCurve:
    """Total throughput of one band, piecewise linear between its samples and zero outside them.

    Args:
        name: Name of the band.
        wavelength: (n,) increasing wavelengths in Å.
        transmission: (n,) throughput per photon, not negative, any scale; an end that is not zero gets a zero.

    Raises:
        ValueError: Fewer than two samples, wavelengths that do not increase, values not finite or negative.
    """

    name: str
    wavelength: np.ndarray
    transmission: np.ndarray

    def __post_init__(self) -> None:
        wave = np.array(self.wavelength, dtype=np.float64)
        trans = np.array(self.transmission, dtype=np.float64)
        _check_curve(self.name, wave, trans)
        nonzero = np.nonzero(trans)[0]
        keep = slice(max(nonzero[0] - 1, 0), nonzero[-1] + 2)
        wave, trans = wave[keep], trans[keep]
        if trans[0] > 0:
            wave, trans = np.r_[wave[0] - 1e-3, wave], np.r_[0.0, trans]
        if trans[-1] > 0:
            wave, trans = np.r_[wave, wave[-1] + 1e-3], np.r_[trans, 0.0]
        wave.flags.writeable = trans.flags.writeable = False
        object.__setattr__(self, "wavelength", wave)
        object.__setattr__(self, "transmission", trans)

    def interpolate(self, wavelength: np.ndarray) -> np.ndarray:
        """Throughput at ``wavelength`` (any shape, Å); zero outside the samples."""
        return np.interp(wavelength, self.wavelength, self.transmission, left=0.0, right=0.0)

    def fine(self, step: float = FINE_STEP) -> tuple[np.ndarray, np.ndarray]:
        """Wavelengths (m,) that hold every sample with gaps of at most ``step`` Å, and the throughput there."""
        parts = np.ceil(np.diff(self.wavelength) / step).astype(int)
        first = np.cumsum(np.r_[0, parts])  # place of each sample among the fine ones
        wave = np.interp(np.arange(first[-1] + 1), first, self.wavelength)
        return wave, self.interpolate(wave)

    @property
    def pivot(self) -> float:
        """Pivot wavelength in Å, sqrt(∫ T λ dλ / ∫ T / λ dλ) (Tokunaga & Vacca 2005, PASP 117, 421, eq. A11)."""
        wave, trans = self.fine()
        return float(np.sqrt(np.trapezoid(trans * wave, wave) / np.trapezoid(trans / wave, wave)))

    @property
    def fwhm(self) -> float:
        """Distance in Å between the outermost wavelengths at half of the maximum."""
        wave, trans = self.fine()
        above = np.nonzero(trans >= 0.5 * trans.max())[0]
        return float(_crossing(wave, trans, above[-1], above[-1] + 1) - _crossing(wave, trans, above[0] - 1, above[0]))

    @property
    def photon_width(self) -> float:
        """∫ T / λ dλ, dimensionless: photons per unit area, time and f_ν / h."""
        wave, trans = self.fine()
        return float(np.trapezoid(trans / wave, wave))


def _crossing(wave: np.ndarray, trans: np.ndarray, i: int, j: int) -> float:
    """Wavelength between samples i and j at which the throughput is half of its maximum."""
    share = (0.5 * trans.max() - trans[i]) / (trans[j] - trans[i])
    return wave[i] + share * (wave[j] - wave[i])


def _check_curve(name: str, wave: np.ndarray, trans: np.ndarray) -> None:
    if wave.ndim != 1 or wave.shape != trans.shape or wave.size < 2:
        raise ValueError(
            f"filter {name!r}: wavelength {wave.shape} and transmission {trans.shape} must both be (n >= 2,)"
        )
    if not (np.isfinite(wave).all() and np.isfinite(trans).all()):
        raise ValueError(f"filter {name!r}: wavelength or transmission is not finite; remove those samples")
    if not (np.diff(wave) > 0).all() or wave[0] <= 0:
        at = int(np.argmax(np.diff(wave) <= 0)) + 1
        raise ValueError(f"filter {name!r}: wavelengths must be positive and increase; see sample {at}; sort the file")
    if (trans < 0).any():
        raise ValueError(f"filter {name!r}: transmission is negative (minimum {trans.min():g}); clip it to zero")
    if not (trans > 0).any():
        raise ValueError(f"filter {name!r}: transmission is zero everywhere")


class FilterSet(Mapping):
    """Filters in order, by name.

    Args:
        curves: The filters.

    Raises:
        ValueError: Two filters of the same name, or none at all.
    """

    def __init__(self, curves: Iterable[FilterCurve]) -> None:
        curves = list(curves)
        self._curves = {curve.name: curve for curve in curves}
        if not curves:
            raise ValueError("a filter set needs at least one filter")
        if len(self._curves) < len(curves):
            names = [curve.name for curve in curves]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"filters given twice: {', '.join(twice)}; keep one file of each")

    def __getitem__(self, name: str) -> FilterCurve:
        return self._curves[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._curves)

    def __len__(self) -> int:
        return len(self._curves)

    def __repr__(self) -> str:
        return f"FilterSet({', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(self._curves)

    @property
    def pivots(self) -> np.ndarray:
        """(n,) pivot wavelengths in Å."""
        return np.array([curve.pivot for curve in self.values()])

    def subset(self, names: Iterable[str]) -> FilterSet:
        """The filters of these names, in this order.

        Raises:
            ValueError: A name that is not in the set.
        """
        names = list(names)
        unknown = [name for name in names if name not in self]
        if unknown:
            raise ValueError(f"no filter named {', '.join(map(repr, unknown))}; there are {', '.join(self.names)}")
        return FilterSet(self[name] for name in names)

    @classmethod
    def embedded(cls) -> FilterSet:
        """The 62 bands of J-PAS and GALEX from the facts in :mod:`hf_galaxy.physics.filter_tables`."""
        return cls(_embedded_curve(name) for name in EMBEDDED_BANDS)

    @classmethod
    def from_folder(cls, folder: str | Path) -> FilterSet:
        """Filters from the two-column files (wavelength in Å, throughput) anywhere under ``folder``.

        Files are recognised by name: ``J0400.dat``, ``OAJ_JPAS.J0400.dat``, ``GALEX_GALEX.FUV.dat`` and the like;
        files of other names are left aside. The order is that of the embedded set.

        Raises:
            ValueError: No such folder, no file recognised, two files for one band, a file that is not two columns.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise ValueError(f"{folder}: no such folder of filter curves")
        found: dict[str, Path] = {}
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            name = band_of_file(path)
            if name is None:
                continue
            if name in found:
                raise ValueError(f"{folder}: both {found[name]} and {path} are {name}; keep one")
            found[name] = path
        if not found:
            raise ValueError(f"{folder}: no filter file recognised; name them <band>.dat, such as J0400.dat")
        return cls(_read_curve(name, found[name]) for name in EMBEDDED_BANDS if name in found)

    @classmethod
    def from_svo(
        cls, names: Iterable[str] = EMBEDDED_BANDS, *, base_url: str = SVO_URL, timeout: float = 30.0
    ) -> FilterSet:
        """Filters from the SVO Filter Profile Service (Rodrigo & Solano 2020), by plain HTTP; nothing is kept on disk.

        Raises:
            ValueError: The service cannot be reached or has no curve of a name.
        """
        return cls(_fetch_curve(name, base_url, timeout) for name in names)


def _embedded_curve(name: str) -> FilterCurve:
    if name in KNOTS:
        wave, trans = np.array(KNOTS[name]).T
        return FilterCurve(name, wave, trans)
    blue, red, blue_edge, red_edge, blue_top, red_top = TRAPEZOIDS[name]
    wave = [blue - blue_edge / 2, blue + blue_edge / 2, red - red_edge / 2, red + red_edge / 2]
    return FilterCurve(name, np.array(wave), np.array([0.0, blue_top, red_top, 0.0]))


def band_of_file(path: Path) -> str | None:
    """The band that a file is named after, or None."""
    if path.suffix.lower() not in FILE_SUFFIXES:
        return None
    *system, key = path.stem.split(".")
    if system and system[-1] not in ("OAJ_JPAS", "GALEX_GALEX"):  # SLOAN_SDSS.u.dat is not uJPAS
        return None
    known = {name.lower(): name for name in EMBEDDED_BANDS} | FILE_NAMES
    return known.get(key.lower())


def _read_curve(name: str, path: Path) -> FilterCurve:
    delimiter = "," if path.suffix.lower() == ".csv" else None
    try:
        columns = np.loadtxt(path, comments="#", delimiter=delimiter, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path}: not a table of wavelength [Å] and transmission: {error}") from None
    if columns.ndim != 2 or columns.shape[1] < 2:
        raise ValueError(f"{path}: {columns.shape[-1]} column; wavelength [Å] and transmission are needed")
    try:
        return FilterCurve(name, columns[:, 0], columns[:, 1])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _fetch_curve(name: str, base_url: str, timeout: float) -> FilterCurve:
    svo_id = SVO_IDS.get(name, f"OAJ/JPAS.{name}")
    url = f"{base_url}?{urllib.parse.urlencode({'ID': svo_id})}"
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            content = answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise ValueError(f"filter {name!r}: {base_url} is out of reach ({error}); use FilterSet.from_folder") from None
    try:
        table = Table.read(io.BytesIO(content), format="votable")
        wave, trans = (np.asarray(table[column], dtype=np.float64) for column in ("Wavelength", "Transmission"))
    except Exception:  # whatever the parser raises on what is no VOTable of a curve
        raise ValueError(f"filter {name!r}: {url} gave no transmission curve; check the name") from None
    return FilterCurve(name, wave, trans)
