"""What was learnt of the photometry of a survey, zero points and wrong errors, as the configuration of a model has it.

A survey gives fluxes ``f`` with stated errors ``s`` in its own system. In the system of the model they are

    f' = f 10^(-0.4 zero_point),        s' = s 10^(-0.4 zero_point) error_scale

so that a zero point is what is to be *added to the magnitudes* of the survey, and a band whose errors are stated too
small has a scale above one. The mean zero point of the bands is zero (``training.adaptation`` says why).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

DIGITS = 5


@dataclass(frozen=True)
class SurveyCalibration:
    """The calibration of one survey.

    Attributes:
        zero_points: Mag to add to the magnitudes of a band, by name; a band that is not named has 0.
        error_scale: What the stated errors of a band are to be multiplied with; a band that is not named has 1.
    """

    zero_points: Mapping[str, float] = field(default_factory=dict)
    error_scale: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, calibration: Mapping[str, Any] | None) -> SurveyCalibration | None:
        """That of a survey in the calibrations of a model (``config.calibration``); None where there is none.

        Raises:
            ValueError: numbers that are no calibration.
        """
        entry = (calibration or {}).get(name)
        if entry is None:
            return None
        made = cls(dict(entry.get("zero_points", {})), dict(entry.get("error_scale", {})))
        for what, values, good in (
            ("zero_points", made.zero_points, math.isfinite),
            ("error_scale", made.error_scale, lambda x: math.isfinite(x) and x > 0),
        ):
            for band, value in values.items():
                if not good(value):
                    raise ValueError(f"calibration of {name}: {what} of {band} is {value}; restore config.json")
        return made

    def to_dict(self) -> dict[str, dict[str, float]]:
        """As ``config.calibration`` holds it."""
        return {
            "zero_points": {band: round(float(x), DIGITS) for band, x in self.zero_points.items()},
            "error_scale": {band: round(float(x), DIGITS) for band, x in self.error_scale.items()},
        }

    def factors(self, names: Sequence[str]) -> np.ndarray:
        """(len(names),) what fluxes of the survey are multiplied with; 1 for what is no band."""
        return 10.0 ** (-0.4 * np.array([self.zero_points.get(name, 0.0) for name in names]))

    def error_factors(self, names: Sequence[str]) -> np.ndarray:
        """(len(names),) what stated errors of the survey are multiplied with."""
        return self.factors(names) * np.array([self.error_scale.get(name, 1.0) for name in names])


__all__ = ["SurveyCalibration"]
