"""User tables to catalogues: columns named like variables, any unit, in; numbers in canonical units, out.

The evidence of a catalogue is every band ``<band>`` with its ``<band>_err``, and those properties that the caller asks
to be given (a catalogue may hold redshifts to compare with). ``true_<name>`` is never evidence. NaN and masked mean not
observed, and so do magnitudes of 90 and beyond, such as the 99 and -99 of many surveys. Rows count from 0.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from hf_galaxy.data.catalogue_report import CatalogueReport
from hf_galaxy.data.column_names import SPECTROSCOPIC_REDSHIFT, check_duplicates
from hf_galaxy.data.column_reading import MOST_REDDENING, ColumnReader
from hf_galaxy.data.layouts.finding import Layout, LayoutSettings, find_layout
from hf_galaxy.data.layouts.where import Fluxes, Piece
from hf_galaxy.data.row_sources.opening import open_rows
from hf_galaxy.data.table_io import as_table
from hf_galaxy.physics.galactic_extinction import extinction_factor
from hf_galaxy.variables_galaxy import Variable, default_variables

HEAD_ROWS = 4096  # rows that settle how all are read
TRIED = 64  # rows that a reader of several bands may refuse before it is taken to refuse them all


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
        skipped: (n,) why a row cannot be read and has no evidence, "" where it can; None if no row was to be skipped.
    """

    values: np.ndarray
    errors: np.ndarray
    names: tuple[str, ...]
    report: CatalogueReport
    table: Table
    source: str = "table"
    skipped: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | np.ndarray | list[int]) -> Catalogue:
        """The catalogue of some rows; the report remains that of the whole."""
        skipped = None if self.skipped is None else self.skipped[rows]
        return Catalogue(
            self.values[rows], self.errors[rows], self.names, self.report, self.table[rows], self.source, skipped
        )

    @property
    def observed(self) -> np.ndarray:
        """(n, V) bool."""
        return np.isfinite(self.values)


def read_catalogue(
    source: Any,
    unit: str | u.UnitBase | None = None,
    given: Sequence[str] = (),
    variables: Sequence[Variable] | None = None,
    settings: LayoutSettings | None = None,
    skip: bool = False,
) -> Catalogue:
    """Read a table of a user as evidence, whole.

    Args:
        source: Whatever ``table_io.as_table`` takes: a path, an astropy table, a ``DataFrame``, a ``Dataset``, a dict;
            or a folder of Parquet or FITS files, a folder that ``datasets`` saved, or the id of a data set of the Hub.
        unit: Unit of those flux columns and errors that have none of their own.
        given: Properties that are evidence; ``"redshift"`` is read from ``redshift``, else from ``redshift_spec``.
        variables: The table of variables; that of J-PAS and GALEX by default.
        settings: What else there is to say of the columns; ``unit`` and ``given`` go before its own.
        skip: Give a row that cannot be read no evidence, and the reason in ``skipped``; without it, it is an error.

    Raises:
        ValueError: Something in the table has no single meaning; one line says what, where, and the remedy.
    """
    settings = settings or LayoutSettings()
    settings = replace(settings, unit=unit or settings.unit, given=tuple(given or settings.given))
    problems: Mapping[int, str] = {}
    if isinstance(source, (str, os.PathLike)) and not Path(source).is_file():
        rows = open_rows(source)
        names, where = rows.names, rows.source
        block = next(iter(rows.blocks([slice(0, rows.rows)])))
        table, problems = block.table, block.problems
    else:
        table, names, where = as_table(source)
    return CatalogueReader(table[:HEAD_ROWS], names, where, settings, variables).read(table, 0, skip, problems)


class CatalogueReader:
    """How one catalogue is read, settled on its first rows; blocks of any length are then read alike.

    Args:
        head: The first rows.
        names: Names of the columns as they stand in the source.
        source: For messages.
        settings: What the user says of the columns.
        variables: The table of variables; that of J-PAS and GALEX by default.

    Raises:
        ValueError: As ``read_catalogue``.
    """

    def __init__(
        self,
        head: Table,
        names: Sequence[str],
        source: str,
        settings: LayoutSettings,
        variables: Sequence[Variable] | None = None,
    ) -> None:
        self._known = {v.name: v for v in (default_variables() if variables is None else variables)}
        self.source, self._settings = source, settings
        check_duplicates(names, self._known, source)
        if not len(head):
            raise ValueError(f"{source}: the table has no rows; give at least one galaxy")
        self.layout: Layout = find_layout(head, names, source, settings, list(self._known.values()))
        self.names = tuple(name for name in self._known if name in set(self.layout.names))
        self._clear = self._transparency()
        used = self.layout.columns
        rest = [name for name in head.colnames if name not in used]
        not_given = tuple(n for n in rest if n in {*self._known, SPECTROSCOPIC_REDSHIFT} and n not in self.names)
        self._columns = CatalogueReport(
            ignored=tuple(name for name in rest if name not in not_given and name != self.layout.ebv),
            not_given=not_given,
            layout=self.layout.labels,
            reddening=self._reddening(),
        )

    def read(
        self, table: Table, first: int = 0, skip: bool = False, problems: Mapping[int, str] | None = None
    ) -> Catalogue:
        """The evidence of some rows.

        Args:
            table: The rows.
            first: Row of the catalogue that the first of them is.
            skip: As ``read_catalogue``.
            problems: Rows that could not be read so far, and why.

        Raises:
            ValueError: A row cannot be read, and none is to be skipped; or no row can be.
        """
        reader = ColumnReader(table, self.source, self._settings.unit, skip, first)
        reader.problems.update(problems or {})
        if problems and not skip:
            row, why = next(iter(problems.items()))
            raise ValueError(f"{self.source}: row {first + row}: {why}")
        place = {name: i for i, name in enumerate(self.names)}
        values, errors = np.full((2, len(table), len(self.names)), np.nan)
        for name, where in self.layout.where.items():
            read = reader.flux if self._known[name].kind == "flux" else reader.property
            values[:, place[name]], errors[:, place[name]] = read(self._known[name], where)
        for piece in self.layout.pieces:
            found = _read_piece(piece, table, self.source, skip, first)
            columns = [place[band] for band in piece.bands]
            values[:, columns], errors[:, columns] = found.values, found.errors
            for row, why in found.problems.items():
                reader.problems.setdefault(row, why)
        if self.layout.ebv is not None:
            reddening = reader.reddening(self.layout.ebv)[:, None]
            clear = self._clear ** np.where(np.abs(reddening) < MOST_REDDENING, reddening, np.nan)
            values, errors = values * clear, errors * clear
        skipped = self._skip(reader.problems, values, errors) if skip else None
        return Catalogue(values, errors, self.names, self._counted(reader, values, first), table, self.source, skipped)

    def _skip(self, problems: Mapping[int, str], values: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """(n,) reasons; rows that have one lose their evidence."""
        skipped = np.full(len(values), "", dtype=object)
        rows = list(problems)
        skipped[rows] = list(problems.values())
        values[rows], errors[rows] = np.nan, np.nan
        return skipped

    def _counted(self, reader: ColumnReader, values: np.ndarray, first: int) -> CatalogueReport:
        observed = np.isfinite(values)
        bad = sorted(reader.problems)
        good = np.setdiff1d(np.arange(len(values)), bad)
        return replace(
            self._columns,
            sentinels=reader.sentinels,
            not_observed=int((~observed[good]).sum()),
            without_evidence=int((~observed[good].any(axis=1)).sum()),
            unit_assumed=tuple(reader.unit_assumed),
            skipped=len(bad),
            first_skipped=f"row {first + bad[0]}: {reader.problems[bad[0]]}" if bad else "",
        )

    def _transparency(self) -> np.ndarray:
        """(V,) what the flux of a band is multiplied with for each mag of E(B-V); 1 for properties."""
        pivots = np.array([v.pivot if (v := self._known[name]).kind == "flux" else np.nan for name in self.names])
        factors = np.ones(len(self.names))
        if self.layout.ebv is not None:
            bands = np.isfinite(pivots)
            factors[bands] = extinction_factor(pivots[bands], 1.0)
        return factors

    def _reddening(self) -> str:
        if self.layout.ebv is not None:
            return (
                f"dust of the Milky Way taken out of fluxes and errors by E(B-V) of column {self.layout.ebv}, on the "
                "scale of Schlegel, Finkbeiner & Davis (1998)"
            )
        if self.layout.unused_ebv:
            column = self.layout.unused_ebv
            return (
                f"fluxes are taken as they are; if they are not corrected for the dust of the Milky Way: --ebv {column}"
            )
        return ""


def _read_piece(piece: Piece, table: Table, source: str, skip: bool, first: int) -> Fluxes:
    """Bands that are read together; where rows are to be skipped, those that the reader refuses are found by halving.

    Raises:
        ValueError: The first row that is refused; or, where rows are skipped, the reader refuses whatever it is given.
    """
    try:
        return piece.read(table, source)
    except ValueError as error:
        if not skip:
            raise
        whole = error
    values, errors = np.full((2, len(table), len(piece.bands)), np.nan)
    problems: dict[int, str] = {}
    waiting = [slice(0, len(table))]
    while waiting:
        rows = waiting.pop()
        try:
            found = piece.read(table[rows], source)
            values[rows], errors[rows] = found.values, found.errors
            problems |= {rows.start + row: why for row, why in found.problems.items()}
        except ValueError as error:
            if rows.stop - rows.start == 1:
                problems[rows.start] = str(error).removeprefix(f"{source}: ").replace(", row 0", "")
                if len(problems) >= min(TRIED, len(table)) and not np.isfinite(values).any():
                    raise whole from None
                continue
            middle = (rows.start + rows.stop) // 2
            waiting += [slice(middle, rows.stop), slice(rows.start, middle)]
    return Fluxes(values, errors, problems)


__all__ = ["HEAD_ROWS", "Catalogue", "CatalogueReader", "CatalogueReport", "read_catalogue"]
