"""GALEX bands beside others, as ``data.value_added.galex`` reads them.

A band that is blank in a row is not observed: a joined table does not say whether GALEX looked there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from ..value_added.galex import band_forms, read_band
from ..value_added.opening import Columns
from .where import Fluxes


@dataclass(frozen=True)
class GalexPiece:
    """FUV, NUV or both; see ``Piece``."""

    label: str
    bands: tuple[str, ...]
    columns: tuple[str, ...]
    forms: tuple[tuple[str, str, str], ...]

    def read(self, table: Table, source: str) -> Fluxes:
        """See ``Piece.read``; the error of the calibration (Morrissey et al. 2007) is in the errors."""
        columns = _columns(table, source)
        pairs = [read_band(columns, band, *form) for band, form in zip(self.bands, self.forms, strict=True)]
        values, errors = (np.stack(x, axis=1) for x in zip(*pairs, strict=True))
        return Fluxes(values, errors, {})


def find_galex(head: Table, source: str, taken: Sequence[str]) -> GalexPiece | None:
    """The GALEX bands in a table that are not read from other columns.

    Raises:
        ValueError: A column has a unit that is no flux.
    """
    columns = _columns(head, source)
    forms = {band: form for band, form in band_forms(columns).items() if band not in taken}
    if not forms:
        return None
    used = tuple(name for value, error, _ in forms.values() for name in (value, error))
    spelled = tuple(columns.spelled(name) for name in used)
    units = sorted({columns.unit(value) or unit for value, _, unit in forms.values()})
    label = f"GALEX {', '.join(spelled[::2])} ({'/'.join(units)})"
    piece = GalexPiece(label, tuple(forms), spelled, tuple(forms.values()))
    for band, (value, error, unit) in forms.items():
        read_band(columns, band, value, error, unit, plausible=True)
    return piece


def _columns(table: Table, source: str) -> Columns:
    return Columns(
        source, table.colnames, len(table), lambda name: table[name], lambda name: str(table[name].unit or "")
    )


__all__ = ["GalexPiece", "find_galex"]
