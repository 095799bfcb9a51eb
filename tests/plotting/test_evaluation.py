import numpy as np
import pytest

from hf_galaxy.evaluation.calibration import reliability
from hf_galaxy.plotting.evaluation import (
    plot_by_bin,
    plot_confusion,
    plot_correlations,
    plot_decrements,
    plot_joint_coverage,
    plot_reliability,
)
from hf_galaxy.plotting.style import BLACK, new_figure

RNG = np.random.default_rng(5)


@pytest.fixture
def ax():
    return new_figure()[1][0, 0]


def curve(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def test_bins_leave_out_what_has_no_figure(ax):
    plot_by_bin(ax, {"a": {"1-2": 0.5, "2-3": None, "3-4": 0.0}}, targets={"2-3": 0.1}, factor=100)
    assert curve(ax, "a").get_ydata() == pytest.approx([50, np.nan, np.nan], nan_ok=True)
    target = next(line for line in ax.lines if line.get_color() == BLACK)
    assert target.get_ydata() == pytest.approx([10, 10]) and np.mean(target.get_xdata()) == 1
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1–2", "2–3", "3–4"]


def test_negative_values_stay_on_a_linear_axis(ax):
    plot_by_bin(ax, {"a": {"1": -0.5, "2": 0.5}}, log=False)
    assert curve(ax, "a").get_ydata() == pytest.approx([-0.5, 0.5])


def test_joint_coverage_is_the_excess_of_the_distribution_of_ranks(ax):
    ranks = RNG.beta(1.3, 1.0, 500)
    plot_joint_coverage(ax, {"draws": ranks})
    x, y = curve(ax, "draws").get_data()
    assert y[60] == pytest.approx(np.mean(ranks <= x[60]) - x[60])


def test_correlations_stand_over_their_prediction(ax):
    plot_correlations(ax, {"a, b": {"n": 9, "observed": 0.3, "predicted": 0.1, "lower": 0.0, "upper": 0.25}})
    assert curve(ax, "observed").get_xdata() == pytest.approx([0.3])
    segment = ax.collections[0].get_segments()[0]
    assert segment[:, 0] == pytest.approx([0.0, 0.25])


def test_decrements_are_densities(ax):
    ratio = 10 ** RNG.normal(0.5, 0.05, 4000)
    plot_decrements(ax, {"joint": ratio, "truth": ratio[:0]}, 2.86)
    heights = ax.patches[0].get_data().values
    assert heights.sum() * 0.02 == pytest.approx(1.0)
    assert ax.lines[0].get_xdata()[0] == pytest.approx(np.log10(2.86))


def test_confusion_shares_are_of_the_true_class(ax):
    plot_confusion(ax, [[3, 1], [0, 0]], ["a", "b"])
    shown = [text.get_text() for text in ax.texts]
    assert shown == ["75 %\n3", "25 %\n1", "0 %\n0", "0 %\n0"]


def test_reliability_leaves_out_bins_of_few(ax):
    probability = np.concatenate([np.full(50, 0.31), np.full(3, 0.77)])
    plot_reliability(ax, {"a": reliability(probability, probability > 0.5)})
    line = next(line for line in ax.lines if np.size(line.get_xdata()) == 1)
    assert line.get_xdata() == pytest.approx([0.31]) and line.get_ydata() == pytest.approx([0.0])
