"""A model that learns the zero points of a survey, and how wrong its errors are, while it learns from its photometry.

Values, errors and labels of the survey's galaxies are brought to the system of the model before it sees them:

    f' = f 10^(-0.4 z),    s' = s 10^(-0.4 z) r

with a zero point z and an error ratio r for each band. The model gives the density of the coordinate t' of f'. What was
measured is f, whose coordinate is t; its log density is that of t' plus ``log |dt'/dt|``. Without this Jacobian a z
that makes all fluxes small, where the coordinate is linear and densities are high, would be rewarded.

The loss is the mean negative log density of an answer, as ever, plus the negative log prior of z and log r divided by
the number of values of the survey: so it is, per value, the negative log posterior of the calibration. That number is
limited (``prior_galaxies``): the model's own errors are common to all galaxies and do not average out.

A common shift of all zero points makes every galaxy brighter or fainter, which the colours hardly notice: only the
priors of brightness and mass would tell, and they are the least certain part of a simulation. So the mean of z over the
bands (``zero_point_bands``, all that are observed by default) is zero by construction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...configuration_galaxy import SPECIAL_TOKENS
from ...coordinates_galaxy import Coordinates
from ...data.survey_calibration import SurveyCalibration
from ...modeling_galaxy import GalaxyModel, GalaxyModelOutput
from ...variables_galaxy import Variable
from .settings import AdaptationSettings

MAG = 0.4 * torch.log(torch.tensor(10.0)).item()


class CalibratedModel(nn.Module):
    """A model and the calibration of one survey.

    Args:
        model: The model; which of its weights are learnt is the caller's choice.
        variables: Its table of variables.
        observed: Names of the bands that the survey has.
        values: Number of fluxes that the prior is weighed against.
        settings: Priors and rates.
        lr: Peak learning rate of the run.

    Raises:
        ValueError: a band of ``zero_point_bands`` that the survey does not have.
    """

    def __init__(
        self,
        model: GalaxyModel,
        variables: Sequence[Variable],
        observed: Sequence[str],
        values: float,
        settings: AdaptationSettings,
        lr: float,
    ) -> None:
        super().__init__()
        self.model, self.variables, self.settings, self.values = model, tuple(variables), settings, values
        names = [v.name for v in variables]
        if wrong := [name for name in settings.zero_point_bands if name not in observed]:
            raise ValueError(
                f"adaptation: zero_point_bands: the survey has no {wrong[0]}; it has {', '.join(observed)}"
            )
        fixed = settings.zero_point_bands or tuple(observed)
        # An optimiser such as Adam moves a parameter by its rate, whatever the gradient: so a unit of the parameter is
        # as much as makes that move the one wanted.
        self.unit = settings.zero_point_rate / lr
        self.ratio_unit = self.unit * settings.error_scale_prior / settings.zero_point_prior
        self.zero_point = nn.Parameter(torch.zeros(len(names)), requires_grad=settings.zero_points)
        self.log_ratio = nn.Parameter(torch.zeros(len(names)), requires_grad=settings.error_scales)
        self.register_buffer("learnt", torch.tensor([name in observed for name in names]), persistent=False)
        self.register_buffer("fixed", torch.tensor([name in fixed for name in names]), persistent=False)
        self._coordinates = Coordinates(self.variables)
        self.strength = 1.0

    @contextmanager
    def at(self, strength: float) -> Iterator[None]:
        """With all zero points and log error ratios multiplied with a factor."""
        before, self.strength = self.strength, strength
        try:
            yield
        finally:
            self.strength = before

    @property
    def config(self):
        """The configuration of the model."""
        return self.model.config

    def magnitudes(self) -> Tensor:
        """Zero points `(V,)` in mag."""
        z = self.unit * self.zero_point
        return (z - (z * self.fixed).sum() / self.fixed.sum()) * self.learnt * self.strength

    def log_ratios(self) -> Tensor:
        """Natural logarithms `(V,)` of true over stated errors."""
        return self.ratio_unit * self.log_ratio * self.learnt * self.strength

    def log_prior(self) -> Tensor:
        """Log prior density of the calibration, up to a constant."""
        s = self.settings
        z, r = self.magnitudes() / s.zero_point_prior, self.log_ratios() / s.error_scale_prior
        return -0.5 * (z.square().sum() + r.square().sum())

    def calibration(self) -> SurveyCalibration:
        """As it stands, of the bands that the survey has."""
        z, r = self.magnitudes().detach().cpu().double(), self.log_ratios().detach().cpu().double().exp()
        learnt = self.learnt.nonzero()[:, 0].tolist()
        names = {i: self.variables[i].name for i in learnt}
        return SurveyCalibration({names[i]: float(z[i]) for i in learnt}, {names[i]: float(r[i]) for i in learnt})

    def forward(self, of_survey: Tensor, **inputs: Tensor) -> GalaxyModelOutput:
        """As ``GalaxyModel.forward`` with labels; ``of_survey`` `(batch,)` says whose fluxes are calibrated."""
        shown, asked = (inputs[name] - len(SPECIAL_TOKENS) for name in ("input_ids", "query_ids"))
        rows = of_survey.unsqueeze(-1)
        values, errors, _ = self._calibrated(shown, inputs["values"], inputs["errors"], rows)
        labels, wanted, log_slope = self._calibrated(asked, inputs["labels"], inputs["query_errors"], rows)
        changed = {"values": values, "errors": errors, "labels": labels, "query_errors": wanted}
        output = self.model(**{**inputs, **changed})
        known = torch.isfinite(output.log_prob)
        output.log_prob = torch.where(known, output.log_prob + log_slope, output.log_prob)
        count = known.sum().clamp(min=1)
        share = (known & rows).sum() / count
        mean = torch.where(known, output.log_prob, 0.0).sum() / count
        output.loss = -mean - share * self.log_prior() / self.values
        return output

    def _calibrated(self, columns: Tensor, t: Tensor, error: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Coordinates and token errors in the system of the model, and log |dt'/dt|; each of the shape of `columns`."""
        if self._coordinates.scale.device != t.device:
            self._coordinates = self._coordinates.to(t.device)
        mine = rows & self.learnt[columns]
        log_factor = torch.where(mine, -MAG * self.magnitudes()[columns], 0.0)
        log_ratio = torch.where(mine, self.log_ratios()[columns], 0.0)
        c = self._coordinates[columns]
        known = mine & torch.isfinite(t)
        g = torch.where(known, t * c.scale + c.center, 0.0)
        y = torch.sinh(g)
        scaled = y * log_factor.exp()
        moved = (torch.asinh(scaled) - c.center) / c.scale
        log_slope = log_factor + 0.5 * (torch.log1p(y * y) - torch.log1p(scaled * scaled))
        return (
            torch.where(known, moved, t),
            torch.where(mine, error * (log_factor + log_ratio).exp(), error),
            torch.where(known, log_slope, 0.0),
        )


__all__ = ["CalibratedModel"]
