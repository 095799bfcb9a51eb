from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy import GalaxyPosterior
from hf_galaxy.data.catalogues import Catalogue, read_catalogue
from hf_galaxy.figures import (
    LEAST_FLUX,
    NEXT_SNR,
    comparison,
    corner_figure,
    density,
    density_figure,
    galaxy_figure,
    information_figure,
    line_redshift,
    predict_hidden,
)
from hf_galaxy.information import information

SEEN = {"J0660": (5000.0, 100.0), "rSDSS": (4000.0, 50.0)}


@pytest.fixture
def galaxy(blank_model) -> GalaxyPosterior:
    return GalaxyPosterior.from_pretrained(str(blank_model))


@pytest.fixture
def row() -> Catalogue:
    columns = {
        name: [value] for band, pair in SEEN.items() for name, value in zip((band, f"{band}_err"), pair, strict=True)
    }
    return read_catalogue({**columns, "redshift_spec": [0.1]}, unit="nJy")


def test_no_band_is_given_itself(galaxy, row):
    predicted = predict_hidden(galaxy, row, ["J0660", "rSDSS", "J0400"], [0.5])
    expected = [
        galaxy.condition(rSDSS=SEEN["rSDSS"]).quantiles("J0660", [0.5])[0],
        galaxy.condition(J0660=SEEN["J0660"]).quantiles("rSDSS", [0.5])[0],
        galaxy.condition(**SEEN).quantiles("J0400", [0.5])[0],
    ]
    np.testing.assert_allclose(predicted, expected, rtol=1e-4)  # float32, batches of another size


def test_hidden_bands_are_predicted_from_the_others(galaxy, row):
    predicted = predict_hidden(galaxy, row, ["J0660", "J0400"], [0.5], hidden=["J0660", "J0410"])
    expected = [
        galaxy.condition(rSDSS=SEEN["rSDSS"]).quantiles("J0660", [0.5])[0],
        galaxy.condition(rSDSS=SEEN["rSDSS"]).quantiles("J0400", [0.5])[0],
    ]
    np.testing.assert_allclose(predicted, expected, rtol=1e-4)  # float32, batches of another size


def test_a_density_on_its_grid_integrates_to_one(galaxy, row):
    grid, pdf = density(galaxy.condition(row), "redshift")
    # 0.2 % is beyond the outer quantiles; the rest is the trapezoid rule on the spikes of an untrained mixture.
    assert np.trapezoid(pdf, grid) == pytest.approx(1.0, abs=0.02)


def test_a_figure_has_a_panel_for_each_property(galaxy, row):
    figure = galaxy_figure(galaxy, row, ["redshift", "log_mstar", "av", "dn4000", "log_age"])
    assert len([ax for ax in figure.axes if ax.axison]) == 1 + 5


def test_what_a_table_has_to_compare_with():
    table = Table({"true_av": [0.3], "av": [0.5], "redshift_spec": [0.1], "dn4000": [np.nan]})
    assert [comparison(table, name) for name in ("av", "redshift", "dn4000", "log_age")] == [0.3, 0.1, None, None]


def texts(ax) -> list[str]:
    return [t.get_text() for t in (*ax.texts, *(ax.get_legend().get_texts() if ax.get_legend() else ()))]


def test_hidden_bands_are_hollow_and_unseen_ultraviolet_takes_no_room(galaxy, row):
    ax = galaxy_figure(galaxy, row, hidden=["J0660"]).axes[-1]
    hollow = [line for line in ax.lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
    assert [len(line.get_xdata()) for line in hollow] == [1]
    assert "hidden from the model" in texts(ax) and "lines at the spectroscopic redshift 0.100" in texts(ax)
    assert ax.get_xscale() == "linear" and ax.get_xlim()[0] > 3000


def test_lines_are_marked_where_the_redshift_is_known_or_sharp(galaxy, row):
    posterior = galaxy.condition(row)
    assert line_redshift(posterior, row)[:2] == (0.1, None)
    bands = {name: row.table[name] for name in row.table.colnames if name.removesuffix("_err") in SEEN}
    without = read_catalogue(bands, unit="nJy")
    low, high = posterior.interval("redshift")[0]
    assert high - low > 0.1  # a model that has learnt nothing knows no redshift
    assert line_redshift(posterior, without) is None
    sharp = galaxy.condition(redshift=(0.3, 0.001))
    value, interval, label = line_redshift(sharp, without)
    assert value == pytest.approx(sharp.mode("redshift")[0]) and interval[0] < value < interval[1]
    assert "posterior mode" in label


def test_densities_of_several_galaxies_say_their_statistics(galaxy, row):
    rows = row[[0, 0]]
    figure = density_figure(galaxy, rows)
    posterior = galaxy.condition(row)
    expected = [posterior.mode("redshift")[0], posterior.quantiles("redshift", [0.5])[0, 0], posterior.odds()[0]]
    assert len([ax for ax in figure.axes if ax.axison]) == 2
    note = figure.axes[0].texts[0].get_text()
    words = note.replace("odds ", "").splitlines()
    found = [float(word) for word in (*words[0].split(), words[2]) if word[0].isdigit()]
    assert found == pytest.approx(expected, abs=0.006)  # two digits or more
    assert {t.get_text() for t in figure.legends[0].get_texts()} == {"68 %, highest density", "mode", "spectroscopic"}


def test_statistics_of_line_fluxes_have_digits(galaxy, row):
    figure = density_figure(galaxy, row, ["flux_halpha", "av"])
    note = figure.axes[0].texts[0].get_text()
    mode = galaxy.condition(row).mode("flux_halpha")[0]
    assert f"mode {mode:.3g}" in note and "odds" not in note


def test_a_corner_has_a_panel_for_each_pair_and_marks_what_is_known(galaxy, row):
    figure = corner_figure(galaxy, row, ["redshift", "av", "log_mstar"], draws=300)
    assert len([ax for ax in figure.axes if ax.axison]) == 6
    dashed = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert dashed == [0.1] and "dashed: spectroscopic" in figure.texts[0].get_text()
    with pytest.raises(ValueError, match="two properties or more, not redshift"):
        corner_figure(galaxy, row, ["redshift"])


def test_the_information_of_a_figure_is_that_of_the_bands(galaxy, row):
    row = read_catalogue({**{name: row.table[name] for name in row.table.colnames}, "J0670": [5200.0],
                          "J0670_err": [100.0]}, unit="nJy")  # fmt: skip
    figure = information_figure(galaxy, row, ["redshift"])
    parts = [["J0660"], ["rSDSS"], ["J0660", "rSDSS", "J0670"], ["J0660", "J0670"]]
    exact = information(galaxy.condition(row), parts, ["redshift"])[0, :, 0]
    ax = figure.axes[1]
    assert [bar.get_height() for bar in ax.patches[:1]] == pytest.approx(exact[:1], rel=1e-3)  # float32
    step = next(line for line in ax.lines if line.get_drawstyle() == "steps-mid" and len(line.get_xdata()))
    assert step.get_ydata()[0] == pytest.approx(exact[3], rel=1e-3)
    assert exact[3] != pytest.approx(exact[0], rel=1e-2)
    points = [line.get_ydata()[0] for line in ax.lines if line.get_marker() == "s" and len(line.get_xdata())]
    assert points == pytest.approx(exact[1:2], rel=1e-3)
    assert f"all bands {exact[2]:.2f} nat" in texts(ax)
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    # What is not observed is expected to bring what the posterior says, observed at the stated signal to noise.
    posterior = galaxy.condition(row)
    error = posterior.quantiles("J0400", [0.5])[0, 0] / NEXT_SNR
    expected = posterior.information_gain("redshift", ["J0400"], max(error, LEAST_FLUX / NEXT_SNR))["J0400"][0]
    hollow = [bar.get_height() for bar in ax.patches if bar.get_facecolor()[3] == 0]
    assert any(height == pytest.approx(expected, rel=1e-3) for height in hollow)
    assert "expected at S/N 10" in texts(ax)


def test_one_band_brought_all(galaxy):
    lonely = read_catalogue({"J0660": [5000.0], "J0660_err": [100.0]}, unit="nJy")
    with pytest.raises(ValueError, match="this galaxy has 1 bands; what each brought needs two"):
        information_figure(galaxy, lonely)
