"""Spectroscopic redshifts of other tables: which row labels which galaxy, and which none."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.data.minijpas.columns import Columns
from hf_galaxy.data.minijpas.redshifts import match_redshifts, read_redshifts

from .archive import make_sky


def match(tables, sky, radius=1.0):
    read = [read_redshifts(Columns(table), name) for name, table in tables.items()]
    return match_redshifts(read, sky.ids, sky.ra, sky.dec, radius), read


def test_the_cross_matches_of_the_archive_by_id():
    sky = make_sky(30)
    labels, _ = match({"sdss": sky.sdss(), "deep2": sky.deep2()}, sky)
    row = np.arange(30)
    known = (row % 3 == 0) | (row % 5 == 0)
    np.testing.assert_allclose(labels.redshift, np.where(known, sky.redshift, np.nan))
    np.testing.assert_allclose(labels.error, np.where(row % 3 == 0, 3e-5, np.where(row % 5 == 0, 2e-4, np.nan)))
    assert labels.source.tolist() == ["sdss" if r % 3 == 0 else "deep2" if r % 5 == 0 else "" for r in row]


def test_rows_that_give_no_redshift_are_counted():
    sky = make_sky(30)
    table = sky.sdss()
    table["zsp"][:3] = [np.nan, 0.0, -99.0]  # SDSS has a position there, and no spectrum
    table["e_zsp"][3:6] = [0.0, -1.0, np.nan]
    table["f_zsp"][6] = 4
    labels, (read,) = match({"sdss": table}, sky)
    assert read.unusable == {"no redshift": 3, "poor quality": 1, "no error": 3}
    assert np.isfinite(labels.redshift).sum() == 3


def test_quality_of_deep2():
    sky = make_sky(30)
    table = sky.deep2()
    table["zquality"] = [4, 3, 2, 1, -1, 4]
    assert np.isfinite(match({"deep2": table}, sky)[0].redshift).sum() == 3


def test_of_several_matches_the_closest_counts():
    sky = make_sky(4)
    keys = {"TILE_ID": [2241] * 3, "NUMBER": [1] * 3, "e_z": [1e-4] * 3}
    table = Table({**keys, "z": [0.2, 0.3, 0.4], "angdist": [0.9, 0.1, np.nan]})
    assert match({"deep2": table}, sky)[0].redshift[0] == 0.3


def test_tables_that_disagree_give_no_label():
    sky = make_sky(30)
    other = sky.deep2()
    other["z"][0] += 0.2
    other["z"][3] += 0.001  # within the errors of lines
    labels, _ = match({"sdss": sky.sdss(), "deep2": other}, sky)
    assert np.isnan(labels.redshift[0]) and labels.source[0] == "" and labels.dropped == {"redshifts that disagree": 1}
    assert labels.redshift[15] == sky.redshift[15]


@pytest.mark.parametrize("names", [("ra", "dec"), ("RAJ2000", "DEJ2000"), ("ALPHA_J2000", "DELTA_J2000")])
def test_by_position_one_spectrum_labels_one_galaxy(names):
    sky = make_sky(10)
    sky.ra[1], sky.dec[1] = sky.ra[0] + 1e-4, sky.dec[0]  # 0.22 arcsec beside it
    shift = np.array([0.0, 0.0, 0.5, 1.5, 0.2]) / 3600
    rows = [0, 2, 3, 4, 5]
    table = Table({names[0]: sky.ra[rows], names[1]: sky.dec[rows] + shift, "redshift": sky.redshift[rows]})
    table["redshift_err"] = 0.0  # exact, by the convention of our own tables
    labels, _ = match({"spectra": table}, sky)
    assert np.nonzero(np.isfinite(labels.redshift))[0].tolist() == [0, 2, 3, 5]
    assert (labels.error[[0, 2, 3, 5]] == 0).all()
    assert np.isfinite(match({"spectra": table}, sky, radius=2.0)[0].redshift).sum() == 5


def test_stars_are_told_by_class_or_by_redshift():
    sky = make_sky(30)
    sdss, deep2 = sky.sdss(), sky.deep2()
    sdss["spCl"] = ["QSO", "STAR", *["GALAXY"] * 8]
    sdss["zsp"][1] = -1e-4
    deep2["z"][1] = 3e-4
    labels, _ = match({"sdss": sdss, "deep2": deep2}, sky)
    assert [labels.kind[i] for i in (0, 3, 5, 6)] == ["QSO", "STAR", "STAR", "GALAXY"]


def test_photometric_redshifts_are_no_labels():
    table = Table({"TILE_ID": [1], "NUMBER": [1], "PHOTOZ": [0.3], "PHOTOZ_ERR": [0.01]})
    with pytest.raises(ValueError, match=r"no column of spectroscopic redshifts \(photometric ones are no labels\)"):
        read_redshifts(Columns(table), "PhotoZLephare")


def test_a_table_that_names_no_galaxy():
    with pytest.raises(ValueError, match="neither TILE_ID and NUMBER, nor id, nor ra and dec"):
        read_redshifts(Columns(Table({"redshift": [0.1]})), "x")
