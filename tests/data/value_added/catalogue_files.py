"""Small catalogues with the columns, units, sentinels and layouts of the real ones."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.units import Unit

from hf_galaxy.variables_galaxy import PROPERTIES

FASTSPEC_LINES = ("HALPHA", "HBETA", "OIII_5007", "NII_6584", "OII_3726", "OII_3729", "SII_6716", "SII_6731")
MPA_LINES = ("H_ALPHA", "H_BETA", "OIII_5007", "NII_6584", "OII_3726", "OII_3729", "SII_6717", "SII_6731")
FLUX = "1e-17 erg / (cm2 s)"
CONTINUUM = "1e-17 erg / (Angstrom cm2 s)"


def value(labels, name, row=0):
    """Value and error of a property of ``Labels`` or a ``LabelTable``."""
    i = PROPERTIES.index(name)
    return labels.properties[row, i], labels.errors[row, i]


def hdu(columns, name):
    """A table extension; a tuple is (values, unit)."""
    table = Table()
    for key, column in columns.items():
        if isinstance(column, tuple):
            table[key] = np.asarray(column[0])
            table[key].unit = Unit(column[1])
        else:
            table[key] = column
    return fits.BinTableHDU(table, name=name)


def write_hdus(path, **extensions):
    """A FITS file of tables by EXTNAME."""
    fits.HDUList([fits.PrimaryHDU(), *(hdu(v, k) for k, v in extensions.items())]).writeto(path, overwrite=True)
    return path


def fastspec_columns(n=4):
    """Columns of METADATA, SPECPHOT and FASTSPEC (v3); every line has EW 5 ± 0.5 Å and flux 20 ± 2 e-17."""
    meta = {
        "TARGETID": 39627000 + np.arange(n, dtype=np.int64),
        "RA": (150.0 + 0.01 * np.arange(n), "deg"),
        "DEC": (np.full(n, 2.0), "deg"),
        "Z": 0.1 + 0.01 * np.arange(n),
        "ZWARN": np.zeros(n, dtype=np.int8),
        "SPECTYPE": np.array(["GALAXY"] * n),
    }
    phot = {
        "TARGETID": meta["TARGETID"],
        "LOGMSTAR": (np.full(n, 10.5), "solMass"),
        "LOGMSTAR_IVAR": (np.full(n, 400.0), "1 / solMass2"),
        "SFR": (np.full(n, 2.0), "solMass / yr"),
        "SFR_IVAR": (np.full(n, 25.0), "yr2 / solMass2"),
        "ZZSUN": np.linspace(-0.5, 0.1, n),
        "ZZSUN_IVAR": np.full(n, 100.0),
        "TAUV": np.full(n, 0.5),
        "TAUV_IVAR": np.full(n, 100.0),
        "AGE": (np.full(n, 5.0), "Gyr"),
        "AGE_IVAR": (np.full(n, 1.0), "1 / Gyr2"),
        "DN4000": np.full(n, 1.4),
        "DN4000_IVAR": np.full(n, 2500.0),
    }
    fast = {"TARGETID": meta["TARGETID"]}
    for line in FASTSPEC_LINES:
        fast[f"{line}_EW"] = (np.full(n, 5.0), "Angstrom")
        fast[f"{line}_EW_IVAR"] = (np.full(n, 4.0), "1 / Angstrom2")
        fast[f"{line}_FLUX"] = (np.full(n, 20.0), FLUX)
        fast[f"{line}_FLUX_IVAR"] = (np.full(n, 0.25), "1e34 cm4 s2 / erg2")
        fast[f"{line}_CONT"] = (np.full(n, 4.0), CONTINUUM)
        fast[f"{line}_FLUX_LIMIT"] = (np.full(n, 1.0), "erg / (cm2 s)")
    return meta, phot, fast


def write_fastspec(path, meta, phot, fast):
    """The v3 layout."""
    return write_hdus(path, METADATA=meta, SPECPHOT=phot, FASTSPEC=fast)


def galspec_columns(n=5):
    """Columns of galSpecInfo, Line, Indx and Extra; every line has EW 4 Å in emission, error 0.1 Å, flux 40 ± 1."""
    info = {
        "SPECOBJID": 299489677444933632 + np.arange(n, dtype=np.int64),
        "PLATEID": np.full(n, 266, dtype=np.int16),
        "MJD": np.full(n, 51602, dtype=np.int32),
        "FIBERID": np.arange(1, n + 1, dtype=np.int16),
        "RA": np.linspace(146.0, 147.0, n),
        "DEC": np.zeros(n),
        "Z": np.full(n, 0.1, dtype=np.float32),
        "Z_ERR": np.full(n, 1e-5, dtype=np.float32),
        "Z_WARNING": np.zeros(n, dtype=np.int16),
        "RELIABLE": np.ones(n, dtype=np.int16),
    }
    line = {"SPECOBJID": info["SPECOBJID"]}
    for name in MPA_LINES:
        line[f"{name}_FLUX"], line[f"{name}_FLUX_ERR"] = np.full(n, 40.0), np.ones(n)
        line[f"{name}_CONT"], line[f"{name}_CONT_ERR"] = np.full(n, 10.0), np.full(n, 0.1)
        line[f"{name}_EQW"], line[f"{name}_EQW_ERR"] = np.full(n, -4.1), np.full(n, 0.1)
    extra = {"SPECOBJID": info["SPECOBJID"]}
    for name, middle in (("LGM_TOT", 10.5), ("SFR_TOT", 0.2)):
        for part, shift in (("P16", -0.08), ("P50", 0.0), ("P84", 0.12)):
            extra[f"{name}_{part}"] = np.full(n, middle + shift)
    indx = {"SPECOBJID": info["SPECOBJID"]}
    indx |= {"D4000_N": np.full(n, 1.30), "D4000_N_ERR": np.full(n, 0.01)}
    indx |= {"D4000_N_SUB": np.full(n, 1.35), "D4000_N_SUB_ERR": np.full(n, 0.01)}
    return info, line, indx, extra


def write_galspec(folder, info, line, indx, extra):
    """The four files of a folder, in no order."""
    folder.mkdir(exist_ok=True)
    for name, columns in (("Extra", extra), ("Info", info), ("Indx", indx), ("Line", line)):
        write_hdus(folder / f"galSpec{name}-dr8.fits", **{f"GALSPEC{name.upper()}": columns})
    return folder
