"""Writes small files of spectra in the formats of the surveys, for the tests of the readers."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

SDSS_LINES = (
    "H_alpha",
    "H_beta",
    "[O_III] 5007",
    "[N_II] 6583",
    "[O_II] 3725",
    "[O_II] 3727",
    "[S_II] 6716",
    "[S_II] 6730",
)


def write_sdss(path, *, upper=False, spall=False, redshift=0.25, and_mask=None, ivar=None):
    """An SDSS spec of flat flux 2e-17, EW 10 Å (observed frame) in every line; column and HDU names differ by run."""
    wave = np.arange(3.58, 3.96, 1e-4)
    n = wave.size
    columns = {
        "flux": np.full(n, 2.0),
        "loglam": wave,
        "ivar": np.full(n, 4.0) if ivar is None else ivar,
        "and_mask": np.zeros(n, dtype=np.int32) if and_mask is None else and_mask,
    }
    coadd = _table({k.upper() if upper else k: v for k, v in columns.items()}, "COADD")
    facts = {
        "PLATE": [266], "MJD": [51602], "FIBERID": [7], "Z": [redshift], "ZWARNING": [0], "CLASS": ["GALAXY  "],
        "SN_MEDIAN_ALL": [4.0],
    }  # fmt: skip
    specobj = _table(
        {k if upper else k.lower(): np.array(v) for k, v in facts.items()}, "SPALL" if spall else "SPECOBJ"
    )
    lines = _table(
        {
            "LINENAME": np.array([f"{name:<13s}" for name in SDSS_LINES]),
            "LINEEW": np.full(len(SDSS_LINES), 10.0),
            "LINEEW_ERR": np.where(np.array(SDSS_LINES) == "H_beta", -1.0, 1.0),  # Hβ was not measured
        },
        "SPZLINE",
    )
    fits.HDUList([fits.PrimaryHDU(), coadd, specobj, lines]).writeto(path)
    return path


def write_desi(folder, *, n_target=2, redrock=True, arms="BRZ"):
    """A DESI coadd of flat spectra of flux 1, 2, … e-17, whose arms overlap; and the redrock file beside it."""
    targets = np.arange(n_target) + 39627000
    hdus = [fits.PrimaryHDU(), _table({"TARGETID": targets}, "FIBERMAP")]
    for arm, (low, high) in zip("BRZ", ((3600.0, 5800.0), (5760.0, 7620.0), (7520.0, 9824.0)), strict=True):
        if arm in arms:
            wave = np.arange(low, high + 0.01, 0.8)
            flux = np.repeat(np.arange(1.0, n_target + 1)[:, None], wave.size, axis=1) + (1.0 if arm == "R" else 0.0)
            ivar = np.full(flux.shape, 3.0 if arm == "R" else 1.0)
            mask = np.zeros(flux.shape, dtype=np.int32)
            mask[:, 100:110] = 2
            hdus += [fits.ImageHDU(wave, name=f"{arm}_WAVELENGTH")]
            hdus += [
                fits.ImageHDU(x, name=f"{arm}_{key}") for key, x in (("FLUX", flux), ("IVAR", ivar), ("MASK", mask))
            ]
    path = folder / "coadd-main-bright-1.fits"
    fits.HDUList(hdus).writeto(path)
    if redrock:
        columns = {
            "TARGETID": targets[::-1],
            "Z": np.linspace(0.1, 0.2, n_target)[::-1],
            "ZWARN": np.zeros(n_target, int),
        }
        columns["SPECTYPE"] = np.array(["GALAXY"] * n_target)
        fits.HDUList([fits.PrimaryHDU(), _table(columns, "REDSHIFTS")]).writeto(folder / "redrock-main-bright-1.fits")
    return path


def _table(columns: dict, name: str) -> fits.BinTableHDU:
    formats = {"i": "K", "f": "D"}
    made = [
        fits.Column(key, formats.get(np.asarray(v).dtype.kind, f"{max(len(str(x)) for x in v)}A"), array=np.asarray(v))
        for key, v in columns.items()
    ]
    return fits.BinTableHDU.from_columns(made, name=name)
