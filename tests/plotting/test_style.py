import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from hf_galaxy.plotting.posterior import plot_density
from hf_galaxy.plotting.style import BLUE, RC, axis_label, new_figure, save_figure, styled, symbol
from hf_galaxy.variables_galaxy import PROPERTIES


def test_figures_need_no_pyplot():
    code = (
        "import sys, hf_galaxy.plotting.sed, hf_galaxy.plotting.posterior, hf_galaxy.plotting.calibration as c\n"
        "from hf_galaxy.plotting.style import new_figure\n"
        "_, axes = new_figure()\n"
        "c.plot_photoz(axes[0, 0], [0.1], [0.1])\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_the_style_leaves_the_settings_of_the_user_alone():
    with matplotlib.rc_context({"font.size": 23.0}):
        seen = styled(lambda: matplotlib.rcParams["font.size"])()
        assert seen == RC["font.size"]
        assert matplotlib.rcParams["font.size"] == 23.0


def test_every_property_has_a_symbol_of_its_own():
    assert all(symbol(name).count("$") >= 2 for name in PROPERTIES)
    assert len({symbol(name) for name in PROPERTIES}) == len(PROPERTIES)
    assert axis_label("ew_halpha").endswith("[Å]")
    assert axis_label("flux_hbeta", power=-16).endswith("[$10^{-16}$ erg s$^{-1}$ cm$^{-2}$]")
    assert axis_label("J0660", power=5).endswith("[$10^{5}$ nJy]") and symbol("J0660") == "J0660"
    assert axis_label("my_colour") == symbol("my_colour") == "my_colour"


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, ending):
    paths = [tmp_path / f"{name}.{ending}" for name in "ab"]
    with matplotlib.rc_context({"svg.hashsalt": "fixed"}):
        for path in paths:
            figure, axes = new_figure()
            axes[0, 0].plot([1, 2], [1, 2])
            save_figure(figure, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a.{ending}", f"b.{ending}"]


def test_a_png_is_small_and_keeps_its_size_and_its_colours(tmp_path):
    figure, axes = new_figure(width=3.0, height=2.0)
    axes[0, 0].plot([1, 2], [1, 2], color=BLUE, linewidth=8)
    path = save_figure(figure, tmp_path / "a.png")
    with Image.open(path) as image:
        assert image.mode == "P" and image.size == (600, 400)
        assert round(image.info["dpi"][0]) == 200
        # One step of the palette, of 256 colours, is less than that.
        seen = np.asarray(image.convert("RGB"), dtype=int)
    blue = np.array([0, 114, 178])
    assert np.abs(seen - blue).sum(-1).min() < 12


def test_an_unknown_ending_is_refused_and_nothing_written(tmp_path):
    figure, _ = new_figure()
    with pytest.raises(ValueError, match=r"a\.xyz: figures are written as .*png"):
        save_figure(figure, tmp_path / "a.xyz")
    assert list(tmp_path.iterdir()) == []


def test_axes_made_elsewhere_take_the_look():
    figure = Figure()
    ax = plot_density(figure.add_subplot(), [0.0, 0.5, 1.0], [0.0, 2.0, 0.0])
    figure.canvas.draw()
    assert ax.get_xticklabels()[0].get_fontfamily() == [RC["font.family"]]
    assert ax.xaxis.label.get_math_fontfamily() == RC["mathtext.fontset"]
    assert ax.xaxis.get_major_ticks()[0].tick2line.get_visible()
    assert len(ax.xaxis.get_minor_ticks()) > 0
