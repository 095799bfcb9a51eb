"""Quantities that follow from joint draws of variables: line ratios, classes, dust-corrected Hα, star formation rates.

Only joint draws give them: the ratio of two medians is no median of the ratio, and lines share what is not known.

What is not here, because no output of the model says it: rest-frame colours and absolute magnitudes. The bands of the
model are those of the observer; at a redshift `z` they see other wavelengths, and a k-correction needs the spectrum
between and beyond them. Who accepts an interpolation between observed bands writes it as a function of draws of
`redshift` and of these bands.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ..evaluation.lines import CASE_B, CLASSES, bpt_class
from ..physics.cosmology import CM_PER_MPC, CosmologyTables

Draws = Mapping[str, np.ndarray]

# k(Hα) / (k(Hβ) - k(Hα)) of Cardelli, Clayton & Mathis (1989, ApJ 345, 245), R_V = 3.1: A(Hα) in units of the excess of
# 2.5 log10(Hα/Hβ) over case B.
HALPHA_SHARE = 2.36
# Kennicutt & Evans (2012, ARA&A 50, 531), table 1 (Murphy et al. 2011), Kroupa mass function:
# log SFR [M☉/yr] = log L(Hα) [erg/s] - 41.27.
LOG_LUMINOSITY_PER_RATE = 41.27


class Quantity(NamedTuple):
    """A derived quantity.

    Attributes:
        needs: Variables that it is made of.
        function: From draws of these, arrays of one shape, to values of that shape.
        unit: As astropy writes it.
        description: One line for people.
    """

    needs: tuple[str, ...]
    function: Callable[[Draws], np.ndarray]
    unit: str
    description: str


def log_ratio(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """log10 of a ratio; NaN where one of the two is not above zero."""
    positive = (upper > 0) & (lower > 0)
    ratio = np.divide(upper, lower, out=np.ones(np.shape(upper)), where=positive)
    return np.where(positive, np.log10(ratio), np.nan)


def _bpt(draws: Draws) -> np.ndarray:
    lines = (draws[f"flux_{line}"] for line in ("halpha", "hbeta", "oiii_5007", "nii_6584"))
    return np.asarray(CLASSES)[bpt_class(*lines, draws["ew_halpha"])]


def halpha_extinction(draws: Draws) -> np.ndarray:
    """A(Hα) in mag by the Balmer decrement; 0 where it is below case B, NaN where a line is not in emission."""
    return HALPHA_SHARE * 2.5 * np.maximum(log_ratio(draws["flux_halpha"], CASE_B * draws["flux_hbeta"]), 0.0)


def halpha_luminosity(draws: Draws) -> np.ndarray:
    """log10 of the luminosity of Hα in erg/s, corrected for dust, in the cosmology of the simulation."""
    redshift = np.asarray(draws["redshift"], dtype=np.float64)
    tables = CosmologyTables(max(float(redshift.max()), 0.1))
    distance = tables.luminosity_distance(torch.as_tensor(redshift)).numpy() * CM_PER_MPC
    flux = draws["flux_halpha"]
    log_flux = np.log10(flux, out=np.full(np.shape(flux), np.nan), where=flux > 0)
    return math.log10(4 * math.pi) + 2 * np.log10(distance) + log_flux + 0.4 * halpha_extinction(draws)


BALMER = ("flux_halpha", "flux_hbeta")
DERIVED: dict[str, Quantity] = {
    "log_ssfr": Quantity(
        ("log_mstar", "log_sfr"), lambda d: d["log_sfr"] - d["log_mstar"], "", "log10 of SFR / stellar mass in 1/yr"
    ),
    "log_nii_halpha": Quantity(
        ("flux_halpha", "flux_nii_6584"),
        lambda d: log_ratio(d["flux_nii_6584"], d["flux_halpha"]), "", "log10 of [NII] 6584 / Hα",
    ),
    "log_oiii_hbeta": Quantity(
        ("flux_hbeta", "flux_oiii_5007"),
        lambda d: log_ratio(d["flux_oiii_5007"], d["flux_hbeta"]), "", "log10 of [OIII] 5007 / Hβ",
    ),
    "bpt": Quantity(
        ("ew_halpha", *BALMER, "flux_oiii_5007", "flux_nii_6584"), _bpt, "",
        "class of Baldwin, Phillips & Terlevich by Kauffmann et al. (2003) and Kewley et al. (2001), or weak",
    ),
    "balmer_decrement": Quantity(BALMER, lambda d: 10 ** log_ratio(d["flux_halpha"], d["flux_hbeta"]), "", "Hα / Hβ"),
    "halpha_extinction": Quantity(BALMER, halpha_extinction, "mag", "A(Hα) by the Balmer decrement, case B 2.86"),
    "log_lhalpha": Quantity(
        ("redshift", *BALMER), halpha_luminosity, "", "log10 of the dust-corrected luminosity of Hα in erg/s"
    ),
    "log_sfr_halpha": Quantity(
        ("redshift", *BALMER), lambda d: halpha_luminosity(d) - LOG_LUMINOSITY_PER_RATE, "",
        "log10 of the SFR in M☉/yr by the dust-corrected luminosity of Hα (Kennicutt & Evans 2012)",
    ),
}  # fmt: skip

What = Sequence[str | Callable[[Draws], Any]] | Mapping[str, Callable[[Draws], Any]]


def functions(what: What) -> dict[str, str | Callable[[Draws], Any]]:
    """What is asked for by name: names of derived quantities stay names.

    Raises:
        ValueError: Nothing is asked for, twice the same name, an unknown name, or a function without one.
    """
    if isinstance(what, str) or callable(what):
        what = [what]
    pairs = list(what.items()) if isinstance(what, Mapping) else [(_name(item), item) for item in what]
    names = [name for name, _ in pairs]
    if not pairs or len(set(names)) < len(names):
        raise ValueError(f"derive: name at least one quantity, and each once; these are {names}")
    for name, item in pairs:
        if isinstance(item, str) and item not in DERIVED:
            hint = " (no output of the model tells of the rest frame)" if "abs" in item or "rest" in item else ""
            raise ValueError(f"derive: {item!r} is none of {', '.join(DERIVED)}{hint}; give a function of the draws")
        if not isinstance(item, str) and not callable(item):
            raise ValueError(f"derive: {name} is {item!r}; a name of a derived quantity or a function is wanted")
    return dict(pairs)


def _name(item: Any) -> str:
    if isinstance(item, str):
        return item
    name = getattr(item, "__name__", None)
    if name is None or name == "<lambda>":
        raise ValueError('derive: a function without a name; give {"name": function}')
    return name


def needed(what: What) -> list[str]:
    """Variables that the derived quantities asked for by name are made of."""
    names = [n for item in functions(what).values() if isinstance(item, str) for n in DERIVED[item].needs]
    return list(dict.fromkeys(names))


def derive(what: What, draws: Draws) -> dict[str, np.ndarray]:
    """Quantities of joint draws, each of the shape of the draws.

    Raises:
        ValueError: Draws of a variable are missing, or a function returns another shape.
    """
    shape = np.shape(next(iter(draws.values())))
    answer = {}
    for name, item in functions(what).items():
        try:
            values = np.asarray((DERIVED[item].function if isinstance(item, str) else item)(draws))
        except KeyError as error:
            raise ValueError(f"derive: {name} needs draws of {error}; name it in variables=") from None
        if values.shape != shape:
            raise ValueError(f"derive: {name} has shape {values.shape}; {shape}, a value a draw, is wanted")
        answer[name] = values
    return answer


__all__ = ["CLASSES", "DERIVED", "Quantity", "derive", "functions", "halpha_extinction", "halpha_luminosity", "needed"]
