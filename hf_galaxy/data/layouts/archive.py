"""Tables of miniJPAS, J-NEP and J-PAS, as ``data.minijpas`` reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from astropy.table import Table

from ..minijpas.columns import Columns
from ..minijpas.filters import FilterOrder
from ..minijpas.photometry import Layout, find_layout, read_photometry, settled
from .where import Fluxes

NOT_SEEN = "no band was measured"  # such a row is answered from what else is known, as any row without evidence
TRIED = 64
_KINDS = {"fnu": "f_nu", "flambda": "f_lambda", "mag": "AB magnitudes"}


@dataclass(frozen=True)
class ArchivePiece:
    """Fluxes of one aperture, flags and masks applied; see ``Piece``."""

    label: str
    bands: tuple[str, ...]
    columns: tuple[str, ...]
    order: FilterOrder
    layout: Layout

    def read(self, table: Table, source: str) -> Fluxes:
        """See ``Piece.read``; what is flagged or masked is not observed."""
        columns = Columns(table, source)
        photometry = read_photometry(columns, self.order, self.layout)
        kept = [self.order.names.index(band) for band in self.bands]
        problems = {row: why for row, why in photometry.unusable.items() if not why.startswith(NOT_SEEN)}
        return Fluxes(photometry.flux[:, kept], photometry.flux_error[:, kept], problems)


def find_archive(
    head: Table,
    source: str,
    order: FilterOrder,
    taken: Sequence[str],
    layout: str | None = None,
    aperture: str | None = None,
) -> ArchivePiece | None:
    """The photometry of the archive in a table, if it holds any.

    Args:
        head: The first rows.
        source: For messages.
        order: Filters of the survey.
        taken: Bands that are read from other columns.
        layout, aperture: As ``find_layout``.

    Raises:
        ValueError: There is some, but in no single reading; or it was asked for, and there is none.
    """
    columns = Columns(head, source)
    if layout is None and aperture is None and not _looks_like(columns, order):
        return None
    found = _settled(head, columns, order, find_layout(columns, order, layout, aperture))
    if found.arrays:
        here = order.names
    else:
        here = [band for band, column in zip(order.names, found.values, strict=True) if column]
    bands = tuple(band for band, ours in zip(order.names, order.known, strict=True) if ours and band in here)
    bands = tuple(band for band in bands if band not in taken)
    if not bands:
        return None
    used = tuple(columns.full(c) for c in (*found.values, *found.errors) if c)
    flags = tuple(columns.full(c) for c in columns.names if re.match(r"(mask_)?flags?(_|$)", c))
    what = "arrays" if found.arrays else "columns"
    stem = "MAG" if found.kind == "mag" else "FLUX"
    name = "_".join(x for x in (stem, found.aperture.upper()) if x)
    label = f"{what} of {order.source} {name} in {_KINDS[found.kind]} ({len(bands)} bands)"
    return ArchivePiece(label, bands, used + flags, order, found)


def _settled(head: Table, columns: Columns, order: FilterOrder, layout: Layout) -> Layout:
    """The layout settled on the first rows, or on those of the very first that can be read."""
    try:
        return settled(columns, order, layout)
    except ValueError:
        good = [row for row in range(min(TRIED, len(head))) if _readable(head[row : row + 1], columns, order, layout)]
        if not good:
            raise
        return settled(Columns(head[good], columns.source), order, layout)


def _readable(row: Table, columns: Columns, order: FilterOrder, layout: Layout) -> bool:
    try:
        settled(Columns(row, columns.source), order, layout)
    except ValueError:
        return False
    return True


def _looks_like(columns: Columns, order: FilterOrder) -> bool:
    bands = "|".join(re.escape(name.casefold()) for name in order.names)
    arrays = re.compile(r"(flux|mag)_(?!relerr|err)\w+")
    errors = {match[1] for name in columns.names if (match := re.search(rf"err_(?:\w+_)?({bands})$", name))}
    for name in columns.names:
        one = re.fullmatch(rf"(?:flux|mag)_(?:\w+_)?({bands})", name)
        if (one and one[1] in errors) or (arrays.fullmatch(name) and columns.is_vector(name)):
            return True
    return False


__all__ = ["ArchivePiece", "find_archive"]
