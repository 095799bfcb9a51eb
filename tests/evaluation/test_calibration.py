"""Closed-form cases, and forged posteriors that the diagnostics must tell from honest ones."""

import numpy as np
import pytest
from scipy import integrate, stats

from hf_galaxy.evaluation import calibration as cal

N = 4000


@pytest.fixture
def rng():
    return np.random.default_rng(20261122)


def gaussian_pit(rng, width=1.0, shift=0.0, n=N):
    """PIT of galaxies whose truth is standard normal under a posterior that says N(-shift, width^2)."""
    return stats.norm.cdf((rng.normal(size=n) + shift) / width)


def test_gaussian_crps_equals_the_defining_integral():
    mean, sigma, truth = 0.3, 0.7, 1.1
    step = lambda x: (stats.norm.cdf(x, mean, sigma) - (x >= truth)) ** 2  # noqa: E731
    integral = integrate.quad(step, -8, truth)[0] + integrate.quad(step, truth, 9)[0]
    assert cal.crps_gaussian(mean, sigma, truth) == pytest.approx(integral, abs=1e-7)  # precision of quad


def test_gaussian_crps_at_its_mean():
    assert cal.crps_gaussian(5.0, 2.0, 5.0) == pytest.approx(2.0 * (np.sqrt(2) - 1) / np.sqrt(np.pi))


def test_crps_of_quantiles_matches_closed_forms():
    levels = (np.arange(400) + 0.5) / 400
    truth = np.array([-1.5, 0.0, 0.4, 3.0])
    quantiles = np.tile(stats.norm.ppf(levels), (4, 1))
    # midpoint rule: what 400 levels miss beyond the last one is below 2.5e-4
    assert cal.crps_from_quantiles(quantiles, levels, truth) == pytest.approx(
        cal.crps_gaussian(0, 1, truth), abs=2.5e-4
    )
    y = np.array([0.0, 0.2, 0.9])
    assert cal.crps_from_quantiles(np.tile(levels, (3, 1)), levels, y) == pytest.approx(y**2 - y + 1 / 3, abs=1e-5)


def test_crps_of_uneven_levels_by_hand():
    # cells 0-0.15-0.5-1 around the levels; pinball losses 0.1, 0 and 0.2
    score = cal.crps_from_quantiles([[1.0, 2.0, 3.0]], [0.1, 0.2, 0.8], [2.0])
    assert score == pytest.approx([2 * (0.15 * 0.1 + 0.5 * 0.2)])


def test_crps_of_two_draws_by_hand():
    assert cal.crps_from_samples([[1.0, 4.0]], [2.0]) == pytest.approx([1.5 - 1.5])


def test_crps_of_samples_is_unbiased_however_few(rng):
    truth = rng.normal(size=20_000)
    score = cal.crps_from_samples(rng.normal(size=(20_000, 4)), truth).mean()
    # the score of a galaxy scatters by about 0.6: 0.6 / sqrt(20000) = 0.004; four of them
    assert score == pytest.approx(1 / np.sqrt(np.pi), abs=0.017)


def test_pit_from_samples_is_a_mid_rank():
    pit = cal.pit_from_samples([[1.0, 2.0, 3.0], [1.0, 2.0, 2.0], [5.0, 6.0, 7.0]], [2.5, 2.0, 0.0])
    assert pit == pytest.approx([2.5 / 4, 2.5 / 4, 0.5 / 4])


def test_pit_from_quantiles_interpolates_and_halves_the_tails():
    quantiles = [[0.0, 1.0, 3.0]] * 4
    assert cal.pit_from_quantiles(quantiles, [0.1, 0.5, 0.9], [1.0, 2.0, -9.0, 9.0]) == pytest.approx(
        [0.5, 0.7, 0.05, 0.95]
    )


def test_deviation_of_known_sets():
    assert cal.pit_deviation((np.arange(10) + 0.5) / 10) == pytest.approx(0.05)
    assert cal.pit_deviation([0.0, 0.0]) == pytest.approx(1.0)
    assert cal.pit_deviation([1.0, 1.0]) == pytest.approx(1.0)


def test_deviation_agrees_with_scipy(rng):
    pit = rng.beta(1.3, 0.9, 500)
    assert cal.pit_deviation(pit) == pytest.approx(stats.kstest(pit, "uniform").statistic)


def test_histogram_holds_every_galaxy_and_its_band_the_binomial_share(rng):
    histogram = cal.pit_histogram(rng.uniform(size=N), bins=20, confidence=0.99)
    assert histogram.counts.sum() == N
    assert histogram.expected == 200
    assert histogram.lower == stats.binom.ppf(0.005, N, 0.05)
    assert histogram.upper == stats.binom.ppf(0.995, N, 0.05)


def test_coverage_by_hand_and_for_a_gaussian_twice_too_narrow(rng):
    assert cal.central_coverage([0.1, 0.3, 0.5, 0.9], [0.5, 0.7]).observed == pytest.approx([0.5, 0.5])
    observed = cal.central_coverage(gaussian_pit(rng, width=0.5, n=100_000), [0.6827]).observed
    assert observed == pytest.approx([2 * stats.norm.cdf(0.5) - 1], abs=0.006)  # four binomial errors


def test_interval_coverage_counts_its_edges():
    assert cal.interval_coverage([0, 0, 0], [1, 1, 1], [0.0, 1.0, 1.1]) == pytest.approx(2 / 3)


def test_reliability_by_hand():
    curve = cal.reliability([0.05, 0.15, 0.12, 1.0, 0.92], [False, True, False, True, True], bins=10)
    assert curve.probability == pytest.approx([0.05, 0.135, 0.96])
    assert curve.frequency == pytest.approx([0.0, 0.5, 1.0])
    assert curve.count.tolist() == [1, 2, 2]


def test_reliability_band_holds_honest_probabilities_and_not_forged_ones(rng):
    probability = rng.uniform(size=N)
    outcome = rng.uniform(size=N) < probability
    honest = cal.reliability(probability, outcome, confidence=0.9999)  # false alarm: 1e-4 a bin, ten bins
    assert np.all((honest.frequency >= honest.lower) & (honest.frequency <= honest.upper))
    forged = cal.reliability(np.clip(0.5 + 1.6 * (probability - 0.5), 0, 1), outcome, confidence=0.9999)
    assert np.any((forged.frequency < forged.lower) | (forged.frequency > forged.upper))


@pytest.mark.parametrize(
    ("width", "shift", "verdict"),
    [
        (1.0, 0.0, "calibrated"),
        (0.85, 0.0, "over-confident"),
        (1.15, 0.0, "under-confident"),
        (1.0, 0.15, "biased"),
    ],
)
def test_forged_posteriors_are_found_out(rng, width, shift, verdict):
    # false alarm of the honest case: 1e-3, with a fixed seed; the forgeries lie seven standard errors away or more
    assert cal.calibration_test(gaussian_pit(rng, width, shift)).verdict == verdict


def test_a_posterior_of_the_wrong_shape_is_found_out():
    # two values only, with the mean and the variance of a uniform variable
    lumps = 0.5 + np.repeat([-1, 1], N // 2) * np.sqrt(1 / 12)
    result = cal.calibration_test(lumps)
    assert abs(result.spread_score) < 1e-6
    assert result.verdict == "misshapen"


def test_false_alarms_come_at_the_stated_rate(rng):
    alarms = sum(cal.calibration_test(rng.uniform(size=200), 0.03).verdict != "calibrated" for _ in range(1000))
    # 30 expected at most (the three tests overlap), 5.4 their binomial error; four of them
    assert 8 < alarms < 52


def test_quantile_coverage_by_hand_and_for_a_shifted_gaussian(rng):
    assert cal.quantile_coverage([0.1, 0.3, 0.5, 0.9], [0.3, 0.95]).observed == pytest.approx([0.5, 1.0])
    curve = cal.quantile_coverage(gaussian_pit(rng, shift=0.2, n=100_000), [0.16, 0.5])
    expected = stats.norm.cdf(stats.norm.ppf([0.16, 0.5]) - 0.2)
    assert curve.observed == pytest.approx(expected, abs=0.0064)  # four binomial errors
    assert np.all(curve.observed < curve.lower)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cal.pit_from_samples([1.0], [1.0]), r"give \(n_galaxy, n\)"),
        (lambda: cal.pit_from_quantiles([[1.0, 2.0]], [0.5, 0.5], [1.0]), "increasing numbers between 0 and 1"),
        (lambda: cal.crps_from_quantiles([[1.0, 2.0]], [0.0, 0.5], [1.0]), "increasing numbers between 0 and 1"),
        (lambda: cal.crps_from_samples([[1.0]], [1.0]), "two draws"),
        (lambda: cal.pit_deviation([0.5, 1.5]), r"numbers in \[0, 1\]"),
        (lambda: cal.pit_deviation([]), "non-empty"),
        (lambda: cal.reliability([1.5], [True]), r"lie in \[0, 1\]"),
        (lambda: cal.reliability([0.5, 0.5], [True]), "equal lengths"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
