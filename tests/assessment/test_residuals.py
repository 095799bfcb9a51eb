"""The page of residuals, with a model that has learnt nothing."""

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy import GalaxyPosterior
from hf_galaxy.data.catalogues import read_catalogue
from hf_galaxy.evaluation.photoz import scaled_error

pytest.importorskip("matplotlib", reason='pages need pip install "hf-galaxy[plot]"')


@pytest.fixture
def galaxy(blank_model) -> GalaxyPosterior:
    return GalaxyPosterior.from_pretrained(str(blank_model))


@pytest.fixture
def path(tmp_path):
    rng = np.random.default_rng(4)
    flux = 3000 * 10 ** rng.normal(0, 0.4, 60)
    columns = {"iSDSS": flux, "iSDSS_err": 0.05 * flux, "J0660": 0.9 * flux, "J0660_err": 0.05 * flux}
    truth = {"redshift_spec": np.where(np.arange(60) < 50, rng.uniform(0.05, 0.9, 60), np.nan)}
    Table({**columns, **truth, "true_log_mstar": rng.normal(10, 0.5, 60)}, units=dict.fromkeys(columns, "nJy")).write(
        tmp_path / "c.ecsv"
    )
    return tmp_path / "c.ecsv"


def residuals(ax, n):
    """The points of a cloud, with those that are arrows."""
    drawn = [c.get_offsets() for c in ax.collections]
    return max((np.asarray(o) for o in drawn), key=len)[:n]


def test_redshifts_are_held_against_the_spectra_by_redshift_and_magnitude(galaxy, path):
    from hf_galaxy.assessment.residuals import residuals_figure

    figure = residuals_figure(galaxy, str(path))
    table = Table.read(path)[:50]
    median = galaxy.condition(read_catalogue(path)[:50]).quantiles("redshift", [0.5])[:, 0]
    delta = scaled_error(median, np.asarray(table["redshift_spec"]))
    by_magnitude = next(ax for ax in figure.axes if ax.get_xlabel() == "iSDSS [mag]")
    found = residuals(by_magnitude, 50)
    # float32 in batches of another size
    np.testing.assert_allclose(found[:, 1], delta, atol=1e-5)
    np.testing.assert_allclose(found[:, 0], 31.4 - 2.5 * np.log10(table["iSDSS"]), atol=1e-6)
    labels = {ax.get_xlabel() for ax in figure.axes}
    assert {r"$z_\mathrm{spec}$", "probability integral transform", "credibility"} <= labels
    shares = next(ax for ax in figure.axes if ax.get_ylabel() == "outliers [%]")
    assert [t.get_text() for t in shares.get_legend().get_texts()] == ["beyond 0.03", "beyond 0.15"]


def test_other_properties_are_held_against_their_truth(galaxy, path):
    from hf_galaxy.assessment.residuals import residuals_figure

    figure = residuals_figure(galaxy, str(path), "log_mstar")
    labels = {ax.get_ylabel() for ax in figure.axes}
    assert r"$\Delta$ $\log\,M_\star$ [dex]" in labels and r"$\sigma_\mathrm{NMAD}$" in labels
    assert any("true" in ax.get_xlabel() for ax in figure.axes)


def test_without_a_band_of_magnitudes_their_panels_are_empty(galaxy, path, tmp_path):
    from hf_galaxy.assessment.residuals import residuals_figure

    table = Table.read(path)
    table.remove_columns(["iSDSS", "iSDSS_err"])
    table.write(tmp_path / "narrow.ecsv")
    figure = residuals_figure(galaxy, str(tmp_path / "narrow.ecsv"))
    assert sum(ax.axison for ax in figure.axes) == 4
    figure.canvas.draw()
