"""Expected information against closed forms and against brute force by sampling; see also test_linear_gaussian."""

from __future__ import annotations

import math

import astropy.units as u
import numpy as np
import pytest
import torch
from scipy import stats

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.densities_galaxy import MixtureDensity
from hf_galaxy.posterior.expected_information import information
from tests.tiny_model import tiny_model


@pytest.fixture(scope="module")
def galaxy() -> GalaxyPosterior:
    return GalaxyPosterior(tiny_model(2), GalaxyTokenizer())


@pytest.mark.parametrize("variance", [0.9, 0.5, 0.1])
def test_of_a_gaussian_measured_with_a_gaussian_error(variance):
    """Posteriors N(m, v) with means of variance 1 − v: the information is −½ ln v."""
    level, weight = np.polynomial.legendre.leggauss(32)
    means = stats.norm.ppf(0.5 * (1 + level)) * math.sqrt(1 - variance)
    loc, one = torch.tensor(means).view(1, -1, 1), torch.ones(1, 32, 1, dtype=torch.float64)
    beyond = torch.full((1, 32), math.inf, dtype=torch.float64)
    posteriors = MixtureDensity(0 * one, loc, math.sqrt(variance) * one, -beyond, beyond)
    found = float(information(posteriors, torch.as_tensor(0.5 * weight)))
    # 32 measurements stand for all: 0.2 % too little at most.
    assert found == pytest.approx(-0.5 * math.log(variance), rel=3e-3)


def test_it_is_the_mean_of_the_entropy_that_many_measurements_take_away(galaxy):
    """Brute force: 400 measurements, each conditioned on, densities on a grid, the relative entropy from their mean."""
    known, n = galaxy.condition(J0660=(5000.0, 100.0)), 400
    flux = known.quantiles("J0400", (np.arange(n) + 0.5) / n, error=300.0)[0]
    many = galaxy.condition(J0660=(np.full(n, 5000.0), 100.0), J0400=(flux, 300.0))
    grid = np.linspace(*many.quantiles("log_mstar", [1e-5, 1 - 1e-5])[:, [0, 1]].ravel()[[0, -1]], 3001)
    grid = np.linspace(grid[0] - 1, grid[-1] + 1, 3001)
    pdf = many.pdf("log_mstar", grid)
    ratio = np.log(np.maximum(pdf, 1e-300)) - np.log(np.maximum(pdf.mean(axis=0), 1e-300))
    expected = np.trapezoid(pdf * ratio, grid, axis=1).mean()
    found = known.information_gain("log_mstar", ["J0400"], error=300.0, nodes=64)["J0400"]
    # A random network turns sharply with the flux: 64 nodes against 400 points.
    assert found.shape == (1,) and found[0] == pytest.approx(expected, rel=0.05)


def test_errors_units_and_what_is_known(galaxy):
    some = galaxy.condition(J0660=([5000.0, np.nan], 100.0), rSDSS=(4000.0, 50.0))
    both = some.information_gain("redshift", ["J0660", "NUV"], error={"J0660": 50.0, "NUV": [100.0, 200.0]})
    assert np.isnan(both["J0660"]).tolist() == [True, False] and (both["NUV"] > 0).all()
    other = some.information_gain("redshift", ["NUV"], error=[0.1, 0.2] * u.uJy)["NUV"]
    np.testing.assert_allclose(other, both["NUV"], rtol=1e-4)
    everything = some.information_gain("redshift", error=100.0, nodes=2)
    assert "rSDSS" not in everything and len(everything) == 61


def test_a_survey_s_zero_points():
    calibrated, plain = tiny_model(2), tiny_model(2)
    calibrated.config.calibration = {"minijpas": {"zero_points": {"J0400": 0.5}}}
    factor = 10 ** (-0.4 * 0.5)
    mine, hand = (GalaxyPosterior(m, GalaxyTokenizer()).condition(survey="minijpas") for m in (calibrated, plain))
    found = mine.information_gain("redshift", ["J0400"], error=300.0)["J0400"]
    expected = hand.information_gain("redshift", ["J0400"], error=300.0 * factor)["J0400"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda p: p.information_gain("redshift"), "needs error="),
        (lambda p: p.information_gain("survey", error=1.0), "survey is a category"),
        (lambda p: p.information_gain("av", ["survey"], error=1.0), "survey is a category"),
        (lambda p: p.information_gain("rSDSS", error=1.0), "rSDSS is evidence already"),
        (lambda p: p.information_gain("av", ["av"], error=1.0), "and not av itself"),
        (lambda p: p.information_gain("av", [], error=1.0), "at least one"),
        (lambda p: p.information_gain("av", ["NUV"], error=0.0), "error of NUV must be above zero"),
        (lambda p: p.information_gain("av", ["NUV"], error=-1.0), "an asked error is a number, zero or above"),
        (lambda p: p.information_gain("av", ["NUV"], error={"FUV": 1.0}), "error of FUV: it is not asked for"),
        (lambda p: p.information_gain("av", ["NUV"], error=1.0, nodes=1), "nodes=1"),
        (lambda p: p.information_gain("mass", error=1.0), "no variable is called 'mass'"),
    ],
)
def test_questions_that_make_no_sense(galaxy, ask, message):
    with pytest.raises(ValueError, match=message) as error:
        ask(galaxy.condition(rSDSS=(4000.0, 50.0)))
    assert "\n" not in str(error.value)
