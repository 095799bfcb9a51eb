"""Tables of the archive beside the photometry, joined by (TILE_ID, NUMBER): dust of the Milky Way, stars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .columns import Columns
from .filters import FilterOrder

STAR_COLUMNS = ("total_prob_star", "sglc_prob_star", "ert_prob_star", "morph_prob_star", "prob_star", "class_star")
EBV_LIMITS = (-0.05, 20.0)  # mag; maps of dust have noise around zero
SAME_LAW = 0.25  # the archive's extinctions and kx E(B-V) may differ by this, relative, in the median


def galactic_extinction(columns: Columns, order: FilterOrder) -> np.ndarray:
    """(n, F) extinction by the Milky Way in mag, NaN where unknown.

    Args:
        columns: MWExtinction, or a photometric table: AX (one array of F magnitudes a row) or EBV (E(B-V), times
            A / E(B-V) of the filters).
        order: Filters of the survey.

    Raises:
        ValueError: There is neither, AX has another length, or the two contradict each other.
    """
    by_law = by_array = None
    if name := columns.first("ebv", "mw_ebv", "e_bv"):
        ebv = columns.scalars(name)
        usable = (ebv >= EBV_LIMITS[0]) & (ebv < EBV_LIMITS[1])
        by_law = np.where(usable, ebv, np.nan)[:, None] * np.array(order.extinction)
    if "ax" in columns and columns.is_vector("ax"):
        ax, _ = columns.vectors("ax", len(order))
        by_array = np.where(np.abs(ax) < EBV_LIMITS[1] * 6, ax, np.nan)
    if by_law is None and by_array is None:
        raise ValueError(f"{columns.source}: there is no column AX nor EBV; give the table MWExtinction")
    if by_law is not None and by_array is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = by_array / by_law
        ratio = ratio[np.isfinite(ratio)]
        if ratio.size and abs(np.median(ratio) - 1) > SAME_LAW:
            raise ValueError(
                f"{columns.source}: AX is {np.median(ratio):.2f} times the extinction that EBV means; "
                "is this the table Filter of the same release (--filters)?"
            )
    return by_law if by_array is None else by_array


def has_extinction(columns: Columns) -> bool:
    """Whether ``galactic_extinction`` finds what it needs."""
    return columns.first("ebv", "mw_ebv", "e_bv") is not None or ("ax" in columns and columns.is_vector("ax"))


def star_probability(columns: Columns) -> np.ndarray:
    """(n,) probability of being a star, of StarGalClass (or CLASS_STAR of SExtractor, on a scale of its own).

    Raises:
        ValueError: There is no such column, or values beyond 0 and 1.
    """
    name = columns.first(*STAR_COLUMNS)
    if name is None:
        raise ValueError(f"{columns.source}: no probability of a star; it is one of {', '.join(STAR_COLUMNS)}")
    if columns.is_vector(name):
        raise ValueError(f"{columns.source}: {name} has one value a filter, one a galaxy is wanted")
    values = columns.scalars(name)
    values = np.where(np.abs(values) >= 90, np.nan, values)
    if ((values < 0) | (values > 1)).any():
        row = int(np.nanargmax(np.abs(values - 0.5)))
        raise ValueError(f"{columns.source}: {name}, row {row}: {values[row]:g} is no probability, from 0 to 1")
    return values


def rows_by_id(ids: Sequence[str], columns: Columns) -> np.ndarray:
    """(n,) row of a table for every id, -1 where it has none.

    Raises:
        ValueError: The table has an id twice, or no id at all.
    """
    place: dict[str, int] = {}
    for row, name in enumerate(columns.ids()):
        if name and place.setdefault(name, row) != row:
            raise ValueError(f"{columns.source}: {name} stands in rows {place[name]} and {row}; keep one")
    return np.array([place.get(name, -1) for name in ids], dtype=int)


def taken(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """``values[rows]`` with NaN where the row is -1."""
    if not len(values):
        return np.full((len(rows), *values.shape[1:]), np.nan)
    found = np.where((rows < 0).reshape(-1, *([1] * (values.ndim - 1))), np.nan, values[rows])
    return found


__all__ = ["STAR_COLUMNS", "galactic_extinction", "has_extinction", "rows_by_id", "star_probability", "taken"]
