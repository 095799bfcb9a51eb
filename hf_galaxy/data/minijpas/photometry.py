"""Photometric tables of miniJPAS and J-PAS to fluxes in nJy: three layouts, arrays or one column a band.

==================  =======================================  ====================  ===============================
layout              columns                                  unit                  not measured
==================  =======================================  ====================  ===============================
``fnu``             FLUX_x, FLUX_RELERR_x (FNuDualObj)       1e-30 erg/s/cm²/Hz    NaN, masked, ±99, ±999, ±9999
``flambda``         FLUX_x, FLUX_RELERR_x (FLambdaDualObj)   1e-19 erg/s/cm²/Å     the same
``mag``             MAG_x, MAG_ERR_x (MagABDualObj)          AB magnitudes         NaN, masked, 90 and more, -99
==================  =======================================  ====================  ===============================

x is the aperture: PSFCOR, AUTO, APER_3_0, APER_COR_3_0, …. PSFCOR comes first, because it is the one whose colours are
corrected for the seeing of each band; it is no total flux, so that what scales with the light (masses, rates) comes out
low: AUTO is total. The error is |flux × relative error|, the inverse of the
division that made it, whatever the sign of the flux; fluxes that are not positive are kept. Magnitudes lose those:
what was looked at and not seen is 99 there, and becomes *not observed*. Prefer the flux tables, and FNu to FLambda:
f_ν needs no wavelength, whereas f_λ is converted at the pivot of the total throughput.

FLAGS are those of SExtractor (1 crowded, 2 deblended, 4 saturated, 8 truncated, 16 and more corrupt or incomplete,
256 and more of the archive); MASK_FLAGS tell bright stars, artefacts and the edge of the window. A band is *not
observed* where FLAGS holds a bit besides those tolerated (1 and 2), or MASK_FLAGS any at all. SINGLE_DETECT is not
looked at: that a galaxy was not detected in one band alone is no fault of the flux measured there.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

import astropy.units as u
import numpy as np

from hf_galaxy.data.flux_units import FluxScale, flux_scale, parse_unit
from hf_galaxy.variables_galaxy import BANDS, default_variables

from .columns import Columns
from .filters import FilterOrder

LAYOUTS = ("fnu", "flambda", "mag")
TABLES = {"fnu": "FNuDualObj", "flambda": "FLambdaDualObj", "mag": "MagABDualObj"}
UNITS = {"fnu": "1e-30 erg / (s cm2 Hz)", "flambda": "1e-19 erg / (s cm2 Angstrom)", "mag": "mag(AB)"}
# Of several apertures, the first of these that is there: corrected for the seeing of each band first, then total.
PREFERRED = ("psfcor", "aper_cor_3_0", "auto", "aper_3_0")
TOLERATED_FLAGS = 3
NO_MAGNITUDE = 90.0  # magnitudes and their errors of this and beyond
NO_FLUX = (-9999.0, -999.0, -99.0, 99.0, 999.0, 9999.0)  # exactly: a flux that was measured is none of these numbers
PLAUSIBLE = (5.0, 32.0)  # AB magnitudes between which the median of a catalogue of galaxies must lie
_F_LAMBDA = u.erg / u.s / u.cm**2 / u.AA
_PIVOT = {v.name: v.pivot for v in default_variables() if v.kind == "flux"}
_ERRORS = {"flux": ("flux_relerr", "flux_err", "fluxerr"), "mag": ("mag_err", "magerr", "err")}


@dataclass(frozen=True)
class Photometry:
    """Fluxes of n galaxies.

    Attributes:
        flux, flux_error: (n, F) nJy in the order of the filters; NaN is not observed.
        unusable: Row to the reason why nothing of it can be used.
        voided: Reason to the number of band values that are not observed for it.
    """

    flux: np.ndarray
    flux_error: np.ndarray
    unusable: dict[int, str]
    voided: Counter


@dataclass(frozen=True)
class Layout:
    """Which columns of a table are the photometry.

    Attributes:
        kind: One of LAYOUTS.
        aperture: In lower case, such as ``psfcor``; "" for columns of bands without one.
        values, errors: Short names of the array columns, or of one column a filter ("" where there is none).
        relative: Whether the errors are relative to the flux.
        declared: Whether the units of the columns are right, or the convention of the layout is; None leaves it to
            the rows that are read.
    """

    kind: str
    aperture: str
    values: tuple[str, ...]
    errors: tuple[str, ...]
    relative: bool
    declared: bool | None = None

    @property
    def arrays(self) -> bool:
        """Whether one column holds all bands."""
        return len(self.values) == 1


def find_layout(columns: Columns, order: FilterOrder, layout: str | None = None, aperture: str | None = None) -> Layout:
    """The columns to read.

    Args:
        columns: The table.
        order: Filters of the survey.
        layout: One of LAYOUTS; None finds out from names and units.
        aperture: Such as ``PSFCOR`` or ``APER_3_0``; None takes the first of PREFERRED, or the only one.

    Raises:
        ValueError: There is no photometry, or more than one reading of it.
    """
    found = _arrays(columns) | _expanded(columns, order)
    if layout is not None:
        found = {k: v for k, v in found.items() if k[0] in ("band", "mag" if layout == "mag" else "flux")}
    apertures = sorted({a for _, a in found})
    if aperture is not None:
        found = {k: v for k, v in found.items() if k[1] == aperture.lower()}
    if not found:
        there = ", ".join(a.upper() or "none" for a in apertures) or "none"
        wanted = f"of the aperture {aperture.upper()} " if aperture else ""
        raise ValueError(
            f"{columns.source}: no photometry {wanted}(FLUX_x with FLUX_RELERR_x, or MAG_x with MAG_ERR_x); "
            f"apertures that are there: {there}"
        )
    fluxes = {k: v for k, v in found.items() if k[0] != "mag"} or found  # magnitudes lose what is not detected
    chosen = next((k for p in PREFERRED for k in fluxes if k[1] == p), None)
    if chosen is None and len(fluxes) > 1:
        raise ValueError(
            f"{columns.source}: apertures {', '.join(a.upper() for a in apertures)}; choose one (--aperture)"
        )
    chosen = chosen or next(iter(fluxes))
    values, errors, relative = fluxes[chosen]
    kind = "mag" if chosen[0] == "mag" else layout or _kind(columns, values)
    return Layout(kind, chosen[1], values, errors, relative)


Found = dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...], bool]]


def _arrays(columns: Columns) -> Found:
    """(flux, mag or band, aperture) to its columns, of those that are arrays."""
    found: Found = {}
    for name in columns.names:
        match = re.fullmatch(r"(flux|mag)_(?!relerr|err)(\w+)", name)
        if not match or not columns.is_vector(name):
            continue
        error = columns.first(*(f"{stem}_{match[2]}" for stem in _ERRORS[match[1]]))
        if error is not None:
            found[match[1], match[2]] = ((name,), (error,), "relerr" in error)
    return found


def _expanded(columns: Columns, order: FilterOrder) -> Found:
    """The same of tables with one column a band: FLUX_x_J0450, mag_J0450 with err_J0450, J0450 with J0450_err."""
    filters = {name.casefold(): i for i, name in enumerate(order.names)}
    places: dict[tuple[str, str], dict[int, tuple[str, str]]] = {}
    for name in columns.names:
        head, _, band = name.rpartition("_")
        if band not in filters or re.match(r"flux_?(rel)?err|mag_?err", name):
            continue
        kind, _, aperture = head.partition("_")
        if head == "":
            kind, candidates = "band", [f"{band}_err", f"err_{band}", f"e_{band}"]
        elif kind in ("flux", "mag"):
            tail = f"{aperture}_{band}" if aperture else band
            candidates = [f"{stem}_{tail}" for stem in _ERRORS[kind]] + [f"{name}_err", f"e_{name}"]
        else:
            continue
        error = columns.first(*candidates)
        if error is None:
            raise ValueError(f"{columns.source}: column {name} has no errors; add a column {candidates[0]}")
        places.setdefault((kind, aperture if head else ""), {})[filters[band]] = (name, error)
    found: Found = {}
    for key, there in places.items():
        relative = ["relerr" in error for _, error in there.values()]
        if any(relative) != all(relative):
            raise ValueError(
                f"{columns.source}: some errors of {'_'.join(key)} are relative, some not; make them alike"
            )
        pairs = [there.get(i, ("", "")) for i in range(len(order))]
        found[key] = (tuple(v for v, _ in pairs), tuple(e for _, e in pairs), all(relative))
    return found


def _kind(columns: Columns, values: tuple[str, ...]) -> str:
    """``flambda``, ``fnu`` or ``mag``, from the archive's table named before the column, or from the unit."""
    name = next(v for v in values if v)
    full, unit = columns.full(name).lower(), columns.unit(name)
    for kind, table in TABLES.items():
        if table.lower() in full:
            return kind
    if unit is not None:
        parsed = parse_unit(unit)
        if isinstance(parsed, u.MagUnit) or parsed == u.mag:
            return "mag"
        if isinstance(parsed, u.UnitBase):
            if parsed.is_equivalent(u.nJy) or parsed.is_equivalent(u.mgy):
                return "fnu"
            if parsed.is_equivalent(_F_LAMBDA):
                return "flambda"
        raise ValueError(f"{columns.source}: column {name.upper()} is in {unit}, which is no unit of flux densities")
    raise ValueError(
        f"{columns.source}: nothing says whether {name.upper()} is f_λ (FLambdaDualObj), f_ν (FNuDualObj) or AB "
        "magnitudes; give the layout: flambda, fnu or mag (--layout)"
    )


def read_photometry(
    columns: Columns,
    order: FilterOrder,
    layout: Layout,
    tolerated_flags: int = TOLERATED_FLAGS,
    tolerated_mask: int = 0,
) -> Photometry:
    """Fluxes in nJy, and what had to be left out.

    Args:
        columns: The table.
        order: Filters of the survey, F of them.
        layout: Of ``find_layout``.
        tolerated_flags, tolerated_mask: Bits of FLAGS and MASK_FLAGS that do not void a band.

    Raises:
        ValueError: Arrays of another length, cells that are no numbers, or magnitudes that no galaxy has.
    """
    unusable: dict[int, str] = {}
    values, errors, missing = _measured(columns, order, layout, unusable)
    flags = _flag_matrix(columns, "flags", order, unusable)
    mask = _flag_matrix(columns, "mask_flags", order, unusable)
    flux, error, _ = _in_njy(columns, order, layout, np.where(missing, np.nan, values), errors)
    reasons = {
        "not measured": missing,
        "no error": ~(np.isfinite(error) & (error > 0)),
        "flags": _set(flags, tolerated_flags),
        "mask": _set(mask, tolerated_mask),
    }
    known, voided, observed = order.known, Counter(), np.ones_like(missing)
    for reason, where in reasons.items():
        hit = observed & where & known
        voided[reason] += int(hit.sum())
        observed &= ~where
    for row in np.nonzero(~(observed & known).any(axis=1))[0].tolist():
        unusable.setdefault(row, "no band was measured, or all are flagged")
    return Photometry(np.where(observed, flux, np.nan), np.where(observed, error, np.nan), unusable, +voided)


def settled(columns: Columns, order: FilterOrder, layout: Layout) -> Layout:
    """The layout with its units settled on these rows, so that all rows of a long table are read alike.

    Raises:
        ValueError: As ``read_photometry``.
    """
    values, errors, missing = _measured(columns, order, layout, {})
    declared = _in_njy(columns, order, layout, np.where(missing, np.nan, values), errors)[2]
    return replace(layout, declared=declared)


def _measured(
    columns: Columns, order: FilterOrder, layout: Layout, unusable: dict[int, str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, F) values and errors as they stand, and where there is no measurement."""
    values = _matrix(columns, layout.values, order, unusable)
    errors = _matrix(columns, layout.errors, order, unusable)
    missing = ~np.isfinite(values)
    if layout.kind == "mag":
        missing |= (np.abs(values) >= NO_MAGNITUDE) | (np.abs(errors) >= NO_MAGNITUDE)
    else:
        missing |= np.isin(values, NO_FLUX) | np.isin(errors, NO_FLUX)
    return values, errors, missing


def _matrix(
    columns: Columns, names: tuple[str, ...], order: FilterOrder, unusable: dict[int, str], absent: float = np.nan
) -> np.ndarray:
    """(n, F) of one array column, or of one column a filter; ``absent`` where a filter has none."""
    if len(names) > 1:
        nothing = np.full(len(columns), absent)
        return np.stack([columns.scalars(name) if name else nothing for name in names], axis=1)
    values, lengths = columns.vectors(names[0], len(order))
    for row in np.nonzero(lengths != len(order))[0].tolist():
        unusable.setdefault(row, f"{names[0].upper()} has {lengths[row]} values, {len(order)} are wanted")
    return values


def _flag_matrix(columns: Columns, name: str, order: FilterOrder, unusable: dict[int, str]) -> np.ndarray:
    """(n, F) of FLAGS or MASK_FLAGS: an array, one number for all bands, one column a band, or nothing."""
    if name in columns:
        if columns.is_vector(name):
            return _matrix(columns, (name,), order, unusable)
        return np.repeat(columns.scalars(name)[:, None], len(order), axis=1)
    stems = (name, name.removesuffix("_flags"))
    each = tuple(columns.first(*(f"{stem}_{band.lower()}" for stem in stems)) or "" for band in order.names)
    return _matrix(columns, each, order, unusable, absent=0.0)


def _set(flags: np.ndarray, tolerated: int) -> np.ndarray:
    """Where a bit is set that is not tolerated, or the flags are not known."""
    known = np.isfinite(flags)
    return ~known | ((np.where(known, flags, 0).astype(np.int64) & ~tolerated) != 0)


def _in_njy(
    columns: Columns, order: FilterOrder, layout: Layout, values: np.ndarray, errors: np.ndarray
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Fluxes and errors in nJy, by the units of the columns or, where those make no galaxies, by the convention.

    The last of the answer is whether the units of the columns served.
    """
    units = [columns.unit(name) if name else None for name in layout.values] * (len(order) if layout.arrays else 1)
    # The archive may leave the power of ten out of a unit.
    for declared in (True, False) if layout.declared is None else (layout.declared,):
        flux, sigma = np.empty_like(values), np.empty_like(values)
        for i, (unit, name) in enumerate(zip(units if declared else [None] * len(order), order.names, strict=True)):
            try:
                scale = _scale(layout.kind, unit, name)
            except ValueError as problem:
                raise ValueError(f"{columns.source}: {problem}") from None
            flux[:, i] = scale.flux(values[:, i])
            with np.errstate(invalid="ignore"):  # 0 with the relative error infinity: the error is lost
                absolute = flux[:, i] * errors[:, i] if layout.relative else scale.error(flux[:, i], errors[:, i])
            sigma[:, i] = np.abs(absolute)
        brightness = None if layout.declared is not None else _median_magnitude(flux[:, order.known])
        if brightness is None or PLAUSIBLE[0] < brightness < PLAUSIBLE[1]:
            return flux, sigma, declared
    raise ValueError(
        f"{columns.source}: read as {UNITS[layout.kind]}, the median flux is AB magnitude {brightness:.1f}; "
        "give the layout that it is in: flambda, fnu or mag (--layout)"
    )


@lru_cache(maxsize=1024)  # astropy takes 10 ms for each
def _scale(kind: str, unit: str | None, name: str) -> FluxScale:
    pivot = _PIVOT.get(name, 5500.0)  # fluxes of filters that are no bands of ours are dropped
    if unit is None or kind == "mag":
        return flux_scale(UNITS[kind], pivot)
    try:
        parsed = parse_unit(unit)
    except ValueError:
        return flux_scale(UNITS[kind], pivot)  # the layout is known, and its unit with it
    if kind == "flambda" and not (isinstance(parsed, u.UnitBase) and parsed.is_equivalent(_F_LAMBDA)):
        raise ValueError(f"{name}: fluxes in {unit} are no f_λ; give another layout (--layout)")
    return flux_scale(parsed, pivot)


def _median_magnitude(flux: np.ndarray) -> float | None:
    positive = flux[np.isfinite(flux) & (flux > 0)]
    return float(31.4 - 2.5 * np.log10(np.median(positive))) if positive.size else None


def to_bands(values: np.ndarray, order: FilterOrder) -> np.ndarray:
    """(n, F) in the order of the filters to (n, n_band) in the order of BANDS, NaN where there is no filter."""
    result = np.full((len(values), len(BANDS)), np.nan)
    result[:, order.places] = values[:, order.known]
    return result


__all__ = [
    "LAYOUTS",
    "TABLES",
    "TOLERATED_FLAGS",
    "Layout",
    "Photometry",
    "find_layout",
    "read_photometry",
    "settled",
    "to_bands",
]
