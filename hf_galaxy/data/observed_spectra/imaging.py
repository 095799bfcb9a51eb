"""A table of what images measured of the galaxies whose spectra are used."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from hf_galaxy.data.flux_units import flux_scale
from hf_galaxy.data.observed_spectra.selection import MOST_REDDENED, Imaging
from hf_galaxy.data.table_io import as_table
from hf_galaxy.data.value_added.draft import SENTINELS
from hf_galaxy.physics.fibre_loss import SYSTEMS, imaging_bands

ID_NAMES = ("id", "targetid", "plate-mjd-fiber", "object_id", "specobjid")
EBV_NAMES = ("ebv", "e(b-v)", "e_bv")
SDSS_ID = re.compile(r"0*(\d+)-0*(\d+)-0*(\d+)")


def read_imaging(source: Any, system: str = "sdss", unit: str | None = None) -> dict[str, Imaging]:
    """Total fluxes by id.

    Args:
        source: A path, or what ``data.table_io.as_table`` takes, with a column of ids (``id``, ``targetid``, …), one or
            more of ``g``, ``r``, ``i``, ``z`` and perhaps ``ebv`` (of the SFD map); case does not matter.
        system: Whose bands they are, of ``fibre_loss.SYSTEMS``.
        unit: Of the columns that have none themselves: ``mag``, ``nmgy``, ``uJy``, ….

    Raises:
        ValueError: No ids, no bands, a column without a unit or with one that is no flux, an id that stands twice.
    """
    if system not in SYSTEMS:
        raise ValueError(f"bands of {system!r} are not known; there are those of {', '.join(SYSTEMS)}")
    table, names, where = as_table(source)
    spelled = {name.lower(): name for name in names}
    key = next((spelled[name] for name in ID_NAMES if name in spelled), None)
    bands = [band for band in SYSTEMS[system] if band in spelled]
    if key is None or not bands:
        raise ValueError(
            f"{where}: needs a column {' or '.join(ID_NAMES)}, and g, r, i or z; it has {', '.join(names)}"
        )
    ids = [normal_id(value) for value in table[key].tolist()]
    if len(set(ids)) < len(ids):
        twice = next(i for n, i in enumerate(ids) if i in ids[:n])
        raise ValueError(f"{where}: {key} {twice} stands twice; keep the row that is right")
    curves = imaging_bands(system)
    fluxes = {band: _flux(table[spelled[band]], spelled[band], curves[band].pivot, unit, where) for band in bands}
    reddening = next((_numbers(table[spelled[name]]) for name in EBV_NAMES if name in spelled), None)
    found = {}
    for i, name in enumerate(ids):
        flux = {band: float(values[i]) for band, values in fluxes.items() if values[i] > 0}
        ebv = None if reddening is None or not 0 <= reddening[i] < MOST_REDDENED else float(reddening[i])
        found[name] = Imaging(flux, system, ebv)
    return found


def normal_id(value: Any) -> str:
    """An id as spectra have it: ``0266-51602-0001`` is ``266-51602-1``."""
    text = (value.decode() if isinstance(value, bytes) else str(value)).strip()
    match = SDSS_ID.fullmatch(text)
    return "-".join(match.groups()) if match else text


def _numbers(column: Any) -> np.ndarray:
    values = np.ma.filled(np.ma.asanyarray(getattr(column, "value", column)).astype(np.float64), np.nan)
    return np.where(np.isin(values, SENTINELS), np.nan, values)


def _flux(column: Any, name: str, pivot: float, unit: str | None, where: str) -> np.ndarray:
    """(n,) nJy; NaN for blanks and sentinels."""
    known = getattr(column, "unit", None) or unit
    if known is None:
        raise ValueError(f"{where}: column {name} has no unit; say it in the file or give one (mag, nmgy, uJy)")
    try:
        scale = flux_scale(known, pivot)
    except ValueError as error:
        raise ValueError(f"{where}: column {name}: {error}") from None
    return scale.flux(_numbers(column))


__all__ = ["normal_id", "read_imaging"]
