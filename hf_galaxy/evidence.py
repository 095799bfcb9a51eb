"""What is known of some galaxies: coordinates, token errors and a mask, for every variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import astropy.units as u
import numpy as np
import torch

from .configuration_galaxy import SPECIAL_TOKENS
from .coordinates_galaxy import Coordinates
from .data.catalogues import Catalogue
from .variables_galaxy import Variable


@dataclass(frozen=True)
class Evidence:
    """Known values of `n` galaxies.

    Attributes:
        variables: The table of variables, `V` of them.
        values, errors: `(n, V)` float64 in physical units; NaN where nothing is known.
    """

    variables: tuple[Variable, ...]
    values: np.ndarray
    errors: np.ndarray

    @classmethod
    def nothing(cls, variables: Sequence[Variable], n: int = 1) -> Evidence:
        """No evidence about `n` galaxies."""
        blank = np.full((n, len(variables)), np.nan)
        return cls(tuple(variables), blank, blank.copy())

    def __len__(self) -> int:
        return len(self.values)

    @property
    def known(self) -> np.ndarray:
        """`(n, V)` where something is known."""
        return np.isfinite(self.values)

    def with_catalogue(self, catalogue: Catalogue) -> Evidence:
        """The evidence of a catalogue besides; of a catalogue of many rows about one galaxy, each row is a galaxy."""
        n = len(catalogue)
        if len(self) not in (1, n):
            raise ValueError(f"{catalogue.source}: {n} rows, but the posterior is of {len(self)} galaxies")
        place = {v.name: i for i, v in enumerate(self.variables)}
        columns = [place[name] for name in catalogue.names]
        values, errors = (np.broadcast_to(x, (n, len(self.variables))).copy() for x in (self.values, self.errors))
        observed = catalogue.observed
        values[:, columns] = np.where(observed, catalogue.values, values[:, columns])
        errors[:, columns] = np.where(observed, catalogue.errors, errors[:, columns])
        return replace(self, values=values, errors=errors)

    def with_value(self, variable: Variable, item: Any) -> Evidence:
        """One variable besides: a value, or (value, error); numbers or arrays of `n`, or quantities."""
        if isinstance(item, tuple) and len(item) != 2:
            raise ValueError(f"{variable.name}: {len(item)} things given; give a value or array, or (value, error)")
        value, error = item if isinstance(item, tuple) else (item, 0.0)
        columns = [self._column(variable, x, what) for x, what in ((value, "value"), (error, "error"))]
        n = max(len(self), *(len(c) for c in columns))
        if any(len(x) not in (1, n) for x in (self, *columns)):
            raise ValueError(
                f"{variable.name}: {len(columns[0])} values and {len(columns[1])} errors do not fit together"
            )
        values, errors = (np.broadcast_to(c, (n,)) for c in columns)
        if np.isnan(errors[np.isfinite(values)]).any():
            raise ValueError(f"{variable.name}: a value has no error (NaN); 0 means that it is exact")
        if variable.kind == "flux" and not (errors[np.isfinite(values)] > 0).all():
            raise ValueError(
                f"{variable.name}: a flux needs an error above zero; give ({variable.name}=(value, error))"
            )
        if variable.transform == "log1p" and (values <= -variable.softening).any():
            raise ValueError(f"{variable.name}: {np.nanmin(values):g} is below the lowest possible value")
        for limit, outside in ((variable.lower, np.less), (variable.upper, np.greater)):
            if limit is not None and outside(values, limit).any():
                raise ValueError(f"{variable.name}: a value is beyond the limit {limit:g}; NaN means not known")
        column = self.column(variable)
        table = [np.broadcast_to(x, (n, len(self.variables))).copy() for x in (self.values, self.errors)]
        table[0][:, column], table[1][:, column] = values, np.where(np.isnan(values), np.nan, errors)
        return replace(self, values=table[0], errors=table[1])

    def _column(self, variable: Variable, item: Any, what: str) -> np.ndarray:
        if variable.categories and what == "value":
            names = np.atleast_1d(np.asarray(item, dtype=object))
            wrong = [n for n in names if n not in variable.categories]
            if wrong:
                raise ValueError(f"{variable.name}: {wrong[0]!r} is not one of {', '.join(variable.categories)}")
            item = [variable.categories.index(n) for n in names]
        if isinstance(item, u.Quantity):
            try:
                item = item.to_value(u.Unit(variable.unit))
            except u.UnitConversionError:
                raise ValueError(
                    f"{variable.name}: {what} is in {item.unit}; {variable.unit or 'no unit'} is wanted"
                ) from None
        try:
            column = np.atleast_1d(np.ma.filled(np.ma.asarray(item, dtype=np.float64), np.nan))
        except (TypeError, ValueError):
            raise ValueError(f"{variable.name}: the {what} {item!r} is not a number") from None
        if column.ndim != 1 or (len(self) > 1 and len(column) not in (1, len(self))):
            raise ValueError(f"{variable.name}: {what} has shape {column.shape}; one number, or {len(self)}, is wanted")
        if np.isinf(column).any() or (what == "error" and (column < 0).any()):
            raise ValueError(
                f"{variable.name}: the {what} must be finite{' and not negative' if what == 'error' else ''}"
            )
        return column

    def column(self, variable: Variable) -> int:
        """Place of a variable in the table."""
        return [v.name for v in self.variables].index(variable.name)

    def rows(self, index: np.ndarray) -> Evidence:
        """The evidence about some of the galaxies."""
        return replace(self, values=self.values[index], errors=self.errors[index])

    def without(self, columns: Sequence[int]) -> Evidence:
        """The same evidence but for some variables."""
        values, errors = self.values.copy(), self.errors.copy()
        values[:, columns] = errors[:, columns] = np.nan
        return replace(self, values=values, errors=errors)

    def measurement(self, column: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Coordinates `(n,)` of one variable as known, NaN where it is not, and the errors of the coordinates."""
        coordinates = Coordinates([self.variables[column]], torch.float64)
        x = torch.as_tensor(self.values[:, [column]])
        t, error = coordinates.forward(x), coordinates.error(torch.as_tensor(self.errors[:, [column]]))
        return t[:, 0].float(), (error * coordinates.slope(t))[:, 0].float()

    def tokens(self, rows: slice) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Token ids, coordinates, token errors and mask `(n, m)` of some galaxies, over what any of them knows."""
        known = self.known[rows]
        columns = np.flatnonzero(known.any(axis=0))
        if not len(columns):
            columns = np.zeros(1, dtype=int)
        coordinates = Coordinates([self.variables[i] for i in columns], torch.float64)
        values = torch.as_tensor(np.nan_to_num(self.values[rows][:, columns]))
        errors = torch.as_tensor(np.nan_to_num(self.errors[rows][:, columns]))
        ids = torch.as_tensor(columns + len(SPECIAL_TOKENS)).expand(len(known), -1)
        mask = torch.as_tensor(known[:, columns])
        return ids, coordinates.forward(values).float(), coordinates.error(errors).float(), mask

    def outside(self, ranges: Mapping[str, Sequence[float]]) -> np.ndarray:
        """`(n,)` how many known values lie beyond `{name: (lowest, highest)}` in physical units."""
        low = np.array([ranges.get(v.name, (-np.inf, np.inf))[0] for v in self.variables], dtype=float)
        high = np.array([ranges.get(v.name, (-np.inf, np.inf))[1] for v in self.variables], dtype=float)
        with np.errstate(invalid="ignore"):
            return (self.known & ((self.values < low) | (self.values > high))).sum(axis=1)


__all__ = ["Evidence"]
