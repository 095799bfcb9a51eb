"""Physical values and token coordinates: the tensor transforms against the scalar ones, autodiff and each other."""

from __future__ import annotations

import math

import pytest
import torch

from hf_galaxy.coordinates_galaxy import Coordinates, transform_slope
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, SURVEYS, Variable, default_variables

VARIABLES = [v for v in default_variables() if v.kind != "category"]


def physical_values(n: int = 50) -> torch.Tensor:
    """`(n, V)` values that spread over the natural range of each variable, negative fluxes included."""
    t = 3 * torch.randn(n, len(VARIABLES), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return Coordinates(VARIABLES, torch.float64).inverse(t)


def test_round_trip():
    coordinates, x = Coordinates(VARIABLES, torch.float64), physical_values()
    back = coordinates.inverse(coordinates.forward(x))
    # Double precision, after sinh and asinh of arguments up to 15.
    torch.testing.assert_close(back, x, rtol=1e-10, atol=0)
    assert (x < 0).any()


def test_round_trip_in_single_precision():
    x = physical_values().float()
    coordinates = Coordinates(VARIABLES)
    back = coordinates.inverse(coordinates.forward(x))
    # asinh(y) up to 15 is known to 1e-6, which exponentiation turns into a relative error; the offset of log(1 + y)
    # and of linear variables adds absolute errors of the size of the softening.
    tolerance = 1e-5 * (x.abs() + coordinates.softening)
    assert ((back - x).abs() <= tolerance).all()


def test_tensors_agree_with_the_definition_of_each_variable():
    x, coordinates = physical_values(10), Coordinates(VARIABLES, torch.float64)
    t = torch.tensor([[v.forward(float(value)) for v, value in zip(VARIABLES, row, strict=True)] for row in x])
    torch.testing.assert_close(coordinates.forward(x), t.double(), rtol=1e-6, atol=1e-6)
    back = [[v.inverse(float(value)) for v, value in zip(VARIABLES, row, strict=True)] for row in t]
    torch.testing.assert_close(coordinates.inverse(t.double()), torch.tensor(back, dtype=torch.float64))


def test_log_slope_is_the_jacobian():
    coordinates = Coordinates(VARIABLES, torch.float64)
    x = physical_values().requires_grad_()
    (slope,) = torch.autograd.grad(coordinates.forward(x).sum(), x)
    torch.testing.assert_close(coordinates.log_slope(x.detach()), slope.log(), rtol=1e-9, atol=1e-9)


def test_slope_is_what_remains_of_a_token_error():
    """An error sigma moves the coordinate by the token error times the slope there, to first order."""
    coordinates = Coordinates(VARIABLES, torch.float64)
    x = physical_values()
    sigma = 1e-7 * (x.abs() + coordinates.softening)
    moved = coordinates.forward(x + sigma) - coordinates.forward(x)
    # Second order: sigma over the distance on which g bends is 1e-7; the difference loses seven of sixteen digits.
    torch.testing.assert_close(
        coordinates.error(sigma) * coordinates.slope(coordinates.forward(x)), moved, rtol=1e-5, atol=1e-13
    )


def test_choosing_variables_chooses_their_transforms():
    index = torch.tensor([[3, 62], [64, 70]])
    x = torch.tensor([[2000.0, 0.3], [0.1, 3.0]], dtype=torch.float64)
    chosen = Coordinates(default_variables(), torch.float64)[index]
    expected = [
        [default_variables()[i].forward(float(v)) for i, v in zip(*row, strict=True)]
        for row in zip(index, x, strict=True)
    ]
    torch.testing.assert_close(chosen.forward(x), torch.tensor(expected, dtype=torch.float64))


def test_below_the_domain_of_a_logarithm_there_is_no_value():
    redshift = Coordinates([v for v in VARIABLES if v.name == "redshift"])
    assert torch.isnan(redshift.forward(torch.tensor([-1.5])))


def test_slopes_are_finite_however_far_a_value_is():
    far = torch.tensor([-1e30, -100.0, 100.0, 1e30])
    for asinh, log1p in ((True, False), (False, True), (False, False)):
        slope = transform_slope(far, torch.tensor(asinh), torch.tensor(log1p))
        assert torch.isfinite(slope).all()


def test_a_band_ten_times_brighter_moves_as_far_in_every_band():
    """Differences of coordinates of well detected bands are logarithms of colours: one softening, one scale."""
    flux = torch.full((1, len(BANDS)), 1e6, dtype=torch.float64)
    bands = Coordinates([v for v in VARIABLES if v.kind == "flux"], torch.float64)
    step = bands.forward(10 * flux) - bands.forward(flux)
    # asinh(y) = log(2 y) + O(1 / y^2), y = 1000.
    torch.testing.assert_close(step, torch.full_like(step, math.log(10.0) / 1.25), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"kind": "fluxes"}, "kind 'fluxes' is not one of"),
        ({"transform": "log"}, "transform 'log' is not one of"),
        ({"scale": 0.0}, "must be positive"),
        ({"softening": -1.0}, "must be positive"),
        ({"kind": "category"}, "categories belong to"),
        ({"categories": ("a",)}, "categories belong to"),
    ],
)
def test_a_variable_that_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message) as error:
        Variable("x", **wrong)
    assert "'x'" in str(error.value) and "\n" not in str(error.value)


def test_variables_survive_json():
    import json

    for v in default_variables():
        assert Variable(**json.loads(json.dumps(v.to_dict()))) == v


def test_the_table_of_variables():
    names = [v.name for v in default_variables()]
    assert names == [*BANDS, *PROPERTIES, "survey"] and len(set(names)) == len(names)
    assert len(BANDS) == 62 and len(SURVEYS) == 7
    assert all(v.pivot and v.width for v in default_variables() if v.kind == "flux")
