"""User tables to catalogues: columns named like variables, any unit, in; numbers in canonical units, out.

The evidence of a catalogue is every band ``<band>`` with its ``<band>_err``, and those properties that the caller asks
to be given (a catalogue may hold redshifts to compare with). ``true_<name>`` is never evidence. NaN and masked mean not
observed, and so do magnitudes of 90 and beyond, such as the 99 and -99 of many surveys. Rows count from 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from hf_galaxy.data.column_names import ERROR_SUFFIX, check_band_names, check_duplicates, nearest, property_column
from hf_galaxy.data.flux_units import flux_scale, parse_unit
from hf_galaxy.data.table_io import as_table
from hf_galaxy.variables_galaxy import Variable, default_variables

NO_MAGNITUDE = 90.0
LISTED = 6  # names of ignored columns in a report


@dataclass(frozen=True)
class CatalogueReport:
    """What was read, and what was not.

    Attributes:
        ignored: Columns that are no evidence.
        not_given: Columns of properties that would be evidence if they were given.
        sentinels: Column of magnitudes to the number of its 99s and -99s.
        not_observed: Number of values of evidence columns that are NaN, masked or a sentinel.
        without_evidence: Number of rows without any evidence.
        unit_assumed: Columns of given properties that have no unit.
    """

    ignored: tuple[str, ...] = ()
    not_given: tuple[str, ...] = ()
    sentinels: dict[str, int] = field(default_factory=dict)
    not_observed: int = 0
    without_evidence: int = 0
    unit_assumed: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What a user should know, a sentence a line."""
        lines = []
        if self.sentinels:
            listed = ", ".join(f"{column} {count}" for column, count in self.sentinels.items())
            lines.append(f"magnitudes of 99 or -99 taken as not observed: {listed}")
        if self.not_observed:
            lines.append(f"values not observed: {self.not_observed}")
        if self.without_evidence:
            lines.append(f"rows without any evidence, answered by the prior: {self.without_evidence}")
        if self.unit_assumed:
            lines.append(f"columns without a unit, taken in that of the variable: {', '.join(self.unit_assumed)}")
        if self.not_given:
            lines.append(f"columns for comparison only, unless given: {', '.join(self.not_given)}")
        if self.ignored:
            more = f" and {len(self.ignored) - LISTED} more" if len(self.ignored) > LISTED else ""
            lines.append(f"columns ignored: {', '.join(self.ignored[:LISTED])}{more}")
        return lines


@dataclass(frozen=True)
class Catalogue:
    """Evidence of n galaxies on V variables, in canonical units (fluxes in nJy).

    Attributes:
        values: (n, V) float64; NaN is not observed.
        errors: (n, V) float64 standard deviations; 0 is exact (properties alone); NaN where the value is.
        names: The V variables, in the order of the table of variables.
        report: What was read, and what was not.
        table: The table of the user, for the identity of the rows.
        source: The file, for messages.
    """

    values: np.ndarray
    errors: np.ndarray
    names: tuple[str, ...]
    report: CatalogueReport
    table: Table
    source: str = "table"

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | np.ndarray | list[int]) -> Catalogue:
        """The catalogue of some rows; the report remains that of the whole."""
        return Catalogue(self.values[rows], self.errors[rows], self.names, self.report, self.table[rows], self.source)

    @property
    def observed(self) -> np.ndarray:
        """(n, V) bool."""
        return np.isfinite(self.values)


def read_catalogue(
    source: Any,
    unit: str | u.UnitBase | None = None,
    given: Sequence[str] = (),
    variables: Sequence[Variable] | None = None,
) -> Catalogue:
    """Read a table of a user as evidence.

    Args:
        source: Whatever ``table_io.as_table`` takes: a path, an astropy table, a ``DataFrame``, a ``Dataset``, a dict.
        unit: Unit of those flux columns and errors that have none of their own.
        given: Properties that are evidence; ``"redshift"`` is read from ``redshift``, else from ``redshift_spec``.
        variables: The table of variables; that of J-PAS and GALEX by default.

    Raises:
        ValueError: Something in the table has no single meaning; one line says what, where, and the remedy.
    """
    known = {v.name: v for v in (default_variables() if variables is None else variables)}
    bands = [name for name, v in known.items() if v.kind == "flux"]
    table, names, source = as_table(source)
    check_duplicates(names, known, source)
    if not len(table):
        raise ValueError(f"{source}: the table has no rows; give at least one galaxy")
    check_band_names(names, bands, source)
    columns = _evidence_columns(table.colnames, known, given, source)
    reader = _Reader(table, source, unit)
    values, errors = np.empty((2, len(table), len(columns)))
    for i, (name, column) in enumerate(columns.items()):
        read = reader.flux if known[name].kind == "flux" else reader.property
        values[:, i], errors[:, i] = read(known[name], column)
    observed = np.isfinite(values)
    used = {form for column in columns.values() for form in (column, column + ERROR_SUFFIX)}
    rest = [name for name in table.colnames if name not in used]
    not_given = tuple(name for name in rest if name in {*known, "redshift_spec"})
    report = CatalogueReport(
        ignored=tuple(name for name in rest if name not in not_given),
        not_given=not_given,
        sentinels=reader.sentinels,
        not_observed=int((~observed).sum()),
        without_evidence=int((~observed.any(axis=1)).sum()),
        unit_assumed=tuple(reader.unit_assumed),
    )
    return Catalogue(values, errors, tuple(columns), report, table, source)


def _evidence_columns(
    columns: Sequence[str], known: dict[str, Variable], given: Sequence[str], source: str
) -> dict[str, str]:
    """Variable to the column that holds it, in the order of the table of variables."""
    for name in given:
        if name not in known:
            raise ValueError(
                f"{name!r} cannot be given: no variable has that name; the nearest is {nearest(name, known)}"
            )
    found = {name: name for name, v in known.items() if v.kind == "flux" and name in columns}
    found |= {name: property_column(name, columns, source) for name in given if name not in found}
    for name, v in known.items():
        if v.kind != "flux":
            continue
        if name in columns and name + ERROR_SUFFIX not in columns:
            raise ValueError(
                f"{source}: column {name} has no errors; add a column {name}{ERROR_SUFFIX}, or drop {name}"
            )
        if name not in columns and name + ERROR_SUFFIX in columns:
            raise ValueError(f"{source}: column {name}{ERROR_SUFFIX} has no column {name}; add it, or drop the errors")
    if not found:
        example = next(name for name, v in known.items() if v.kind == "flux")
        raise ValueError(f"{source}: no column is a band; name fluxes like {example} and {example}{ERROR_SUFFIX}")
    return {name: found[name] for name in known if name in found}


class _Reader:
    """Columns of one table to numbers in canonical units; counts what it drops."""

    def __init__(self, table: Table, source: str, unit: str | u.UnitBase | None) -> None:
        self.table, self.source, self.default_unit = table, source, unit
        self.sentinels: dict[str, int] = {}
        self.unit_assumed: list[str] = []

    def flux(self, variable: Variable, column: str) -> tuple[np.ndarray, np.ndarray]:
        """Fluxes and errors in nJy, NaN where not observed."""
        scale, unit = self._flux_scale(column, variable)
        error_scale, error_unit = self._flux_scale(column + ERROR_SUFFIX, variable)
        if scale.magnitudes != error_scale.magnitudes:
            raise ValueError(
                f"{self.source}: column {column} is in {unit} and {column}{ERROR_SUFFIX} in {error_unit}; "
                "give both as fluxes or both as magnitudes"
            )
        values, errors = self._numbers(column), self._numbers(column + ERROR_SUFFIX)
        if scale.magnitudes:
            absent = np.abs(values) >= NO_MAGNITUDE
            if absent.any():
                self.sentinels[column] = int(absent.sum())
            values = np.where(absent, np.nan, values)
            errors = np.where(np.abs(errors) >= NO_MAGNITUDE, np.nan, errors)
        self._check(column, np.isinf(values), values, "values must be finite; NaN means not observed")
        self._check_errors(column, values, errors, zero_allowed=False)
        flux = scale.flux(values)
        return flux, np.where(np.isnan(flux), np.nan, error_scale.error(flux, errors))

    def property(self, variable: Variable, column: str) -> tuple[np.ndarray, np.ndarray]:
        """Values and errors of a property in its own unit; a property without errors is exact."""
        if variable.kind == "category":
            return self._category(variable, column)
        values = self._in_unit(variable, column)
        errors = np.zeros_like(values)
        self._check(column, np.isinf(values), values, "values must be finite; NaN means not known")
        for limit, outside in ((variable.lower, np.less), (variable.upper, np.greater)):
            if limit is not None:
                remedy = f"{variable.name} has the limit {limit:g}; NaN means not known"
                self._check(column, outside(values, limit), values, remedy)
        if column + ERROR_SUFFIX in self.table.colnames:
            errors = self._in_unit(variable, column + ERROR_SUFFIX)
            self._check_errors(column, values, errors, zero_allowed=True)
        return values, np.where(np.isnan(values), np.nan, errors)

    def _category(self, variable: Variable, column: str) -> tuple[np.ndarray, np.ndarray]:
        """Index into the categories; masked or empty text is not known."""
        index = {name: float(i) for i, name in enumerate(variable.categories)} | {
            "": np.nan,
            "None": np.nan,
            "nan": np.nan,
        }
        mask = np.broadcast_to(getattr(self.table[column], "mask", False), len(self.table))
        texts = ["" if hidden else _text(item) for item, hidden in zip(self.table[column], mask, strict=True)]
        for row, text in enumerate(texts):
            if text not in index:
                allowed = ", ".join(variable.categories)
                raise ValueError(f"{self.source}: column {column}, row {row}: {text!r} is not one of {allowed}")
        values = np.array([index[text] for text in texts])
        return values, np.where(np.isnan(values), np.nan, 0.0)

    def _flux_scale(self, column: str, variable: Variable) -> tuple[Any, str]:
        unit = getattr(self.table[column], "unit", None)
        if unit is None or str(unit) == "":
            unit = self.default_unit
        if unit is None:
            raise ValueError(
                f"{self.source}: column {column} has no unit; give the column one, or unit= (--unit), as nJy"
            )
        try:
            return flux_scale(unit, variable.pivot), str(unit)
        except ValueError as error:
            raise ValueError(f"{self.source}: column {column}: {error}") from None

    def _in_unit(self, variable: Variable, column: str) -> np.ndarray:
        numbers, unit = self._numbers(column), getattr(self.table[column], "unit", None)
        if unit is None or (str(unit) in ("", "dex") and not variable.unit):
            if variable.unit:
                self.unit_assumed.append(column)
            return numbers
        try:
            return numbers * parse_unit(unit).to(u.Unit(variable.unit))
        except (ValueError, u.UnitConversionError, AttributeError):
            wanted = f"in {variable.unit}" if variable.unit else "without a unit"
            raise ValueError(
                f"{self.source}: column {column} is in {unit}; {variable.name} is wanted {wanted}"
            ) from None

    def _numbers(self, column: str) -> np.ndarray:
        """(n,) float64, masked as NaN."""
        data = self.table[column]
        mask = np.broadcast_to(np.asarray(getattr(data, "mask", False)), np.shape(data))
        raw = getattr(data, "unmasked", data)
        raw = np.ma.getdata(getattr(raw, "value", raw))
        if np.ndim(raw) != 1:
            raise ValueError(f"{self.source}: column {column} has shape {np.shape(raw)}; one number a row is wanted")
        if mask.all():
            return np.full(len(raw), np.nan)
        if raw.dtype.kind in "fiu":
            return np.where(mask, np.nan, raw.astype(np.float64))
        return np.array([np.nan if hidden else self._number(column, i, raw[i]) for i, hidden in enumerate(mask)])

    def _number(self, column: str, row: int, item: Any) -> float:
        """A number out of a column of Python objects; ``None`` is not observed."""
        if item is None:
            return np.nan
        if isinstance(item, (int, float, np.number)) and not isinstance(item, (bool, np.bool_)):
            return float(item)
        try:  # one bad cell makes text of the whole column: the message must name that cell
            return float(_text(item))
        except ValueError:
            remedy = "leave the cell empty, or write NaN, if not observed"
            raise ValueError(
                f"{self.source}: column {column}, row {row}: {_text(item)!r} is not a number; {remedy}"
            ) from None

    def _check_errors(self, column: str, values: np.ndarray, errors: np.ndarray, zero_allowed: bool) -> None:
        there, name = ~np.isnan(values), column + ERROR_SUFFIX
        self._check(
            name, there & np.isnan(errors), errors, f"{column} has a value there and no error; set both or neither"
        )
        self._check(
            name, there & np.isinf(errors), errors, f"errors must be finite; set {column} to NaN if not observed"
        )
        below: Callable = np.less if zero_allowed else np.less_equal
        sign = "negative" if zero_allowed else "zero or negative"
        self._check(
            name, there & below(errors, 0), errors, f"errors cannot be {sign}; set {column} to NaN if not observed"
        )

    def _check(self, column: str, bad: np.ndarray, numbers: np.ndarray, remedy: str) -> None:
        """Refuse a column with a bad row; the message has the first, the number, and the range of the good ones."""
        if not bad.any():
            return
        rows, good = np.flatnonzero(bad), numbers[~bad & np.isfinite(numbers)]
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        span = f" (the other rows: {good.min():g} to {good.max():g})" if len(good) else ""
        raise ValueError(f"{self.source}: column {column}, row {rows[0]}{more}: {numbers[rows[0]]:g}{span}; {remedy}")


def _text(item: Any) -> str:
    return item.decode(errors="replace") if isinstance(item, bytes) else str(item)


__all__ = ["Catalogue", "CatalogueReport", "read_catalogue"]
