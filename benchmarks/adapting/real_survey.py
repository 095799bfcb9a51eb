"""Real galaxies: photometry of FORS2 spectra, adapted to on two thirds and tested on the rest, each third in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.adapting.simulated_survey import REDSHIFT_ERROR, write_observed
from benchmarks.fors2 import fors2_table, plain
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

ERROR_FLOOR = 0.02  # as benchmarks/real_spectra.py
FOLDS = 3


@dataclass(frozen=True)
class RealSurvey:
    """Observed galaxies with spectroscopic redshifts.

    Attributes:
        flux, flux_error: (n, 62) nJy; NaN is not observed.
        redshift: (n,).
        refused: Spectra that could not be used.
    """

    flux: torch.Tensor
    flux_error: torch.Tensor
    redshift: NDArray[np.float64]
    refused: int

    def __len__(self) -> int:
        return len(self.redshift)

    def write(self, rows: NDArray, folder: Path, redshifts: int) -> Path:
        """Some of the galaxies as Parquet, the first so many with their redshift."""
        properties = np.full((len(rows), len(PROPERTIES)), np.nan, dtype=np.float32)
        properties[:redshifts, PROPERTIES.index("redshift")] = self.redshift[rows[:redshifts]]
        errors = REDSHIFT_ERROR * (1 + properties)
        return write_observed(self.flux[rows], self.flux_error[rows], properties, errors, folder)

    def test(self, rows: NDArray, told: str | None) -> tuple:
        """Photometry, redshifts, and the survey to be told, of some of the galaxies."""
        return self.flux[rows].numpy(), self.flux_error[rows].numpy(), self.redshift[rows], told


def fors2(folder: Path) -> RealSurvey:
    """The FORS2 spectra of a folder as J-PAS would see the galaxies."""
    table, refused = fors2_table(sorted(folder.glob("SPEC*.txt")), ERROR_FLOOR)
    columns = [
        [plain(table[name]) if name in table.colnames else np.full(len(table), np.nan) for name in names]
        for names in (BANDS, [f"{band}_err" for band in BANDS])
    ]
    flux, error = (torch.tensor(np.stack(c, axis=1), dtype=torch.float32) for c in columns)
    return RealSurvey(flux, error, plain(table["redshift_spec"]), len(refused))


def folds(n: int, seed: int) -> Iterator[tuple[NDArray, NDArray]]:
    """(rows to adapt to, rows to test) of each fold, in random order."""
    order = np.random.default_rng(seed).permutation(n)
    for fold in range(FOLDS):
        test = order[fold::FOLDS]
        yield np.setdiff1d(order, test, assume_unique=True), test


__all__ = ["ERROR_FLOOR", "FOLDS", "RealSurvey", "folds", "fors2"]
