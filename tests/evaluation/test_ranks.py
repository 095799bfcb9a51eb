"""Simulation-based calibration of a posterior in closed form, and of forged ones."""

import numpy as np
import pytest
from scipy.stats import chisquare

from hf_galaxy.evaluation.ranks import continuous_ranks, rank_test, sbc_ranks

N, S = 4000, 99


@pytest.fixture
def rng():
    return np.random.default_rng(20261122)


def linear_gaussian(rng):
    """Truths from the prior N(0, I), one datum a property with error 1 and, of both, one of their difference."""
    design, variance = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, -1.0]]), np.array([1.0, 1.0, 0.04])
    truth = rng.normal(size=(N, 2))
    data = truth @ design.T + rng.normal(size=(N, 3)) * np.sqrt(variance)
    covariance = np.linalg.inv(np.eye(2) + (design.T / variance) @ design)
    return truth, data @ (design / variance[:, None]) @ covariance, covariance


def draws(rng, mean, covariance):
    return mean[:, None] + rng.normal(size=(N, S, 2)) @ np.linalg.cholesky(covariance).T


def test_ranks_by_hand():
    assert sbc_ranks([[1.0, 2.0, 3.0]] * 3, [2.5, 0.0, 9.0]).tolist() == [2, 0, 3]


def test_ties_fall_anywhere_among_their_equals():
    ranks = sbc_ranks(np.ones((4000, 3)), np.ones(4000), seed=1)
    assert np.bincount(ranks) == pytest.approx(np.full(4, 1000), abs=110)  # four binomial errors of 27


def test_an_exact_posterior_has_uniform_ranks_in_every_projection(rng):
    truth, mean, covariance = linear_gaussian(rng)
    samples = draws(rng, mean, covariance)
    for direction in ([1, 0], [0, 1], [1, -1], [1, 1]):
        test = rank_test(sbc_ranks(samples @ direction, truth @ direction), S)
        assert test.verdict == "calibrated" and test.p_value > 1e-3  # false alarm 1e-3 a projection, fixed seed


@pytest.mark.parametrize(
    ("width", "shift", "verdict"), [(0.8, 0, "over-confident"), (1.25, 0, "under-confident"), (1, 0.1, "biased")]
)
def test_forged_widths_and_means_are_found_out(rng, width, shift, verdict):
    truth, mean, covariance = linear_gaussian(rng)
    test = rank_test(sbc_ranks(draws(rng, mean + shift, width**2 * covariance)[..., 0], truth[:, 0]), S)
    assert test.verdict == verdict and test.p_value < 1e-3


def test_right_marginals_with_a_lost_correlation_are_seen_by_a_projection_alone(rng):
    truth, mean, covariance = linear_gaussian(rng)
    forged = draws(rng, mean, np.diag(np.diag(covariance)))
    for i in range(2):
        assert rank_test(sbc_ranks(forged[..., i], truth[:, i]), S).verdict == "calibrated"
    difference = rank_test(sbc_ranks(forged @ [1, -1], truth @ [1, -1]), S)
    assert difference.verdict == "under-confident"
    assert rank_test(sbc_ranks(forged @ [1, 1], truth @ [1, 1]), S).verdict == "over-confident"


def test_any_number_of_draws_and_bins_goes_together(rng):
    ranks = rng.integers(0, 101, size=20_000)  # 101 places, 20 bins
    test = rank_test(ranks, 100, bins=20)
    assert test.p_value > 1e-3 and test.verdict == "calibrated"
    naive = np.histogram(ranks, bins=20, range=(0, 100))[0]
    assert chisquare(naive).pvalue < 1e-3  # six places in the last bin against five: what spreading the ranks mends


def test_spread_ranks_stay_in_their_cells():
    spread = continuous_ranks([0, 4, 9], 9, seed=2)
    assert np.floor(10 * spread).tolist() == [0, 4, 9]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sbc_ranks([1.0], [1.0]), r"give \(n, draws\)"),
        (lambda: sbc_ranks([[np.nan, 1.0]], [1.0]), "must be finite"),
        (lambda: rank_test([0, 12], 9), "whole numbers from 0 to 9"),
        (lambda: rank_test([], 9), "non-empty"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
