"""Spectra in text columns: wavelength in Å, flux, and perhaps its error or a mask."""

from __future__ import annotations

import re

import numpy as np

from .spectrum import Spectrum, air_to_vacuum

HEADER_REDSHIFT = re.compile(
    r"^#\s*(?:z|redshift)\s*[:=]\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*$", re.IGNORECASE | re.MULTILINE
)
NOISE_WINDOW = 100  # pixels over which the noise is taken as constant where it has to be estimated


def read_text(path: str, redshift: float | None, air: bool) -> list[Spectrum]:
    """The spectrum of a text file.

    Two columns are wavelength in Å (observed frame) and flux (f_λ in erg/s/cm²/Å, or relative). A third column is the
    error of the flux, or, if it holds 0 and 1 alone, a mask (1 is bad). Without errors they are estimated from the
    local scatter (:func:`local_noise`), and ``facts["errors"]`` says ``"estimated"``. A redshift may stand in the
    header as ``# z: 0.31``. Runs of exact zeros at the ends are no data.

    Raises:
        ValueError: Not a table of numbers, one column only, and whatever :class:`Spectrum` raises.
    """
    content = _read_content(path)
    columns = _parse_columns(path, content)
    wave, flux = columns[:, 0], columns[:, 1]
    third = columns[:, 2] if columns.shape[1] > 2 else None
    wave = air_to_vacuum(wave) if air else wave
    masked = ~np.isfinite(flux) | _zero_ends(flux)
    estimated = third is None or bool(np.isin(third, (0.0, 1.0)).all())
    if estimated:
        masked = masked if third is None else masked | (third == 1)
        error = local_noise(flux, masked)
    else:
        error = third
        masked = masked | ~np.isfinite(error) | (error <= 0)
    ivar = np.where(masked, 0.0, 1.0 / np.where(masked, 1.0, error) ** 2)
    facts = {"errors": "estimated" if estimated else "file"}
    if redshift is None and (match := HEADER_REDSHIFT.search(content)) and float(match[1]) >= 0:  # -1 is unknown
        redshift = float(match[1])
    return [Spectrum(wave, flux, ivar, redshift, path, facts, {}, "text")]


def local_noise(flux: np.ndarray, masked: np.ndarray) -> np.ndarray:
    """Noise σ (n,) of each pixel from the scatter of second differences at a distance of two pixels.

    Robust (median absolute value) and blind to a smooth continuum; lines narrower than some pixels count little, noise
    correlated over more than two pixels is underestimated. Source: DER_SNR, Stoehr et al. (2008, ASPC 394, 505).
    """
    good = np.nonzero(~masked)[0]
    if good.size < 5:
        return np.full(flux.shape, np.abs(flux[good]).max(initial=0.0) or 1.0)
    f = flux[good]
    difference = np.abs(2 * f[2:-2] - f[:-4] - f[4:])
    n_block = max(difference.size // NOISE_WINDOW, 1)
    blocks = np.array_split(difference, n_block)
    sigma = np.array([1.482602 / np.sqrt(6.0) * np.median(block) for block in blocks])
    centre = good[np.array([np.median(part) for part in np.array_split(np.arange(2, f.size - 2), n_block)]).astype(int)]
    smallest = 1e-4 * np.median(np.abs(f)) or 1e-300  # a noiseless model spectrum still has a finite weight
    return np.interp(np.arange(flux.size), centre, np.maximum(sigma, smallest))


def _zero_ends(flux: np.ndarray) -> np.ndarray:
    """(n,) true in the runs of exact zeros at both ends."""
    nonzero = np.nonzero(flux != 0)[0]
    ends = np.ones(flux.shape, dtype=bool)
    if nonzero.size:
        ends[nonzero[0] : nonzero[-1] + 1] = False
    return ends


def _read_content(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: neither FITS nor text; SDSS spec, DESI coadd or columns of text are read") from None


def _parse_columns(path: str, content: str) -> np.ndarray:
    """(n, 2 or more) numbers; commas or blanks between them, and one line of column names at most."""
    lines = [line.split("#")[0].replace(",", " ").split() for line in content.splitlines()]
    rows = [(number, cells) for number, cells in enumerate(lines, start=1) if cells]
    if rows and not _is_number(rows[0][1][0]):
        rows = rows[1:]
    if not rows:
        raise ValueError(f"{path}: not a spectrum: it has no row of numbers (wavelength [Å], flux, and perhaps error)")
    n_column = len(rows[0][1])
    for number, cells in rows:
        if len(cells) != n_column or not all(map(_is_number, cells)):
            raise ValueError(
                f"{path}: line {number}: {' '.join(cells)[:40]!r} is not {n_column} numbers; not a spectrum"
            )
    if n_column < 2:
        raise ValueError(f"{path}: one column; wavelength [Å] and flux are needed")
    return np.array([[float(cell) for cell in cells] for _, cells in rows])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
