"""Variables that a model never knew: how the table grows, how a property is standardised, where an embedding starts."""

import difflib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from .variables_galaxy import BANDS_PER_PATCH, FLUX_SCALE, TRANSFORMS, Variable, band

# What tables of answers and of truth are called, so that no column could mean two things.
_RESERVED = re.compile(
    r"true_.*|.*_err|.*_spec|.*_samples|.*_p\d\d?(_\d+)?|row|population|n_evidence|n_extrapolated|log_prob_.*"
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")
_OF_ALL_BANDS = ("unit", "transform", "softening", "center", "scale", "shifted")

MIN_VALUES = 20
# A transform other than none must gain this much log-likelihood a value; softenings that are tried, in medians of |x|.
MIN_GAIN = 0.05
SOFTENINGS = (0.01, 0.03, 0.1, 0.3, 1.0)
# Share of the values at either end that does not decide on the transform.
TRIMMED = 0.005


def variable_of(given: Variable | Mapping) -> Variable:
    """A variable from its fields; of a band, name, pivot and width say everything.

    Raises:
        ValueError: An unknown field, a kind that does not exist, or a band that is not measured like the others.
    """
    if isinstance(given, Variable):
        variable = given
    else:
        variable = _from_fields(given)
    where = f"variable {variable.name!r}"
    numbers = (variable.softening, variable.center, variable.scale, variable.lower, variable.upper)
    if not all(math.isfinite(x) for x in numbers if x is not None):
        raise ValueError(f"{where}: softening, center, scale, lower and upper must be finite")
    for name in ("pivot", "width"):
        value = getattr(variable, name)
        if value is None and variable.kind == "flux":
            raise ValueError(f"{where}: a band needs pivot and width in Å; {name} is missing")
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"{where}: {name} {value} must be a wavelength in Å, above zero")
    if variable.kind != "flux" and variable.shifted and (variable.transform, variable.scale) != ("asinh", FLUX_SCALE):
        raise ValueError(
            f"{where}: shifted says that it grows with brightness; its transform is asinh, its scale {FLUX_SCALE}"
        )
    if variable.kind == "flux":
        alike = band(variable.name, variable.pivot, variable.width)
        for name in _OF_ALL_BANDS:
            if getattr(variable, name) != getattr(alike, name):
                raise ValueError(
                    f"{where}: {name} is {getattr(variable, name)!r}; of every band it is {getattr(alike, name)!r}, so "
                    "that differences of coordinates are colours"
                )
    return variable


def _from_fields(given: Mapping) -> Variable:
    known = [f.name for f in fields(Variable)]
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"fields are {', '.join(known)}"
            raise ValueError(f"variable {given.get('name')!r}: unknown field {key!r}; {hint}")
    if not isinstance(given.get("name"), str):
        raise ValueError(f"a variable needs a name; {dict(given)} has none")
    if given.get("kind") == "flux" and {"pivot", "width"} <= given.keys():
        return replace(band(given["name"], given["pivot"], given["width"]), **given)
    return Variable(**given)


def extended(table: Sequence[Variable], new: Sequence[Variable | Mapping]) -> tuple[Variable, ...]:
    """A table of variables with new ones at its end, so that the ids of the old ones stay.

    Raises:
        ValueError: A name that exists, is given twice, is reserved or is no name; a variable that makes no sense.
    """
    if isinstance(new, (Variable, Mapping, str)):
        raise ValueError("give the new variables as a list")
    table, whole = tuple(table), list(table)
    taken = {v.name.casefold(): v.name for v in table}
    for variable in map(variable_of, new):
        name = variable.name
        if not _NAME.fullmatch(name):
            raise ValueError(f"variable {name!r}: a name starts with a letter and has letters, digits, _ . + - alone")
        if _RESERVED.fullmatch(name):
            raise ValueError(f"variable {name!r}: tables of answers have columns of such a name; choose another")
        if (other := taken.get(name.casefold())) is not None:
            how = "exists already" if other == name else f"differs from {other!r} in case alone"
            raise ValueError(f"variable {name!r}: {how}; choose another name")
        taken[name.casefold()] = name
        whole.append(variable)
    crowded = [p for p, n in Counter(v.patch for v in whole).items() if p is not None and n > BANDS_PER_PATCH]
    if crowded:
        raise ValueError(f"patch {crowded[0]} holds {BANDS_PER_PATCH} bands at most; leave out patch of a new band")
    return tuple(whole)


# ---- the standardisation of a property


def propose_variable(name: str, values: Sequence[float], **given) -> Variable:
    """A property whose transform, softening, center and scale are read off data.

    The transform is the one under which the values are most nearly Gaussian: each is fitted by a Gaussian, and the
    likelihoods of the values themselves are compared (Box & Cox 1964). None is preferred unless another gains.

    Args:
        name: Name of the variable.
        values: Values in its unit; what is not finite is left out.
        **given: Fields that are decided already, such as unit, transform, softening, lower or description.

    Raises:
        ValueError: Too few values, or all the same; a field that does not fit.
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    x = x[np.isfinite(x)]
    where = f"variable {name!r}"
    if given.get("kind", "property") != "property":
        raise ValueError(f"{where}: only a property is standardised by data, not a {given['kind']}")
    if len(x) < MIN_VALUES:
        raise ValueError(f"{where}: {len(x)} known values are too few to standardise it; {MIN_VALUES} are needed")
    if np.ptp(x) <= 1e-6 * np.abs(x).max():
        raise ValueError(f"{where}: every value is {x[0]:g}; there is nothing to learn")
    if given.get("transform") not in (None, *TRANSFORMS):
        raise ValueError(f"{where}: transform {given['transform']!r} is not one of {TRANSFORMS}")
    low, high = np.quantile(x, [TRIMMED, 1 - TRIMMED])
    core = x[(x >= low) & (x <= high)]
    core = core if np.ptp(core) > 0 else x
    transform, softening = _transform(core, x.min(), given.get("transform"), given.get("softening"))
    g, _ = _gaussianised(core, transform, softening)
    found = {"softening": softening, "center": _rounded(g.mean()), "scale": _rounded(g.std())}
    return variable_of({"name": name, "transform": transform, **found, **given})


def _transform(x: np.ndarray, lowest: float, transform: str | None, softening: float | None) -> tuple[str, float]:
    """Transform and softening of the highest likelihood among those that are allowed."""
    size = np.median(np.abs(x)) or np.abs(x).mean()
    softenings = [softening] if softening else [_rounded(size * factor) for factor in SOFTENINGS]
    tried = [("linear", softening or 1.0), *((kind, s) for kind in ("asinh", "log1p") for s in softenings)]
    allowed = [
        (kind, s) for kind, s in tried if transform in (None, kind) and not (kind == "log1p" and lowest <= -0.5 * s)
    ]
    if not allowed:
        raise ValueError(f"transform log1p cannot take the value {lowest:g}; use asinh")
    score = {choice: _log_likelihood(x, *choice) for choice in allowed}
    best = max(score, key=score.get)
    plain = next((choice for choice in allowed if choice[0] == "linear"), best)
    return best if score[best] > score[plain] + MIN_GAIN else plain


def _gaussianised(x: np.ndarray, transform: str, softening: float) -> tuple[np.ndarray, np.ndarray]:
    """`g(y)` and log dg/dx."""
    y = x / softening
    if transform == "asinh":
        g, log_slope = np.arcsinh(y), -0.5 * np.log1p(y * y)
    elif transform == "log1p":
        g, log_slope = np.log1p(y), -np.log1p(y)
    else:
        g, log_slope = y, np.zeros_like(y)
    return g, log_slope - math.log(softening)


def _log_likelihood(x: np.ndarray, transform: str, softening: float) -> float:
    """Mean log-likelihood of values of which `g` is Gaussian with the best mean and width, but for a constant."""
    g, log_slope = _gaussianised(x, transform, softening)
    return float(log_slope.mean() - math.log(max(g.std(), 1e-300)))


def _rounded(x: float) -> float:
    """Three digits: the numbers stand in files that people read."""
    return float(f"{x:.3g}")


# ---- where an embedding starts


def relatives(variable: Variable, table: Sequence[Variable]) -> dict[int, float]:
    """Known variables that are most like a new one, `{place in the table: weight}`; the weights sum to one.

    A band or a line lies between its two neighbours in log wavelength, of those with a token of their own; beyond the
    first or last it is like that one. What has no wavelength is like the mean of its kind.
    """
    alike = [i for i, v in enumerate(table) if v.kind == variable.kind]
    alike = alike or [i for i, v in enumerate(table) if v.kind != "flux"] or list(range(len(table)))
    placed = [i for i in alike if table[i].pivot is not None]
    if variable.pivot is None or not placed:
        plain = [i for i in alike if table[i].pivot is None] or alike
        return dict.fromkeys(plain, 1 / len(plain))
    own = [i for i in placed if (table[i].unit, table[i].patch) == (variable.unit, variable.patch)] or placed
    position = {i: math.log(table[i].pivot / variable.pivot) for i in own}
    below = [i for i in own if position[i] <= 0]
    above = [i for i in own if position[i] > 0]
    low, high = max(below, key=position.get, default=None), min(above, key=position.get, default=None)
    if low is None or high is None:
        return {high if low is None else low: 1.0}
    share = -position[low] / (position[high] - position[low])
    return {low: 1 - share, high: share}


__all__ = ["extended", "propose_variable", "relatives", "variable_of"]
