"""From the photometric system of a survey, of which a model has learnt the zero points, to that of the model and back.

Evidence is kept as the survey gave it. What the model reads is corrected; what it says of a band is given back in the
survey's own system. Galaxies whose evidence names no survey, or one that was not learnt, stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from .coordinates_galaxy import Coordinates
from .data.survey_calibration import SurveyCalibration
from .evidence import Evidence


class SurveySystem:
    """The systems that some galaxies were measured in.

    Args:
        evidence: About `n` galaxies; its variable ``survey`` says which is whose.
        calibration: ``config.calibration`` of the model.

    Raises:
        ValueError: a calibration that is none.
    """

    def __init__(self, evidence: Evidence, calibration: Mapping[str, Any] | None) -> None:
        self.evidence = evidence
        names = [v.name for v in evidence.variables]
        self._place = {name: i for i, name in enumerate(names)}
        self._flux, self._error = (
            np.ones((1, len(names))),
            np.ones((1, len(names))),
        )  # a row a survey; the first is none
        self._row = np.zeros(1, dtype=int)
        if not calibration or "survey" not in self._place:
            return
        survey = evidence.values[:, self._place["survey"]]
        self._row = np.zeros(len(evidence), dtype=int)
        for number in np.unique(survey[np.isfinite(survey)]).astype(int):
            category = evidence.variables[self._place["survey"]].categories[number]
            learnt = SurveyCalibration.of(category, calibration)
            if learnt is not None:
                self._row[survey == number] = len(self._flux)
                self._flux = np.vstack([self._flux, learnt.factors(names)])
                self._error = np.vstack([self._error, learnt.error_factors(names)])

    @property
    def plain(self) -> bool:
        """Whether there is nothing to correct."""
        return len(self._flux) == 1

    def factors(self, *names: str) -> np.ndarray:
        """(n, names), or (1, names) of ones: what values of the survey are multiplied with."""
        return self._flux[self._row][:, [self._place[name] for name in names]]

    def corrected(self) -> Evidence:
        """The evidence in the system of the model."""
        if self.plain:
            return self.evidence
        values, errors = self.evidence.values * self._flux[self._row], self.evidence.errors * self._error[self._row]
        return replace(self.evidence, values=values, errors=errors)

    def back(self, values: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Answers (n, names, ...) in the systems of the surveys."""
        if self.plain:
            return values
        factor = self.factors(*names)
        return values / factor.reshape(*factor.shape, *[1] * (values.ndim - 2))

    def log_slope(self) -> np.ndarray | float:
        """(n,) log Jacobian of the coordinates of all known fluxes: what the correction adds to their log density."""
        if self.plain:
            return 0.0
        bands = [i for i, v in enumerate(self.evidence.variables) if v.kind == "flux"]
        coordinates = Coordinates([self.evidence.variables[i] for i in bands], torch.float64)
        factor, x = self._flux[self._row][:, bands], self.evidence.values[:, bands]
        slope = coordinates.log_slope(torch.as_tensor(x * factor)) - coordinates.log_slope(torch.as_tensor(x))
        return np.nansum(np.where(np.isfinite(x), np.log(factor) + slope.numpy(), 0.0), axis=1)


__all__ = ["SurveySystem"]
