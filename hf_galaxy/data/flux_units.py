"""Units of flux columns: whatever a survey publishes, as AB flux densities in nJy.

Magnitudes without a system are AB magnitudes. One maggy is the flux density of AB magnitude zero. Flux densities per
unit wavelength become flux densities per unit frequency at the pivot wavelength of the band, where the two averages
over a photon-counting band agree exactly (Koornneef et al. 1986; Bessell & Murphy 2012, PASP 124, 140, eq. A11).
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np

NJY_AT_MAGNITUDE_ZERO = 10 ** (31.4 / 2.5)
RELATIVE_ERROR_PER_MAG = 0.4 * np.log(10)

_SPELLINGS = {
    "ab": "mag(AB)",
    "abmag": "mag(AB)",
    "ab mag": "mag(AB)",
    "mag ab": "mag(AB)",
    "mag_ab": "mag(AB)",
    "maggies": "mgy",
    "nanomaggies": "nmgy",
    "nanojy": "nJy",
    "microjy": "uJy",
    "millijy": "mJy",
}
_KNOWN = "nJy, uJy, Jy, nmgy, mag (AB), erg/s/cm2/Hz, erg/s/cm2/AA"


@dataclass(frozen=True)
class FluxScale:
    """How the numbers of one column become nJy.

    Attributes:
        factor: nJy of one unit, or of magnitude zero.
        magnitudes: Whether the numbers are magnitudes.
    """

    factor: float
    magnitudes: bool = False

    def flux(self, values: np.ndarray) -> np.ndarray:
        """Flux densities in nJy of numbers in the unit of the column."""
        return self.factor * (10 ** (-0.4 * values) if self.magnitudes else values)

    def error(self, flux: np.ndarray, errors: np.ndarray) -> np.ndarray:
        """Standard deviations in nJy, to first order; ``flux`` in nJy, ``errors`` in the unit of the column."""
        return flux * RELATIVE_ERROR_PER_MAG * errors if self.magnitudes else self.factor * errors


def parse_unit(unit: str | u.UnitBase) -> u.UnitBase:
    """The astropy unit of a text, spellings of the surveys included.

    Raises:
        ValueError: The text is no unit.
    """
    if isinstance(unit, (u.UnitBase, u.FunctionUnitBase)) and not isinstance(unit, u.UnrecognizedUnit):
        return unit
    text = str(unit).strip()
    spelled = _SPELLINGS.get(text.lower(), re.sub(r"\bAng\b", "Angstrom", text))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)  # "erg/s/cm2/Hz" is discouraged by standards, and everywhere
        try:
            return u.Unit(spelled)
        except (ValueError, TypeError):
            raise ValueError(f"{text!r} is no unit that astropy knows; fluxes can be in {_KNOWN}") from None


def flux_scale(unit: str | u.UnitBase, pivot: float) -> FluxScale:
    """The scale of a column of fluxes in a band of pivot wavelength ``pivot`` in Å.

    Raises:
        ValueError: The unit is not one of a flux density or a magnitude.
    """
    unit = parse_unit(unit)
    if unit == u.mag:
        return FluxScale(NJY_AT_MAGNITUDE_ZERO, magnitudes=True)
    if isinstance(unit, u.MagUnit):
        return FluxScale(_in_njy(unit.physical_unit, pivot), magnitudes=True)
    return FluxScale(_in_njy(unit, pivot))


def _in_njy(unit: u.UnitBase, pivot: float) -> float:
    linear = isinstance(unit, u.UnitBase)
    if linear and unit.is_equivalent(u.mgy):
        return unit.to(u.mgy) * NJY_AT_MAGNITUDE_ZERO
    if linear and (unit.is_equivalent(u.nJy) or unit.is_equivalent(u.erg / u.s / u.cm**2 / u.AA)):
        return unit.to(u.nJy, equivalencies=u.spectral_density(pivot * u.AA))
    kind = getattr(unit, "physical_type", "unknown")
    raise ValueError(f"unit {unit.to_string()!r} ({kind}) is not one of a flux density; fluxes can be in {_KNOWN}")
