"""Columns of a catalogue to labels.

What is a sentinel, out of range or without an error becomes unknown, and is counted.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Mapping

import astropy.units as u
import numpy as np

from hf_galaxy.data.value_added.identifiers import id_codes
from hf_galaxy.data.value_added.opening import Columns
from hf_galaxy.data.value_added.tables import REDSHIFT, SAME_REDSHIFT, LabelReport, LabelTable
from hf_galaxy.variables_galaxy import PROPERTIES

SENTINELS = (-9999.0, -999.0, -99.9, -99.0, 99.0, 99.9, 999.0, 9999.0)
LINE_FLUX = 1e-17  # erg/s/cm², the unit in which SDSS and DESI catalogues count
SPELLINGS = {"a": "Angstrom", "ang": "Angstrom", "angstroms": "Angstrom", "log solar masses": "solMass"}
# Beyond these a value is no measurement of a galaxy: a failed fit, another unit, a logarithm that is none.
RANGES = {
    "redshift": (0.0, 8.0),
    "log_mstar": (4.0, 13.5),
    "log_zstar": (-3.5, 1.2),
    "av": (0.0, 10.0),
    "log_age": (6.0, 10.2),
    "log_sfr": (-7.0, 4.5),
    "dn4000": (0.4, 4.0),
    "ew": (-100.0, 5000.0),
    "flux": (-1e-12, 1e-9),
}


class Draft:
    """The labels of one catalogue while its columns are read.

    Args:
        source: Name of the catalogue.
        rows: Rows of the catalogue.
        systematic: Property (or ``"ew"``, ``"flux"`` for all of them) to (absolute, relative) standard deviation of
            its definition against ours, added in quadrature to the error of the catalogue.

    Attributes:
        names: (n,) what to call the rows in the report, or (n, 3) of plate, MJD and fiber; row numbers without.
    """

    def __init__(self, source: str, rows: int, systematic: Mapping[str, tuple[float, float]]) -> None:
        self.source, self.rows, self.systematic = source, rows, systematic
        self.keep = np.ones(rows, dtype=bool)
        self.names = np.array([])
        self.skipped: dict[str, np.ndarray] = {}
        self.unknown: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.columns: dict[str, str] = {}
        self.notes: list[str] = []
        self.properties = np.full((rows, len(PROPERTIES)), np.nan)
        self.errors = self.properties.copy()
        self.fibre = np.zeros(len(PROPERTIES), dtype=bool)

    def skip(self, rows: np.ndarray, reason: str) -> None:
        """Leave rows out whole; those left out before keep their first reason."""
        rows = rows & self.keep
        if rows.any():
            named = self.names[rows] if len(self.names) else np.flatnonzero(rows)
            if named.ndim == 2:
                named = np.array(["-".join(map(str, parts)) for parts in named.tolist()])
            self.skipped[reason] = np.concatenate([self.skipped.get(reason, named[:0]), named])
            self.keep &= ~rows

    def value(self, columns: Columns, name: str, unit: str = "") -> np.ndarray:
        """(n,) column in ``unit``; NaN where it is a sentinel, masked or not finite.

        Raises:
            ValueError: The header has another unit.
        """
        self._unit(columns, name, unit)
        values = columns.number(name)
        sentinel = np.isin(values, SENTINELS)
        self.count(name, "sentinel", sentinel)
        self.count(name, "blank", ~np.isfinite(values))
        return np.where(sentinel | ~np.isfinite(values), np.nan, values)

    def measured(
        self, columns: Columns, name: str, *, unit: str = "", error: str | None = None, ivar: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n,) values and standard deviations of a column with an error or an inverse variance; NaN is unknown."""
        value = self.value(columns, name, unit)
        given = columns.number(ivar or error)
        if ivar is not None:
            self._unit(columns, ivar, unit, power=-2)
            sigma = np.where(given > 0, given, np.nan) ** -0.5
        else:
            self._unit(columns, error, unit)
            sigma = np.where((given > 0) & ~np.isin(given, SENTINELS), given, np.nan)
        without = np.isfinite(value) & ~np.isfinite(sigma)
        self.count(name, "without an error", without)
        return np.where(without, np.nan, value), np.where(np.isfinite(value), sigma, np.nan)

    def _unit(self, columns: Columns, name: str, unit: str, power: int = 1) -> None:
        if not check_unit(columns, name, unit, power):
            self.notes.append(
                f"{self.source}: the unit {columns.unit(name)!r} of {name} is not understood; not checked"
            )

    def count(self, column: str, reason: str, rows: np.ndarray) -> None:
        """Note how many kept rows of a column became unknown, and why."""
        if n := int((rows & self.keep).sum()):
            self.unknown[column][reason] += n

    def put(self, name: str, value: np.ndarray, error: np.ndarray, columns: str, *, fibre: bool = False) -> None:
        """A property of all rows, in our unit, with the error of the catalogue.

        Raises:
            ValueError: Most values are out of the range that galaxies have.
        """
        kind = name.partition("_")[0] if name.startswith(("ew_", "flux_")) else name
        low, high = RANGES[kind]
        known = np.isfinite(value) & np.isfinite(error) & self.keep
        out = known & ((value <= low) | (value >= high) if kind == "redshift" else (value < low) | (value > high))
        faint = kind == "flux" and known.any() and 0 < np.abs(value[known]).max() < 1e-22  # all 0 is undetected
        if (out.sum() > 10 and out.sum() > 0.5 * known.sum()) or faint:
            median = np.median(value[known])
            raise ValueError(
                f"{self.source}: {columns} gives {name} = {median:.3g} in the median of {known.sum()} rows, out of "
                f"{low:g} to {high:g}; is its unit another, or its logarithm taken or not?"
            )
        self.count(columns, "out of range", out)
        absolute, relative = self.systematic.get(name, self.systematic.get(kind, (0.0, 0.0)))
        known &= ~out
        i = PROPERTIES.index(name)
        total = np.sqrt(error**2 + absolute**2 + (relative * value) ** 2)
        self.properties[:, i], self.errors[:, i] = np.where(known, value, np.nan), np.where(known, total, np.nan)
        self.columns[name], self.fibre[i] = columns, fibre

    def table(
        self, key: str, keys: Mapping[str, object], ra: np.ndarray | None = None, dec: np.ndarray | None = None
    ) -> LabelTable:
        """The table of what was kept, one row a galaxy, in the order of the key.

        Of rows with the same id the one with most known properties stays, of those the one with the smallest errors
        (mean logarithm); all of them go where they disagree in redshift, because one is wrong.
        """
        codes = {kind: id_codes(ids, kind) for kind, ids in keys.items()}
        ra, dec = (np.full(self.rows, np.nan) if x is None else np.asarray(x, dtype=np.float64) for x in (ra, dec))
        if key != "position":
            self.skip(codes[key] == 0, f"no {key}")
            self._one_row_an_id(codes[key])
        keep = np.flatnonzero(self.keep)
        if key != "position":
            keep = keep[np.argsort(codes[key][keep], kind="stable")]
        unknown = {column: dict(reasons) for column, reasons in self.unknown.items()}
        report = LabelReport(self.rows, self.skipped, unknown, self.columns, tuple(self.notes))
        codes = {kind: code[keep] for kind, code in codes.items()}
        made = (self.properties[keep], self.errors[keep], self.fibre, report)
        return LabelTable(self.source, key, codes, ra[keep], dec[keep], *made)

    def _one_row_an_id(self, codes: np.ndarray) -> None:
        rows = np.flatnonzero(self.keep)
        unique, inverse, counts = np.unique(codes[rows], return_inverse=True, return_counts=True)
        if (counts == 1).all():
            return
        redshift = self.properties[rows, REDSHIFT]
        low, high = np.full(len(unique), np.inf), np.full(len(unique), -np.inf)
        np.fmin.at(low, inverse, redshift)
        np.fmax.at(high, inverse, redshift)
        apart = (high - low > SAME_REDSHIFT * (1 + low)) & (counts > 1)
        known = np.isfinite(self.properties[rows]).sum(1)
        spread = np.where(self.errors[rows] > 0, self.errors[rows], np.nan)
        with np.errstate(invalid="ignore"):
            worth = np.nansum(np.log(spread), axis=1)
        # values last, so that the choice does not depend on the order of the rows
        order = np.lexsort([*np.nan_to_num(self.properties[rows]).T, worth, -known, inverse])
        best = order[np.searchsorted(inverse[order], np.arange(len(unique)))]
        chosen = np.zeros(len(rows), dtype=bool)
        chosen[best] = True
        mask = np.zeros(self.rows, dtype=bool)
        mask[rows[apart[inverse]]] = True
        self.skip(mask, "the same id with different redshifts")
        mask[:] = False
        mask[rows[~chosen]] = True
        self.skip(mask, "the same id as a better row")


def check_unit(columns: Columns, name: str, unit: str, power: int = 1) -> bool:
    """Refuse a column whose header has a unit, and another than ``unit`` to the ``power``.

    Returns False for a text that is no unit, so that nothing can be said of it.

    Args:
        unit: As astropy spells it; "" is dimensionless. Of a logarithm ("log10 solMass") headers may have the unit of
            its argument, or dex.

    Raises:
        ValueError: The unit is another.
    """
    seen, of_log = columns.unit(name), unit.startswith("log10")
    unit = unit.removeprefix("log10").strip()
    allowed = [u.Unit(unit) ** power] + ([u.dimensionless_unscaled] if of_log else [])
    if not seen or ((of_log or not unit) and re.fullmatch(r"(?i)(dex|log|none|-)(\(.*\)|\[.*\])?", seen)):
        return True
    found = _parsed(SPELLINGS.get(seen.lower(), seen))
    if found is None:
        return False
    if not any(found.is_equivalent(a) and np.isclose(found.to(a), 1, rtol=1e-6) for a in allowed):
        needed = f"({unit})^{power}" if power != 1 else unit
        raise ValueError(f"{columns.source}: column {name} is in {seen!r}; {needed or 'no unit'} is needed: convert it")
    return True


def _parsed(text: str) -> u.UnitBase | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy warns of units that the standards discourage
        for format in (None, "fits", "cds", "vounit"):
            try:
                return u.Unit(text, format=format)
            except (ValueError, TypeError):
                continue
    return None


__all__ = ["LINE_FLUX", "RANGES", "SENTINELS", "Draft", "check_unit"]
