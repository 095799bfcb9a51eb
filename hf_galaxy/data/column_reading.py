"""Columns of a user's table to numbers in canonical units, and what is wrong with some of the rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from hf_galaxy.variables_galaxy import Variable

from .flux_units import RELATIVE_ERROR_PER_MAG, FluxScale, flux_scale, parse_unit
from .layouts.where import INVERSE_VARIANCE, RELATIVE, Where

NO_MAGNITUDE = 90.0
MOST_REDDENING = 5.0  # mag


class ColumnReader:
    """Columns of one table; counts what it drops.

    Args:
        table: The rows.
        source: For messages.
        unit: Unit of flux columns that have none.
        skip: Note rows that cannot be read in ``problems`` and go on; without it the first one is an error.
        first: Row of the catalogue that the first one is, for messages.

    Attributes:
        sentinels: Column of magnitudes to the number of its 99s and -99s.
        unit_assumed: Columns of properties that have no unit.
        problems: Row to the reason why it cannot be read.
    """

    def __init__(
        self, table: Table, source: str, unit: str | u.UnitBase | None = None, skip: bool = False, first: int = 0
    ) -> None:
        self.table, self.source, self.default_unit, self.skip, self.first = table, source, unit, skip, first
        self.sentinels: dict[str, int] = {}
        self.unit_assumed: list[str] = []
        self.problems: dict[int, str] = {}

    def flux(self, variable: Variable, where: Where) -> tuple[np.ndarray, np.ndarray]:
        """(n,) fluxes and errors in nJy, NaN where not observed."""
        scale, unit = self._flux_scale(where.value, where, variable)
        values, errors = self._numbers(where.value, where.index), self._numbers(where.error, where.index)
        if scale.magnitudes:
            absent = np.abs(values) >= NO_MAGNITUDE
            if absent.any():
                self.sentinels[where.value] = int(absent.sum())
            values = np.where(absent, np.nan, values)
            errors = np.where(np.abs(errors) >= NO_MAGNITUDE, np.nan, errors)
        if where.form == INVERSE_VARIANCE:
            values = np.where(errors == 0, np.nan, values)  # no weight: that is how these surveys say not observed
        self._check(where.value, np.isinf(values), values, "values must be finite; NaN means not observed")
        self._check_errors(where.value, where.error, values, errors, zero_allowed=False)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            flux = scale.flux(values)
            errors = self._sigma(variable, where, scale, unit, flux, errors)
            moved = 10 ** (-0.4 * where.offset)
            flux, errors = flux * moved, np.hypot(errors * moved, RELATIVE_ERROR_PER_MAG * where.floor * flux * moved)
        return flux, np.where(np.isnan(flux), np.nan, errors)

    def _sigma(
        self, variable: Variable, where: Where, scale: FluxScale, unit: str, flux: np.ndarray, errors: np.ndarray
    ) -> np.ndarray:
        if where.form == RELATIVE:
            return np.abs(flux) * errors
        if where.form == INVERSE_VARIANCE:
            if scale.magnitudes:
                raise ValueError(
                    f"{self.source}: column {where.error} is an inverse variance of magnitudes; give an error"
                )
            return scale.factor / np.sqrt(errors)
        error_scale, error_unit = self._flux_scale(where.error, where, variable)
        if scale.magnitudes != error_scale.magnitudes:
            raise ValueError(
                f"{self.source}: column {where.value} is in {unit} and {where.error} in {error_unit}; "
                "give both as fluxes or both as magnitudes"
            )
        return error_scale.error(flux, errors)

    def property(self, variable: Variable, where: Where) -> tuple[np.ndarray, np.ndarray]:
        """(n,) values and errors of a property in its own unit; a property without errors is exact."""
        column = where.value
        if variable.kind == "category":
            return self._category(variable, column)
        values = self._in_unit(variable, column, where)
        errors = np.zeros_like(values)
        self._check(column, np.isinf(values), values, "values must be finite; NaN means not known")
        for limit, outside in ((variable.lower, np.less), (variable.upper, np.greater)):
            if limit is not None:
                remedy = f"{variable.name} has the limit {limit:g}; NaN means not known"
                self._check(column, outside(values, limit), values, remedy)
        if where.error is not None:
            errors = self._in_unit(variable, where.error, where)
            self._check_errors(column, where.error, values, errors, zero_allowed=True)
        return values, np.where(np.isnan(values), np.nan, errors)

    def reddening(self, column: str) -> np.ndarray:
        """(n,) E(B-V) in mag."""
        values = self._numbers(column)
        bad = ~((values >= 0) & (values < MOST_REDDENING))
        self._check(column, bad, values, f"E(B-V) of 0 to {MOST_REDDENING:g} mag is wanted in every row")
        return values

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
                self._refuse(column, row, f"{text!r} is not one of {', '.join(variable.categories)}")
        values = np.array([index.get(text, np.nan) for text in texts])
        return values, np.where(np.isnan(values), np.nan, 0.0)

    def _flux_scale(self, column: str, where: Where, variable: Variable) -> tuple[FluxScale, str]:
        unit = where.unit or getattr(self.table[column], "unit", None)
        if unit is None or str(unit) == "":
            unit = where.default or self.default_unit
        if unit is None:
            raise ValueError(
                f"{self.source}: column {column} has no unit; give the column one, or unit= (--unit), as nJy"
            )
        try:
            return _scale(unit if isinstance(unit, u.UnitBase) else str(unit), variable.pivot), str(unit)
        except ValueError as error:
            raise ValueError(f"{self.source}: column {column}: {error}") from None

    def _in_unit(self, variable: Variable, column: str, where: Where) -> np.ndarray:
        numbers = self._numbers(column, where.index)
        unit = where.unit or getattr(self.table[column], "unit", None)
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

    def _numbers(self, column: str, index: int | None = None) -> np.ndarray:
        """(n,) float64, masked as NaN."""
        data = self.table[column]
        mask = np.broadcast_to(np.asarray(getattr(data, "mask", False)), np.shape(data))
        raw = getattr(data, "unmasked", data)
        raw = np.ma.getdata(getattr(raw, "value", raw))
        if index is not None:
            if np.ndim(raw) != 2 or index >= np.shape(raw)[1]:
                raise ValueError(
                    f"{self.source}: column {column} has shape {np.shape(raw)}; an array of more than {index} is wanted"
                )
            raw, mask = raw[:, index], mask[:, index]
        if np.ndim(raw) != 1:
            raise ValueError(
                f"{self.source}: column {column} has shape {np.shape(raw)}; one number a row is wanted "
                "(an element of an array by index, --columns)"
            )
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
            self._refuse(column, row, f"{_text(item)!r} is not a number; {remedy}")
            return np.nan

    def _check_errors(self, column: str, name: str, values: np.ndarray, errors: np.ndarray, zero_allowed: bool) -> None:
        there = ~np.isnan(values)
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
        if self.skip:
            for row in rows.tolist():
                self.problems.setdefault(row, f"column {column}: {numbers[row]:g}; {remedy}")
            return
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        span = f" (the other rows: {good.min():g} to {good.max():g})" if len(good) else ""
        raise ValueError(
            f"{self.source}: column {column}, row {self.first + rows[0]}{more}: {numbers[rows[0]]:g}{span}; {remedy}"
        )

    def _refuse(self, column: str, row: int, why: str) -> None:
        if not self.skip:
            raise ValueError(f"{self.source}: column {column}, row {self.first + row}: {why}")
        self.problems.setdefault(row, f"column {column}: {why}")


@lru_cache(maxsize=1024)  # astropy takes a millisecond for each, and a long table asks for each a thousand times
def _scale(unit: Any, pivot: float) -> FluxScale:
    return flux_scale(unit, pivot)


def _text(item: Any) -> str:
    return item.decode(errors="replace") if isinstance(item, bytes) else str(item)


__all__ = ["MOST_REDDENING", "NO_MAGNITUDE", "ColumnReader"]
