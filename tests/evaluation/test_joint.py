"""Joint posteriors that are honest, and forged ones whose marginals are right or wrong."""

import numpy as np
import pytest

from hf_galaxy.evaluation.calibration import calibration_test, pit_from_samples
from hf_galaxy.evaluation.joint import residual_correlation, tarp_ranks

pytest.importorskip("tarp", reason='joint coverage needs pip install "hf-galaxy[eval]"')

N, S, RHO = 3000, 99, 0.9


@pytest.fixture(scope="module")
def galaxies():
    """Centres, truths and reference points of galaxies with two properties of correlation 0.9."""
    rng = np.random.default_rng(20261122)
    centre = rng.normal(size=(N, 2))
    return centre, centre + correlated(rng, (N,)), rng.uniform(-3, 3, size=(N, 2))


def correlated(rng, shape, rho=RHO, width=1.0, shift=0.0):
    return shift + width * rng.normal(size=(*shape, 2)) @ np.linalg.cholesky([[1, rho], [rho, 1]]).T


def draws(galaxies, seed=1, **forgery):
    return galaxies[0][:, None] + correlated(np.random.default_rng(seed), (N, S), **forgery)


def verdict(galaxies, **forgery):
    return calibration_test(tarp_ranks(draws(galaxies, **forgery), *galaxies[1:])).verdict


def test_the_package_gives_the_ranks_of_distances():
    rng = np.random.default_rng(3)
    samples, truth, reference = rng.normal(size=(40, 7, 3)), rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    distance = np.linalg.norm(samples - reference[:, None], axis=2)
    expected = np.sort(pit_from_samples(distance, np.linalg.norm(truth - reference, axis=1)))
    assert tarp_ranks(samples, truth, reference) == pytest.approx(expected, abs=1e-12)


def test_shares_that_span_little_keep_their_value():
    # the truth of every galaxy lies between draws 3 and 4 of 7: the package's own bins would begin and end there
    samples = np.tile(np.arange(1.0, 8.0)[None, :, None], (10, 1, 2))
    ranks = tarp_ranks(samples, np.full((10, 2), 3.5), np.zeros((10, 2)))
    assert ranks == pytest.approx(np.full(10, 3.5 / 8))


def test_the_global_random_state_and_the_arguments_stay_as_they_are(galaxies):
    samples, before = draws(galaxies), draws(galaxies)
    np.random.seed(5)
    state = np.random.get_state()[1].copy()
    tarp_ranks(samples, *galaxies[1:])
    assert np.array_equal(np.random.get_state()[1], state)
    assert np.array_equal(samples, before)


# false alarm of the honest case: 1e-3, with a fixed seed
@pytest.mark.parametrize(
    ("forgery", "found"),
    [({}, "calibrated"), ({"width": 0.8}, "over-confident"), ({"width": 1.25}, "under-confident")],
)
def test_tarp_tells_joint_posteriors_that_are_too_narrow_or_too_wide(galaxies, forgery, found):
    assert verdict(galaxies, **forgery) == found


def test_tarp_sees_the_lost_correlation_that_marginals_hide(galaxies):
    forged = draws(galaxies, rho=0.0)
    for i in range(2):
        assert calibration_test(pit_from_samples(forged[..., i], galaxies[1][:, i])).verdict == "calibrated"
    assert verdict(galaxies, rho=0.0) != "calibrated"


def test_tarp_sees_shifts_of_one_direction(galaxies):
    reference = galaxies[0] + [[-4.0, 0.0]]  # all on one side; around the centre a shift cancels
    ranks = tarp_ranks(draws(galaxies, shift=0.3), galaxies[1], reference)
    assert calibration_test(ranks).verdict == "biased"


def test_residuals_go_together_as_honest_draws_say(galaxies):
    samples, truth = draws(galaxies), galaxies[1]
    result = residual_correlation(samples[..., 0], samples[..., 1], truth[:, 0], truth[:, 1])
    expected = 6 / np.pi * np.arcsin(RHO / 2)  # Spearman's of a bivariate normal
    # standard error (1 - rho^2) / sqrt(n) = 0.0035; four of them
    assert result.observed == pytest.approx(expected, abs=0.014)
    assert result.predicted == pytest.approx(expected, abs=0.014)
    assert result.lower < result.observed < result.upper
    assert result.upper - result.lower < 0.05


@pytest.mark.parametrize("rho", [0.0, 0.8, 0.97])
def test_residuals_betray_a_wrong_correlation(galaxies, rho):
    samples, truth = draws(galaxies, rho=rho), galaxies[1]
    result = residual_correlation(samples[..., 0], samples[..., 1], truth[:, 0], truth[:, 1])
    assert not result.lower < result.observed < result.upper
    assert result.predicted == pytest.approx(6 / np.pi * np.arcsin(rho / 2), abs=0.01)


def test_few_draws_do_not_bend_the_prediction(galaxies):
    samples, truth = draws(galaxies)[:, :20], galaxies[1]
    result = residual_correlation(samples[..., 0], samples[..., 1], truth[:, 0], truth[:, 1])
    assert result.predicted == pytest.approx(6 / np.pi * np.arcsin(RHO / 2), abs=0.005)  # the mean of 20 such scatters


def test_without_the_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tarp", None)
    with pytest.raises(ImportError, match=r"hf-galaxy\[eval\]"):
        tarp_ranks(np.zeros((2, 3, 1)), np.zeros((2, 1)), np.zeros((2, 1)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tarp_ranks(np.zeros((2, 3)), np.zeros(2), np.zeros(2)), r"\(n, s, d\)"),
        (lambda: tarp_ranks(np.zeros((2, 5, 3)), np.zeros((2, 2)), np.zeros((2, 2))), r"\(n, s, d\)"),
        (lambda: tarp_ranks(np.full((2, 5, 1), np.nan), np.zeros((2, 1)), np.zeros((2, 1))), "must be finite"),
        (lambda: residual_correlation(np.zeros((5, 9)), np.zeros((5, 9)), np.zeros(5), np.zeros(5)), "the least"),
        (lambda: residual_correlation(np.zeros((5, 30)), np.zeros((5, 30)), np.zeros(5), np.zeros(4)), "truths"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
