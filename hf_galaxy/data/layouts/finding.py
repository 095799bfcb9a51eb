"""How the columns of one catalogue are read, settled on its first rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from astropy.table import Table

from hf_galaxy.variables_galaxy import Variable

from ..column_names import ERROR_SUFFIX, check_band_names, nearest, property_column
from ..minijpas.filters import minijpas_order, read_filter_order
from .archive import find_archive
from .broad import find_broad
from .column_map import read_column_map
from .galex import find_galex
from .vectors import find_vectors
from .where import Piece, Where

REDDENING_COLUMNS = ("ebv", "e_bv", "e(b-v)", "e_b_v", "ebv_sfd")


@dataclass(frozen=True)
class LayoutSettings:
    """What a user says of the columns.

    Attributes:
        unit: Unit of those flux columns and errors that have none of their own.
        given: Properties that are evidence.
        columns: A column map (``column_map``), as a path or a dict; nothing else is read then.
        layout, aperture, filters: Of tables of the J-PAS archive: as ``minijpas.photometry.find_layout``, and the
            table ``Filter`` of the release (miniJPAS PDR201912 by default).
        ebv: Column of E(B-V) on the scale of Schlegel, Finkbeiner & Davis (1998).
    """

    unit: Any = None
    given: Sequence[str] = ()
    columns: Any = None
    layout: str | None = None
    aperture: str | None = None
    filters: Any = None
    ebv: str | None = None


@dataclass(frozen=True)
class Layout:
    """What is read from where.

    Attributes:
        labels: What was recognised, for the log.
        where: Variable to its columns.
        pieces: Bands that are read together.
        bands: Those among them that are fluxes.
        ebv: Column of E(B-V), or None.
        unused_ebv: A column that looks like E(B-V) and is not asked for, or None.
    """

    labels: tuple[str, ...]
    where: Mapping[str, Where]
    pieces: tuple[Piece, ...] = ()
    bands: tuple[str, ...] = ()
    ebv: str | None = None
    unused_ebv: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that are read."""
        return (*self.where, *(band for piece in self.pieces for band in piece.bands))

    @property
    def columns(self) -> set[str]:
        """The columns that are read."""
        read = {c for w in self.where.values() for c in (w.value, w.error) if c}
        return read | {c for piece in self.pieces for c in piece.columns}

    @property
    def band_columns(self) -> set[str]:
        """Those of them that hold fluxes, magnitudes, their errors and flags."""
        read = {c for name in self.bands for c in (self.where[name].value, self.where[name].error) if c}
        return read | {c for piece in self.pieces for c in piece.columns}


def find_layout(
    head: Table, names: Sequence[str], source: str, settings: LayoutSettings, variables: Sequence[Variable]
) -> Layout:
    """What to read of a catalogue.

    Args:
        head: Its first rows.
        names: Its columns as they stand in it.
        source: For messages.
        settings: What the user says.
        variables: The table of variables.

    Raises:
        ValueError: Nothing is a band, or something has no single meaning; one line says what, and the remedy.
    """
    known = {v.name: v for v in variables}
    for name in settings.given:
        if name not in known:
            raise ValueError(
                f"{name!r} cannot be given: no variable has that name; the nearest is {nearest(name, list(known))}"
            )
    found = _mapped(head, source, settings, variables) if settings.columns is not None else None
    if found is None:
        found = _recognised(head, names, source, settings, known)
    where = dict(found.where)
    for name in settings.given:
        if name not in where:
            where[name] = _own(property_column(name, head.colnames, source), head.colnames)
    if not found.names and not where:
        example = next(name for name, v in known.items() if v.kind == "flux")
        raise ValueError(
            f"{source}: no column is a band; name fluxes like {example} and {example}{ERROR_SUFFIX}, or say which "
            "column is which (--columns MAP.yaml)"
        )
    ebv = settings.ebv or found.ebv
    if ebv is not None and ebv not in head.colnames:
        raise ValueError(f"{source}: there is no column {ebv} (E(B-V)); the nearest is {nearest(ebv, head.colnames)}")
    unused = next((c for c in head.colnames if c.lower() in REDDENING_COLUMNS), None) if ebv is None else None
    bands = tuple(name for name in where if known[name].kind == "flux")
    return Layout(found.labels, where, found.pieces, bands, ebv, unused)


def _mapped(head: Table, source: str, settings: LayoutSettings, variables: Sequence[Variable]) -> Layout:
    columns = read_column_map(settings.columns, variables)
    for name, where in columns.where.items():
        for column in (where.value, where.error):
            if column is not None and column not in head.colnames:
                close = nearest(column, head.colnames)
                raise ValueError(f"{columns.source}: {name}: {source} has no column {column}; the nearest is {close}")
    return Layout((f"columns of {columns.source}",), columns.where, ebv=columns.ebv)


def _recognised(
    head: Table, names: Sequence[str], source: str, settings: LayoutSettings, known: Mapping[str, Variable]
) -> Layout:
    """Own columns first, then those of the layouts that are known, each for the bands that are left."""
    bands = [name for name, v in known.items() if v.kind == "flux"]
    where = {name: _own(name, head.colnames) for name in bands if name in head.colnames}
    labels = [f"own columns <band>, <band>{ERROR_SUFFIX} ({len(where)} bands)"] if where else []
    order = read_filter_order(settings.filters) if settings.filters is not None else minijpas_order()
    pieces: list[Piece] = []
    vectors = find_vectors(head, source)
    if vectors is not None and not where:
        pieces.append(vectors)
    else:
        archive = find_archive(head, source, order, list(where), settings.layout, settings.aperture)
        taken = [*where, *(archive.bands if archive else ())]
        galex = find_galex(head, source, taken)
        pieces += [piece for piece in (archive, galex) if piece is not None]
        broad = find_broad(head.colnames, taken)
        if broad is not None:
            labels.append(broad.label)
            where |= broad.where
    labels += [piece.label for piece in pieces]
    found = Layout(tuple(labels), {name: where[name] for name in known if name in where}, tuple(pieces))
    check_band_names(names, bands, source, found.names, found.columns)
    _check_pairs(head.colnames, bands, source)
    return found


def _own(column: str, columns: Sequence[str]) -> Where:
    return Where(column, column + ERROR_SUFFIX if column + ERROR_SUFFIX in columns else None)


def _check_pairs(columns: Sequence[str], bands: Sequence[str], source: str) -> None:
    for name in bands:
        if name in columns and name + ERROR_SUFFIX not in columns:
            raise ValueError(
                f"{source}: column {name} has no errors; add a column {name}{ERROR_SUFFIX}, or drop {name}"
            )
        if name not in columns and name + ERROR_SUFFIX in columns:
            raise ValueError(f"{source}: column {name}{ERROR_SUFFIX} has no column {name}; add it, or drop the errors")


__all__ = ["Layout", "LayoutSettings", "find_layout"]
