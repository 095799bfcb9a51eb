"""Densities and quantiles from draws."""

from __future__ import annotations

import numpy as np

from benchmarks.comparison.answers import LEVELS
from benchmarks.peers.draws import answers_from_draws, kernel_log_density


def test_the_density_of_normal_draws_is_normal():
    x = np.random.default_rng(0).standard_normal((20, 2000))
    truth = np.linspace(-1.5, 1.5, 20)
    # 2000 draws smoothed by 0.2: a few per cent wider than it ought to be, and 4 % noise
    expected = -0.5 * truth**2 - 0.5 * np.log(2 * np.pi)
    assert np.abs(kernel_log_density(x, truth) - expected).max() < 0.12


def test_a_truth_far_from_all_draws_is_unlikely_not_impossible():
    found = kernel_log_density(np.full((1, 100), 0.5), np.array([1.5]))
    assert -12 < found[0] < -5


def test_answers_are_ordered_and_galaxies_without_draws_have_none():
    draws = np.random.default_rng(0).normal(0.3, 0.1, (4, 500))
    draws[2] = np.nan
    answers = answers_from_draws({"redshift": draws, "not_compared": draws}, 1.0)
    assert answers.names == ("redshift",)
    assert np.isnan(answers.point["redshift"][2]) and np.isnan(answers.quantiles["redshift"][2]).all()
    middle = int(np.argmin(np.abs(LEVELS - 0.5)))
    assert np.allclose(answers.quantiles["redshift"][0, middle], answers.point["redshift"][0])
    assert np.isnan(answers.log_prob({"redshift": np.full(4, 0.3)})["redshift"][2])
