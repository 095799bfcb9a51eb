"""Real and simulated galaxies side by side, ready to be told apart."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One comparison.

    Args:
        name: Of the comparison.
        real, simulated: Features by name, (n,) and (m,) each, the same names in both; NaN is not measured.
        pair: (n,) and (m,) labels of matched galaxies.
        matched_on: Features in which they were matched.
        notes: Numbers and words for the report: what was left out and why, assumptions.
        truth: Properties of the simulated galaxies (m,) by name, to find the cause of a difference.
        ids: (n,) names of the real galaxies.
    """

    name: str
    real: dict[str, np.ndarray]
    simulated: dict[str, np.ndarray]
    pair: tuple[np.ndarray, np.ndarray]
    matched_on: tuple[str, ...]
    notes: dict = field(default_factory=dict)
    truth: dict[str, np.ndarray] = field(default_factory=dict)
    ids: np.ndarray | None = None

    @property
    def evidence(self) -> list[str]:
        """Names of the features that are not matched."""
        return [name for name in self.real if name not in self.matched_on]
