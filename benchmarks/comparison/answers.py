"""What every peer of the comparison is and gives: `fit`, `predict`, and `Answers` in physical units.

Point estimates and quantiles are in the units of the table of variables; log densities are in nats of the token
coordinate (`hf_galaxy.variables_galaxy`), so that they compare between properties and between peers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.noise import Observation

_LOW = (0.01, 0.04, 0.1, 0.16, 0.22, 0.29, 0.36, 0.43)
LEVELS = np.array([*_LOW, 0.5, *(1 - p for p in reversed(_LOW))])  # those of benchmarks/accuracy.py
# Everything that the issue compares; fluxes of lines are left out: the others would need a model each for them too.
COMPARED = (
    "redshift",
    "log_mstar",
    "log_age",
    "av",
    "log_zstar",
    "log_sfr",
    *(f"ew_{line}" for line in ("halpha", "hbeta", "oiii_5007", "nii_6584", "oii_3727", "sii_6717_6731")),
)

Floats = NDArray[np.float64]
Observe = Callable[..., Observation]  # NoiseModel.observe(flux, generator)


@dataclass(frozen=True)
class Answers:
    """What a peer says about n galaxies.

    Attributes:
        names: Properties that it answers, of ``COMPARED``.
        quantiles: name: (n, L) at ``LEVELS``, or ``None`` where it has none but a point estimate.
        point: name: (n,). NaN is a galaxy that it has no answer for (a fit that failed): counted, and left out.
        log_prob: From the truth, name: (n,) in physical units, to the log density in nats of the token coordinate,
            name: (n,), for those of ``names`` that it has a density of; ``None`` for a peer without densities.
        seconds: Wall time of the answer, without reading data; divided by n it is the time a galaxy.

    Raises:
        ValueError: shapes do not fit, quantiles decrease, or names are unknown.
    """

    names: tuple[str, ...]
    quantiles: dict[str, Floats | None]
    point: dict[str, Floats]
    log_prob: Callable[[Mapping[str, Floats]], dict[str, Floats]] | None
    seconds: float

    def __post_init__(self) -> None:
        if unknown := [name for name in self.names if name not in COMPARED]:
            raise ValueError(f"answers name {', '.join(unknown)}; compared are {', '.join(COMPARED)}")
        n = len(self.point[self.names[0]])
        for name in self.names:
            if self.point[name].shape != (n,):
                raise ValueError(f"{name}: point estimates have shape {self.point[name].shape}; ({n},) is wanted")
            quantiles = self.quantiles.get(name)
            if quantiles is None:
                continue
            if quantiles.shape != (n, len(LEVELS)):
                raise ValueError(f"{name}: quantiles have shape {quantiles.shape}; ({n}, {len(LEVELS)}) is wanted")
            if (bad := np.flatnonzero((np.diff(quantiles, axis=1) < 0).any(axis=1))).size:
                raise ValueError(f"{name}: quantiles of galaxy {bad[0]} decrease; sort them")

    def __len__(self) -> int:
        return len(self.point[self.names[0]])


class Peer(Protocol):
    """One contender. Its module may add it to ``benchmarks.comparison.contenders``.

    Attributes:
        name: As the table calls it.
        facts: What the table says of it besides: ``parameters``, ``galaxies`` (different ones that it learnt from),
            ``seen`` (visits to galaxies, epochs counted), ``timed`` (those of them after a training was resumed),
            ``note``; filled in by ``fit`` or before, absent where it means nothing.
        limit: Galaxies of the test that it is asked about (the first so many), if it is too slow for all; else ``None``
    """

    name: str
    facts: dict[str, Any]
    limit: int | None

    def fit(self, train: GalaxyTable, observe: Observe, seed: int) -> None:
        """Learn from noiseless galaxies, whose noise it draws itself with ``observe(flux, generator)``; or nothing."""

    def predict(self, observation: Observation) -> Answers:
        """Answer for observed galaxies: flux and error (n, 62) in nJy in the order of ``BANDS``, NaN where missing."""


@dataclass
class Contender:
    """Base of the peers here: a name and what is said of it."""

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    limit: int | None = None


__all__ = ["COMPARED", "LEVELS", "Answers", "Contender", "Floats", "Observe", "Peer"]
