"""Zero points and error ratios: the change of variables, the prior, and their recovery where all else is known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from hf_galaxy.configuration_galaxy import SPECIAL_TOKENS
from hf_galaxy.coordinates_galaxy import Coordinates
from hf_galaxy.modeling_galaxy import GalaxyModelOutput
from hf_galaxy.training.adaptation.calibrated_model import CalibratedModel
from hf_galaxy.training.adaptation.settings import AdaptationSettings
from hf_galaxy.variables_galaxy import BANDS, Variable, default_variables
from tests.tiny_model import some_inputs, tiny_model

VARIABLES = default_variables()
PLACE = {v.name: i for i, v in enumerate(VARIABLES)}


def calibrated(model: nn.Module, observed=BANDS, values: float = 1e9, variables=VARIABLES, **chosen) -> CalibratedModel:
    return CalibratedModel(model, variables, observed, values, AdaptationSettings(**chosen), lr=0.003)


def set_calibration(model: CalibratedModel, zero_point: dict[str, float], log_ratio: dict[str, float]) -> None:
    """Zero points in mag before their mean is taken off, and log error ratios."""
    with torch.no_grad():
        for name, value in zero_point.items():
            model.zero_point[PLACE[name]] = value / model.unit
        for name, value in log_ratio.items():
            model.log_ratio[PLACE[name]] = value / model.ratio_unit


def test_the_density_of_what_was_measured_is_normalised():
    """Without the Jacobian the integral over the survey's own coordinate is 10^(0.4 z) where the flux is faint."""
    model = calibrated(tiny_model(), zero_point_bands=("J0600",))
    set_calibration(model, {"J0660": 0.5}, {"J0660": 0.4})
    grid = torch.linspace(-14.0, 14.0, 4001)
    inputs = {k: v[:1].expand(len(grid), *v.shape[1:]).clone() for k, v in some_inputs(2).items()}
    question = torch.tensor([[PLACE["J0660"] + len(SPECIAL_TOKENS)]]).expand(len(grid), 1)
    inputs |= {"query_ids": question, "labels": grid.unsqueeze(1), "query_errors": torch.full((len(grid), 1), 0.05)}
    for of_survey in (True, False):
        with torch.no_grad():
            output = model(of_survey=torch.full((len(grid),), of_survey), **inputs)
        mass = torch.trapezoid(output.log_prob[:, 0].exp().double(), grid.double())
        # A component's error is taken at its centre, so a density is normalised but for the step of the grid.
        assert mass == pytest.approx(1.0, abs=2e-3)


def test_the_change_of_the_coordinate_is_its_derivative():
    model = calibrated(tiny_model(), zero_point_bands=("J0600",))
    set_calibration(model, {"J0660": -0.3, "FUV": 0.7}, {})
    columns = torch.tensor([[PLACE["J0660"], PLACE["FUV"], PLACE["redshift"]]]).expand(5, 3)
    t = torch.linspace(-2.0, 4.0, 5).unsqueeze(1).expand(5, 3).double().clone().requires_grad_()
    model._coordinates = Coordinates(VARIABLES, torch.float64)
    moved, _, log_slope = model._calibrated(columns, t, torch.zeros_like(t), torch.ones(5, 1, dtype=torch.bool))
    (slope,) = torch.autograd.grad(moved.sum(), t)
    torch.testing.assert_close(log_slope, slope.log(), rtol=1e-6, atol=1e-7)  # the parameters are float32
    assert (log_slope[:, 2] == 0).all() and (log_slope[:, :2].abs() > 1e-3).any()


def test_fluxes_and_errors_are_multiplied_as_the_module_says():
    model = calibrated(tiny_model(), zero_point_bands=("J0600",))
    set_calibration(model, {"J0660": 0.25}, {"J0660": math.log(1.5)})
    variable, flux, error = VARIABLES[PLACE["J0660"]], 3000.0, 50.0
    t = torch.tensor([[variable.forward(flux)]])
    token_error = torch.tensor([[error / (variable.softening * variable.scale)]])
    columns = torch.tensor([[PLACE["J0660"]]])
    moved, moved_error, _ = model._calibrated(columns, t, token_error, torch.tensor([[True]]))
    factor = 10 ** (-0.4 * 0.25)
    assert variable.inverse(moved.item()) == pytest.approx(flux * factor, rel=1e-5)
    assert (moved_error / token_error).item() == pytest.approx(1.5 * factor, rel=1e-5)
    assert model.calibration().zero_points["J0660"] == pytest.approx(0.25, abs=1e-6)
    assert model.calibration().error_scale["J0660"] == pytest.approx(1.5, abs=1e-6)


def test_galaxies_of_no_survey_and_properties_are_left_alone():
    plain, inputs = tiny_model(), some_inputs(5)
    model = calibrated(plain)
    set_calibration(model, {"J0660": 0.5, "FUV": -0.5}, {"J0660": 0.4})
    with torch.no_grad():
        expected = plain(**inputs)
        nobody = model(of_survey=torch.zeros(5, dtype=torch.bool), **inputs)
        one = model(of_survey=torch.tensor([True, False, False, False, False]), **inputs)
    torch.testing.assert_close(nobody.log_prob, expected.log_prob, rtol=0, atol=0)
    torch.testing.assert_close(nobody.loss, expected.loss)
    torch.testing.assert_close(one.log_prob[1:], expected.log_prob[1:], rtol=0, atol=0)
    assert not torch.equal(one.log_prob[0], expected.log_prob[0])


def test_the_mean_zero_point_is_held_and_unobserved_bands_have_none():
    model = calibrated(tiny_model(), observed=("J0600", "J0660", "rSDSS"))
    set_calibration(model, {"J0600": 0.3, "J0660": 0.1, "FUV": 5.0}, {"FUV": 3.0})
    found = model.calibration()
    assert set(found.zero_points) == {"J0600", "J0660", "rSDSS"}
    assert sum(found.zero_points.values()) == pytest.approx(0.0, abs=1e-6)
    assert found.zero_points["J0600"] - found.zero_points["J0660"] == pytest.approx(0.2, abs=1e-6)
    anchored = calibrated(tiny_model(), observed=("J0600", "J0660", "rSDSS"), zero_point_bands=("rSDSS",))
    set_calibration(anchored, {"J0600": 0.3, "rSDSS": 0.1}, {})
    assert anchored.calibration().zero_points == pytest.approx({"J0600": 0.2, "J0660": -0.1, "rSDSS": 0.0}, abs=1e-6)


def test_the_prior_is_in_the_loss_with_the_weight_of_one_value():
    inputs = some_inputs(5)
    ours = torch.ones(5, dtype=torch.bool)
    weak, strong = (calibrated(tiny_model(), values=n, zero_point_bands=("J0600",)) for n in (1e12, 100.0))
    for model in (weak, strong):
        set_calibration(model, {"J0660": 0.08}, {"J0660": 0.2})
    with torch.no_grad():
        difference = strong(of_survey=ours, **inputs).loss - weak(of_survey=ours, **inputs).loss
    assert float(difference) == pytest.approx(0.5 * (2.0**2 + 1.0**2) / 100.0, rel=1e-3)  # 2 σ of 0.04, 1 σ of 0.2


class GreyGalaxies(nn.Module):
    """A model that knows that all galaxies have one spectrum, flat in AB, and differ in brightness: exact densities."""

    def __init__(self, variables: tuple[Variable, ...], scatter: float) -> None:
        super().__init__()
        self.coordinates, self.scatter = Coordinates(variables), scatter
        self.config = SimpleNamespace()

    def forward(
        self, input_ids, values, errors, attention_mask, query_ids, query_errors, labels, **_
    ) -> GalaxyModelOutput:
        def sigma(ids: Tensor, t: Tensor, error: Tensor) -> Tensor:
            slope = self.coordinates[ids - len(SPECIAL_TOKENS)].slope(t)
            return torch.sqrt(self.scatter**2 + (error * slope) ** 2)

        weight = attention_mask / sigma(input_ids, values, errors) ** 2
        mean = (weight * values).sum(1, keepdim=True) / weight.sum(1, keepdim=True)
        spread = torch.sqrt(sigma(query_ids, mean, query_errors) ** 2 + 1 / weight.sum(1, keepdim=True))
        known = torch.isfinite(labels)
        z = (torch.where(known, labels, mean) - mean) / spread
        log_prob = -0.5 * z * z - spread.log() - 0.5 * math.log(2 * math.pi)
        return GalaxyModelOutput(log_prob=torch.where(known, log_prob, math.nan))


def test_zero_points_and_error_ratios_of_a_toy_are_recovered():
    names = BANDS[4:16]
    variables = tuple(v for v in VARIABLES if v.name in names)
    generator = torch.Generator().manual_seed(0)
    count, bands, ids = 2000, len(names), torch.arange(len(names)) + len(SPECIAL_TOKENS)
    truth = 0.08 * torch.randn(bands, generator=generator)
    truth -= truth.mean()
    ratio = torch.exp(0.3 * torch.randn(bands, generator=generator))
    coordinates = Coordinates(variables)
    t = 2.0 + 0.5 * torch.randn(count, 1, generator=generator) + 0.02 * torch.randn(count, bands, generator=generator)
    flux = coordinates.inverse(t)
    error = 0.05 * flux.mean(1, keepdim=True).expand_as(flux)
    measured = flux + error * torch.randn(flux.shape, generator=generator)
    factor = 10 ** (0.4 * truth)
    stated, stated_error = coordinates.forward(measured * factor), coordinates.error(error * factor / ratio)
    model = calibrated(GreyGalaxies(variables, 0.02), names, count * bands, variables)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for step in range(300):
        for group in optimizer.param_groups:
            group["lr"] = 0.003 * min(1.0, (300 - step) / 150)
        rows = torch.randint(count, (128,), generator=generator)
        shown = torch.rand(128, bands, generator=generator) < 0.5
        shown[:, 0] |= ~shown.any(1)
        everything = {
            "input_ids": ids.expand(128, -1),
            "query_ids": ids.expand(128, -1),
            "attention_mask": shown.float(),
        }
        everything |= {"values": stated[rows], "errors": stated_error[rows], "query_errors": stated_error[rows]}
        labels = stated[rows].masked_fill(shown, torch.nan)
        optimizer.zero_grad()
        model(of_survey=torch.ones(128, dtype=torch.bool), labels=labels, **everything).loss.backward()
        optimizer.step()
    found = model.calibration()
    zero_point = torch.tensor([found.zero_points[name] for name in names])
    found_ratio = torch.tensor([found.error_scale[name] for name in names])
    # 2000 galaxies of 6 % errors give 1.3 mmag, the last steps of the optimiser as much again; the truth is 80 mmag.
    assert (zero_point - truth).abs().max() < 0.006
    # An error of 1/sqrt(2 · 2000) = 1.6 %, the scatter of 0.02 and the optimiser; the truth scatters by 30 %.
    assert (found_ratio / ratio - 1).abs().max() < 0.1


def test_a_band_that_the_survey_lacks_cannot_hold_the_mean():
    with pytest.raises(ValueError, match="zero_point_bands: the survey has no NUV; it has J0600"):
        calibrated(tiny_model(), observed=("J0600",), zero_point_bands=("NUV",))
