import numpy as np
import pytest

from hf_galaxy.plotting.posterior import plot_density, plot_joint, plot_marginals
from hf_galaxy.plotting.style import new_figure

GRID = np.linspace(0, 1, 1001)
PDF = np.exp(-0.5 * ((GRID - 0.3) / 0.01) ** 2) / (0.01 * np.sqrt(2 * np.pi))


def test_a_density_is_shown_where_it_lives_with_its_truth():
    _, axes = new_figure()
    ax = plot_density(axes[0, 0], GRID, PDF, truth=0.31, interval=(0.29, 0.31), label="redshift", truth_label="spec")
    low, high = ax.get_xlim()
    assert 0.2 < low < 0.27 and 0.33 < high < 0.4
    assert ax.get_xlabel() == "$z$"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["68 %", "spec"]
    assert any(np.allclose(line.get_xdata(), 0.31) for line in ax.lines)


def test_a_truth_far_away_stays_in_view():
    _, axes = new_figure()
    assert plot_density(axes[0, 0], GRID, PDF, truth=0.8).get_xlim()[1] > 0.8


def test_the_shaded_interval_ends_at_its_limits():
    _, axes = new_figure()
    ax = plot_density(axes[0, 0], GRID, PDF, interval=(0.295, 0.305))
    x = ax.collections[1].get_paths()[0].vertices[:, 0]
    assert (x.min(), x.max()) == pytest.approx((0.295, 0.305))


def test_line_fluxes_are_labelled_with_their_power_of_ten():
    figure, axes = new_figure()
    ax = plot_density(axes[0, 0], GRID * 3e-15, PDF / 3e-15, label="flux_halpha")
    figure.canvas.draw()
    assert "10^{-15}" in ax.get_xlabel()
    numbers = [abs(float(t.get_text().replace("−", "-"))) for t in ax.get_xticklabels() if t.get_text()]
    assert 0.5 < max(numbers) < 10


def test_each_property_gets_a_panel_and_spare_panels_vanish():
    _, axes = new_figure(2, 2)
    names = ["redshift", "log_mstar", "av"]
    plot_marginals(axes, dict.fromkeys(names, (GRID, PDF)), truths={"av": 0.3}, intervals={"av": (0.29, 0.31)})
    assert [ax.axison for ax in axes.ravel()] == [True, True, True, False]
    assert axes[1, 0].get_xlabel() == "$A_V$ [mag]"


def test_contours_hold_the_stated_share_of_the_draws():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 20_000))
    figure, axes = new_figure(2, 2)
    plot_joint(axes, {"redshift": x, "av": y}, levels=(0.68,))
    outline = axes[1, 0].collections[-1].get_paths()[0]
    radius = np.median(np.hypot(*outline.vertices.T))
    # 68 % of a round Gaussian lie within 1.51; smoothing by 1.2 bins of 0.18 widens it by 2 %, the bins add 3 %
    assert radius == pytest.approx(np.sqrt(-2 * np.log(0.32)), rel=0.06)
    assert not axes[0, 1].axison
    figure.canvas.draw()


def test_the_title_of_a_histogram_is_median_and_interval():
    draws = np.linspace(0.0, 1.0, 1001)
    _, axes = new_figure(1, 1)
    plot_joint(axes, {"av": draws}, truths={"av": 0.4})
    assert axes[0, 0].get_title() == "$0.50^{+0.34}_{-0.34}$"


def test_a_region_of_several_pieces_is_shaded_piece_by_piece():
    _, axes = new_figure()
    ax = plot_density(axes[0, 0], GRID, PDF, interval=[(0.28, 0.29), (0.30, 0.31)], truth_label="spec", truth=0.3)
    pieces = [c.get_paths()[0].vertices[:, 0] for c in ax.collections[1:3]]
    assert [(x.min(), x.max()) for x in pieces] == [pytest.approx((0.28, 0.29)), pytest.approx((0.30, 0.31))]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["68 %", "spec"]


def test_a_note_has_its_room_above_the_density_and_the_truth():
    figure, axes = new_figure()
    ax = plot_density(axes[0, 0], GRID, PDF, truth=0.31, note="mode 0.3\n68 % [0.29, 0.31]")
    figure.canvas.draw()
    below = ax.texts[0].get_window_extent().y0
    assert ax.transData.transform((0.3, PDF.max()))[1] < below
    truth = next(line for line in ax.lines if np.allclose(line.get_xdata(), 0.31))
    assert truth.get_window_extent().y1 < below


def test_draws_of_line_fluxes_are_shown_by_their_power_of_ten():
    rng = np.random.default_rng(1)
    figure, axes = new_figure(2, 2)
    flux = 2e-15 + 3e-16 * rng.normal(size=2000)
    plot_joint(axes, {"redshift": rng.normal(size=2000), "flux_halpha": flux}, truths={"flux_halpha": 2e-15})
    figure.canvas.draw()
    assert "10^{-15}" in axes[1, 1].get_xlabel() and "10^{-15}" in axes[1, 0].get_ylabel()
    assert axes[1, 1].get_title() == "$1.99^{+0.29}_{-0.30}$"  # 2e-15 ± 3e-16, to the noise of the draws
    assert axes[1, 1].lines[-1].get_xdata()[0] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda axes: plot_joint(axes, {"a": GRID[:50]}), "100 or more, not"),
        (lambda axes: plot_density(axes[0, 0], GRID, PDF[:5]), "one length"),
        (lambda axes: plot_marginals(axes, {"a": (GRID, PDF), "b": (GRID, PDF)}), "2 properties need as many panels"),
        (lambda axes: plot_joint(axes, {"a": GRID, "b": GRID}), r"need \(2, 2\) panels"),
    ],
)
def test_bad_input_is_refused(call, message):
    _, axes = new_figure()
    with pytest.raises(ValueError, match=message):
        call(axes)
