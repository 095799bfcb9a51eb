"""Columns of the tables of the CEFCA archive, whatever program wrote them.

The same column comes as ``FLUX_PSFCOR``, ``flux_psfcor``, ``FLambdaDualObj.FLUX_PSFCOR`` or ``minijpas.…``; scalars
come with the shape (n, 1); arrays come as such, as columns of Python objects, and in CSV as text: ``(1.2,3.4)``,
``{1.2,3.4}``, ``[1.2 3.4]`` or ``1.2 3.4``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hf_galaxy.data.table_io import as_table

_MISSING = {"", "nan", "null", "none", "--"}
_POSITIONS = (("alpha_j2000", "delta_j2000"), ("ra", "dec"), ("raj2000", "dej2000"), ("ra_icrs", "de_icrs"))
_BRACKETS = "()[]{}"


class Columns:
    """A table by short names: lower case, without the names of schema and table.

    Args:
        source: A path, or whatever else ``table_io.as_table`` takes.
        name: What to call it in messages, if not by its own name.
    """

    def __init__(self, source: Any, name: str | None = None) -> None:
        self.table, names, self.source = as_table(source)
        if name is not None:
            self.source = name
        if len(set(names)) < len(names):
            twice = next(n for n in names if names.count(n) > 1)
            raise ValueError(f"{self.source}: {names.count(twice)} columns are named {twice}; keep one of them")
        self._full: dict[str, list[str]] = {}
        for full in self.table.colnames:
            self._full.setdefault(full.rpartition(".")[2].strip().lower(), []).append(full)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, rows: slice) -> Columns:
        """Some of the rows."""
        return Columns(self.table[rows], self.source)

    def __contains__(self, name: str) -> bool:
        return name in self._full

    @property
    def names(self) -> list[str]:
        """Short names in the order of the table."""
        return list(self._full)

    def first(self, *names: str) -> str | None:
        """The first of some short names that is there."""
        return next((name for name in names if name in self._full), None)

    def full(self, name: str) -> str:
        """The column as it stands in the table.

        Raises:
            ValueError: There is none, or several that hold different things.
        """
        found = self._full.get(name, [])
        if not found:
            some = ", ".join(self.table.colnames[:8])
            raise ValueError(f"{self.source}: there is no column {name.upper()}; the columns are {some}, …")
        if len(found) > 1 and name not in ("tile_id", "number"):  # keys of joined tables are equal
            raise ValueError(f"{self.source}: columns {found[0]} and {found[1]} are both {name}; keep one of them")
        return found[0]

    def unit(self, name: str) -> str | None:
        """The unit of a column, as text; None is none."""
        unit = getattr(self.table[self.full(name)], "unit", None)
        return None if unit is None or str(unit).strip() in ("", "---") else str(unit)

    def is_vector(self, name: str) -> bool:
        """Whether the cells, or any of them, hold more than one number."""
        data = self.table[self.full(name)]
        if np.ndim(data) > 1:
            return np.shape(data)[1] > 1
        if data.dtype.kind not in "OUS":
            return False
        return any(len(_cell(item)) > 1 for item in data if item is not np.ma.masked)

    def scalars(self, name: str) -> np.ndarray:
        """(n,) float64; masked, empty and null are NaN.

        Raises:
            ValueError: There is no such column, or a cell is no number.
        """
        values, lengths = self._numbers(name)
        if (lengths > 1).any():
            row = int(np.argmax(lengths > 1))
            raise ValueError(f"{self.source}: column {name.upper()}, row {row}: {lengths[row]} numbers, one is wanted")
        return values[:, 0] if values.shape[1] else np.full(len(self), np.nan)

    def vectors(self, name: str, length: int) -> tuple[np.ndarray, np.ndarray]:
        """(n, length) float64, NaN where missing, and (n,) numbers that each cell has; rows of another number are NaN.

        Raises:
            ValueError: There is no such column, a cell holds what is no number, or no row has that length.
        """
        values, lengths = self._numbers(name)
        fits = lengths == length
        if len(lengths) and not fits.any():
            raise ValueError(
                f"{self.source}: column {name.upper()} has arrays of {int(lengths.max())}, {length} are wanted; "
                "give the table Filter of the same data release (--filters)"
            )
        result = np.full((len(lengths), length), np.nan)
        result[fits] = values[fits, :length]
        return result, lengths

    def texts(self, name: str) -> list[str]:
        """Text of every cell, without blanks around; missing is ""."""
        data = self.table[self.full(name)]
        if np.ndim(data) > 1:
            data = data[:, 0]
        mask = np.broadcast_to(getattr(data, "mask", False), len(data))
        return ["" if hidden else _text(item) for item, hidden in zip(data, mask, strict=True)]

    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) right ascension and declination in deg; NaN in both where there is none, or none on the sky."""
        pair = next((pair for pair in _POSITIONS if pair[0] in self and pair[1] in self), None)
        ra, dec = (self.scalars(name) for name in pair) if pair else np.full((2, len(self)), np.nan)
        sky = (ra >= -180) & (ra <= 360) & (dec >= -90) & (dec <= 90)
        return np.where(sky, ra, np.nan), np.where(sky, dec, np.nan)

    def ids(self) -> list[str]:
        """``TILE_ID-NUMBER`` of every row, or the column ``id`` or ``obj_id``; "" is unknown.

        Raises:
            ValueError: There are no such columns.
        """
        if "tile_id" in self and "number" in self:
            tile, number = self.scalars("tile_id"), self.scalars("number")
            known = (tile >= 0) & (number >= 0)  # NaN is not
            pairs = zip(
                np.where(known, tile, 0).astype(int), np.where(known, number, 0).astype(int), known, strict=True
            )
            return [f"{t}-{n}" if k else "" for t, n, k in pairs]
        name = self.first("id", "obj_id")
        if name is None:
            raise ValueError(f"{self.source}: there are no columns TILE_ID and NUMBER, nor id; add them")
        return self.texts(name)

    def has_ids(self) -> bool:
        """Whether ``ids`` finds what it needs."""
        return ("tile_id" in self and "number" in self) or self.first("id", "obj_id") is not None

    def _numbers(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(n, longest) float64 and (n,) length of every cell."""
        data = self.table[self.full(name)]
        mask = np.broadcast_to(np.asarray(getattr(data, "mask", False)), np.shape(data))
        raw = np.ma.getdata(getattr(data, "unmasked", data))
        raw = np.asarray(getattr(raw, "value", raw))
        if raw.dtype.kind in "fiub":
            values = np.where(mask, np.nan, raw.astype(np.float64)).reshape(len(raw), -1 if len(raw) else 1)
            return values, np.full(len(raw), values.shape[1])
        cells = [[] if np.all(hidden) else self._parse(name, i, raw[i]) for i, hidden in enumerate(mask)]
        lengths = np.array([len(cell) for cell in cells], dtype=int)
        values = np.full((len(cells), int(lengths.max(initial=1))), np.nan)
        for i, cell in enumerate(cells):
            values[i, : len(cell)] = cell
        return values, lengths

    def _parse(self, name: str, row: int, item: Any) -> list[float]:
        try:
            return [_number(part) for part in _cell(item)]
        except (TypeError, ValueError):
            raise ValueError(
                f"{self.source}: column {name.upper()}, row {row}: {_text(item)[:40]!r} is no number, nor an array"
            ) from None


def _text(item: Any) -> str:
    return (item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)).strip()


def _cell(item: Any) -> list[Any]:
    """The parts of one cell."""
    if item is None:
        return []
    if isinstance(item, (str, bytes)):
        text = _text(item).strip(_BRACKETS)
        return text.split("," if "," in text else None)  # "1,,3" has three parts, of which the second is missing
    return list(np.ma.asarray(item).ravel())


def _number(part: Any) -> float:
    if part is None or part is np.ma.masked:
        return np.nan
    if isinstance(part, (str, bytes)):
        return np.nan if _text(part).lower() in _MISSING else float(part)
    return float(part)


__all__ = ["Columns"]
