import pytest

from hf_galaxy.plotting.style import new_figure
from hf_galaxy.plotting.wavelength import mark_lines, wavelength_axis


def test_the_axis_is_logarithmic_where_the_ultraviolet_is_shown():
    _, axes = new_figure(1, 2)
    wavelength_axis(axes[0, 0], 1350.0, 9900.0)
    wavelength_axis(axes[0, 1], 3400.0, 9900.0, "um", labelled=False)
    assert (axes[0, 0].get_xscale(), axes[0, 1].get_xscale()) == ("log", "linear")
    assert axes[0, 0].get_xlabel().endswith("[Å]") and axes[0, 1].get_xlabel() == ""
    low, high = axes[0, 1].get_xlim()
    assert 0.31 < low < 0.34 and 0.99 < high < 1.02


def test_lines_run_through_all_panels_and_are_named_above_the_first():
    _, axes = new_figure(2, 1)
    for ax in axes[:, 0]:
        ax.set_xlim(4000, 9000)
    assert mark_lines(axes[:, 0], 0.1, lines={"a": (5000.0, "left"), "b": (9000.0, "left")})
    assert [text.get_text() for text in axes[0, 0].texts] == ["a"] and not axes[1, 0].texts
    for ax in axes[:, 0]:
        assert [line.get_xdata()[0] for line in ax.lines] == pytest.approx([5500.0])
    assert not mark_lines(axes[:, 0], 5.0, lines={"a": (5000.0, "left")})


def test_an_uncertain_redshift_shades_the_range_of_the_line():
    _, axes = new_figure()
    axes[0, 0].set_xlim(4000, 9000)
    mark_lines([axes[0, 0]], 0.1, interval=(0.0999, 0.1001), lines={"a": (5000.0, "left")})
    assert not axes[0, 0].patches  # an Å is no wider than the line itself
    mark_lines([axes[0, 0]], 0.1, interval=(0.09, 0.12), lines={"a": (5000.0, "left")})
    low, high = axes[0, 0].patches[0].get_x(), axes[0, 0].patches[0].get_x() + axes[0, 0].patches[0].get_width()
    assert (low, high) == pytest.approx((5450.0, 5600.0))
