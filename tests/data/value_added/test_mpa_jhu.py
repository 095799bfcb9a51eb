from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.data.value_added import read_labels
from hf_galaxy.variables_galaxy import PROPERTIES

from .catalogue_files import galspec_columns, value, write_galspec


def read(tmp_path, **changes):
    """The folder of four files, with changes as ``{"line.H_ALPHA_EQW": ...}``."""
    tables = dict(zip(("info", "line", "indx", "extra"), galspec_columns(), strict=True))
    for name, column in changes.items():
        table, column_name = name.split("__", 1)
        tables[table][column_name] = column
    return read_labels(write_galspec(tmp_path / "galspec", *tables.values()))


def test_every_property_in_our_units(tmp_path):
    table = read(tmp_path)
    assert (table.source, table.key, len(table)) == ("mpa-jhu", "plate-mjd-fiber", 5)
    blend = np.hypot(2.473 * 1.0 / 10.0, 4.0 * 0.1 / 10.0)  # Hα by FLUX / CONT
    expected = {
        "redshift": (0.1, np.sqrt(1e-5**2 + 7e-5**2 + 7e-6**2)),
        "log_mstar": (10.5 + np.log10(0.61 / 0.66), np.hypot(0.1, 0.1)),
        "log_sfr": (0.2 + np.log10(0.63 / 0.67), np.hypot(0.1, 0.3)),
        "dn4000": (1.35, np.hypot(0.01, 0.02)),
        "ew_halpha": (4.0, np.sqrt(blend**2 + 0.2**2 + 0.2**2)),
        "ew_hbeta": (4.1, np.sqrt(0.1882**2 + 0.2**2 + 0.205**2)),
        "flux_halpha": (4e-16, np.hypot(2.473e-17, 4e-17)),
        "flux_oii_3727": (8e-16, np.sqrt(2 * 2.199e-17**2 + 8e-17**2)),
    }
    for name, pair in expected.items():
        np.testing.assert_allclose(value(table, name), pair, rtol=1e-6, err_msg=name)  # float32 of z and its error
    for name in ("log_zstar", "av", "log_age"):
        assert np.isnan(table.properties[:, PROPERTIES.index(name)]).all()


def test_widths_are_positive_in_emission_and_negative_in_absorption(tmp_path):
    width = np.array([-4.1, 2.5, -4.1, -4.1, -4.1])
    table = read(tmp_path, line__H_BETA_EQW=width, line__H_BETA_FLUX=-10 * width)
    assert [value(table, "ew_hbeta", row)[0] for row in (0, 1)] == [4.1, -2.5]


def test_a_sign_that_was_turned_already_is_refused(tmp_path):
    with pytest.raises(ValueError, match="H_BETA_EQW is positive in 5 rows with strong emission"):
        read(tmp_path, line__H_BETA_EQW=np.full(5, 4.1))


def test_blended_lines_are_not_the_sum_in_the_band(tmp_path):
    """EQW of Hα sums over [NII] too; the schema asks for FLUX / CONT."""
    table = read(tmp_path, line__H_ALPHA_EQW=np.full(5, -9.0))
    assert value(table, "ew_halpha")[0] == 4.0


def test_missing_values_and_unreliable_rows(tmp_path):
    table = read(
        tmp_path,
        info__RELIABLE=np.array([1, 0, 1, 1, 1], dtype=np.int16),
        info__Z_WARNING=np.array([0, 0, 0, 16, 0], dtype=np.int16),
        extra__LGM_TOT_P50=np.array([10.5, 10.5, -9999.0, 10.5, -1.0]),
        line__H_BETA_EQW_ERR=np.array([-1.0, 0.1, 0.1, 0.1, 0.1]),
    )
    assert {reason: list(ids) for reason, ids in table.report.skipped.items()} == {
        "RELIABLE is 0": ["266-51602-2"],
        "Z_WARNING is set": ["266-51602-4"],
    }
    mass = table.properties[:, PROPERTIES.index("log_mstar")]
    np.testing.assert_array_equal(np.isfinite(mass), [True, False, False])
    assert table.report.unknown["LGM_TOT_P50"] == {"sentinel": 1, "out of range": 1}
    assert np.isnan(value(table, "ew_hbeta")).all()


def test_ids_of_minus_one_are_not_in_the_catalogue(tmp_path):
    minus = {f"info__{name}": np.array([-1, 266, 266, 266, 266]) for name in ("PLATEID",)}
    table = read(tmp_path, **minus)
    assert len(table) == 4
    assert not table.lookup([[-1, 51602, 1]]).matched.any()
    assert len(table.report.skipped["not in MPA-JHU (ids of -1)"]) == 1


def test_found_by_plate_by_specobjid_and_by_position(tmp_path):
    extra_mass = 10.0 + 0.1 * np.arange(5)
    table = read(
        tmp_path,
        extra__LGM_TOT_P50=extra_mass,
        extra__LGM_TOT_P16=extra_mass - 0.1,
        extra__LGM_TOT_P84=extra_mass + 0.1,
    )
    by_plate = table.lookup(["266-51602-3", "0266-51602-0001"])
    by_id = table.lookup(["299489677444933634", " 299489677444933632"], by="specobjid")
    by_position = table.lookup(ra=[146.5, 146.0], dec=[0.0, 1 / 3600])
    for labels in (by_plate, by_id, by_position):
        mass = labels.properties[:, PROPERTIES.index("log_mstar")] - np.log10(0.61 / 0.66)
        np.testing.assert_allclose(mass, [10.2, 10.0])


def test_files_of_other_lengths_or_ids_are_refused(tmp_path):
    info, line, indx, extra = galspec_columns()
    short = {k: v[:-1] for k, v in extra.items()}
    with pytest.raises(ValueError, match=r"Extra.* has 4 rows and .* 5; galSpec files match row by row"):
        read_labels(write_galspec(tmp_path / "a", info, line, indx, short))
    rolled = {k: np.roll(v, 1) for k, v in line.items()}
    with pytest.raises(ValueError, match=r"Line.*specobjid of row 0 is not that of .*Info"):
        read_labels(write_galspec(tmp_path / "b", info, rolled, indx, extra))


def test_one_joined_table_as_casjobs_writes_it(tmp_path):
    info, line, indx, extra = galspec_columns()
    names = {"PLATEID", "MJD", "FIBERID", "RELIABLE", "Z_WARNING"}
    joined = {**line, **indx, **extra, **{k: v for k, v in info.items() if k not in names}}
    Table({k.lower(): v for k, v in joined.items()}).write(tmp_path / "cas.csv")
    table = read_labels(tmp_path / "cas.csv")
    assert table.key == "specobjid"
    assert table.lookup([299489677444933636]).matched.all()
    assert any("RELIABLE" in note for note in table.report.notes)


def test_two_releases_in_one_folder_are_refused(tmp_path):
    folder = write_galspec(tmp_path / "galspec", *galspec_columns())
    (folder / "galSpecLine-dr9.fits").write_bytes((folder / "galSpecLine-dr8.fits").read_bytes())
    with pytest.raises(ValueError, match=r"galSpecLine-dr8\.fits and galSpecLine-dr9\.fits are both"):
        read_labels(folder)
