"""Layouts of the photometric tables, against galaxies whose fluxes in nJy are known."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from hf_galaxy.data.minijpas.columns import Columns
from hf_galaxy.data.minijpas.filters import MINIJPAS_FILTERS, minijpas_order, read_filter_order
from hf_galaxy.data.minijpas.photometry import find_layout, read_photometry, to_bands
from hf_galaxy.variables_galaxy import BANDS

from .archive import ORDER, as_objects, make_sky


def at(i):
    """Place in BANDS of the filter with FILTER_ID i + 1."""
    return BANDS.index(ORDER[i])


def read(source, layout=None, aperture=None, order=None, **tolerated):
    """Fluxes of a table in the order of BANDS, their errors, and the photometry."""
    columns, order = Columns(source), order or minijpas_order()
    photometry = read_photometry(columns, order, find_layout(columns, order, layout, aperture), **tolerated)
    return to_bands(photometry.flux, order), to_bands(photometry.flux_error, order), photometry


def as_text(table, opening, separator, closing):
    """The arrays of a table as CSV dumps write them."""
    result = Table()
    for name in table.colnames:
        column = table[name]
        cells = (
            (opening + separator.join(repr(x) for x in row) + closing for row in column.tolist())
            if column.ndim > 1
            else column
        )
        result[name] = list(cells)
    return result


def expanded(table, value, error):
    """One column a filter; ``value`` and ``error`` are formats of its name."""
    flux = next(n for n in table.colnames if n.startswith(("FLUX_P", "MAG_P")))
    sigma = next(n for n in table.colnames if "ERR" in n)
    result = Table({name: table[name] for name in ("TILE_ID", "NUMBER")})
    for i, band in enumerate(ORDER):
        result[value.format(band)], result[error.format(band)] = table[flux][:, i], table[sigma][:, i]
        result[f"FLAGS_{band}"] = table["FLAGS"][:, i]
    return result


def test_the_order_of_the_package_is_that_of_minijpas():
    assert [name for name, _ in MINIJPAS_FILTERS] == ORDER and minijpas_order().strangers == ()


def test_the_order_of_the_package_is_that_of_the_archive(real_data):
    order = read_filter_order(str(real_data / "filters" / "minijpas.Filter.csv"))
    assert order.names == minijpas_order().names
    np.testing.assert_allclose(order.extinction, minijpas_order().extinction, atol=6e-4)  # kept to three digits


@pytest.mark.parametrize("layout", ["fnu", "flambda", "mag"])
@pytest.mark.parametrize("form", ["fits", "vot", "ecsv", "csv", "parquet", "braces", "blanks", "brackets", "objects"])
def test_every_layout_gives_the_fluxes_that_were_written(layout, form, tmp_path):
    sky = make_sky(12)
    table = getattr(sky, layout)()
    source = table
    if form in ("fits", "vot", "ecsv"):
        source = str(tmp_path / f"table.{form}")
        table.write(source, **({"format": "votable"} if form == "vot" else {}))
    elif form == "objects":
        source = as_objects(table)
    elif form == "parquet":
        source = str(tmp_path / "table.parquet")
        frame = Table({n: table[n] for n in table.colnames if table[n].ndim == 1}).to_pandas()
        for name in (n for n in table.colnames if table[n].ndim > 1):
            frame[name] = list(np.asarray(table[name]))
        frame.to_parquet(source)
    else:
        marks = {
            "csv": ("(", ",", ")"),
            "braces": ("{", ",", "}"),
            "blanks": ("", " ", ""),
            "brackets": ("[", ", ", "]"),
        }
        source = str(tmp_path / "table.csv")
        as_text(table, *marks[form]).write(source, format="ascii.csv")
        with open(source) as file:
            text = file.read()
        with open(source, "w") as file:
            file.write("#SELECT * FROM minijpas.Table\n" + text)  # the archive's CSV begin like that
    flux, error, photometry = read(source, layout)
    truth, sigma = sky.in_bands(sky.flux), sky.in_bands(sky.error)
    if layout == "mag":
        truth, sigma = np.where(truth > 0, truth, np.nan), np.where(truth > 0, sigma, np.nan)
    np.testing.assert_allclose(flux, truth, rtol=1e-6)
    np.testing.assert_allclose(error, sigma, rtol=1e-6)
    assert photometry.unusable == {} and photometry.voided["not measured"] == (3 if layout == "mag" else 0)


@pytest.mark.parametrize(
    ("layout", "value", "error"),
    [
        ("fnu", "FLUX_APER_3_0_{}", "FLUX_RELERR_APER_3_0_{}"),
        ("flambda", "flux_{}", "flux_relerr_{}"),
        ("mag", "mag_{}", "err_{}"),
        ("mag", "MAG_PSFCOR_{}", "MAG_ERR_PSFCOR_{}"),
        ("mag", "{}", "{}_err"),
    ],
)
def test_one_column_a_band(layout, value, error):
    sky = make_sky(8)
    table = expanded(getattr(sky, layout)(), value, error)
    if value == "{}":
        for band in ORDER:
            table[band].unit = "mag"
    del table["FLAGS_J0390"]
    table["FLAGS_J0400"][3] = 4
    flux, sigma, photometry = read(table, layout)
    truth, wanted = sky.flux.copy(), sky.error.copy()
    truth[3, 3] = np.nan
    if layout == "mag":
        truth[truth <= 0] = np.nan
    wanted[np.isnan(truth)] = np.nan
    np.testing.assert_allclose(flux, sky.in_bands(truth), rtol=1e-6)
    np.testing.assert_allclose(sigma, sky.in_bands(wanted), rtol=1e-6)
    assert photometry.voided["flags"] == 1


def test_bands_that_have_no_column_are_not_observed():
    table = expanded(make_sky(8).fnu(), "FLUX_PSFCOR_{}", "FLUX_RELERR_PSFCOR_{}")
    table.remove_columns(["FLUX_PSFCOR_J0400", "FLUX_RELERR_PSFCOR_J0400"])
    flux, _, photometry = read(table, "fnu")
    assert np.isnan(flux).sum() == 8 * 3 and photometry.voided == {"not measured": 8}  # J0400, FUV, NUV
    table.remove_column("FLUX_RELERR_PSFCOR_J0410")
    with pytest.raises(ValueError, match="flux_psfcor_j0410 has no errors; add a column flux_relerr_psfcor_j0410"):
        read(table, "fnu")


def test_the_order_of_another_filter_table_is_honoured(tmp_path):
    shuffled = list(np.random.default_rng(3).permutation(ORDER))
    sky = make_sky(6, order=shuffled)
    sky.filters().write(tmp_path / "Filter.csv")
    flux, _, _ = read(sky.flambda(), "flambda", order=read_filter_order(str(tmp_path / "Filter.csv")))
    np.testing.assert_allclose(flux, sky.in_bands(sky.flux), rtol=1e-6)
    wrong, _, _ = read(sky.flambda(), "flambda")
    assert not np.allclose(wrong, flux, equal_nan=True)


def test_the_early_data_release_of_jpas_is_read_by_its_own_filters():
    names = [n for n in ORDER if n not in ("uJPAS", "gSDSS", "rSDSS")]
    sky = make_sky(6, order=names)
    table = sky.mag("APER_COR_3_0")
    for name in table.colnames:
        table.rename_column(name, name.lower())
    with pytest.raises(ValueError, match=r"arrays of 57, 60 are wanted; give the table Filter"):
        read(table)
    flux, _, _ = read(table, order=read_filter_order(sky.filters()))
    np.testing.assert_allclose(flux, sky.in_bands(np.where(sky.flux > 0, sky.flux, np.nan)), rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["FILTER_ID"].__setitem__(3, 1), "FILTER_ID 1 stands 2 times"),
        (lambda t: t["name"].__setitem__(3, "J0450" if t["name"][3] != "J0450" else "J0460"), "stands 2 times"),
        (lambda t: t.remove_column("FILTER_ID"), "there is no column FILTER_ID"),
        (lambda t: t.replace_column("name", [f"F{i:03d}W" for i in range(60)]), "is a band of J-PAS"),
    ],
)
def test_a_filter_table_that_gives_no_order(change, message):
    table = make_sky(2).filters()
    change(table)
    with pytest.raises(ValueError, match=message):
        read_filter_order(table)


def test_filters_that_are_no_bands_of_ours_are_named_and_left_out():
    sky = make_sky(4)
    filters = sky.filters()
    filters["name"][filters["name"] == "J0450"] = "J0395"
    order = read_filter_order(filters)
    flux, _, _ = read(sky.fnu(), "fnu", order=order)
    sky.flux[:, ORDER.index("J0450")] = np.nan
    np.testing.assert_allclose(flux, sky.in_bands(sky.flux), rtol=1e-6)
    assert order.strangers == ("J0395",)


def test_errors_of_fluxes_that_are_not_positive():
    """The relative error of a negative flux comes with either sign, and near zero it is huge; neither harms."""
    sky = make_sky(4)
    sky.flux[0, 0], sky.flux[1, 0], sky.flux[2, 0] = -30.0, 1e-9, 0.0
    with np.errstate(divide="ignore"):
        table = sky.fnu()
    for sign in (1, -1):
        table["FLUX_RELERR_PSFCOR"][0, 0] = sign * abs(table["FLUX_RELERR_PSFCOR"][0, 0])
        flux, error, photometry = read(table, "fnu")
        np.testing.assert_allclose(flux[:2, at(0)], [-30.0, 1e-9])
        np.testing.assert_allclose(error[:2, at(0)], sky.error[:2, 0])
        assert np.isnan(flux[2, at(0)]) and np.isnan(error[2, at(0)])  # 0 × ∞: the error is lost with the flux
        assert photometry.voided == {"no error": 1}


def test_sentinels_are_not_observed():
    table = make_sky(6).fnu()
    table["FLUX_RELERR_PSFCOR"][0, 4] = 99.0
    table["FLUX_PSFCOR"][1, 4] = -9999.0
    table["FLUX_RELERR_PSFCOR"][2, 4] = 0.0
    table["FLUX_PSFCOR"][3, 4] = np.nan
    table["FLUX_PSFCOR"] = MaskedColumn(table["FLUX_PSFCOR"], mask=np.zeros((6, 60), dtype=bool))
    table["FLUX_PSFCOR"].mask[4, 4] = True
    flux, error, photometry = read(table, "fnu")
    assert np.isnan(flux[:5, at(4)]).all() and np.isnan(error[:5, at(4)]).all() and np.isfinite(flux[5, at(4)])
    assert photometry.voided == {"not measured": 4, "no error": 1}


@pytest.mark.parametrize("value", [99.0, -99.0])
def test_magnitudes_of_99(value):
    table = make_sky(6).mag()
    seen = read(table)[2].voided["not measured"]
    table["MAG_PSFCOR"][0, 10] = value
    table["MAG_ERR_PSFCOR"][1, 10] = value
    flux, _, photometry = read(table)
    assert np.isnan(flux[:2, at(10)]).all() and photometry.voided["not measured"] == seen + 2


def test_flags_void_a_band_and_nothing_else():
    table = make_sky(6).fnu()
    table["FLAGS"][:, 7] = [0, 1, 3, 4, 64, 2048]
    table["MASK_FLAGS"][2, 8] = 1
    flux, _, photometry = read(table, "fnu")
    assert np.isnan(flux[:, at(7)]).tolist() == [False, False, False, True, True, True]
    assert np.isnan(flux[:, at(8)]).tolist() == [False, False, True, False, False, False]
    assert photometry.voided == {"flags": 3, "mask": 1}
    assert read(table, "fnu", tolerated_flags=3 | 4, tolerated_mask=1)[2].voided == {"flags": 2}


def test_flags_of_the_whole_galaxy_hold_for_every_band():
    table = make_sky(4).fnu()
    table["FLAGS"] = [0, 3, 16, 0]
    flux, _, photometry = read(table, "fnu")
    assert np.isnan(flux[2]).all() and photometry.unusable == {2: "no band was measured, or all are flagged"}


def test_a_row_of_another_length_is_left_out_and_the_others_are_read(tmp_path):
    text = as_text(make_sky(4).fnu(), "(", ",", ")")
    text["FLUX_PSFCOR"][1] = ""
    text["FLUX_PSFCOR"][2] = "(1,2,3)"
    text.write(tmp_path / "t.csv", format="ascii.csv")
    flux, _, photometry = read(str(tmp_path / "t.csv"), "fnu")
    assert np.isfinite(flux[[0, 3]]).sum() == 120 and np.isnan(flux[[1, 2]]).all()
    assert photometry.unusable == {
        1: "FLUX_PSFCOR has 0 values, 60 are wanted",
        2: "FLUX_PSFCOR has 3 values, 60 are wanted",
    }


def test_a_missing_element_does_not_move_the_others():
    text = as_text(make_sky(4).fnu(), "{", ",", "}")
    parts = text["FLUX_PSFCOR"][0].split(",")
    parts[5], parts[6], parts[7] = "", "null", "NaN"
    text["FLUX_PSFCOR"] = [",".join(parts), *text["FLUX_PSFCOR"][1:]]
    flux, _, _ = read(text, "fnu")
    assert np.nonzero(np.isnan(flux[0]))[0].tolist() == [0, 1, at(5), at(6), at(7)]


def test_words_in_an_array_are_refused():
    text = as_text(make_sky(4).fnu(), "(", ",", ")")
    text["FLUX_PSFCOR"] = ["(1,two,3)", *text["FLUX_PSFCOR"][1:]]
    with pytest.raises(ValueError, match=r"column FLUX_PSFCOR, row 0: '\(1,two,3\)' is no number, nor an array"):
        read(text, "fnu")


def test_what_cannot_be_told_is_asked():
    table = make_sky(4).fnu()
    with pytest.raises(ValueError, match=r"nothing says whether FLUX_PSFCOR is f_λ .* \(--layout\)"):
        read(table)
    table["FLUX_PSFCOR"].unit = "s"
    with pytest.raises(ValueError, match="FLUX_PSFCOR is in s, which is no unit of flux densities"):
        read(table)


@pytest.mark.parametrize("layout", ["fnu", "flambda"])
@pytest.mark.parametrize("power", ["", "with"])
def test_units_and_names_of_tables_tell_the_layout(layout, power):
    """The archive's unit may leave its power of ten out; one of the two readings is 47 magnitudes off any galaxy."""
    sky = make_sky(5)
    table = getattr(sky, layout)()
    unit = {"fnu": "erg / (s cm2 Hz)", "flambda": "erg / (s cm2 Angstrom)"}[layout]
    table["FLUX_PSFCOR"].unit = ({"fnu": "1e-30 ", "flambda": "1e-19 "}[layout] if power else "") + unit
    np.testing.assert_allclose(read(table)[0], sky.in_bands(sky.flux), rtol=1e-6)
    named = getattr(sky, layout)()
    for name in named.colnames:
        named.rename_column(name, f"{'FNu' if layout == 'fnu' else 'FLambda'}DualObj.{name}")
    np.testing.assert_allclose(read(named)[0], sky.in_bands(sky.flux), rtol=1e-6)


def test_other_units_are_converted():
    sky = make_sky(5)
    table = sky.fnu()
    table["FLUX_PSFCOR"] = sky.flux / 1000
    table["FLUX_PSFCOR"].unit = "uJy"
    np.testing.assert_allclose(read(table)[0], sky.in_bands(sky.flux), rtol=1e-6)
    with pytest.raises(ValueError, match="fluxes in uJy are no f_λ"):
        read(table, "flambda")


def test_fluxes_that_no_galaxy_has_are_refused():
    table = make_sky(5).fnu()
    table["FLUX_PSFCOR"] *= 1e-30  # somebody applied the unit
    with pytest.raises(ValueError, match=r"the median flux is AB magnitude 9\d\.\d; give the layout"):
        read(table, "fnu")


def test_apertures():
    sky = make_sky(5)
    table = sky.fnu("AUTO")
    table["FLUX_APER_3_0"], table["FLUX_RELERR_APER_3_0"] = table["FLUX_AUTO"] / 2, table["FLUX_RELERR_AUTO"]
    np.testing.assert_allclose(read(table, "fnu")[0], sky.in_bands(sky.flux), rtol=1e-6)  # total fluxes come first
    np.testing.assert_allclose(read(table, "fnu", "APER_3_0")[0], sky.in_bands(sky.flux) / 2, rtol=1e-6)
    with pytest.raises(ValueError, match="no photometry of the aperture PSFCOR .* are there: APER_3_0, AUTO"):
        read(table, "fnu", "PSFCOR")
    odd = sky.fnu("PETRO")
    odd["FLUX_ISO"], odd["FLUX_RELERR_ISO"] = odd["FLUX_PETRO"], odd["FLUX_RELERR_PETRO"]
    with pytest.raises(ValueError, match=r"apertures ISO, PETRO; choose one"):
        read(odd, "fnu")
