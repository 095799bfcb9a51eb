import numpy as np
import pytest

from hf_galaxy.evaluation.calibration import central_coverage, pit_deviation
from hf_galaxy.evaluation.photoz import photoz_statistics
from hf_galaxy.plotting.calibration import plot_coverage, plot_photoz, plot_pit, plot_recovery, plot_residual
from hf_galaxy.plotting.style import new_figure

RNG = np.random.default_rng(5)
PIT = RNG.beta(1.2, 1.0, 2000)


def texts(ax):
    return " ".join(text.get_text() for text in ax.texts)


def test_pit_panels_show_a_density_and_state_the_same_deviation_as_evaluation():
    _, axes = new_figure(1, 3)
    plot_pit(axes, {"redshift": PIT, "av": 1 - PIT}, bins=10)
    heights = next(p for p in axes[0, 0].patches if hasattr(p, "get_data")).get_data().values
    assert heights.mean() == pytest.approx(1.0)
    assert heights == pytest.approx(np.histogram(PIT, 10, (0, 1))[0] / 200)
    assert f"max dev. {100 * pit_deviation(PIT):.1f} %" in texts(axes[0, 0])
    assert f"max dev. {100 * pit_deviation(1 - PIT):.1f} %" in texts(axes[0, 1])
    assert not axes[0, 2].axison


def test_coverage_curves_equal_those_of_evaluation():
    _, axes = new_figure(1, 2)
    plot_coverage(axes[0, 0], {"redshift": PIT})
    plot_coverage(axes[0, 1], {"redshift": PIT}, difference=True)
    level = np.linspace(0, 1, 201)
    expected = central_coverage(PIT, level).observed
    assert axes[0, 0].lines[-1].get_ydata() == pytest.approx(expected)
    assert axes[0, 1].lines[-1].get_ydata() == pytest.approx(expected - level)


def test_only_highlighted_properties_are_named_among_many():
    _, axes = new_figure()
    plot_coverage(axes[0, 0], {f"p{i}": PIT for i in range(12)}, highlight=["p3"])
    assert [t.get_text() for t in axes[0, 0].get_legend().get_texts()] == ["99 % if calibrated", "p3"]


@pytest.mark.parametrize("n", [50, 4000])
def test_photoz_panels_state_the_statistics(n):
    z = RNG.uniform(0.05, 0.9, n)
    z_phot = z + (1 + z) * RNG.normal(0, 0.01, n)
    z_phot[0] = z[0] + 0.5
    figure, axes = new_figure(2, 1)
    statistics = photoz_statistics(z_phot, z)
    plot_photoz(
        axes[0, 0], z, z_phot, interval=(z_phot - 0.01, z_phot + 0.01), statistics=statistics, residual_ax=axes[1, 0]
    )
    assert f"{statistics.sigma_nmad:.4f}" in texts(axes[0, 0])
    assert axes[1, 0].get_ylim() == (-0.1, 0.1)
    figure.canvas.draw()


def test_few_outliers_beyond_the_residual_panel_are_arrows_at_its_edge():
    _, axes = new_figure(2, 1)
    plot_photoz(axes[0, 0], [0.1, 0.2, 0.3], [0.1, 0.5, 0.05], residual_ax=axes[1, 0])
    arrows = [c.get_offsets().data for c in axes[1, 0].collections[1:]]
    assert arrows[0] == pytest.approx(np.array([[0.2, 0.093]]))  # 3.5 % of the height below the edge
    upper = axes[0, 0].collections[1].get_offsets().data
    assert upper[0, 0] == 0.2 and 0.9 * axes[0, 0].get_ylim()[1] < upper[0, 1] < axes[0, 0].get_ylim()[1]
    assert arrows[1] == pytest.approx(np.array([[0.3, -0.093]]))


@pytest.mark.parametrize("scale", ["linear", "asinh"])
def test_recovery_shows_every_galaxy_between_equal_axes(scale):
    _, axes = new_figure()
    truth = np.array([-1.0, 3.0, 400.0])
    ax = plot_recovery(axes[0, 0], truth, 1.2 * truth, label="ew_halpha", scale=scale, note="note")
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_xlim()[0] < -1.2 and ax.get_xlim()[1] > 480
    assert "note" in texts(ax)


def test_the_cells_of_a_crowd_are_even_on_the_axis_that_is_shown():
    _, axes = new_figure()
    truth = np.sinh(RNG.normal(0, 2, 4000))
    ax = plot_recovery(axes[0, 0], truth, truth, label="ew_halpha", scale="asinh")
    edges = np.asarray(ax.collections[0].get_coordinates())[0, :, 0]
    steps = np.diff(np.arcsinh(edges / 2.0))
    assert steps == pytest.approx(steps[0], rel=1e-6)
    assert ax.collections[0].get_array().sum() > 3900  # all but those beyond the 0.1 % quantiles


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ax: plot_pit([ax], {"a": PIT, "b": PIT}), "2 properties need as many panels"),
        (lambda ax: plot_photoz(ax, [0.1, 0.2], [0.1]), "one length"),
    ],
)
def test_bad_input_is_refused(call, message):
    _, axes = new_figure()
    with pytest.raises(ValueError, match=message):
        call(axes[0, 0])


def test_residuals_have_their_running_median_and_arrows_beyond_the_axis():
    x = np.linspace(0, 1, 400)
    residual = 0.01 * x + 0.01 * (np.arange(400) % 5 - 2)
    residual[[3, 390]] = [5.0, -5.0]
    _, axes = new_figure()
    ax = plot_residual(axes[0, 0], x, residual, bound=0.2, edges=(-0.03, 0.03))
    median = next(line for line in ax.lines if len(line.get_xdata()) == 8 and line.get_linestyle() == "-")
    # Offsets of -0.02 to 0.02 in turn; within a bin of 50 galaxies the line rises by 0.00125.
    np.testing.assert_allclose(median.get_ydata(), 0.01 * median.get_xdata(), atol=0.002)
    upper = next(line for line in ax.lines if len(line.get_xdata()) == 8 and line.get_ydata()[0] > 0.01)
    np.testing.assert_allclose(upper.get_ydata(), 0.02 + 0.01 * upper.get_xdata(), atol=0.002)
    offsets = [c.get_offsets() for c in ax.collections if len(c.get_offsets()) == 1]
    assert sorted(float(o[0, 0]) for o in offsets) == pytest.approx([x[3], x[390]])
    assert all(abs(float(o[0, 1])) < 0.2 for o in offsets)
    assert [line.get_ydata()[0] for line in ax.lines[1:3]] == [-0.03, 0.03]


def test_few_residuals_have_no_running_median():
    _, axes = new_figure()
    ax = plot_residual(axes[0, 0], np.arange(20.0), np.zeros(20), bound=1.0)
    assert len(ax.lines) == 1
    with pytest.raises(ValueError, match="one length"):
        plot_residual(axes[0, 0], np.arange(20.0), np.zeros(3), bound=1.0)
