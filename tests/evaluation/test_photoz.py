import numpy as np
import pytest

from hf_galaxy.evaluation.photoz import (
    odds_interval,
    photoz_by_bin,
    photoz_statistics,
    residual_statistics,
    residuals_by_bin,
    scaled_error,
    sigma_nmad,
)


def test_sigma_nmad_of_a_gaussian_is_its_standard_deviation():
    residual = np.random.default_rng(0).normal(0.4, 0.02, 200_000)
    # the median absolute deviation has a relative error of 1.17 / sqrt(n) = 0.26 %; four of them
    assert sigma_nmad(residual) == pytest.approx(0.02, rel=0.0105)


def test_sigma_nmad_by_hand_and_blind_to_one_outlier():
    assert sigma_nmad([1.0, 2.0, 3.0, 4.0, 100.0]) == pytest.approx(1.4826)


def test_statistics_by_hand():
    z_true = np.array([0.0, 1.0, 0.5, 0.25])
    z_phot = z_true + (1 + z_true) * np.array([0.0, 0.02, -0.04, 0.2])
    result = photoz_statistics(z_phot, z_true)
    assert result.n == 4
    assert result.bias == pytest.approx(0.01)
    assert result.sigma_nmad == pytest.approx(1.4826 * 0.03)
    assert result.outliers_003 == 0.5
    assert result.outliers_015 == 0.25


def test_scaled_error_divides_by_one_plus_the_true_redshift():
    assert scaled_error([1.2], [1.0]) == pytest.approx([0.1])


def test_bins_share_the_galaxies_and_the_last_one_holds_its_upper_edge():
    magnitude = np.array([19.0, 20.0, 20.5, 21.0, 21.5])
    z = np.full(5, 0.3)
    bins = photoz_by_bin(z + np.array([0, 0.013, 0, 0, 0]), z, magnitude, [19.0, 20.0, 21.0])
    assert [b.statistics.n for b in bins] == [1, 3]
    assert (bins[0].lower, bins[1].upper) == (19.0, 21.0)
    assert bins[1].statistics.bias == pytest.approx(0.0)


@pytest.mark.filterwarnings("error")
def test_an_empty_bin_has_no_figures():
    empty = photoz_by_bin([0.3], [0.3], [19.0], [10.0, 11.0])[0].statistics
    assert empty.n == 0
    assert np.isnan(empty.sigma_nmad) and np.isnan(empty.outliers_015)
    assert np.isnan(residual_statistics([], []).bias)


def test_residuals_keep_their_unit():
    result = residual_statistics([10.2, 10.0, 9.7], [10.0, 10.0, 10.0])
    assert result.bias == pytest.approx(0.0)
    assert result.sigma_nmad == pytest.approx(1.4826 * 0.2)
    assert result.standard_deviation == pytest.approx(np.std([0.2, 0.0, -0.3]))


def test_residuals_in_bins_of_the_true_value():
    truth = np.array([1.0, 2.0, 10.0, 20.0, 100.0])
    residual = np.array([0.5, 1.5, -2.0, -4.0, 9.0])
    bins = residuals_by_bin(truth + residual, truth, truth, [0, 5, 50])
    assert [b.statistics.n for b in bins] == [2, 2]
    assert [b.statistics.bias for b in bins] == pytest.approx([1.0, -3.0])
    assert bins[1].statistics.sigma_nmad == pytest.approx(1.4826)


def test_odds_are_counted_within_three_per_cent():
    low, high = odds_interval([0.0, 1.0])
    assert low == pytest.approx([-0.03, 0.94]) and high == pytest.approx([0.03, 1.06])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: photoz_statistics([0.1, 0.2], [0.1]), "one length"),
        (lambda: photoz_statistics([0.1, np.nan], [0.1, 0.2]), "1 of 2 pairs are not finite, the first in row 1"),
        (lambda: photoz_by_bin([0.1], [0.1], [20.0], [21.0, 20.0]), "increasing"),
        (lambda: photoz_by_bin([0.1], [0.1], [20.0, 21.0], [20.0, 21.0]), "one value a galaxy"),
        (lambda: residuals_by_bin([0.1], [0.1], [20.0, 21.0], [20.0, 21.0]), "one value a galaxy"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
