"""Weights of draws: closed forms of Gaussians, and the model's own densities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.posterior import WeightedDraws
from tests.tiny_model import tiny_model

N = 20000


@pytest.fixture(scope="module")
def posterior() -> GalaxyPosterior:
    return GalaxyPosterior(tiny_model(), GalaxyTokenizer()).condition(J0660=([5200.0, 9000.0], 50.0))


@pytest.fixture(scope="module")
def gaussian() -> dict[str, np.ndarray]:
    """One galaxy whose posterior is N(0, 1), another N(2, 1); and a category."""
    rng = np.random.default_rng(0)
    return {"x": rng.normal([[0.0], [2.0]], 1.0, (2, N)), "kind": np.where(rng.random((2, N)) < 0.3, "a", "b")}


def test_a_gaussian_times_a_gaussian(gaussian):
    """N(m, 1) with the weight exp(-x²/2): N(m/2, 1/2); its norm is exp(-m²/4) / √2."""
    found = WeightedDraws.of(gaussian, lambda theta: -0.5 * theta["x"] ** 2)
    # The seed is fixed; four standard deviations of means of some ten thousand draws.
    np.testing.assert_allclose(found.mean("x"), [0.0, 1.0], atol=0.03)
    np.testing.assert_allclose(found.std("x"), math.sqrt(0.5), atol=0.02)
    np.testing.assert_allclose(found.quantiles("x", [0.16, 0.5])[1], [1 - 0.9945 * math.sqrt(0.5), 1.0], atol=0.03)
    np.testing.assert_allclose(found.log_mean_weight, [-0.5 * math.log(2), -1 - 0.5 * math.log(2)], atol=0.03)
    # E[w]² / E[w²]: √3 / 2 of the draws for m = 0.
    assert found.effective_size[0] == pytest.approx(N * math.sqrt(3) / 2, rel=0.02)
    np.testing.assert_allclose(found.probabilities("kind")["a"], 0.3, atol=0.02)
    draws = found.sample(N, seed=1)
    np.testing.assert_allclose(draws["x"].mean(axis=1), [0.0, 1.0], atol=0.04)
    np.testing.assert_array_equal(draws["x"], found.sample(N, seed=1)["x"])


def test_weights_and_their_logs_are_the_same(gaussian):
    one = WeightedDraws.of(gaussian, lambda theta: np.exp(-theta["x"]), log=False)
    other = WeightedDraws.of(gaussian, lambda theta: -theta["x"] + 5000.0)
    np.testing.assert_allclose(one.weights, other.weights, rtol=1e-9)
    np.testing.assert_allclose(one.log_mean_weight + 5000.0, other.log_mean_weight)


def test_no_weight_changes_nothing(posterior):
    plain = posterior.reweight(lambda theta: 0 * theta["av"], n=500, seed=2, variables=["av", "redshift"])
    np.testing.assert_allclose(plain.effective_size, 500)
    draws = posterior.sample(500, ["redshift", "av"], seed=2)
    np.testing.assert_array_equal(plain.draws["redshift"], draws["redshift"])
    np.testing.assert_allclose(plain.quantiles("av", [0.5])[:, 0], np.median(draws["av"], axis=1), atol=1e-12)


def test_a_measurement_as_a_weight_is_a_measurement_as_evidence(posterior):
    """Of the measured variable itself: its density times the likelihood, either way."""
    value, error = posterior.quantiles("log_mstar", [0.4])[:, 0], 0.3
    chi = lambda theta: -0.5 * ((theta["log_mstar"] - value[:, None]) / error) ** 2  # noqa: E731
    weighted = posterior.reweight(chi, n=8000, seed=0, variables=["log_mstar"])
    given = posterior.condition(log_mstar=(value, error))
    scatter = given.std("log_mstar") / np.sqrt(weighted.effective_size)
    assert (np.abs(weighted.mean("log_mstar") - given.mean("log_mstar")) < 4 * scatter).all()


def test_derived_quantities_that_have_no_value():
    draws = {"flux_halpha": np.array([[1.0, 2.0, -1.0, 4.0]]), "flux_hbeta": np.ones((1, 4))}
    found = WeightedDraws.of(draws, lambda theta: [[1.0, 1.0, 2.0, 0.0]], log=False, min_effective=1)
    found = found.derive(["balmer_decrement"])
    np.testing.assert_allclose(found.defined("balmer_decrement"), 0.5)
    np.testing.assert_allclose(found.mean("balmer_decrement"), 1.5)
    np.testing.assert_allclose(found.quantiles("balmer_decrement", [0.5]), [[1.5]])


def test_collapse_is_told(gaussian):
    with pytest.warns(UserWarning, match="1 of 2 galaxies, the first in row 0, keep fewer than 100 effective draws"):
        found = WeightedDraws.of(gaussian, lambda theta: np.where(theta["x"] > 4.5, 0.0, -math.inf))
    assert found.effective_size[0] == 0 and np.isnan(found.quantiles("x", [0.5])[0, 0])
    assert np.isfinite(found.quantiles("x", [0.5])[1, 0]) and found.log_mean_weight[0] == -math.inf
    with pytest.raises(ValueError, match="no draw of galaxy 0 has a weight"):
        found.sample(3)


@pytest.mark.parametrize(
    "function, options, message",
    [
        (lambda t: np.nan * t["x"], {}, "the weight of draw 0 of galaxy 0 is nan; a log weight"),
        (lambda t: t["x"] - 10, {"log": False}, "a weight is a number, zero or above"),
        (lambda t: t["x"][0], {}, "the weights have shape .20000,.; .2, 20000., one a draw"),
        (lambda t: t["y"], {}, "the function needs draws of 'y'; name it in variables="),
    ],
)
def test_weights_that_make_no_sense(gaussian, function, options, message):
    with pytest.raises(ValueError, match=message):
        WeightedDraws.of(gaussian, function, **options)


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda w: w.quantiles("x", [1.5]), "must lie between 0 and 1"),
        (lambda w: w.quantiles("y", [0.5]), "y was not drawn; name it in variables="),
        (lambda w: w.mean("kind"), "kind is a category"),
        (lambda w: w.probabilities("x"), "x is not a category"),
        (lambda w: w.sample(0), "at least one draw"),
    ],
)
def test_questions_that_make_no_sense(gaussian, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(WeightedDraws.of(gaussian, lambda theta: 0 * theta["x"]))
