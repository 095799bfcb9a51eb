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


def write_sdss(path, *, upper=False, spall=False, redshift=0.25, and_mask=None, ivar=None, number=(266, 51602, 7)):
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
        "PLATE": [number[0]], "MJD": [number[1]], "FIBERID": [number[2]], "Z": [redshift], "ZWARNING": [0],
        "CLASS": ["GALAXY  "], "SN_MEDIAN_ALL": [4.0], "Z_ERR": [1e-5], "PLUG_RA": [146.7], "PLUG_DEC": [-1.0],
    }  # fmt: skip
    specobj = _table(
        {k if upper else k.lower(): np.array(v) for k, v in facts.items()}, "SPALL" if spall else "SPECOBJ"
    )
    lines = _table(
        {
            "LINENAME": np.array([f"{name:<13s}" for name in SDSS_LINES]),
            "LINEAREA": np.full(len(SDSS_LINES), 30.0),
            "LINEAREA_ERR": np.where(np.array(SDSS_LINES) == "H_beta", -1.0, 3.0),
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


def multimodal_row(kind: str, n: int = 50, padding: int = 0, identifier=None) -> dict:
    """A row of MultimodalUniverse/sdss or /desi: flat flux 2e-17, signal-to-noise ratio 4."""
    wave = np.linspace(3800.0, 9200.0, n).astype(np.float32)
    pad = (0, padding)
    spectrum = {
        "flux": np.pad(np.full(n, 2.0, dtype=np.float32), pad, mode="edge"),
        "ivar": np.pad(np.full(n, 4.0, dtype=np.float32), pad),
        "lsf_sigma": np.full(n + padding, 1.0, dtype=np.float32),
        "lambda": np.pad(wave, pad, constant_values=-1.0),
        "mask": np.pad(np.zeros(n, dtype=bool), pad, constant_values=True),
    }
    row = {"spectrum": spectrum, "Z": 0.1, "ra": 150.0, "dec": 2.0}
    if kind == "sdss":
        fluxes = {f"SPECTROFLUX_{band}": 10.0 for band in "UGRIZ"}
        identifier = 461628614023079936 if identifier is None else identifier
        return row | fluxes | {"object_id": f"b' {identifier}'", "Z_ERR": 1e-5, "VDISP": 100.0, "ZWARNING": False}
    fluxes = {"FLUX_G": 10.0, "FLUX_R": 20.0, "FLUX_Z": -99.0, "FIBERFLUX_R": 12.0}
    return row | fluxes | {"object_id": str(identifier or 39627000), "ZERR": 1e-5, "EBV": 0.03, "ZWARN": True}


def sparcl_record(release: str, identifier: str = "uuid-1", specid: int = 461628614023079936, n: int = 50) -> dict:
    """A record of SPARCL: flat flux 2e-17; pixel 1 has mask bit 0, pixel 2 bit 24."""
    mask = np.zeros(n, dtype=np.int64)
    mask[1:3] = 1, 1 << 24
    return {
        "sparcl_id": identifier, "specid": specid, "ra": 150.0, "dec": 2.0, "redshift": 0.1, "redshift_err": 1e-5,
        "redshift_warning": 0, "spectype": "GALAXY", "data_release": release,
        "wavelength": np.linspace(3800.0, 9200.0, n), "flux": np.full(n, 2.0), "ivar": np.full(n, 4.0), "mask": mask,
    }  # fmt: skip


def _table(columns: dict, name: str) -> fits.BinTableHDU:
    formats = {"i": "K", "f": "D"}
    made = [
        fits.Column(key, formats.get(np.asarray(v).dtype.kind, f"{max(len(str(x)) for x in v)}A"), array=np.asarray(v))
        for key, v in columns.items()
    ]
    return fits.BinTableHDU.from_columns(made, name=name)
