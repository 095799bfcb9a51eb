"""Modes, odds, shortest intervals and highest-density regions, against densities on a fine grid and in closed form."""

from __future__ import annotations

import math

import astropy.units as u
import numpy as np
import pytest
import torch
from scipy import stats

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.coordinates_galaxy import Coordinates
from hf_galaxy.densities_galaxy import MixtureDensity
from hf_galaxy.posterior.highest_density import MODE_NODES, Profile
from hf_galaxy.variables_galaxy import Variable
from tests.tiny_model import tiny_model

N = 5
# A limited variable, an unlimited one, and an arcsinh coordinate of both signs.
NAMES = ["redshift", "log_mstar", "ew_halpha"]


@pytest.fixture(scope="module")
def posterior() -> GalaxyPosterior:
    """A random head: densities of several peaks."""
    rng = np.random.default_rng(0)
    known = {name: (rng.uniform(500, 9000, N), np.full(N, 50.0)) for name in ("J0378", "J0660", "rSDSS")}
    return GalaxyPosterior(tiny_model(3), GalaxyTokenizer()).condition(**known)


def profile(weights, locs, scales, lower=-math.inf, upper=math.inf, **variable) -> Profile:
    tensors = (torch.tensor([[x]]) for x in (np.log(weights).tolist(), locs, scales))
    limits = (torch.tensor([[x]]) for x in (lower, upper))
    return Profile.of(MixtureDensity(*tensors, *limits), Coordinates([Variable("x", **variable)], torch.float64))


def grid(posterior: GalaxyPosterior, name: str, n: int = 40001) -> tuple[np.ndarray, np.ndarray]:
    """Physical values, regular in the coordinate, over nearly all probability, and the densities there."""
    variable = posterior.tokenizer.variable(name)
    ends = [variable.forward(float(x)) for x in posterior.quantiles(name, [1e-4, 1 - 1e-4]).ravel()]
    x = np.array([variable.inverse(t) for t in np.linspace(min(ends), max(ends), n)])
    return x, posterior.pdf(name, x)


@pytest.mark.parametrize("name", NAMES)
def test_the_mode_is_where_a_fine_grid_is_highest(posterior, name):
    x, pdf = grid(posterior, name)
    mode = posterior.mode(name)
    height = np.array([posterior.pdf(name, [m])[i, 0] for i, m in enumerate(mode)])
    np.testing.assert_array_less(pdf.max(axis=1), height * (1 + 1e-5))
    # `pdf` is of single precision: it is flat to 1e-7 within some thousandths of a width around a peak.
    np.testing.assert_allclose(mode, x[pdf.argmax(axis=1)], atol=5e-3 * posterior.std(name).min())


def test_the_mode_of_a_log_normal():
    """exp(mu - sigma²): the peak of the density of the physical value, not of its coordinate."""
    found = profile([1.0], [0.4], [0.5], transform="log1p")
    assert float(found.physical(found.mode())) == pytest.approx(math.exp(0.4 - 0.25) - 1, abs=1e-6)


def test_a_mode_at_a_hard_limit():
    found = profile([1.0], [-1.0], [0.5], lower=0.0)
    assert float(found.mode()) == 0.0
    # All of the shortest interval lies at the limit: the quantile of a truncated normal.
    expected = stats.truncnorm.ppf(0.68, 2.0, np.inf, loc=-1.0, scale=0.5)
    np.testing.assert_allclose(found.shortest(0.68)[0], [0.0, expected], atol=1e-6)
    np.testing.assert_allclose(found.region(0.68)[0, 0], [0.0, expected, 0.68], atol=1e-3)


def test_a_needle_beside_a_hill_is_found():
    """The needle has 2 % of the probability, and is a thousand times narrower."""
    found = profile([0.98, 0.02], [0.0, 2.0], [1.0, 0.001])
    assert float(found.mode()) == pytest.approx(2.0, abs=1e-6)


def test_the_highest_of_many_peaks_is_found_with_few_nodes():
    """Twelve components of scales from 0.001 to 1: no value on a fine grid is higher than the mode."""
    rng = np.random.default_rng(2)
    n, k = 200, 12
    log_weights = torch.tensor(np.log(rng.dirichlet(np.ones(k), (n, 1))))
    loc, scale = torch.tensor(rng.normal(0, 1, (n, 1, k))), torch.tensor(10 ** rng.uniform(-3, 0, (n, 1, k)))
    limit = torch.full((n, 1), math.inf, dtype=torch.float64)
    density = MixtureDensity(log_weights, loc, scale, -limit, limit)
    found = Profile.of(density, Coordinates([Variable("x")], torch.float64), MODE_NODES)
    fine = Profile.of(density, found.coordinates, 2001)
    short = fine.log_pdf.amax(-1, keepdim=True) - found.log_density(found.mode())
    assert float(short.max()) < 1e-6


def test_the_interval_of_a_gaussian():
    found = profile([1.0], [0.3], [0.2])
    half = 0.2 * stats.norm.ppf(0.95)
    # The width is flat at its minimum: rounding of 1e-6 in probability moves the ends by its root.
    np.testing.assert_allclose(found.shortest(0.9)[0], [0.3 - half, 0.3 + half], atol=2e-3 * 0.2)
    np.testing.assert_allclose(found.region(0.9)[0, 0], [0.3 - half, 0.3 + half, 0.9], atol=1e-3)


def test_the_region_of_two_peaks_has_two_pieces_and_leaves_the_gap():
    found = profile([0.7, 0.3], [0.0, 10.0], [1.0, 1.0]).region(0.9)[0]
    pieces = found[torch.isfinite(found[:, 0])].numpy()
    assert len(pieces) == 2
    # The pieces end at one density; solved with scipy in closed form, far from each other.
    c = stats.norm.pdf(pieces[0, 0]) * 0.7
    np.testing.assert_allclose(0.3 * stats.norm.pdf(pieces[1, :2], loc=10.0), c, rtol=2e-2)
    np.testing.assert_allclose(pieces[:, 2].sum(), 0.9, atol=1e-4)
    np.testing.assert_allclose(pieces[0, 2], 0.7 * np.diff(stats.norm.cdf(pieces[0, :2]))[0], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mass", [0.5, 0.95])
def test_intervals_hold_their_mass_and_none_is_shorter(posterior, name, mass):
    low, high = posterior.interval(name, mass).T
    np.testing.assert_allclose(posterior.cdf(name, high) - posterior.cdf(name, low), mass, atol=1e-4)
    starts = np.linspace(1e-4, 1 - mass - 1e-4, 400)
    ends = posterior.quantiles(name, starts + mass) - posterior.quantiles(name, starts)
    assert (high - low <= ends.min(axis=1) * (1 + 1e-4)).all()


@pytest.mark.parametrize("name", NAMES)
def test_regions_hold_their_mass_and_are_the_highest(posterior, name):
    x, pdf = grid(posterior, name)
    low, high = posterior.interval(name, 0.8).T
    for i, pieces in enumerate(posterior.regions(name, 0.8)):
        assert pieces[:, 2].sum() == pytest.approx(0.8, abs=1e-3)  # the log density runs straight between nodes
        assert (pieces[:, 1] > pieces[:, 0]).all() and (pieces[1:, 0] > pieces[:-1, 1]).all()
        inside = ((x[:, None] >= pieces[:, 0]) & (x[:, None] <= pieces[:, 1])).any(axis=1)
        assert pdf[i][inside].min() > pdf[i][~inside].max() * (1 - 0.03)
        assert np.diff(pieces[:, :2]).sum() <= (high[i] - low[i]) * (1 + 1e-3)


def test_odds_are_the_probability_around_the_mode(posterior):
    mode = posterior.mode("redshift")
    expected = [posterior.cdf("redshift", mode + s * 0.03 * (1 + mode)) for s in (-1, 1)]
    np.testing.assert_allclose(posterior.odds(), expected[1] - expected[0], atol=1e-5)
    mode = posterior.mode("J0900")
    expected = posterior.cdf("J0900", mode + 2e3) - posterior.cdf("J0900", mode - 2e3)
    np.testing.assert_allclose(posterior.odds("J0900", 2 * u.uJy), expected, atol=1e-5)
    each = posterior.odds("J0900", np.linspace(1e3, 3e3, N))
    assert each[N // 2] == pytest.approx(expected[N // 2], abs=1e-5)


def test_a_survey_s_zero_points():
    """Answers about a band are those in the system of the model, in the survey's own units."""
    calibrated, plain = tiny_model(3), tiny_model(3)
    calibrated.config.calibration = {"minijpas": {"zero_points": {"J0900": 0.5}}}
    mine, hand = (GalaxyPosterior(m, GalaxyTokenizer()).condition(survey="minijpas") for m in (calibrated, plain))
    factor = 10 ** (-0.4 * 0.5)
    np.testing.assert_allclose(mine.mode("J0900"), hand.mode("J0900") / factor, rtol=1e-6)
    np.testing.assert_allclose(mine.interval("J0900"), hand.interval("J0900") / factor, rtol=1e-6)
    np.testing.assert_allclose(mine.odds("J0900", 500.0), hand.odds("J0900", 500.0 * factor), rtol=1e-6)
    pieces, expected = mine.regions("J0900")[0], hand.regions("J0900")[0]
    np.testing.assert_allclose(pieces, expected / [factor, factor, 1.0], rtol=1e-6)


def test_what_is_known_exactly_is_its_own_mode(posterior):
    known = posterior.condition(redshift=0.31)
    np.testing.assert_allclose(known.mode("redshift"), 0.31, atol=1e-5)
    np.testing.assert_allclose(known.odds(), 1.0)


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda p: p.mode("mass"), "no variable is called 'mass'"),
        (lambda p: p.mode("survey"), "survey is a category"),
        (lambda p: p.odds("log_mstar"), "odds.'log_mstar'. needs a width"),
        (lambda p: p.odds("log_mstar", -0.1), "width=-0.1: give a number above zero"),
        (lambda p: p.odds("log_mstar", [0.1, 0.2]), "width=.0.1, 0.2.: give a number above zero, or one for each of 5"),
        (lambda p: p.odds("J0660", 1 * u.m), "J0660: values in m; nJy is wanted"),
        (lambda p: p.interval("redshift", 1.0), "mass=1.0: the probability of an interval lies between 0 and 1"),
        (lambda p: p.regions("redshift", 0.0), "mass=0.0"),
        (lambda p: p.regions("survey"), "survey is a category"),
    ],
)
def test_questions_that_make_no_sense(posterior, ask, message):
    with pytest.raises(ValueError, match=message) as error:
        ask(posterior)
    assert "\n" not in str(error.value)
