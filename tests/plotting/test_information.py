import numpy as np
import pytest

from hf_galaxy.plotting.information import plot_information, plot_surprise
from hf_galaxy.plotting.style import new_figure

PIVOT = np.array([6245.4, 2300.8, 4807.0, 4908.0, 7000.0])
WIDTH = np.array([1512.1, 795.6, 142.6, 149.6, 148.0])
NATS = np.array([0.02, 0.01, 0.5, 0.2, np.nan])


def test_narrow_bands_are_bars_and_others_points_at_their_information():
    figure, axes = new_figure()
    ax = plot_information(axes[0, 0], PIVOT, WIDTH, NATS, name="log_mstar", note="all bands 1.70 nat")
    bars = {round(bar.get_x() + bar.get_width() / 2, 1): bar.get_height() for bar in ax.patches}
    assert bars == pytest.approx({4807.0: 0.5, 4908.0: 0.2})
    points = {line.get_xdata()[0]: line.get_ydata()[0] for line in ax.lines if line.get_marker() in "sD"}
    assert points == pytest.approx({6245.4: 0.02, 2300.8: 0.01})
    assert ax.get_ylabel() == r"nats about $\log\,M_\star$"
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 0.5
    assert "all bands 1.70 nat" in [text.get_text() for text in ax.texts]
    figure.canvas.draw()


def test_stretches_are_a_line_through_the_narrow_bands_by_wavelength():
    _, axes = new_figure()
    ax = plot_information(axes[0, 0], PIVOT, WIDTH, NATS, stretch=[9.0, 9.0, 0.7, 0.6, np.nan])
    step = next(line for line in ax.lines if line.get_drawstyle() == "steps-mid")
    np.testing.assert_array_equal(step.get_xydata(), [[4807.0, 0.7], [4908.0, 0.6]])
    assert ax.get_ylim()[1] < 2  # what is not drawn does not stretch the axis


def test_what_to_expect_of_bands_not_observed_is_hollow():
    _, axes = new_figure()
    ax = plot_information(axes[0, 0], PIVOT, WIDTH, NATS, expected=[np.nan] * 4 + [0.3], wavelength_unit="um")
    hollow = [bar for bar in ax.patches if bar.get_facecolor()[3] == 0]
    assert [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in hollow] == [pytest.approx((0.7, 0.3))]
    assert "expected if observed" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_surprising_bands_are_named_and_those_beyond_are_arrows():
    figure, axes = new_figure()
    axes[0, 0].set_xlim(2000, 8000)
    ax = plot_surprise(axes[0, 0], PIVOT, [0.5, -1.0, 3.5, -12.0, np.nan], ["r", "NUV", "a", "b", "c"])
    assert sorted(text.get_text() for text in ax.texts) == ["a", "b"]
    arrows = [line for line in ax.lines if line.get_marker() == "v" and len(line.get_xdata())]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in arrows] == [pytest.approx((4908.0, -4.65))]
    figure.canvas.draw()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ax: plot_information(ax, PIVOT, WIDTH[:2], NATS), "one length"),
        (lambda ax: plot_information(ax, PIVOT, WIDTH, NATS, expected=[1.0]), "one length"),
        (lambda ax: plot_information(ax, PIVOT, WIDTH, np.full(5, np.nan)), "nothing to draw"),
        (lambda ax: plot_surprise(ax, PIVOT, np.zeros(5), ["a"]), "5 bands have 1 names"),
    ],
)
def test_bad_input_is_refused(call, message):
    _, axes = new_figure()
    with pytest.raises(ValueError, match=message):
        call(axes[0, 0])
