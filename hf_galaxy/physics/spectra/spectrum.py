"""One spectrum of one object, whatever the file it came from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# No galaxy is brighter than this (Vega has 3.6e-9 erg/s/cm²/Å at 5500 Å): such numbers are not erg/s/cm²/Å.
BRIGHTEST = 1e-8
NANOMAGGY_NJY = 10 ** (0.4 * (31.4 - 22.5))  # of SDSS and the Legacy Surveys: AB magnitude 22.5 is one


@dataclass(frozen=True, eq=False)
class Spectrum:
    """A spectrum in the observed frame.

    Args:
        wavelength: (n,) increasing vacuum wavelengths in Å.
        flux: (n,) f_λ in erg/s/cm²/Å; in the file's unit where that is relative.
        ivar: (n,) inverse variance of the flux; zero where the pixel is masked. Pixels that are not finite get zero.
        redshift: Redshift, None if unknown.
        name: Identifier for people and tables.
        facts: Whatever else the file says: plate, mjd, fiberid, targetid, zwarning, class, z_err, ra, dec, ebv, …;
            ``imaging`` is the flux of the whole object in nJy by band (g, r, i, z), in the bands of ``imaging_system``.
        widths: Rest-frame equivalent widths of lines in Å, emission positive, (value, error) by line name.
        source: ``"sdss"``, ``"desi"`` or ``"text"``.
        line_fluxes: Fluxes of lines in erg/s/cm² through the fibre, as observed, (value, error) by line name.

    Raises:
        ValueError: Unequal shapes, wavelengths that do not increase or are not finite, no good pixel.
    """

    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    redshift: float | None = None
    name: str = ""
    facts: dict = field(default_factory=dict)
    widths: dict[str, tuple[float, float]] = field(default_factory=dict)
    source: str = "text"
    line_fluxes: dict[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wave, flux, ivar = (np.array(x, dtype=np.float64) for x in (self.wavelength, self.flux, self.ivar))
        label = self.name or "spectrum"
        if wave.ndim != 1 or not wave.shape == flux.shape == ivar.shape or wave.size < 2:
            raise ValueError(
                f"{label}: wavelength {wave.shape}, flux {flux.shape}, ivar {ivar.shape} must be equal, (n >= 2,)"
            )
        if not np.isfinite(wave).all() or wave[0] <= 0 or (np.diff(wave) <= 0).any():
            bad = ~np.isfinite(wave) | np.r_[wave[0] <= 0, np.diff(wave) <= 0]
            raise ValueError(
                f"{label}: wavelengths must be positive and increase, but see pixel {int(bad.argmax())}; sort the rows"
            )
        ivar = np.where(np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0), ivar, 0.0)
        if not (ivar > 0).any():
            raise ValueError(
                f"{label}: no good pixel among {wave.size} (all masked, not finite or of zero inverse variance)"
            )
        flux = np.where(np.isfinite(flux), flux, 0.0)
        for key, value in (("wavelength", wave), ("flux", flux), ("ivar", ivar)):
            value.flags.writeable = False
            object.__setattr__(self, key, value)

    @property
    def good(self) -> np.ndarray:
        """(n,) bool, pixels that count."""
        return self.ivar > 0

    @property
    def signal_to_noise(self) -> float:
        """Median flux over error of the good pixels, per pixel."""
        return float(np.median((self.flux * np.sqrt(self.ivar))[self.good]))

    @property
    def relative(self) -> bool:
        """Whether the flux cannot be in erg/s/cm²/Å."""
        return float(np.median(np.abs(self.flux[self.good]))) > BRIGHTEST


def air_to_vacuum(wavelength: np.ndarray) -> np.ndarray:
    """Vacuum wavelengths in Å of standard-air wavelengths in Å above 2000 Å; shorter ones are vacuum already.

    Source: N. Piskunov's inverse of Donald Morton (2000, ApJS 130, 403), as VALD uses it.
    """
    wavelength = np.asarray(wavelength, dtype=np.float64)
    s = (1e4 / np.maximum(wavelength, 2000.0)) ** 2
    n = 1 + 8.336624212083e-5 + 2.408926869968e-2 / (130.1065924522 - s) + 1.599740894897e-4 / (38.92568793293 - s)
    return np.where(wavelength >= 2000.0, wavelength * n, wavelength)
