"""Opens a file of spectra and finds out what it is."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from .desi import is_desi, read_desi
from .sdss import is_sdss, read_sdss
from .spectrum import Spectrum
from .text import read_text

FITS_MAGIC = (b"SIMPLE", b"\x1f\x8b")  # plain, and gzip


def read_spectrum(
    path: str | Path,
    redshift: float | None = None,
    index: int | None = None,
    *,
    air: bool = False,
    redrock: str | Path | None = None,
) -> list[Spectrum]:
    """Read the spectra of a file: SDSS ``spec-*.fits``, DESI ``coadd-*.fits``, or columns of text.

    Args:
        path: The file.
        redshift: Redshift of the object, in place of the one of the file.
        index: Row of a DESI coadd; all rows if not given.
        air: Text only: the wavelengths are in standard air and are converted to vacuum.
        redrock: DESI only: the file of redshifts; ``redrock-…`` beside ``coadd-…`` if not given.

    Returns:
        The spectra, in erg/s/cm²/Å over vacuum wavelengths in Å of the observed frame.

    Raises:
        ValueError: Missing, truncated or unknown file; no good pixel; wavelengths that do not increase. One line.
    """
    path = str(path)
    if not Path(path).is_file():
        raise ValueError(f"{path}: {'is a folder; name its files' if Path(path).is_dir() else 'no such file'}")
    if redshift is not None and not -0.01 < redshift < float("inf"):  # nearby galaxies may approach
        raise ValueError(f"{path}: redshift {redshift} is not a number above -0.01")
    with open(path, "rb") as file:
        is_fits = file.read(6).startswith(FITS_MAGIC)
    if not is_fits:
        return read_text(path, redshift, air)
    with refusing_cut_files():
        return _read_fits(path, redshift, index, redrock)


@contextmanager
def refusing_cut_files() -> Iterator[None]:
    """Astropy's warning of a file that is cut becomes an error, its other warnings are ignored.

    A file that is cut still has a spectrum, and would lose its redshift, its widths or its red half in silence.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyUserWarning)
        warnings.filterwarnings("error", "File may have been truncated|Error validating header", AstropyUserWarning)
        yield


def _read_fits(path: str, redshift: float | None, index: int | None, redrock: str | Path | None) -> list[Spectrum]:
    # Spectrum and the readers raise ValueErrors that name the file; everything else comes from damaged content.
    try:
        with fits.open(path, memmap=False) as hdus:
            if is_sdss(hdus):
                return read_sdss(hdus, path, redshift)
            if is_desi(hdus):
                return read_desi(hdus, path, redshift, index, None if redrock is None else str(redrock))
            kinds = ", ".join(hdu.name or type(hdu).__name__ for hdu in hdus)
    except (OSError, TypeError, KeyError, IndexError, EOFError, ValueError, AstropyUserWarning) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if isinstance(error, ValueError) and reason.startswith((path, str(redrock))):
            raise
        raise ValueError(f"{path}: damaged or truncated FITS file ({reason}); download it again") from None
    raise ValueError(f"{path}: not an SDSS spec nor a DESI coadd (its HDUs: {kinds}); convert it to columns of text")
