from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Column, MaskedColumn, QTable, Table

from hf_galaxy.data.catalogues import read_catalogue
from hf_galaxy.data.table_io import write_table

FLUX = [10.0, 20.0, 30.0]
ERROR = [1.0, 2.0, 3.0]


def table(**changes) -> Table:
    """Two bands of three galaxies in nJy; a change replaces or adds a column, ``None`` drops it."""
    columns = {"id": [7, 8, 9], "J0400": FLUX, "J0400_err": ERROR, "rSDSS": FLUX, "rSDSS_err": ERROR} | changes
    made = Table({name: column for name, column in columns.items() if column is not None})
    for name in made.colnames:
        if name.startswith(("J0", "rSDSS")) and made[name].unit is None and made[name].dtype.kind in "fi":
            made[name].unit = "nJy"
    return made


def test_bands_become_numbers_in_the_order_of_the_variables():
    catalogue = read_catalogue(table(FUV=np.array(FLUX) * u.uJy, FUV_err=np.array(ERROR) * u.uJy))
    assert catalogue.names == ("FUV", "J0400", "rSDSS")
    np.testing.assert_allclose(catalogue.values[:, 0], [1e4, 2e4, 3e4], rtol=1e-12)  # rounding
    np.testing.assert_allclose(catalogue.errors[:, 1], ERROR, rtol=0)
    assert catalogue.report.ignored == ("id",)
    assert list(catalogue.table["id"]) == [7, 8, 9]


def test_tables_of_every_kind_give_the_same_catalogue(tmp_path):
    import datasets
    import pandas as pd

    plain = {"J0400": FLUX, "J0400_err": ERROR}
    quantities = {name: np.array(column) * 1e-3 * u.uJy for name, column in plain.items()}
    path = tmp_path / "table.parquet"
    write_table(Table(quantities), path)
    units = [None, "nJy", "nJy", None, "nJy"]
    sources = [QTable(quantities), pd.DataFrame(plain), datasets.Dataset.from_dict(plain), path, plain]
    for source, unit in zip(sources, units, strict=True):
        catalogue = read_catalogue(source, unit=unit)
        np.testing.assert_allclose(catalogue.values[:, 0], FLUX, rtol=1e-12)  # rounding
        np.testing.assert_allclose(catalogue.errors[:, 0], ERROR, rtol=1e-12)


def test_the_unit_of_a_column_goes_before_the_default():
    catalogue = read_catalogue(table(), unit="Jy")
    np.testing.assert_allclose(catalogue.values[:, 0], FLUX, rtol=0)


def test_magnitudes_become_fluxes_with_errors_to_first_order():
    columns = {"J0400": [20.0, 21.0], "J0400_err": [0.1, 0.01]}
    catalogue = read_catalogue(columns, unit="mag")
    flux = 10 ** (-0.4 * (np.array([20.0, 21.0]) - 31.4))
    np.testing.assert_allclose(catalogue.values[:, 0], flux, rtol=1e-12)
    np.testing.assert_allclose(catalogue.errors[:, 0], flux * np.log(10) / 2.5 * [0.1, 0.01], rtol=1e-12)


def test_magnitude_columns_of_a_qtable():
    columns = QTable({"J0400": u.Magnitude([20.0], u.ABmag), "J0400_err": [0.1] * u.mag})
    assert read_catalogue(columns).values[0, 0] == pytest.approx(10 ** (-0.4 * (20.0 - 31.4)), rel=1e-9)


def test_sentinels_of_magnitudes_are_not_observed_and_counted():
    columns = {"J0400": [99.0, 21.0, -99.0], "J0400_err": [99.0, 0.1, -99.0], "id": [1, 2, 3]}
    catalogue = read_catalogue(columns, unit="mag")
    assert np.isnan(catalogue.values[[0, 2], 0]).all() and np.isnan(catalogue.errors[[0, 2], 0]).all()
    assert catalogue.report.sentinels == {"J0400": 2}
    assert catalogue.report.without_evidence == 2
    assert "magnitudes of 99 or -99 taken as not observed: J0400 2" in catalogue.report.lines()


def test_a_flux_of_minus_99_is_data():
    catalogue = read_catalogue(table(J0400=[-99.0, 20.0, 30.0]))
    assert catalogue.values[0, 0] == -99.0
    assert catalogue.report.sentinels == {}


def test_negative_nan_and_masked_fluxes_are_no_errors():
    masked = MaskedColumn([1.0, 2.0, 3.0], mask=[False, True, False])
    catalogue = read_catalogue(table(J0400=[-5.0, np.nan, 30.0], J0400_err=[1.0, -9.0, 1.0], rSDSS=masked))
    np.testing.assert_array_equal(catalogue.values, [[-5.0, 1.0], [np.nan, np.nan], [30.0, 3.0]])
    np.testing.assert_array_equal(np.isnan(catalogue.errors), np.isnan(catalogue.values))
    assert (catalogue.report.not_observed, catalogue.report.without_evidence) == (2, 1)
    np.testing.assert_array_equal(catalogue.observed[1], [False, False])


def test_a_masked_integer_column_is_read():
    catalogue = read_catalogue(table(J0400=MaskedColumn([1, 2, 3], mask=[True, False, False])))
    np.testing.assert_array_equal(catalogue.values[:, 0], [np.nan, 2.0, 3.0])


def test_an_empty_csv_cell_is_not_observed(tmp_path):
    (tmp_path / "table.csv").write_text("J0400,J0400_err,J0410,J0410_err\n1,1,,\n,,,\n")
    catalogue = read_catalogue(tmp_path / "table.csv", unit="nJy")
    np.testing.assert_array_equal(catalogue.values, [[1.0, np.nan], [np.nan, np.nan]])


def test_none_in_a_column_of_objects_is_not_observed():
    column = np.array([1.0, None, 3.0], dtype=object)
    catalogue = read_catalogue({"J0400": column, "J0400_err": ERROR}, unit="nJy")
    np.testing.assert_array_equal(catalogue.values[:, 0], [1.0, np.nan, 3.0])


def test_some_rows_of_a_catalogue_are_a_catalogue():
    part = read_catalogue(table())[1:]
    assert len(part) == 2 and list(part.table["id"]) == [8, 9]
    np.testing.assert_array_equal(part.values[:, 0], FLUX[1:])


# Properties -----------------------------------------------------------------------------------------------------------


def test_properties_are_evidence_only_if_given():
    source = table(redshift=[0.1, 0.2, 0.3], redshift_err=[0.0, 0.01, 0.0], true_log_mstar=[9.0, 9.0, 9.0])
    assert read_catalogue(source).names == ("J0400", "rSDSS")
    assert read_catalogue(source).report.not_given == ("redshift",)
    catalogue = read_catalogue(source, given=["redshift"])
    assert catalogue.names == ("J0400", "rSDSS", "redshift")
    np.testing.assert_array_equal(catalogue.values[:, 2], [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(catalogue.errors[:, 2], [0.0, 0.01, 0.0])
    assert "true_log_mstar" in catalogue.report.ignored


def test_a_property_without_errors_is_exact():
    assert (read_catalogue(table(redshift=[0.1, 0.2, 0.3]), given=["redshift"]).errors[:, 2] == 0).all()


def test_the_spectroscopic_redshift_serves_where_there_is_no_other():
    source = table(redshift_spec=[0.1, np.nan, 0.3])
    assert read_catalogue(source).report.not_given == ("redshift_spec",)
    np.testing.assert_array_equal(read_catalogue(source, given=["redshift"]).values[:, 2], [0.1, np.nan, 0.3])
    both = table(redshift_spec=[0.1, 0.2, 0.3], redshift=[0.5, 0.5, 0.5])
    np.testing.assert_array_equal(read_catalogue(both, given=["redshift"]).values[:, 2], 0.5)


def test_properties_are_converted_and_a_missing_unit_is_reported():
    source = table(ew_halpha=[1.0, 2.0, 3.0] * u.nm, ew_hbeta=[1.0, 2.0, 3.0])
    catalogue = read_catalogue(source, given=["ew_halpha", "ew_hbeta"])
    np.testing.assert_allclose(catalogue.values[:, 2], [10.0, 20.0, 30.0], rtol=1e-12)
    np.testing.assert_allclose(catalogue.values[:, 3], [1.0, 2.0, 3.0], rtol=0)
    assert catalogue.report.unit_assumed == ("ew_hbeta",)


def test_a_category_is_read_by_name():
    catalogue = read_catalogue(table(survey=["sdss", "", "other"]), given=["survey"])
    np.testing.assert_array_equal(catalogue.values[:, 2], [2.0, np.nan, 6.0])


def test_a_catalogue_of_properties_alone_is_one():
    assert read_catalogue({"redshift": [0.1]}, given=["redshift"]).names == ("redshift",)


# What is refused ------------------------------------------------------------------------------------------------------

REFUSED = {
    "no such narrow band": (table(J0395=FLUX), "column J0395 looks like a band.* nearest is J0390: rename"),
    "transposed band": (table(J4000=FLUX), "nearest is J0400"),
    "its errors": (table(J0395_err=FLUX), "rename the column J0390_err"),
    "case of a band": (table(rsdss=FLUX, rSDSS=None, rSDSS_err=None), "nearest is rSDSS"),
    "band of another survey": (table(zSDSS=FLUX), "column zSDSS looks like a band"),
    "prefixed band": (table(flux_J0410=FLUX), "column flux_J0410 looks like a band.* nearest is J0410"),
    "no rows": (table()[:0], "the table has no rows"),
    "no band": (Table({"a": [1.0]}), "no column is a band; name fluxes like FUV and FUV_err"),
    "wrong kind of unit": (table(J0400=FLUX * u.AA), r"column J0400: unit 'Angstrom' \(length\) is not one of a flux"),
    "wrong kind of error": (table(J0400_err=ERROR * u.mag), "J0400 is in nJy and J0400_err in mag; give both"),
    "negative error": (table(J0400_err=[1.0, -2.0, 3.0]), r"column J0400_err, row 1: -2 \(the other rows: 1 to 3\)"),
    "zero errors": (table(J0400_err=[0.0, 2.0, 0.0]), "J0400_err, row 0 and 1 more: 0 .*zero or .*; set J0400 to NaN"),
    "no error column": (table(J0400_err=None), "column J0400 has no errors; add a column J0400_err"),
    "no value column": (table(J0400=None), "column J0400_err has no column J0400"),
    "no error value": (table(J0400_err=[1.0, np.nan, 3.0]), "J0400_err, row 1: nan .*J0400 has a value .*no error"),
    "infinite value": (table(J0400=[1.0, 2.0, np.inf]), "column J0400, row 2: inf .*values must be finite"),
    "infinite error": (table(J0400_err=[np.inf, 2.0, 3.0]), "column J0400_err, row 0: inf .*errors must be finite"),
    "text": (table(J0400=Column(["1", "2", "x"], unit="nJy")), "column J0400, row 2: 'x' is not a number"),
    "boolean": (table(J0400=Column([True, False, True], unit="nJy")), "column J0400, row 0: 'True' is not a number"),
    "many numbers a row": (table(J0400=np.ones((3, 2)), J0400_err=np.ones((3, 2))), r"column J0400 has shape \(3, 2\)"),
    "two cases of a band": (table(j0400=FLUX), "columns J0400 and j0400 differ in case alone"),
    "two cases of its errors": (table(J0400_ERR=FLUX), "columns J0400_err and J0400_ERR differ in case alone"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_one_line(case):
    source, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as caught:
        read_catalogue(source)
    assert "\n" not in str(caught.value)


REFUSED_WHEN_GIVEN = {
    "no such variable": ({}, "redhsift", "'redhsift' cannot be given: .*; the nearest is redshift"),
    "no column": ({}, "redshift", "redshift is to be given, and there is no column redshift or redshift_spec"),
    "no column of another": ({}, "log_mstar", "there is no column log_mstar$"),
    "below the limit": ({"redshift": [0.1, -9.0, 0.2]}, "redshift", r"column redshift, row 1: -9 .*has the limit 0"),
    "infinite": ({"redshift": [0.1, np.inf, 0.2]}, "redshift", "row 1: inf"),
    "negative error": ({"redshift": [0.1] * 3, "redshift_err": [0.1, -1, 0]}, "redshift", "redshift_err, row 1: -1"),
    "missing error": ({"redshift": [0.1] * 3, "redshift_err": [1, np.nan, 0]}, "redshift", "has a value .* no error"),
    "wrong unit": ({"ew_halpha": [1, 2, 3] * u.s}, "ew_halpha", "ew_halpha is in s; ew_halpha is wanted in Angstrom"),
    "unit of a logarithm": ({"log_mstar": [1, 2, 3] * u.Msun}, "log_mstar", "wanted without a unit"),
    "no such category": ({"survey": ["sdss", "sdsss", ""]}, "survey", "row 1: 'sdsss' is not one of sim_survey"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED_WHEN_GIVEN)
def test_bad_properties_are_refused_when_given(case):
    columns, given, message = REFUSED_WHEN_GIVEN[case]
    with pytest.raises(ValueError, match=message) as caught:
        read_catalogue(table(**columns), given=[given])
    assert "\n" not in str(caught.value)
    if columns:
        read_catalogue(table(**columns))


def test_no_unit_is_refused_and_the_remedy_works():
    columns = {"J0400": FLUX, "J0400_err": ERROR}
    with pytest.raises(ValueError, match=r"column J0400 has no unit; give the column one, or unit= \(--unit\), as nJy"):
        read_catalogue(columns)
    assert len(read_catalogue(columns, unit="nJy")) == 3


def test_a_unit_that_is_none_is_refused():
    with pytest.raises(ValueError, match="column J0400: 'bogus' is no unit"):
        read_catalogue({"J0400": FLUX, "J0400_err": ERROR}, unit="bogus")


def test_a_good_magnitude_with_a_sentinel_for_its_error_is_refused():
    with pytest.raises(ValueError, match="J0400_err, row 0: nan.*J0400 has a value there and no error"):
        read_catalogue({"J0400": [20.0, 21.0], "J0400_err": [99.0, 0.1]}, unit="mag")


@pytest.mark.parametrize("ending", ["csv", "ecsv", "parquet", "vot", "fits", "pandas"])
def test_a_column_that_stands_twice_is_refused(tmp_path, ending):
    source = duplicated(tmp_path / f"table.{ending}", ending)
    with pytest.raises(ValueError, match=r"2 columns are named J0400 \(columns \[0, 2\]\); keep one of them"):
        read_catalogue(source, unit="nJy")


def duplicated(path, ending):
    """A table of columns J0400, J0400_err, J0400, as each format can hold it."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as parquet

    if ending == "pandas":
        return pd.DataFrame([[1.0, 1.0, 2.0]], columns=["J0400", "J0400_err", "J0400"])
    if ending == "parquet":
        parquet.write_table(pa.table([[1.0], [1.0], [2.0]], names=["J0400", "J0400_err", "J0400"]), path)
    elif ending == "csv":
        path.write_text("# made by hand\nJ0400,J0400_err,J0400\n1,1,2\n")
    else:
        write_table(Table({"J0400": [1.0], "J0400_err": [1.0], "J0499": [2.0]}), path)
        path.write_bytes(path.read_bytes().replace(b"J0499", b"J0400"))
    return path


@pytest.mark.parametrize(
    "name", ["J0400_flags", "true_J0410", "J0410_p50", "J0410_p97_5", "ra_J2000", "RAJ2000", "field_7"]
)
def test_names_that_only_mention_a_band_are_ignored(name):
    assert name in read_catalogue(table(**{name: FLUX})).report.ignored


def test_messages_name_the_file(tmp_path):
    path = tmp_path / "galaxies.ecsv"
    write_table(table(J0400_err=[1.0, -2.0, 3.0]), path)
    with pytest.raises(ValueError, match=r"galaxies.ecsv: column J0400_err, row 1"):
        read_catalogue(path)
