"""One reading of the evidence gives what the posterior gives when it is asked property by property."""

import numpy as np
import pytest
import torch

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.assessment import held_out as module
from hf_galaxy.assessment.answers import LEVELS, answer
from hf_galaxy.assessment.held_out import held_out
from hf_galaxy.evaluation.calibration import crps_from_quantiles
from tests.random_tables import observed_table, random_table, write_table
from tests.tiny_model import tiny_model

NAMES = ("log_mstar", "redshift", "ew_halpha", "flux_halpha")


@pytest.fixture(scope="module")
def galaxy():
    return GalaxyPosterior(tiny_model(), GalaxyTokenizer())


@pytest.fixture(scope="module")
def galaxies(galaxy, tmp_path_factory):
    folder = write_table(random_table(25, 2), tmp_path_factory.mktemp("galaxies"))
    return held_out(str(folder), 25, 1, galaxy.variables)


def test_answers_are_those_of_the_posterior(galaxy, galaxies):
    found = answer(galaxy, galaxies, NAMES, "nominal", 1)
    posterior = galaxy.condition(galaxies.observe(slice(0, 25), "nominal", 1))
    for name in NAMES:
        mine, truth = found.of[name], galaxies.truth[name]
        quantiles = posterior.quantiles(name, LEVELS)
        np.testing.assert_array_equal(mine.truth, truth)
        for values, level in ((mine.low, 0.16), (mine.median, 0.5), (mine.high, 0.84)):
            np.testing.assert_allclose(values, quantiles[:, LEVELS.tolist().index(level)], rtol=1e-4)  # float32
        np.testing.assert_allclose(mine.pit, posterior.cdf(name, truth), atol=1e-5)
        np.testing.assert_allclose(mine.crps, crps_from_quantiles(quantiles, LEVELS, truth), rtol=1e-3)
        slope = galaxy._coordinates(name).log_slope(torch.as_tensor(truth)[:, None])[:, 0].numpy()
        np.testing.assert_allclose(mine.nll, slope - posterior.log_prob({name: truth}), atol=1e-3)
    z = found.of["redshift"].median
    low, high = (posterior.cdf("redshift", z + side * 0.03 * (1 + z)) for side in (-1, 1))
    np.testing.assert_allclose(found.odds, high - low, atol=1e-4)
    np.testing.assert_array_equal(found.evidence, posterior.n_evidence)


def test_the_size_of_the_pieces_changes_no_answer(galaxy, galaxies, monkeypatch):
    whole = answer(galaxy, galaxies, NAMES, "none", 1)
    observe = galaxies.observe
    fixed = observe(slice(0, 25), "none", 1)
    monkeypatch.setattr(module, "PIECE", 7)
    object.__setattr__(galaxies, "observe", lambda rows, noise, seed: fixed[rows])
    pieces = answer(galaxy, galaxies, NAMES, "none", 1)
    object.__setattr__(galaxies, "observe", observe)
    for name in NAMES:
        np.testing.assert_allclose(pieces.of[name].pit, whole.of[name].pit, atol=1e-5)
        np.testing.assert_allclose(pieces.of[name].median, whole.of[name].median, rtol=1e-4)


def test_galaxies_without_truth_of_a_property_are_left_out_of_it_alone(galaxy, tmp_path):
    table = observed_table(30, noisy=True)
    galaxies = held_out(str(write_table(table, tmp_path / "real")), 30, 1, galaxy.variables)
    found = answer(galaxy, galaxies, NAMES, "none", 1)
    for name in NAMES:
        known = np.isfinite(galaxies.truth[name])
        assert 0 < known.sum() < 30
        np.testing.assert_array_equal(found.of[name].rows, np.flatnonzero(known))
        for field in ("pit", "nll", "crps", "crps_coordinate", "truth_coordinate"):
            assert np.isfinite(getattr(found.of[name], field)).all()
    assert len(found.odds) == 30 and np.isfinite(found.odds).all()
    assert answer(galaxy, galaxies, ["av"], "none", 1).odds is None


def test_the_zero_points_of_a_survey_apply(galaxies):
    model = tiny_model()
    model.config.calibration = {"minijpas": {"zero_points": {"J0500": 0.8, "rSDSS": -0.8}, "error_scale": {}}}
    galaxy = GalaxyPosterior(model, GalaxyTokenizer())
    plain, told = (
        answer(g, galaxies, NAMES, "none", 1).of["redshift"] for g in (galaxy, galaxy.condition(survey="minijpas"))
    )
    posterior = galaxy.condition(galaxies.observe(slice(0, 25), "none", 1)).condition(survey="minijpas")
    np.testing.assert_allclose(told.median, posterior.quantiles("redshift", [0.5])[:, 0], rtol=1e-4)
    model.config.calibration = {}
    ignored = answer(galaxy.condition(survey="minijpas"), galaxies, NAMES, "none", 1).of["redshift"]
    assert np.abs(told.median - ignored.median).max() > 1e-3 and np.abs(told.median - plain.median).max() > 1e-3
