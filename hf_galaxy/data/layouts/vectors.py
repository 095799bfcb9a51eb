"""Our own data sets: ``flux`` and ``flux_error``, arrays in nJy over all bands (``data.features``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from hf_galaxy.variables_galaxy import BANDS

from ..minijpas.columns import Columns
from .where import Fluxes


@dataclass(frozen=True)
class VectorPiece:
    """See ``Piece``."""

    label: str = f"data set of hf_galaxy: flux, flux_error ({len(BANDS)} bands, nJy)"
    bands: tuple[str, ...] = BANDS
    columns: tuple[str, ...] = ("flux", "flux_error")

    def read(self, table: Table, source: str) -> Fluxes:
        """See ``Piece.read``."""
        columns = Columns(table, source)
        values, errors = (columns.vectors(name, len(BANDS))[0] for name in self.columns)
        seen = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
        return Fluxes(np.where(seen, values, np.nan), np.where(seen, errors, np.nan), {})


def find_vectors(head: Table, source: str) -> VectorPiece | None:
    """Whether a table is of a data set of ours.

    Raises:
        ValueError: It is, and has no errors: galaxies that no survey saw.
    """
    if "flux" not in head.colnames or np.shape(head["flux"])[1:] != (len(BANDS),):
        return None
    if "flux_error" not in head.colnames:
        raise ValueError(
            f"{source}: the fluxes are noiseless, without flux_error; hf-galaxy evaluate adds noise and compares, "
            "hf-galaxy simulate makes catalogues as a survey would see them"
        )
    return VectorPiece()


__all__ = ["VectorPiece", "find_vectors"]
