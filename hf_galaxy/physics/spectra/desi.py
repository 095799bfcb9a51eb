"""DESI coadds, ``coadd-*.fits``, with the redshifts of the ``redrock-*.fits`` beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from .spectrum import Spectrum

FLUX_UNIT = 1e-17  # erg/s/cm²/Å
ARMS = ("B", "R", "Z")
SAME_WAVELENGTH = 0.01  # Å; the arms share one grid of 0.8 Å


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
    redshifts = _read_redrock(path, redrock)
    rows = range(len(targets)) if index is None else [index]
    return [_read_row(hdus, path, row, int(targets[row]), redshift, redshifts) for row in rows]


def _read_row(hdus, path: str, row: int, target: int, redshift: float | None, redshifts: dict | None) -> Spectrum:
    facts: dict = {"targetid": target}
    if redshifts is not None:
        if target not in redshifts:
            raise ValueError(f"{path}: TARGETID {target} of row {row} is not in the redrock file; give the right one")
        pipeline, zwarn, spectype = redshifts[target]
        facts |= {"zwarning": zwarn, "class": spectype}
        redshift = pipeline if redshift is None else redshift
    wave, flux, ivar = _combine_arms(hdus, row)
    name = f"{path}[{row}]" if len(hdus["FIBERMAP"].data) > 1 else path
    return Spectrum(wave, flux * FLUX_UNIT, ivar / FLUX_UNIT**2, redshift, name, facts, {}, "desi")


def _combine_arms(hdus, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wavelength, flux and ivar (n,); pixels that two arms share are averaged by inverse variance."""
    names = {hdu.name for hdu in hdus}
    waves, fluxes, ivars = [], [], []
    for arm in (a for a in ARMS if f"{a}_FLUX" in names):
        wave, flux, ivar = (
            np.asarray(hdus[f"{arm}_{key}"].data, dtype=np.float64) for key in ("WAVELENGTH", "FLUX", "IVAR")
        )
        flux, ivar = flux[row], ivar[row]
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


def _read_redrock(path: str, redrock: str | None) -> dict[int, tuple[float, int, str]] | None:
    """(Z, ZWARN, SPECTYPE) by TARGETID; None if there is no redrock file beside the coadd and none was given."""
    beside = Path(path).with_name(Path(path).name.replace("coadd", "redrock", 1))
    if redrock is None and (beside == Path(path) or not beside.exists()):
        return None
    source = Path(redrock) if redrock is not None else beside
    try:
        with fits.open(source) as hdus:
            table = hdus["REDSHIFTS"].data
            columns = (table[key].tolist() for key in ("TARGETID", "Z", "ZWARN", "SPECTYPE"))
            return {t: (float(z), int(warn), str(kind).strip()) for t, z, warn, kind in zip(*columns, strict=True)}
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{source}: not a redrock file with an HDU REDSHIFTS ({reason}); download it again") from None
