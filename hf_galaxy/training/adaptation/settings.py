"""What can be chosen about an adaptation: the section ``adaptation:`` of the settings of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

WEIGHTS = ("full", "lora", "none")


@dataclass(frozen=True)
class AdaptationSettings:
    """How a model is adapted to a survey.

    Attributes:
        survey: Name of the survey; a new name becomes a new value of the variable ``survey``. Empty: as the data say.
        weights: ``none`` (the calibration alone is learnt, and what the model knew stays as it was), ``full`` (all
            weights move too) or ``lora`` (low-rank additions to the matrices of the layers move: Hu et al. 2021,
            arXiv:2106.09685). Weights that move need replay.
        zero_points: Whether zero points are learnt.
        zero_point_prior: σ of their Gaussian prior, mag.
        zero_point_rate: How far a zero point moves in a step at the peak of the schedule, mag; error scales move as far
            relative to their prior.
        zero_point_bands: Bands whose mean zero point is held at zero; all observed bands by default.
        prior_galaxies: The survey counts against the priors as so many galaxies at most. What the model has wrong about
            galaxies is wrong in all of them; without this limit it would become zero points of many σ of the prior.
        error_scales: Whether a factor on the stated errors of each band is learnt.
        error_scale_prior: σ of the Gaussian prior of its natural logarithm.
        shown: Share of the galaxies whose context says which survey they are of.
        labelled: Share of the survey's galaxies of a batch that are drawn from those with labels, where there are any.
        checked: Share of the survey's galaxies with redshifts whose labels are held back, to see how much of the
            calibration they bear out (``strength``); at most 200, and none if that were fewer than 10.
        rank, alpha: Of the low-rank additions: they are multiplied with alpha / rank.

    Raises:
        ValueError: a value outside its range.
    """

    survey: str = ""
    weights: str = "none"
    zero_points: bool = True
    zero_point_prior: float = 0.04
    zero_point_rate: float = 0.003
    zero_point_bands: tuple[str, ...] = ()
    prior_galaxies: float = 100.0
    error_scales: bool = True
    error_scale_prior: float = 0.2
    shown: float = 0.5
    labelled: float = 0.25
    checked: float = 0.5
    rank: int = 8
    alpha: float = 16.0

    def __post_init__(self) -> None:
        if self.weights not in WEIGHTS:
            raise ValueError(f"weights {self.weights!r} is not one of {', '.join(WEIGHTS)}")
        for name in ("zero_point_prior", "zero_point_rate", "prior_galaxies", "error_scale_prior", "rank", "alpha"):
            value = getattr(self, name)
            if isinstance(value, bool) or not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} {value} must be above zero")
        for name in ("shown", "labelled", "checked"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} must lie between 0 and 1")
        if self.weights == "none" and not (self.zero_points or self.error_scales):
            raise ValueError("weights none, zero_points false and error_scales false leave nothing to learn")


__all__ = ["WEIGHTS", "AdaptationSettings"]
