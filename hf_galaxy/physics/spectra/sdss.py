"""SDSS and BOSS single spectra, ``spec-PLATE-MJD-FIBER.fits`` (full or lite)."""

from __future__ import annotations

import numpy as np

from .spectrum import NANOMAGGY_NJY, Spectrum

FLUX_UNIT = 1e-17  # erg/s/cm²/Å
# Bits of and_mask (SPPIXMASK) that void a pixel whatever its ivar: FULLREJECT, NOSKY, NODATA. The others are warnings
# (BRIGHTSKY, NEARBADPIXEL, MANYBADCOLUMNS, …) whose effect is in ivar already.
BAD_BITS = (1 << 18) | (1 << 22) | (1 << 24)
# Our lines, from the names of the SPZLINE table; doublets are sums.
LINES = {
    "halpha": ("H_alpha",),
    "hbeta": ("H_beta",),
    "oiii_5007": ("[O_III] 5007",),
    "nii_6584": ("[N_II] 6583",),
    "oii_3727": ("[O_II] 3725", "[O_II] 3727"),
    "sii_6717_6731": ("[S_II] 6716", "[S_II] 6730"),
}
FACTS = ("plate", "mjd", "fiberid", "zwarning", "class", "subclass", "plug_ra", "plug_dec", "sn_median_all", "z_err")
IMAGING = ("g", "r", "i", "z")


def is_sdss(hdus) -> bool:
    """Whether the second HDU is a table of flux and loglam."""
    return len(hdus) > 1 and {"flux", "loglam", "ivar"} <= _names(hdus[1])


def read_sdss(hdus, path: str, redshift: float | None) -> list[Spectrum]:
    """The spectrum of an open file; the redshift is that of the pipeline unless given.

    Wavelengths are vacuum. The equivalent widths of the pipeline's SPZLINE table are in the observed frame; they are
    divided by 1 + z here.
    """
    table = hdus[1].data
    wave = 10.0 ** np.asarray(_column(table, "loglam"), dtype=np.float64)
    flux = np.asarray(_column(table, "flux"), dtype=np.float64) * FLUX_UNIT
    ivar = np.asarray(_column(table, "ivar"), dtype=np.float64) / FLUX_UNIT**2
    if "and_mask" in _names(hdus[1]):
        ivar = np.where(np.asarray(_column(table, "and_mask")) & BAD_BITS, 0.0, ivar)
    facts = _facts(hdus)
    pipeline_redshift = facts.pop("z", None)
    redshift = pipeline_redshift if redshift is None else redshift
    widths = {} if redshift is None else _lines(hdus, "lineew", 1.0 / (1 + redshift))
    fluxes = _lines(hdus, "linearea", FLUX_UNIT)
    return [Spectrum(wave, flux, ivar, redshift, path, facts, widths, "sdss", fluxes)]


def _names(hdu) -> set[str]:
    return {name.lower() for name in hdu.columns.names} if getattr(hdu, "columns", None) is not None else set()


def _column(table, name: str) -> np.ndarray:
    names = {column.lower(): column for column in table.columns.names}
    return table[names[name]]


def _facts(hdus) -> dict:
    """What the one-row table of the object says (SPECOBJ or SPALL), by lower-case name, and ``z``."""
    for hdu in hdus[2:]:
        if {"z", "zwarning"} <= _names(hdu) and len(hdu.data) == 1:
            facts = {k: _column(hdu.data, k)[0] for k in ("z", *FACTS) if k in _names(hdu)}
            facts = {k: v.strip() if isinstance(v, str) else v.item() for k, v in facts.items()}
            return facts | _whole_galaxy(hdu)
    return {}


def _whole_galaxy(hdu) -> dict:
    """Position, and the CMODEL fluxes of the images, which the files of BOSS carry."""
    names = _names(hdu)
    found: dict = {k: float(_column(hdu.data, f"plug_{k}")[0]) for k in ("ra", "dec") if f"plug_{k}" in names}
    if "cmodelflux" in names:
        ugriz = np.asarray(_column(hdu.data, "cmodelflux")[0], dtype=np.float64)
        imaging = {band: float(x * NANOMAGGY_NJY) for band, x in zip(IMAGING, ugriz[1:], strict=True) if x > 0}
        found |= {"imaging": imaging, "imaging_system": "sdss"} if imaging else {}
    return found


def _lines(hdus, quantity: str, factor: float) -> dict[str, tuple[float, float]]:
    """A quantity of the SPZLINE table by our line names, times a factor; lines without a valid fit are left out."""
    wanted = {"linename", quantity, f"{quantity}_err"}
    table = next((hdu.data for hdu in hdus[2:] if wanted <= _names(hdu)), None)
    if table is None:
        return {}
    names = [str(name).strip() for name in _column(table, "linename")]
    value, error = (np.asarray(_column(table, key), dtype=np.float64) for key in (quantity, f"{quantity}_err"))
    found = {}
    for line, parts in LINES.items():
        rows = [names.index(part) for part in parts if part in names]
        if len(rows) == len(parts) and (error[rows] > 0).all() and np.isfinite(value[rows]).all():
            found[line] = (value[rows].sum() * factor, np.sqrt((error[rows] ** 2).sum()) * factor)
    return {line: (float(x), float(sigma)) for line, (x, sigma) in found.items()}
