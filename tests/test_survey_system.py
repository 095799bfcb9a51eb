"""Fluxes of a survey with known zero points: answers are those of corrected fluxes, given back in its own system."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.data.survey_calibration import SurveyCalibration
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.tokenization_galaxy import GalaxyTokenizer
from tests.tiny_model import tiny_model

SHOWN, HIDDEN = ("J0500", "J0600", "rSDSS"), "J0700"
CALIBRATION = {
    "zero_points": {"J0500": 0.3, "J0600": -0.2, "J0700": 0.5},
    "error_scale": {"J0500": 1.5, "rSDSS": 0.8},
}
FACTOR = {name: 10 ** (-0.4 * CALIBRATION["zero_points"].get(name, 0.0)) for name in (*SHOWN, HIDDEN)}


def catalogue(corrected: bool) -> Table:
    """Three galaxies, one of them faint enough for the coordinate of a flux to be no logarithm."""
    rng, table = np.random.default_rng(0), Table()
    for name in SHOWN:
        flux, error = np.array([3e4, 2e3, 150.0]) * rng.uniform(0.8, 1.2, 3), np.array([300.0, 90.0, 70.0])
        factor = FACTOR[name] if corrected else 1.0
        ratio = CALIBRATION["error_scale"].get(name, 1.0) if corrected else 1.0
        table[name], table[name + "_err"] = flux * factor, error * factor * ratio
        table[name].unit = table[name + "_err"].unit = "nJy"
    return table


@pytest.fixture(scope="module")
def pair() -> tuple[GalaxyPosterior, GalaxyPosterior]:
    """As the survey gave them to a model that knows its calibration; and corrected by hand, to one that does not."""
    calibrated, plain = tiny_model(), tiny_model()
    calibrated.config.calibration = {"minijpas": CALIBRATION}
    mine, hand = (GalaxyPosterior(model, GalaxyTokenizer()) for model in (calibrated, plain))
    return mine.condition(catalogue(False), survey="minijpas"), hand.condition(catalogue(True), survey="minijpas")


# float32 of the network; the two ways to the same numbers round differently.
ROUNDING = {"rtol": 2e-4, "atol": 1e-6}


def test_properties_are_those_of_corrected_fluxes(pair):
    mine, hand = (p.quantiles("redshift", [0.1, 0.5, 0.9]) for p in pair)
    np.testing.assert_allclose(mine, hand, **ROUNDING)


@pytest.mark.parametrize("band", [HIDDEN, "J0500"])
def test_bands_are_given_back_in_the_survey_s_system(pair, band):
    mine, hand = pair
    factor = FACTOR[band]
    levels = [0.2, 0.5, 0.8]
    np.testing.assert_allclose(mine.quantiles(band, levels), hand.quantiles(band, levels) / factor, **ROUNDING)
    np.testing.assert_allclose(
        mine.quantiles(band, levels, error=50.0), hand.quantiles(band, levels, error=50.0 * factor) / factor, **ROUNDING
    )
    np.testing.assert_allclose(mine.mean(band), hand.mean(band) / factor, **ROUNDING)
    np.testing.assert_allclose(mine.std(band), hand.std(band) / factor, **ROUNDING)
    np.testing.assert_allclose(mine.cdf(band, 2000.0), hand.cdf(band, 2000.0 * factor), **ROUNDING)
    table = mine.predict_photometry([band])
    np.testing.assert_allclose(table[band + "_p50"].value, hand.quantiles(band, [0.5])[:, 0] / factor, **ROUNDING)


def test_densities_in_the_survey_s_system_are_normalised(pair):
    posterior = pair[0]
    low, high = posterior.quantiles(HIDDEN, [1e-4, 1 - 1e-4]).T
    grid = np.sinh(np.linspace(np.arcsinh(low.min() / 100), np.arcsinh(high.max() / 100), 40_001)) * 100
    mass = np.trapezoid(posterior.pdf(HIDDEN, grid), grid, axis=1)
    np.testing.assert_allclose(mass, 1.0, atol=2e-3)  # the tails beyond the grid hold 2e-4, the rest is the step
    by_chain = np.exp(posterior.log_prob({HIDDEN: np.full(3, 2000.0)}))
    np.testing.assert_allclose(posterior.pdf(HIDDEN, [2000.0])[:, 0], by_chain, rtol=1e-3)


def test_joint_draws_are_in_the_survey_s_system(pair):
    mine, hand = (p.sample(50, [HIDDEN, "redshift"], seed=3) for p in pair)
    np.testing.assert_allclose(mine[HIDDEN], hand[HIDDEN] / FACTOR[HIDDEN], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(mine["redshift"], hand["redshift"], rtol=1e-3, atol=1e-5)


def test_the_likelihood_of_the_photometry_has_the_jacobian(pair):
    """By finite differences of the coordinate arcsinh(f / 1000) / 1.25 of what was measured."""

    def coordinate(flux):
        return np.arcsinh(flux / 1000.0) / 1.25

    slope, raw = 0.0, catalogue(False)
    for name in SHOWN:
        f, step = np.asarray(raw[name]), 1e-3
        ends = [(coordinate((f + s) * FACTOR[name]), coordinate(f + s)) for s in (step, -step)]
        slope += np.log((ends[0][0] - ends[1][0]) / (ends[0][1] - ends[1][1]))
    mine, hand = (p.log_prob_photometry() for p in pair)
    np.testing.assert_allclose(mine, hand + slope, rtol=1e-4, atol=1e-4)
    assert np.abs(slope).max() > 0.05, "the case must have a Jacobian to see"


def test_the_order_of_evidence_does_not_matter(pair):
    start = GalaxyPosterior(pair[0].model, pair[0].tokenizer)
    other = start.condition(survey="minijpas").condition(catalogue(False))
    np.testing.assert_array_equal(other.quantiles("redshift", [0.5]), pair[0].quantiles("redshift", [0.5]))


def test_each_galaxy_has_the_calibration_of_its_own_survey(pair):
    start = GalaxyPosterior(pair[0].model, pair[0].tokenizer).condition(catalogue(False))
    mixed = start.condition(survey=np.array(["minijpas", "sdss", "minijpas"], dtype=object))
    other = start.condition(survey="sdss")
    whole = pair[0].quantiles(HIDDEN, [0.5])
    np.testing.assert_allclose(mixed.quantiles(HIDDEN, [0.5])[[0, 2]], whole[[0, 2]], **ROUNDING)
    np.testing.assert_allclose(mixed.quantiles(HIDDEN, [0.5])[1], other.quantiles(HIDDEN, [0.5])[1], **ROUNDING)


def test_evidence_stays_as_it_was_given(pair):
    column = [v.name for v in pair[0].variables].index("J0500")
    np.testing.assert_allclose(pair[0].evidence.values[:, column], catalogue(False)["J0500"])


def test_a_survey_that_nobody_knows_is_refused(pair):
    with pytest.raises(ValueError, match="survey: 'euclid' is not one of sim_survey"):
        pair[0].condition(survey="euclid")


@pytest.mark.parametrize(
    "wrong", [{"zero_points": {"J0500": float("nan")}}, {"error_scale": {"J0500": 0.0}}, {"error_scale": {"J0500": -1}}]
)
def test_a_damaged_calibration_is_refused(wrong):
    with pytest.raises(ValueError, match="calibration of x: .* of J0500 is .*restore config"):
        SurveyCalibration.of("x", {"x": wrong})


def test_a_calibration_survives_json():
    made = SurveyCalibration({"J0500": 0.1234567}, {"J0500": 1.1})
    assert SurveyCalibration.of("x", {"x": made.to_dict()}).to_dict() == made.to_dict()
    assert SurveyCalibration.of("y", {"x": made.to_dict()}) is None
    np.testing.assert_allclose(made.factors(["J0500", "redshift"]), [10 ** (-0.4 * 0.1234567), 1.0])
