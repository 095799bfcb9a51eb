"""Rows of ``MultimodalUniverse/sdss`` and ``MultimodalUniverse/desi`` (Hub data sets in Parquet).

A row has ``spectrum``, lists of flux [1e-17 erg/s/cm²/Å], ivar, lambda [Å, vacuum, observed frame], mask and lsf_sigma,
all as long as the longest spectrum of their file; and the redshift with its flag. Conventions that differ:

- SDSS pads wavelengths with -1; ``ZWARNING`` is true where the pipeline warns; ``mask`` is true for *any* bit of
  and_mask, also for mere warnings such as a bright sky, so that ivar alone says here which pixels are void.
- DESI: ``ZWARN`` is true where the pipeline does *not* warn (its builder negates it); ``mask`` counts; fluxes of the
  images are 0 or -99 where there are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .spectrum import NANOMAGGY_NJY, Spectrum

FLUX_UNIT = 1e-17  # erg/s/cm²/Å
SMALLEST_IVAR = 1e-6  # the makers' own limit for a pixel without weight
SPECTRUM_COLUMNS = ("flux", "ivar", "lambda", "mask")


def multimodal_spectrum(row: Mapping[str, Any], name: str) -> Spectrum:
    """The spectrum of one row.

    Args:
        row: Columns by name; ``spectrum`` is a mapping of arrays (n,) or (n, 1).
        name: What to call it in messages.

    Raises:
        ValueError: A column is absent; arrays of different lengths; no good pixel; wavelengths that do not increase.
    """
    desi = "ZWARN" in row
    missing = [c for c in ("object_id", "spectrum", "Z", "ZWARN" if desi else "ZWARNING") if c not in row]
    missing += [f"spectrum.{c}" for c in SPECTRUM_COLUMNS if "spectrum" in row and c not in row["spectrum"]]
    if missing:
        raise ValueError(f"{name}: no column {missing[0]}; a row of MultimodalUniverse/sdss or /desi is needed")
    flux, ivar, wave, mask = (np.asarray(row["spectrum"][c]).reshape(-1) for c in SPECTRUM_COLUMNS)
    if len({len(x) for x in (flux, ivar, wave, mask)}) > 1:
        raise ValueError(f"{name}: flux {flux.size}, ivar {ivar.size}, lambda {wave.size}, mask {mask.size} differ")
    flux, ivar, wave = (x.astype(np.float64) for x in (flux, ivar, wave))
    real = wave > 0  # padded with -1
    good = (ivar > SMALLEST_IVAR) & ~(mask.astype(bool) & desi)
    ivar = np.where(good, ivar, 0.0)
    z = float(row["Z"])
    return Spectrum(
        wave[real],
        flux[real] * FLUX_UNIT,
        ivar[real] / FLUX_UNIT**2,
        z if np.isfinite(z) else None,
        name,
        _facts(row, desi),
        {},
        "desi" if desi else "sdss",
    )


def _facts(row: Mapping[str, Any], desi: bool) -> dict:
    identifier = clean_identifier(row["object_id"])
    facts: dict = {"targetid": identifier} if desi else specobjid_facts(identifier)
    facts["zwarning"] = int(not row["ZWARN"]) if desi else int(bool(row["ZWARNING"]))
    error = float(row.get("ZERR" if desi else "Z_ERR", np.nan))
    facts |= {"z_err": error} if error > 0 else {}
    facts |= {key: float(row[key]) for key in ("ra", "dec") if row.get(key) is not None}
    imaging = {
        b.lower(): float(row.get(f"FLUX_{b}", 0.0)) * NANOMAGGY_NJY for b in "GRZ" if row.get(f"FLUX_{b}", 0) > 0
    }
    if desi and imaging:
        facts |= {"imaging": imaging, "imaging_system": "legacy"}
    # zero stands for no map where there is no image either
    if desi and (row.get("EBV", 0.0) > 0 or imaging):
        facts["ebv"] = float(row.get("EBV", 0.0))
    return facts


def clean_identifier(value: Any) -> int:
    """An object_id as a number: an integer, its digits, or ``b' 461628614023079936'`` as the Hub has it for SDSS.

    Raises:
        ValueError: It has no digits.
    """
    digits = str(value).strip().removeprefix("b").strip("'\" ")
    if not digits.isdigit():
        raise ValueError(f"object_id {value!r} is not a number")
    return int(digits)


def specobjid_facts(specobjid: int) -> dict:
    """plate, mjd and fiberid of an SDSS specObjID (64 bits: plate 14, fiber 12, mjd - 50000 14, run2d 14, 10 spare)."""
    return {
        "specobjid": specobjid,
        "plate": specobjid >> 50,
        "mjd": ((specobjid >> 24) & 0x3FFF) + 50000,
        "fiberid": (specobjid >> 38) & 0xFFF,
    }


__all__ = ["clean_identifier", "multimodal_spectrum", "specobjid_facts"]
