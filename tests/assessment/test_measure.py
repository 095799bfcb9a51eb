"""Figures of merit of answers in closed form, honest and forged."""

import numpy as np
import pytest
from scipy import stats

from hf_galaxy.assessment.answers import Answer, Answers
from hf_galaxy.assessment.held_out import HeldOut
from hf_galaxy.assessment.measure import answer_metrics

N = 6000


def gaussian(rng, name_scale=0.1, width=1.0, shift=0.0, curl=0.0):
    """Answers N(mean, 0.1²) to truths that scatter by that about the mean; forged by width, shift or shape."""
    mean = rng.normal(10, 1, N)
    truth = mean + name_scale * rng.normal(size=N)
    sigma, centre = width * name_scale, mean - shift * name_scale
    z = (truth - centre) / sigma
    pit = stats.norm.cdf(z)
    # monotonic for curl below 1/5; mean and, to first order, spread stay
    pit = pit + curl * (np.sin(2 * np.pi * pit) - 2 * np.sin(4 * np.pi * pit)) / (2 * np.pi)
    nll = 0.5 * z**2 + np.log(sigma * np.sqrt(2 * np.pi))
    crps = sigma * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    one = stats.norm.ppf(0.84) * sigma
    return Answer(np.arange(N), truth, centre - one, centre, centre + one, pit, nll, crps, crps, truth, centre)


def metrics_of(answer, name="log_mstar", odds=None):
    magnitude = np.linspace(11, 22.5, N)
    galaxies = HeldOut({name: answer.truth}, magnitude, None, True, {}, None)
    return answer_metrics(Answers({name: answer}, odds, np.ones(N, dtype=int)), galaxies)


@pytest.fixture
def rng():
    return np.random.default_rng(20261122)


def test_an_honest_gaussian_has_the_figures_of_theory(rng):
    found = metrics_of(gaussian(rng))
    row = found["properties"]["log_mstar"]
    assert row["verdict"] == "calibrated"
    assert row["sigma_nmad"] == pytest.approx(0.1, rel=0.06)  # four errors of 1.17 / sqrt(n)
    assert row["crps"] == pytest.approx(0.1 / np.sqrt(np.pi), rel=0.06)
    assert row["nll"] == pytest.approx(0.5 + np.log(0.1 * np.sqrt(2 * np.pi)), abs=0.037)  # four of sqrt(1 / 2n)
    assert row["coverage_68"] == pytest.approx(0.68, abs=0.025)
    assert row["prior_sigma_nmad"] == pytest.approx(1, rel=0.06)
    assert found["mean_nll"] == pytest.approx(row["nll"])
    assert "redshift" not in found and "without_evidence" not in found


@pytest.mark.parametrize(
    ("forgery", "verdict"),
    [
        ({"width": 0.85}, "over-confident"),
        ({"width": 1.15}, "under-confident"),
        ({"shift": 0.15}, "biased"),
        ({"curl": 0.19}, "misshapen"),
    ],
)
def test_forged_answers_are_found_out(rng, forgery, verdict):
    row = metrics_of(gaussian(rng, **forgery))["properties"]["log_mstar"]
    assert row["verdict"] == verdict
    honest = metrics_of(gaussian(np.random.default_rng(20261122)))["properties"]["log_mstar"]
    assert row["pit_deviation"] > 1.5 * honest["pit_deviation"]


def test_properties_are_binned_by_magnitude_and_widths_by_width(rng):
    answer = gaussian(rng)
    assert "by_width" in metrics_of(answer) and not metrics_of(answer)["by_width"]
    found = metrics_of(answer, "ew_halpha")
    assert sum(one.n for one in found["by_magnitude"]["ew_halpha"].values()) == N
    inside = (answer.truth >= 3) & (answer.truth < 10)
    assert found["by_width"]["ew_halpha"]["3-10"].n == inside.sum()


def test_redshifts_have_odds_that_come_true(rng):
    answer = gaussian(rng, 0.05)
    z = np.abs(rng.normal(0.4, 0.1, N))
    sigma = rng.choice([0.01, 0.03, 0.1], N)
    z_phot = z + sigma * rng.normal(size=N)
    odds = 2 * stats.norm.cdf(0.03 * (1 + z_phot) / sigma) - 1
    answer = Answer(np.arange(N), z, z_phot - sigma, z_phot, z_phot + sigma, *[answer.pit] * 4, z, z_phot)
    found = metrics_of(answer, "redshift", odds)["redshift"]
    assert found["inside_003"] == pytest.approx(found["mean_odds"], abs=4 * 0.5 / np.sqrt(N))
    assert found["by_odds"]["0.95-1"].sigma_nmad < found["by_odds"]["0.3-0.6"].sigma_nmad
    assert sum(one.n for one in found["by_i"].values()) == N and found["outside_magnitude_bins"] == 0
    assert found["all"].outliers_003 == pytest.approx(1 - found["inside_003"], abs=0.01)
