"""Where the numbers of a variable stand in a table, and how they are meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from astropy.table import Table

SIGMA, RELATIVE, INVERSE_VARIANCE = "error", "relative_error", "ivar"


@dataclass(frozen=True)
class Where:
    """The columns of one variable.

    Attributes:
        value: Column of the values.
        error: Column of what ``form`` says; None is exact (properties alone).
        form: SIGMA, RELATIVE (to the flux) or INVERSE_VARIANCE.
        unit: Unit in place of what the columns say.
        default: Unit where the columns say none.
        index: Element of columns that hold arrays.
        offset: Mag to add to the magnitudes, from the band of the survey to ours.
        floor: Mag that is added in quadrature to the error, for what the offset leaves.
    """

    value: str
    error: str | None = None
    form: str = SIGMA
    unit: str | None = None
    default: str | None = None
    index: int | None = None
    offset: float = 0.0
    floor: float = 0.0


@dataclass(frozen=True)
class Fluxes:
    """Fluxes of n galaxies in b bands.

    Attributes:
        values, errors: (n, b) nJy; NaN is not observed.
        problems: Row to the reason why it cannot be read.
    """

    values: np.ndarray
    errors: np.ndarray
    problems: Mapping[int, str]


class Piece(Protocol):
    """Bands that are read together, by a reader of their own.

    Attributes:
        label: What it is, for the log.
        bands: Names of variables.
        columns: Columns of the table that it reads.
    """

    label: str
    bands: tuple[str, ...]
    columns: tuple[str, ...]

    def read(self, table: Table, source: str) -> Fluxes:
        """The fluxes of some rows.

        Raises:
            ValueError: A cell is no number, or the columns are not what they were.
        """


__all__ = ["INVERSE_VARIANCE", "RELATIVE", "SIGMA", "Fluxes", "Piece", "Where"]
