"""DESI coadds, ``coadd-*.fits``, with the redshifts of redrock or of fastspecfit."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits

from .spectrum import NANOMAGGY_NJY, Spectrum

FLUX_UNIT = 1e-17  # erg/s/cm²/Å
ARMS = ("B", "R", "Z")
SAME_WAVELENGTH = 0.01  # Å; the arms share one grid of 0.8 Å
# Tables that say redshifts, in the order of trust: redrock, its predecessor, fastspecfit (version 3, and 2), zcatalog.
REDSHIFT_TABLES = ("REDSHIFTS", "ZBEST", "METADATA", "FASTSPEC", "ZCATALOG")


class Redshift(NamedTuple):
    """What a pipeline says of one target; ``error`` is NaN and ``kind`` empty where the table does not have them."""

    value: float
    error: float
    warning: int
    kind: str


def is_desi(hdus) -> bool:
    """Whether there is a FIBERMAP and an arm."""
    names = {hdu.name for hdu in hdus}
    return "FIBERMAP" in names and any(f"{arm}_FLUX" in names for arm in ARMS)


def read_desi(hdus, path: str, redshift: float | None, index: int | None, redrock: str | None) -> list[Spectrum]:
    """The spectra of an open coadd: all targets, or the one of row ``index``.

    Raises:
        ValueError: ``index`` beyond the rows; redrock file without a target of the coadd.
    """
    targets = np.asarray(hdus["FIBERMAP"].data["TARGETID"])
    if index is not None and not 0 <= index < len(targets):
        raise ValueError(f"{path}: index {index} is outside its {len(targets)} spectra (0 to {len(targets) - 1})")
    source = redshift_file(path) if redrock is None else Path(redrock)
    redshifts = None if source is None else read_redshifts(source)
    rows = range(len(targets)) if index is None else [index]
    return [read_row(hdus, path, row, redshift, redshifts) for row in rows]


def read_row(hdus, path: str, row: int, redshift: float | None, redshifts: dict[int, Redshift] | None) -> Spectrum:
    """The spectrum of one row of an open coadd.

    Raises:
        ValueError: There are redshifts, but none of this target; no good pixel.
    """
    target = int(hdus["FIBERMAP"].data["TARGETID"][row])
    facts: dict = {"targetid": target} | _target_facts(hdus["FIBERMAP"].data, row)
    if redshifts is not None:
        if target not in redshifts:
            raise ValueError(f"{path}: TARGETID {target} of row {row} is not in the redrock file; give the right one")
        found = redshifts[target]
        facts |= {"zwarning": found.warning} | ({"class": found.kind} if found.kind else {})
        facts |= {"z_err": found.error} if found.error > 0 else {}
        redshift = found.value if redshift is None else redshift
    wave, flux, ivar = _combine_arms(hdus, row)
    name = f"{path}[{row}]" if len(hdus["FIBERMAP"].data) > 1 else path
    return Spectrum(wave, flux * FLUX_UNIT, ivar / FLUX_UNIT**2, redshift, name, facts, {}, "desi")


def _target_facts(fibermap, row: int) -> dict:
    """Position, E(B-V), fibre status and the fluxes of the images, as far as the FIBERMAP has them."""
    names = set(fibermap.names)
    columns = {"ra": "TARGET_RA", "dec": "TARGET_DEC", "ebv": "EBV"}
    found: dict = {key: float(fibermap[name][row]) for key, name in columns.items() if name in names}
    found |= {"fiberstatus": int(fibermap["COADD_FIBERSTATUS"][row])} if "COADD_FIBERSTATUS" in names else {}
    found |= {"objtype": str(fibermap["OBJTYPE"][row]).strip()} if "OBJTYPE" in names else {}
    fluxes = {band: float(fibermap[f"FLUX_{band}"][row]) for band in "GRZ" if f"FLUX_{band}" in names}
    # 0 and -99 stand for no image; these fluxes are as observed, those of fastspecfit lack the dust of the Galaxy
    imaging = {band.lower(): flux * NANOMAGGY_NJY for band, flux in fluxes.items() if flux > 0}
    return found | ({"imaging": imaging, "imaging_system": "legacy"} if imaging else {})


def _combine_arms(hdus, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wavelength, flux and ivar (n,); pixels that two arms share are averaged by inverse variance."""
    names = {hdu.name for hdu in hdus}
    waves, fluxes, ivars = [], [], []
    for arm in (a for a in ARMS if f"{a}_FLUX" in names):
        wave = np.asarray(hdus[f"{arm}_WAVELENGTH"].data, dtype=np.float64)
        flux, ivar = (np.asarray(hdus[f"{arm}_{key}"].data[row], dtype=np.float64) for key in ("FLUX", "IVAR"))
        if f"{arm}_MASK" in names:
            ivar = np.where(hdus[f"{arm}_MASK"].data[row] != 0, 0.0, ivar)
        good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
        waves.append(wave)
        fluxes.append(np.where(good, flux, 0.0))
        ivars.append(np.where(good, ivar, 0.0))
    wave, flux, ivar = (np.concatenate(x) for x in (waves, fluxes, ivars))
    order = np.argsort(wave, kind="stable")
    wave, flux, ivar = wave[order], flux[order], ivar[order]
    group = np.cumsum(np.r_[0, np.diff(wave) > SAME_WAVELENGTH])
    weight = np.bincount(group, ivar)
    mean = np.bincount(group, flux * ivar) / np.where(weight > 0, weight, 1.0)
    return np.bincount(group, wave) / np.bincount(group), mean, weight


def redshift_file(path: str) -> Path | None:
    """The file of redshifts beside a coadd: ``redrock-…``, else ``fastspec-…``, or None; gzipped or not."""
    coadd = Path(path)
    stem = coadd.name.removesuffix(".gz").removesuffix(".fits")
    if not stem.startswith("coadd"):
        return None
    names = [
        f"{kind}{stem.removeprefix('coadd')}.fits{zipped}"
        for kind in ("redrock", "zbest", "fastspec")
        for zipped in ("", ".gz")
    ]
    return next((coadd.with_name(name) for name in names if coadd.with_name(name).exists()), None)


def read_redshifts(source: Path) -> dict[int, Redshift]:
    """Redshifts by TARGETID of a redrock, zcatalog or fastspecfit file, whichever layout; tables by their EXTNAME.

    Raises:
        ValueError: Not such a file, or a target in it twice with different redshifts.
    """
    try:
        with fits.open(source) as hdus:
            names = {hdu.name for hdu in hdus}
            chosen = next((n for n in REDSHIFT_TABLES if n in names and {"TARGETID", "Z"} <= _names(hdus[n])), None)
            if chosen is None:
                raise KeyError(
                    f"no table {', '.join(REDSHIFT_TABLES)} with TARGETID and Z among {', '.join(sorted(names))}"
                )
            return _redshifts_of(hdus[chosen].data, source)
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = str(error).strip().strip("'\"").splitlines()[0]
        if isinstance(error, ValueError) and reason.startswith(str(source)):
            raise
        raise ValueError(f"{source}: not a redrock file with an HDU REDSHIFTS ({reason}); download it again") from None


def _names(hdu) -> set[str]:
    return set(getattr(getattr(hdu, "columns", None), "names", None) or ())


def _redshifts_of(table, source: Path) -> dict[int, Redshift]:
    n, names = len(table), set(table.names)
    columns = {
        key: table[key].tolist() if key in names else None for key in ("TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE")
    }
    columns = {
        "ZERR": [float("nan")] * n, "ZWARN": [0] * n, "SPECTYPE": [""] * n
    } | {key: values for key, values in columns.items() if values is not None}  # fmt: skip
    found: dict[int, Redshift] = {}
    for target, z, error, warning, kind in zip(
        *(columns[key] for key in ("TARGETID", "Z", "ZERR", "ZWARN", "SPECTYPE")), strict=True
    ):
        new = Redshift(float(z), float(error), int(warning), str(kind).strip())
        if found.get(target, new).value != new.value:
            raise ValueError(f"{source}: TARGETID {target} has redshifts {found[target].value:g} and {z:g}; keep one")
        found[target] = new
    return found
