"""Records of the SPARCL archive (NOIRLab): spectra of SDSS, BOSS and DESI with common names of their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .multimodal import specobjid_facts
from .sdss import BAD_BITS
from .spectrum import Spectrum

FLUX_UNIT = 1e-17  # erg/s/cm²/Å
FIELDS = (
    "sparcl_id", "specid", "ra", "dec", "redshift", "redshift_err", "redshift_warning", "spectype", "data_release",
    "wavelength", "flux", "ivar", "mask",
)  # fmt: skip


def sparcl_spectrum(record: Mapping[str, Any]) -> Spectrum:
    """The spectrum of a record with ``FIELDS``; ``mask`` may be absent. Wavelengths are vacuum.

    Raises:
        ValueError: A field is absent, or whatever ``Spectrum`` raises.
    """
    name = f"SPARCL {record.get('sparcl_id', record.get('specid', '?'))}"
    missing = [
        f for f in FIELDS if record.get(f) is None and f not in ("mask", "sparcl_id", "redshift_err", "spectype")
    ]
    if missing:
        raise ValueError(f"{name}: no field {missing[0]}; ask for {', '.join(FIELDS)}")
    wave, flux, ivar = (np.asarray(record[f], dtype=np.float64) for f in ("wavelength", "flux", "ivar"))
    desi = str(record["data_release"]).upper().startswith("DESI")
    mask = np.asarray(record["mask"]).astype(np.int64) if record.get("mask") is not None else np.zeros(flux.shape, int)
    if mask.shape != ivar.shape:
        raise ValueError(f"{name}: mask {mask.shape} and ivar {ivar.shape} differ")
    # every bit of DESI voids a pixel; of SDSS (and_mask) most are warnings
    ivar = np.where((mask != 0) if desi else (mask & BAD_BITS) != 0, 0.0, ivar)
    specid = int(record["specid"])
    # BOSS has specids above 2^63, which the archive holds as negative numbers
    facts: dict = {"targetid": specid} if desi else specobjid_facts(specid % 2**64)
    facts |= {"ra": float(record["ra"]), "dec": float(record["dec"]), "zwarning": int(record["redshift_warning"])}
    facts |= {"class": str(record["spectype"]).strip()} if record.get("spectype") else {}
    error = float(record.get("redshift_err") or np.nan)
    facts |= {"z_err": error} if error > 0 else {}
    z = float(record["redshift"])
    return Spectrum(
        wave,
        flux * FLUX_UNIT,
        ivar / FLUX_UNIT**2,
        z if np.isfinite(z) else None,
        name,
        facts,
        {},
        "desi" if desi else "sdss",
    )


__all__ = ["FIELDS", "sparcl_spectrum"]
