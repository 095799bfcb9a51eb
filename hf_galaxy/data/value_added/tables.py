"""Labels of one catalogue, found by id or by position, and the labels of several catalogues as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from hf_galaxy.data.value_added.identifiers import KINDS, SkyIndex, asked_positions, id_codes, match_ids
from hf_galaxy.variables_galaxy import PROPERTIES

RADIUS_ARCSEC = 1.5  # between two positions of one galaxy: a fibre's radius, and half the distance of close pairs
REDSHIFT = PROPERTIES.index("redshift")
SAME_REDSHIFT = 0.003  # in 1 + z (900 km/s): further apart, two catalogues speak of two galaxies


@dataclass(frozen=True)
class LabelReport:
    """What was read of a catalogue, and what was not.

    Attributes:
        rows: Rows of the catalogue.
        skipped: Reason to the ids of the rows that were left out whole.
        unknown: Column to reason to the number of its values that became unknown.
        columns: Property to the columns that it is from.
        notes: What else a user should know.
    """

    rows: int
    skipped: Mapping[str, np.ndarray] = field(default_factory=dict)
    unknown: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What a user should know, a sentence a line."""
        lines = [f"rows: {self.rows}, left out: {sum(len(ids) for ids in self.skipped.values())}"]
        lines += [f"left out, {reason}: {len(ids)}" for reason, ids in self.skipped.items()]
        for column, reasons in self.unknown.items():
            lines.append(f"{column} unknown: " + ", ".join(f"{reason} {n}" for reason, n in reasons.items()))
        return lines + list(self.notes)


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of m galaxies that were asked for.

    Attributes:
        properties, errors: (m, P) float64, units and order of PROPERTIES; NaN in both is unknown; 0 error is exact.
        matched: (m,) the galaxy is in a catalogue.
        fibre: (m, P) the value is of the light in the fibre alone, not of the whole galaxy. It matters to masses, star
            formation rates and line fluxes, which grow with the aperture; widths and ratios are left as they are.
        source: (m,) catalogues that gave a value, comma-separated; empty where none did.
        conflict: (m,) a later catalogue was left out, because its redshift is that of another galaxy.
    """

    properties: np.ndarray
    errors: np.ndarray
    matched: np.ndarray
    fibre: np.ndarray
    source: np.ndarray
    conflict: np.ndarray

    def __len__(self) -> int:
        return len(self.matched)


@dataclass(frozen=True, eq=False)
class LabelTable:
    """Labels of the n galaxies of one catalogue.

    Attributes:
        source: Name of the catalogue.
        key: Kind of its ids: ``"targetid"``, ``"plate-mjd-fiber"``, ``"specobjid"``, or ``"position"`` for none.
        keys: Kind to (n,) codes of ``id_codes``; each code stands once in those of ``key``.
        ra, dec: (n,) deg, ICRS; NaN is unknown.
        properties, errors: (n, P) float64, units and order of PROPERTIES; NaN is unknown, in both or in neither.
        fibre: (P,) as in ``Labels``.
        report: What was read, and what was not.
    """

    source: str
    key: str
    keys: Mapping[str, np.ndarray]
    ra: np.ndarray
    dec: np.ndarray
    properties: np.ndarray
    errors: np.ndarray
    fibre: np.ndarray
    report: LabelReport

    def __post_init__(self) -> None:
        n, p = len(self.ra), len(PROPERTIES)
        shapes = {"dec": (n,), "properties": (n, p), "errors": (n, p), "fibre": (p,)}
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"{self.source}: {name} has the shape {np.shape(getattr(self, name))}, not {shape}")
        if any(kind not in KINDS or np.shape(codes) != (n,) for kind, codes in self.keys.items()):
            raise ValueError(f"{self.source}: keys are {', '.join(KINDS)}, with a code for each of {n} rows")
        if self.key != "position" and self.key not in self.keys:
            raise ValueError(f"{self.source}: key {self.key!r} is not one of its keys ({', '.join(self.keys)})")

    def __len__(self) -> int:
        return len(self.ra)

    def lookup(
        self,
        ids: Any = None,
        *,
        by: str | None = None,
        ra: Any = None,
        dec: Any = None,
        radius: float = RADIUS_ARCSEC,
    ) -> Labels:
        """Labels of m galaxies, in the order asked; a galaxy that is not in the table is unknown.

        Args:
            ids: (m,) ids as ``id_codes`` takes them, of the kind ``by`` (the table's own ``key`` by default).
            by: Kind of the ids.
            ra, dec: (m,) deg, ICRS, instead of ids: the nearest row within ``radius``. NaN matches nothing.
            radius: arcsec.

        Raises:
            ValueError: Neither ids nor positions, or both; the table has no ids of this kind, or no positions.
        """
        if (ids is None) == (ra is None) or (ra is None) != (dec is None):
            raise ValueError(f"{self.source}: give ids, or ra and dec")
        if ids is None:
            return self._rows(self._near(ra, dec, radius))
        by = by or self.key
        if by not in self.keys:
            known = ", ".join(self.keys) or "positions alone"
            raise ValueError(f"{self.source}: has no ids of kind {by}; it has {known}")
        return self._rows(match_ids(id_codes(ids, by), self.keys[by]))

    def _near(self, ra: Any, dec: Any, radius: float) -> np.ndarray:
        ra, dec = asked_positions(self.source, ra, dec, radius)
        if len(self) and not np.isfinite(self.ra).any():
            raise ValueError(f"{self.source}: has no positions; look up by {self.key}")
        return self._sky.match(ra, dec, radius)

    @cached_property
    def _sky(self) -> SkyIndex:
        return SkyIndex(self.ra, self.dec)

    def _rows(self, rows: np.ndarray) -> Labels:
        matched = rows >= 0
        properties = np.full((len(rows), len(PROPERTIES)), np.nan)
        errors = properties.copy()
        properties[matched], errors[matched] = self.properties[rows[matched]], self.errors[rows[matched]]
        known = np.isfinite(properties)
        source = np.where(known.any(1), self.source, "").astype(object)
        return Labels(properties, errors, matched, known & self.fibre, source, np.zeros(len(rows), dtype=bool))


def merge(labels: Sequence[Labels]) -> Labels:
    """The labels of the same m galaxies from several catalogues, in order of preference: the first known value wins.

    Where two catalogues disagree in redshift by more than SAME_REDSHIFT, the later one is left out of the row.

    Raises:
        ValueError: No labels, or of different numbers of galaxies.
    """
    if not labels:
        raise ValueError("no labels to merge")
    if len({len(each) for each in labels}) > 1:
        raise ValueError(f"labels of different numbers of galaxies: {[len(each) for each in labels]}")
    first = labels[0]
    properties, errors, fibre = first.properties.copy(), first.errors.copy(), first.fibre.copy()
    matched, conflict, source = first.matched.copy(), first.conflict.copy(), first.source.copy()
    for other in labels[1:]:
        apart = np.abs(other.properties[:, REDSHIFT] - properties[:, REDSHIFT])
        alien = apart > SAME_REDSHIFT * (1 + properties[:, REDSHIFT])  # False where either is unknown
        new = np.isnan(properties) & np.isfinite(other.properties) & ~alien[:, None]
        properties[new], errors[new], fibre[new] = other.properties[new], other.errors[new], other.fibre[new]
        matched |= other.matched & ~alien
        conflict |= alien | other.conflict
        for i in np.flatnonzero(new.any(1)):
            source[i] = f"{source[i]},{other.source[i]}" if source[i] else other.source[i]
    return Labels(properties, errors, matched, fibre, source, conflict)


__all__ = ["RADIUS_ARCSEC", "LabelReport", "LabelTable", "Labels", "merge"]
