"""Names, symbols and units of variables as text for a page, and numbers with as many digits as their width deserves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from hf_galaxy.variables_galaxy import Variable

LINE_UNIT = "erg s⁻¹ cm⁻²"
_LINES = {
    "halpha": "Hα",
    "hbeta": "Hβ",
    "oiii_5007": "[O III] 5007",
    "nii_6584": "[N II] 6584",
    "oii_3727": "[O II] 3727",
    "sii_6717_6731": "[S II] 6717+31",
}
# name: (what it is, its symbol, unit); a logarithm divides by its unit
_WORDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "redshift": ("redshift", "z", ""),
        "log_mstar": ("stellar mass", "log₁₀(M★/M☉)", ""),
        "log_zstar": ("stellar metallicity", "log₁₀(Z★/Z☉)", ""),
        "av": ("dust extinction", "A_V", "mag"),
        "log_age": ("age, mass-weighted", "log₁₀(age/yr)", ""),
        "log_sfr": ("star formation rate", "log₁₀(SFR/M☉ yr⁻¹)", ""),
        "dn4000": ("4000 Å break", "Dₙ4000", ""),
        **{f"ew_{key}": (f"equivalent width of {name}", f"EW({name})", "Å") for key, name in _LINES.items()},
        **{f"flux_{key}": (f"flux of {name}", f"F({name})", LINE_UNIT) for key, name in _LINES.items()},
    }
)
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Label:
    """Of one variable: what it is, its symbol, and its unit ("" is dimensionless)."""

    words: str
    symbol: str
    unit: str

    @property
    def line(self) -> str:
        """All of it in one line."""
        what = f"{self.words} · {self.symbol}" if self.words else self.symbol
        return f"{what} [{self.unit}]" if self.unit else what


def label(variable: Variable) -> Label:
    """The label of a variable; one learnt later has its own name and unit."""
    if variable.name in _WORDS:
        return Label(*_WORDS[variable.name])
    if variable.kind == "flux":
        return Label(f"flux in {variable.name}", "f_ν", variable.unit)
    return Label(variable.description if len(variable.description) < 40 else "", variable.name, variable.unit)


def power_of(numbers: Sequence[float]) -> int:
    """The power of ten to take out of very small or very large numbers, else 0."""
    largest = max((abs(float(x)) for x in numbers if np.isfinite(x)), default=0.0)
    return int(np.floor(np.log10(largest))) if 0 < largest < 1e-3 or largest >= 1e5 else 0


def digits_for(width: float) -> int:
    """Decimals that write a number to two digits of its uncertainty."""
    return int(np.clip(1 - np.floor(np.log10(max(width, 1e-12))), 0, 6))


def number(value: float, digits: int, power: int = 0) -> str:
    """A number with a true minus sign, its power of ten taken out."""
    text = f"{value / 10.0**power:.{digits}f}"
    if not float(text):
        text = text.lstrip("-")  # no minus zero
    return text.replace("-", "\N{MINUS SIGN}")


def unit_with_power(unit: str, power: int) -> str:
    """``10⁻¹⁶ erg s⁻¹ cm⁻²``."""
    return f"10{str(power).translate(_SUPERSCRIPT)} {unit}".strip() if power else unit


__all__ = ["Label", "digits_for", "label", "number", "power_of", "unit_with_power"]
