"""Layouts of others: the same galaxies, whatever the columns are called."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.data.catalogues import read_catalogue
from hf_galaxy.data.layouts.broad import LEGACY, SDSS
from hf_galaxy.data.layouts.finding import LayoutSettings
from hf_galaxy.data.minijpas.filters import MINIJPAS_FILTERS
from hf_galaxy.variables_galaxy import BANDS, default_variables

N = 6
NAMES = [name for name, _ in MINIJPAS_FILTERS]
PIVOT = {v.name: v.pivot for v in default_variables() if v.kind == "flux"}
FLUX = np.random.default_rng(0).uniform(1000.0, 9000.0, (N, 60))  # nJy
ERROR = 0.05 * FLUX
LIGHT_AA_PER_S = 2.99792458e18
SAID = {"fnu": "f_nu", "flambda": "f_lambda", "mag": "AB magnitudes"}


def archive(aperture: str = "PSFCOR", layout: str = "fnu") -> Table:
    """As the archive of CEFCA gives them."""
    made = Table({"TILE_ID": np.full(N, 2241), "NUMBER": np.arange(N)})
    if layout == "mag":
        made[f"MAG_{aperture}"] = 31.4 - 2.5 * np.log10(FLUX)
        made[f"MAG_ERR_{aperture}"] = ERROR / FLUX * 2.5 / np.log(10)
        return made
    scale = np.array([1e-2 if layout == "fnu" else 1e-32 * LIGHT_AA_PER_S / PIVOT[n] ** 2 / 1e-19 for n in NAMES])
    made[f"FLUX_{aperture}"] = FLUX * scale  # 1e-30 erg/s/cm2/Hz is 100 nJy
    made[f"FLUX_RELERR_{aperture}"] = ERROR / FLUX
    unit = "1e-30 erg / (s cm2 Hz)" if layout == "fnu" else "1e-19 erg / (s cm2 Angstrom)"
    made[f"FLUX_{aperture}"].unit = unit
    return made


def in_archive_order(catalogue) -> np.ndarray:
    return catalogue.values[:, [catalogue.names.index(name) for name in NAMES]]


@pytest.mark.parametrize("layout", ["fnu", "flambda", "mag"])
def test_arrays_of_the_archive_in_every_unit(layout):
    settings = LayoutSettings(layout=layout if layout == "mag" else None)
    catalogue = read_catalogue(archive(layout=layout), settings=settings)
    np.testing.assert_allclose(in_archive_order(catalogue), FLUX, rtol=2e-4)  # pivots to a tenth of an angstrom
    assert catalogue.report.layout == (
        f"arrays of miniJPAS PDR201912 {'MAG' if layout == 'mag' else 'FLUX'}_PSFCOR in {SAID[layout]} (60 bands)",
    )


def test_the_aperture_is_chosen_and_has_a_default():
    made = archive("PSFCOR")
    three = archive("APER_3_0")
    made["FLUX_APER_3_0"], made["FLUX_RELERR_APER_3_0"] = 2 * three["FLUX_APER_3_0"], three["FLUX_RELERR_APER_3_0"]
    np.testing.assert_allclose(in_archive_order(read_catalogue(made)), FLUX, rtol=1e-12)
    chosen = read_catalogue(made, settings=LayoutSettings(aperture="APER_3_0"))
    np.testing.assert_allclose(in_archive_order(chosen), 2 * FLUX, rtol=1e-12)
    with pytest.raises(ValueError, match="no photometry of the aperture AUTO .* APER_3_0, PSFCOR"):
        read_catalogue(made, settings=LayoutSettings(aperture="AUTO"))


def test_99_flags_and_a_short_array_of_one_row(tmp_path):
    made = archive(layout="mag")
    made["MAG_PSFCOR"][1, 5] = 99.0
    made["FLAGS"] = np.zeros((N, 60), dtype=int)
    made["FLAGS"][2, 7] = 4
    catalogue = read_catalogue(made, settings=LayoutSettings(layout="mag"), skip=True)
    absent = np.argwhere(np.isnan(in_archive_order(catalogue)))
    assert absent.tolist() == [[1, 5], [2, 7]]
    cells = np.empty(N, dtype=object)
    cells[:] = list(archive()["FLUX_PSFCOR"])
    cells[3] = cells[3][:59]
    short = archive()
    short["FLUX_PSFCOR"] = cells
    read = read_catalogue(short, skip=True, settings=LayoutSettings(layout="fnu"))
    assert [bool(why) for why in read.skipped] == [False, False, False, True, False, False]
    assert "59 values, 60 are wanted" in read.skipped[3] and np.isnan(read.values[3]).all()


def test_a_text_in_an_array_is_found_among_many_rows():
    cells = [" ".join(map(repr, row)) for row in (FLUX * 1e-2).tolist()]
    cells[4] = cells[4].replace(" ", " seven ", 1)
    made = archive()
    made["FLUX_PSFCOR"] = cells
    read = read_catalogue(made, skip=True, settings=LayoutSettings(layout="fnu"))
    assert [row for row, why in enumerate(read.skipped) if why] == [4] and "seven" in read.skipped[4]
    np.testing.assert_allclose(in_archive_order(read)[[0, 1, 2, 3, 5]], FLUX[[0, 1, 2, 3, 5]], rtol=1e-12)


GALEX = {
    "mast": ({"nuv_flux": [5.0], "nuv_fluxerr": [0.5]}, 5000.0),
    "guvcat": ({"FUV_MAG": [-999.0], "FUV_MAGERR": [-999.0], "NUV_MAG": [22.0], "NUV_MAGERR": [0.1]}, 5754.4),
    "cds": ({"NUVmag": [22.0], "e_NUVmag": [0.1]}, 5754.4),
}


@pytest.mark.parametrize("kind", GALEX)
def test_galex_beside_other_bands(kind):
    columns, flux = GALEX[kind]
    made = archive()[:1]
    for name, values in columns.items():
        made[name] = values
    catalogue = read_catalogue(made)
    assert "NUV" in catalogue.names and "J0660" in catalogue.names
    assert catalogue.values[0, catalogue.names.index("NUV")] == pytest.approx(flux, rel=1e-4)
    if "FUV" in catalogue.names:
        assert np.isnan(catalogue.values[0, catalogue.names.index("FUV")])
    assert any("GALEX" in label for label in catalogue.report.layout)


def test_broad_bands_of_sdss_and_legacy_are_moved_and_less_certain():
    sdss = Table({"modelMag_g": [20.0], "modelMagErr_g": [0.01], "modelMag_u": [21.0], "modelMagErr_u": [0.1]})
    catalogue = read_catalogue(sdss)
    offset, floor = SDSS["gSDSS"]
    flux = 10 ** (-0.4 * (20.0 + offset - 31.4))
    assert catalogue.names == ("gSDSS",)
    assert catalogue.values[0, 0] == pytest.approx(flux, rel=1e-9)
    assert catalogue.errors[0, 0] == pytest.approx(flux * 0.4 * np.log(10) * np.hypot(0.01, floor), rel=1e-9)
    assert catalogue.report.ignored == ("modelMag_u", "modelMagErr_u")
    legacy = Table({"FLUX_R": [10.0, 5.0], "FLUX_IVAR_R": [4.0, 0.0], "FLUX_Z": [9.0, 9.0]})
    catalogue = read_catalogue(legacy)
    flux = 10.0 * 3630.78 * 10 ** (-0.4 * LEGACY["rSDSS"][0])
    assert catalogue.values[:, 0] == pytest.approx([flux, np.nan], rel=1e-5, nan_ok=True)
    assert "Legacy Surveys FLUX_R +0.081 ± 0.044 mag as rSDSS" in catalogue.report.layout[0]


def test_own_columns_go_before_those_of_others():
    made = Table({"gSDSS": [100.0], "gSDSS_err": [1.0], "flux_g": [9.0], "flux_ivar_g": [1.0]})
    catalogue = read_catalogue(made, unit="nJy")
    assert catalogue.values[0].tolist() == [100.0] and catalogue.report.ignored == ("flux_g", "flux_ivar_g")


def test_data_sets_of_ours_and_not_the_noiseless_ones():
    made = Table({"id": ["a"], "flux": np.full((1, 62), 7.0), "flux_error": np.full((1, 62), 1.0)})
    made["flux"][0, 3] = np.nan
    catalogue = read_catalogue(made)
    assert catalogue.names == BANDS and catalogue.observed.sum() == 61
    made.remove_column("flux_error")
    with pytest.raises(ValueError, match="noiseless"):
        read_catalogue(made)


def test_a_map_of_columns(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text(
        "rSDSS: {flux: R, error: dR, unit: mag}\n"
        "J0660: {flux: NB, relative_error: rel, unit: uJy, index: 2}\n"
        "gSDSS: {flux: G, ivar: iv, unit: nmgy}\n"
        "redshift: {value: Z}\n"
        "ebv: red\n"
    )
    columns = {"R": [20.0], "dR": [0.1], "NB": [[0.0, 0.0, 3.0]], "rel": [[0.0, 0.0, 0.5]], "G": [2.0], "iv": [4.0]}
    catalogue = read_catalogue(Table({**columns, "Z": [0.2], "red": [0.0]}), settings=LayoutSettings(columns=path))
    found = {n: (v, e) for n, v, e in zip(catalogue.names, catalogue.values[0], catalogue.errors[0], strict=True)}
    assert found["rSDSS"][0] == pytest.approx(36307.8, rel=1e-5)
    assert found["J0660"] == pytest.approx((3000.0, 1500.0), rel=1e-12)
    assert found["gSDSS"] == pytest.approx((2 * 3630.78, 0.5 * 3630.78), rel=1e-5)
    assert found["redshift"] == (0.2, 0.0)


BAD_MAPS = {
    "variable": ({"rSDS": {"flux": "R", "error": "E"}}, "rSDS is no variable of the model; the nearest is rSDSS"),
    "key": ({"rSDSS": {"flx": "R", "error": "E"}}, "there is no key flx; the nearest is flux"),
    "no error": ({"rSDSS": {"flux": "R"}}, "give one of error, relative_error and ivar"),
    "column": ({"rSDSS": {"flux": "RR", "error": "E"}}, "has no column RR; the nearest is R"),
    "no map": ({"rSDSS": "R"}, "'R' is no map such as"),
    "index": ({"rSDSS": {"flux": "R", "error": "E", "index": -1}}, "index -1 is no element"),
}


@pytest.mark.parametrize("case", BAD_MAPS)
def test_maps_that_are_none_are_refused(case):
    columns, message = BAD_MAPS[case]
    with pytest.raises(ValueError, match=message):
        read_catalogue(Table({"R": [1.0], "E": [1.0]}), unit="nJy", settings=LayoutSettings(columns=columns))


def test_the_dust_of_the_milky_way_is_taken_out_of_fluxes_and_errors():
    from hf_galaxy.physics.galactic_extinction import extinction_factor

    made = Table({"rSDSS": [100.0, 100.0], "rSDSS_err": [1.0, 1.0], "EBV": [0.0, 0.1]})
    assert "--ebv EBV" in read_catalogue(made, unit="nJy").report.reddening
    catalogue = read_catalogue(made, unit="nJy", settings=LayoutSettings(ebv="EBV"))
    factor = extinction_factor(np.array([PIVOT["rSDSS"]]), 0.1)[0]
    assert 1.2 < factor < 1.3  # A_r = 2.3 E(B-V), Schlafly & Finkbeiner (2011)
    np.testing.assert_allclose(catalogue.values[:, 0], [100.0, 100.0 * factor], rtol=1e-12)
    np.testing.assert_allclose(catalogue.errors[:, 0], [1.0, factor], rtol=1e-12)
    made["EBV"][1] = np.nan
    with pytest.raises(ValueError, match="column EBV, row 1: nan"):
        read_catalogue(made, unit="nJy", settings=LayoutSettings(ebv="EBV"))
    assert read_catalogue(made, unit="nJy", settings=LayoutSettings(ebv="EBV"), skip=True).skipped[1]
    with pytest.raises(ValueError, match="no column EVB .* nearest is EBV"):
        read_catalogue(made, unit="nJy", settings=LayoutSettings(ebv="EVB"))


def test_a_bad_row_is_skipped_and_says_why():
    made = Table({"rSDSS": [1.0, np.inf, 3.0, 4.0], "rSDSS_err": [1.0, 1.0, -1.0, np.nan]})
    catalogue = read_catalogue(made, unit="nJy", skip=True)
    assert [bool(why) for why in catalogue.skipped] == [False, True, True, True]
    assert catalogue.skipped[2].startswith("column rSDSS_err: -1; errors cannot be zero or negative")
    assert np.isnan(catalogue.values[1:]).all() and catalogue.report.skipped == 3
    assert catalogue[2:].skipped.tolist() == catalogue.skipped[2:].tolist()
