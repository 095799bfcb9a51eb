"""Photometry of FORS2 spectra as J-PAS would see the galaxies: relative fluxes, scaled to one magnitude."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import QTable

from hf_galaxy.data.spectra_table import photometry_table
from hf_galaxy.physics.filters import FilterSet

FORS2_SCALE = ("rSDSS", 20.5)
FORS2_REDSHIFTS = (0.05, 0.5)


def fors2_table(files: Iterable[Path], error_floor: float) -> tuple[QTable, dict[str, str]]:
    """Photometry of the spectra with a redshift in range, and the reasons why others were refused."""
    filters, kept, refused = FilterSet.embedded(), [], {}
    for file in files:
        redshift = fors2_redshift(file)
        if not FORS2_REDSHIFTS[0] < redshift < FORS2_REDSHIFTS[1]:
            continue
        try:
            photometry_table(file, filters, redshift, error_floor, FORS2_SCALE)
        except ValueError as error:
            refused[file.stem] = str(error).removeprefix(f"{file}: ").split(";")[0]
        else:
            kept.append((file, redshift))
    tables = [photometry_table(file, filters, z, error_floor, FORS2_SCALE) for file, z in kept]
    return stack(tables), refused


def fors2_redshift(file: Path) -> float:
    """The redshift of the header, ``# z: 0.4463``; NaN without one."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("# z:"):
                return float(line.split(":")[1].split()[0])
            if not line.startswith("#"):
                break
    return float("nan")


def stack(tables: list[QTable]) -> QTable:
    """One table of all galaxies; a band that a spectrum does not cover is NaN."""
    names = list(dict.fromkeys(name for table in tables for name in table.colnames))
    stacked = QTable()
    for name in names:
        first = next(table[name] for table in tables if name in table.colnames)
        values = [plain(table[name])[0] if name in table.colnames else np.nan for table in tables]
        unit = getattr(first, "unit", None)
        stacked[name] = np.asarray(values, dtype=float) * unit if unit is not None else values
    return stacked


def plain(column: Any) -> np.ndarray:
    """Numbers of a column without unit and mask; masked is NaN. Text stays text."""
    mask = np.broadcast_to(np.asarray(getattr(column, "mask", False)), np.shape(column))
    values = np.asarray(getattr(getattr(column, "unmasked", column), "value", getattr(column, "unmasked", column)))
    return values if values.dtype.kind not in "fiu" else np.where(mask, np.nan, values.astype(float))
