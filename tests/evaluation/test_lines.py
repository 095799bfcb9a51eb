import numpy as np
import pytest

from hf_galaxy.evaluation.lines import (
    ACTIVE,
    CLASSES,
    COMPOSITE,
    STAR_FORMING,
    WEAK,
    below_case_b,
    bpt_class,
    class_probabilities,
    class_reliability,
    classification_statistics,
)


def classes_at(x, y, width=50.0):
    """Classes of galaxies with log [NII]/Hα of x and log [OIII]/Hβ of y."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return bpt_class(100.0, 100 / 2.86, 100 / 2.86 * 10**y, 100 * 10**x, width)


def test_classes_on_either_side_of_the_published_curves():
    # at log [NII]/Hα = -0.3: Kauffmann -0.443, Kewley 0.398; at -1.0: 0.719 and 0.775; worked out by hand
    assert classes_at([-0.3, -0.3, -0.3, -0.3], [-0.46, -0.42, 0.38, 0.42]).tolist() == [
        STAR_FORMING,
        COMPOSITE,
        COMPOSITE,
        ACTIVE,
    ]
    assert classes_at([-1.0, -1.0, -1.0], [0.70, 0.74, 0.79]).tolist() == [STAR_FORMING, COMPOSITE, ACTIVE]


def test_beyond_the_asymptotes_the_curves_do_not_come_back():
    # the hyperbolas have a second branch, far up, right of 0.05 and of 0.47
    assert classes_at([0.06, 0.2, 0.48, 0.6], [-2.0, -2.0, -1.0, 0.0]).tolist() == [
        COMPOSITE,
        COMPOSITE,
        ACTIVE,
        ACTIVE,
    ]


def test_a_galaxy_without_lines_is_weak_whatever_their_ratio():
    assert classes_at([-0.3], [1.0], width=2.9).tolist() == [WEAK]
    assert bpt_class([10.0, 10.0], [-1.0, 3.0], [1.0, 0.0], [1.0, 1.0], [20.0, 20.0]).tolist() == [WEAK, WEAK]


def test_probabilities_are_shares_of_draws_that_leave_room():
    probability = class_probabilities([[0, 0, 1], [3, 3, 3]])
    assert probability[0] == pytest.approx(np.array([2.25, 1.25, 0.25, 0.25]) / 4)
    assert probability.sum(axis=1) == pytest.approx(1) and (probability > 0).all()


def test_statistics_by_hand():
    probability = [[0.8, 0.2], [0.4, 0.6], [0.3, 0.7], [0.9, 0.1]]
    result = classification_statistics(probability, [0, 0, 1, 0])
    assert result.confusion.tolist() == [[2, 1], [0, 1]]  # the second galaxy is of class 0, and called 1
    assert result.accuracy == 0.75
    assert result.f1 == pytest.approx([2 * 1 * (2 / 3) / (1 + 2 / 3), 2 * 0.5 * 1 / 1.5])
    assert result.brier == pytest.approx(2 * (0.04 + 0.36 + 0.09 + 0.01) / 4)
    assert result.brier_of_frequencies == pytest.approx(1 - 0.75**2 - 0.25**2)
    assert result.expected_brier == pytest.approx(2 * (0.16 + 0.24 + 0.21 + 0.09) / 4)


def test_the_brier_score_of_honest_probabilities_is_the_expected_one_and_of_bragging_ones_is_worse():
    rng = np.random.default_rng(20261122)
    probability = rng.dirichlet(np.full(len(CLASSES), 0.7), size=20_000)
    truth = (rng.uniform(size=(20_000, 1)) > probability.cumsum(axis=1)).sum(axis=1)
    honest = classification_statistics(probability, truth)
    # the score of a galaxy scatters by about 0.35: 0.0025; four of them
    assert honest.brier == pytest.approx(honest.expected_brier, abs=0.01)
    for curve in class_reliability(probability, truth):
        inside = (curve.frequency >= curve.lower) & (curve.frequency <= curve.upper)
        assert inside.mean() >= 0.8  # each of ten bins leaves its 99 % band once in a hundred
    bragging = probability**3 / (probability**3).sum(axis=1, keepdims=True)
    forged = classification_statistics(bragging, truth)
    assert forged.brier > forged.expected_brier + 0.1
    assert min(np.mean(c.frequency < c.upper) for c in class_reliability(bragging, truth)) < 1


def test_a_class_that_nobody_has_has_no_f1():
    result = classification_statistics([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [0, 1])
    assert result.f1[:2] == pytest.approx([1, 1]) and np.isnan(result.f1[2])


def test_draws_below_case_b_are_counted_where_both_lines_are_there():
    halpha, hbeta = np.array([2.70, 2.72, 9.0, 1.0]), np.ones(4)
    # the limit is 0.95 * 2.86 = 2.717; the last galaxy has no Hβ to speak of
    assert below_case_b(halpha, hbeta, np.full(4, 9.0), [5.0, 5.0, 5.0, 0.5]) == pytest.approx(1 / 3)
    assert np.isnan(below_case_b(halpha, hbeta, np.zeros(4), np.zeros(4)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bpt_class([np.nan], [1.0], [1.0], [1.0], [9.0]), "must be finite"),
        (lambda: classification_statistics([[0.5, 0.4]], [0]), "sum to one"),
        (lambda: classification_statistics([[0.5, 0.5]], [2]), "from 0 to 1"),
        (lambda: classification_statistics([0.5, 0.5], [0, 1]), r"give \(n, K\)"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
