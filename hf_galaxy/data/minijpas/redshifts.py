"""Spectroscopic redshifts of other surveys, as labels with errors.

Read are the cross-match tables of the archive (``xmatch_sdss_dr12``: zsp, e_zsp, f_zsp, spCl; ``xmatch_deep2_spec``:
z, e_z) and any table with a redshift, by id or by position. Photometric redshifts (PhotoZLephare) are the answers of
another model to the same fluxes: they are never labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hf_galaxy.data.value_added.identifiers import match_positions

from .columns import Columns

VALUES = ("zsp", "z_spec", "zspec", "redshift_spec", "redshift", "z")
ERRORS = (
    "e_zsp", "z_spec_err", "zspec_err", "redshift_spec_err", "redshift_err", "e_z", "z_err", "zerr", "e_redshift",
)  # fmt: skip
CLASSES = ("spcl", "spectype", "class")
GOOD_IF_ZERO = ("f_zsp", "zwarning", "zwarn")
GOOD_IF_THREE = ("zquality", "zqual", "q_z", "zq")  # DEEP2: 3 is secure at 95 %, 4 at 99 %
PHOTOMETRIC = ("photoz", "zphot", "z_phot", "z_ml", "photo_z")
LARGEST = 10.0
SAME_REDSHIFT = 0.005  # two measurements of (1 + z) that agree; lines confused differ by far more
STAR_REDSHIFT = 0.002  # 600 km/s: what DEEP2 and other tables without classes call z of a star


@dataclass(frozen=True)
class RedshiftTable:
    """Usable redshifts of one table.

    Attributes:
        name: What it is, for the column ``source``.
        ids: (m,) names of the galaxies, or None if they are matched by position.
        ra, dec: (m,) deg, or NaN.
        redshift, error: (m,); an error of 0 is exact.
        kind: (m,) GALAXY, STAR, QSO or "".
        distance: (m,) arcsec between the two positions that were matched, NaN if unknown.
        unusable: Reason to the number of rows that give none.
    """

    name: str
    ids: list[str] | None
    ra: np.ndarray
    dec: np.ndarray
    redshift: np.ndarray
    error: np.ndarray
    kind: np.ndarray
    distance: np.ndarray
    unusable: Counter


def read_redshifts(columns: Columns, name: str) -> RedshiftTable:
    """Read a table of redshifts.

    Raises:
        ValueError: It has no spectroscopic redshift, or neither ids nor positions.
    """
    value = columns.first(*VALUES)
    if value is None:
        hint = " (photometric ones are no labels)" if columns.first(*PHOTOMETRIC) else ""
        raise ValueError(f"{columns.source}: no column of spectroscopic redshifts{hint}; name it redshift")
    z, n = columns.scalars(value), len(columns)
    error_name, class_name = columns.first(*ERRORS), columns.first(*CLASSES)
    error = columns.scalars(error_name) if error_name else np.zeros(n)
    kind = np.array([_kind(text) for text in columns.texts(class_name)] if class_name else [""] * n, dtype=object)
    ra, dec = columns.positions()
    ids = columns.ids() if columns.has_ids() else None
    if ids is None and not np.isfinite(ra).any():
        raise ValueError(f"{columns.source}: neither TILE_ID and NUMBER, nor id, nor ra and dec; add one of them")
    distance = columns.scalars("angdist") if "angdist" in columns else np.full(n, np.nan)
    zero_is_none = error_name is not None and not error_name.startswith("redshift")  # ours: an error of 0 is exact
    keep, unusable = np.ones(n, dtype=bool), Counter()
    star = kind == "STAR" if class_name else (np.abs(z) < STAR_REDSHIFT) & (z != 0)
    kind[star & np.isfinite(z)] = "STAR"
    for reason, bad in {
        "no redshift": ~np.isfinite(z) | ((z <= 0) & ~star) | (z > LARGEST),
        "poor quality": _poor(columns),
        "no error": ~np.isfinite(error) | (error < 0) | ((error == 0) & zero_is_none) | (error > 1),
    }.items():
        unusable[reason] = int((keep & bad).sum())
        keep &= ~bad
    ids = None if ids is None else [i for i, k in zip(ids, keep, strict=True) if k]
    return RedshiftTable(name, ids, ra[keep], dec[keep], z[keep], error[keep], kind[keep], distance[keep], +unusable)


def _kind(text: str) -> str:
    return {"GAL": "GALAXY", "QUASAR": "QSO"}.get(text.upper(), text.upper())


def _poor(columns: Columns) -> np.ndarray:
    """(n,) rows that the survey itself doubts."""
    poor = np.zeros(len(columns), dtype=bool)
    if flag := columns.first(*GOOD_IF_ZERO):
        poor |= columns.scalars(flag) != 0
    if quality := columns.first(*GOOD_IF_THREE):
        poor |= ~(columns.scalars(quality) >= 3)
    return poor


@dataclass(frozen=True)
class Labels:
    """Redshifts of n galaxies; NaN is unknown.

    Attributes:
        redshift, error: (n,).
        kind: (n,) spectroscopic class, "" is unknown.
        source: (n,) names of the tables, "" is none.
        dropped: Reason to the number of galaxies without a label for it.
    """

    redshift: np.ndarray
    error: np.ndarray
    kind: np.ndarray
    source: np.ndarray
    dropped: Counter


def match_redshifts(
    tables: Sequence[RedshiftTable], ids: Sequence[str], ra: np.ndarray, dec: np.ndarray, radius: float = 1.0
) -> Labels:
    """The redshift of every galaxy, of the first table that has one.

    Of several matches in one table the closest counts. Two tables that disagree give no label.

    Args:
        tables: In order of preference.
        ids: (n,) names.
        ra, dec: (n,) deg.
        radius: Largest distance in arcsec of a match by position.
    """
    n = len(ids)
    redshift, error = np.full(n, np.nan), np.full(n, np.nan)
    kind, source = np.full(n, "", dtype=object), np.full(n, "", dtype=object)
    disagree = np.zeros(n, dtype=bool)
    for table in tables:
        rows = _by_id(table, ids) if table.ids is not None else _by_position(table, ra, dec, radius)
        found = rows >= 0
        z = np.full(n, np.nan)
        z[found] = table.redshift[rows[found]]
        disagree |= found & (np.abs(z - redshift) > SAME_REDSHIFT * (1 + redshift))  # NaN compares as false
        new = found & np.isnan(redshift)
        redshift[new], error[new] = z[new], table.error[rows[new]]
        kind[new], source[new] = table.kind[rows[new]], table.name
    redshift[disagree], error[disagree], source[disagree], kind[disagree] = np.nan, np.nan, "", ""
    return Labels(redshift, error, kind, source, +Counter({"redshifts that disagree": int(disagree.sum())}))


def _by_id(table: RedshiftTable, ids: Sequence[str]) -> np.ndarray:
    """(n,) closest row of each id, -1 where there is none."""
    best: dict[str, int] = {}
    for row in np.argsort(table.distance, kind="stable").tolist():  # NaN last
        best.setdefault(table.ids[row], row)
    best.pop("", None)
    return np.array([best.get(name, -1) for name in ids], dtype=int)


def _by_position(table: RedshiftTable, ra: np.ndarray, dec: np.ndarray, radius: float) -> np.ndarray:
    """(n,) nearest row, of galaxies that are in turn the nearest to that row: one spectrum labels one galaxy."""
    rows = match_positions(ra, dec, table.ra, table.dec, radius)
    back = match_positions(table.ra, table.dec, ra, dec, radius)
    mutual = (rows >= 0) & (back[rows] == np.arange(len(rows)))
    return np.where(mutual, rows, -1)


__all__ = ["Labels", "RedshiftTable", "match_redshifts", "read_redshifts"]
