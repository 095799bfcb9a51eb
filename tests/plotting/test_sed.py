import numpy as np
import pytest

from hf_galaxy.plotting.sed import PREDICTED_LEVELS, plot_sed
from hf_galaxy.plotting.style import new_figure

PIVOT = np.array([2300.8, 4807.0, 4908.0, 6245.4, 6607.0])
WIDTH = np.array([795.6, 142.6, 149.6, 1512.1, 148.0])
FLUX = np.array([300.0, 1000.0, 1100.0, 2000.0, -50.0])
ERROR = np.array([200.0, 20.0, 20.0, 20.0, 100.0])


def panel():
    figure, axes = new_figure(2, 1)
    return figure, axes[:, 0]


def markers(ax, marker):
    """Data of the visible markers of one kind."""
    lines = [line for line in ax.lines if line.get_marker() == marker and len(line.get_xdata())]
    xy = [np.transpose([line.get_xdata(), line.get_ydata()]) for line in lines]
    return np.concatenate(xy) if xy else np.empty((0, 2))


def test_fluxes_are_drawn_in_microjansky_at_their_pivots():
    _, (ax, _) = panel()
    plot_sed(ax, PIVOT, WIDTH, FLUX, ERROR, scale="linear")
    assert markers(ax, "o") == pytest.approx(np.array([[4807.0, 1.0], [4908.0, 1.1], [6607.0, -0.05]]))
    assert markers(ax, "s") == pytest.approx(np.array([[6245.4, 2.0]]))
    assert markers(ax, "D") == pytest.approx(np.array([[2300.8, 0.3]]))
    assert ax.get_ylim()[0] < -0.15


def test_magnitudes_and_micrometres():
    _, (ax, _) = panel()
    plot_sed(ax, PIVOT, WIDTH, FLUX, ERROR, unit="AB", wavelength_unit="um")
    assert markers(ax, "s") == pytest.approx(np.array([[0.62454, 31.4 - 2.5 * np.log10(2000.0)]]))
    low, high = ax.get_ylim()
    assert low > high  # bright galaxies above
    assert "µm" in ax.get_xlabel()


@pytest.mark.parametrize("options", [{"scale": "log"}, {"unit": "AB"}])
def test_what_a_logarithm_cannot_show_becomes_an_upper_limit(options):
    _, (ax, _) = panel()
    plot_sed(ax, PIVOT, WIDTH, FLUX, ERROR, **options)
    assert 6607.0 not in markers(ax, "o")[:, 0]
    limits = markers(ax, "_")
    assert limits[:, 0] == pytest.approx([6607.0, 2300.8])
    expected = np.array([200.0, 700.0])  # two errors above zero, and above the faint measurement
    value = 31.4 - 2.5 * np.log10(expected) if "unit" in options else expected / 1000
    assert limits[:, 1] == pytest.approx(value)
    assert any("upper limit" in text.get_text() for text in ax.get_legend().get_texts())


def test_hidden_bands_are_hollow_and_unobserved_ones_absent():
    _, (ax, _) = panel()
    flux = np.where(PIVOT == 6245.4, np.nan, FLUX)
    plot_sed(ax, PIVOT, WIDTH, flux, ERROR, used=PIVOT < 4900, scale="linear")
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
    assert sorted(np.concatenate([line.get_xdata() for line in hollow])) == [4908.0, 6607.0]
    assert len(markers(ax, "s")) == 0
    assert "hidden from the model" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_residuals_hold_both_uncertainties_and_those_beyond_are_arrows():
    _, (ax, below) = panel()
    predicted = FLUX[:, None] + np.array([-20, -15.0, 0.0, 15.0, 20])  # half of the 68 % interval: 15
    predicted[1] -= 50.0  # residual 50 / hypot(20, 15) = 2
    predicted[3] += 5000.0
    plot_sed(ax, PIVOT, WIDTH, FLUX, ERROR, predicted=predicted, residual_ax=below)
    assert markers(below, "o")[0] == pytest.approx([4807.0, 2.0])
    assert markers(below, "v") == pytest.approx(np.array([[6245.4, -5.0]]))


def test_no_ribbon_runs_across_bands_that_were_not_asked():
    _, (ax, _) = panel()
    pivot = np.arange(4000.0, 6000.0, 100.0)
    predicted = np.ones((20, 5)) * 1000.0
    predicted[8:12] = np.nan
    plot_sed(ax, pivot, np.full(20, 140.0), np.full(20, 1000.0), np.full(20, 10.0), predicted=predicted)
    medians = [line for line in ax.lines if line.get_marker() == "None" and len(line.get_xdata()) > 2]
    assert [len(line.get_xdata()) for line in medians] == [8, 8]


def test_lines_are_marked_at_their_observed_wavelength_if_it_is_in_view():
    _, (ax, _) = panel()
    plot_sed(ax, PIVOT[1:], WIDTH[1:], FLUX[1:], ERROR[1:], redshift=0.02, scale="linear")
    names = {text.get_text(): text.xy[0] for text in ax.texts}
    assert names[r"H$\beta$"] == pytest.approx(4862.7 * 1.02)
    assert "[O II]" not in names  # 3803 Å lies outside


def test_the_axis_becomes_logarithmic_with_the_range_and_the_ultraviolet():
    _, (ax, other) = panel()
    plot_sed(ax, PIVOT, WIDTH, np.array([10.0, 50, 100, 1000, 1000]), np.ones(5))
    assert (ax.get_yscale(), ax.get_xscale()) == ("log", "log")
    plot_sed(other, PIVOT[1:], WIDTH[1:], np.array([500.0, 500, 1000, 1000]), np.ones(4))
    assert (other.get_yscale(), other.get_xscale()) == ("linear", "linear")


@pytest.mark.parametrize("options", [{}, {"unit": "AB"}, {"scale": "log"}, {"legend": False}])
def test_a_figure_can_be_drawn_whatever_is_missing(options):
    figure, (ax, below) = panel()
    predicted = np.full((5, 5), np.nan)
    predicted[1] = [-10.0, 0.0, 5.0, 9.0, 12.0]
    plot_sed(ax, PIVOT, WIDTH, FLUX, ERROR, predicted=predicted, redshift=0.3, residual_ax=below, **options)
    figure.canvas.draw()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flux": FLUX[:3]}, "of one length"),
        ({"flux": np.full(5, np.nan)}, "no band of this galaxy has a flux"),
        ({"predicted": np.ones((5, 3))}, r"predicted has shape \(5, 3\), not \(5, 5\)"),
        ({"unit": "Jy"}, "unit 'Jy' is not one of uJy, AB"),
        ({"scale": "cubic"}, "scale 'cubic' is not one of"),
        ({"wavelength_unit": "nm"}, "wavelength_unit 'nm' is not one of"),
    ],
)
def test_bad_input_is_refused(change, message):
    _, (ax, _) = panel()
    arguments = {"pivot": PIVOT, "width": WIDTH, "flux": FLUX, "error": ERROR} | change
    with pytest.raises(ValueError, match=message):
        plot_sed(ax, **arguments)


def test_residuals_without_predictions_are_refused():
    _, (ax, below) = panel()
    with pytest.raises(ValueError, match="residuals need the predicted quantiles"):
        plot_sed(ax, PIVOT, WIDTH, FLUX, ERROR, residual_ax=below)


def test_the_levels_are_those_of_68_and_95_percent():
    assert PREDICTED_LEVELS == (0.025, 0.16, 0.5, 0.84, 0.975)
