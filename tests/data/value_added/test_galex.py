from __future__ import annotations

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from hf_galaxy.data.value_added import read_galex
from hf_galaxy.data.value_added.galex import CALIBRATION, DEPTH, depth_error, exposure_error

CALIBRATED = 0.4 * np.log(10) * np.array(CALIBRATION)


def guvcat(**changes):
    """GUVcat of the CDS: source 0 in both bands, 1 in NUV alone, 2 in FUV alone (-999)."""
    columns = {
        "RAJ2000": [10.0, 10.01, 10.02],
        "DEJ2000": [0.0, 0.0, 0.0],
        "FUVmag": MaskedColumn([20.0, 0.0, 21.0], mask=[False, True, False]),
        "e_FUVmag": MaskedColumn([0.1, 0.0, 0.2], mask=[False, True, False]),
        "NUVmag": [19.0, 20.0, -999.0],
        "e_NUVmag": [0.05, 0.1, -999.0],
        "E(B-V)": [0.02, 0.02, 0.02],
    }
    return Table(columns | changes)


def test_magnitudes_and_their_errors():
    table = read_galex(guvcat())
    flux = 10 ** (0.4 * (31.4 - np.array([20.0, 19.0])))
    np.testing.assert_allclose(table.flux[0], flux)
    relative = np.hypot(0.4 * np.log(10) * np.array([0.1, 0.05]), CALIBRATED)
    np.testing.assert_allclose(table.error[0], flux * relative)


def test_a_blank_without_a_depth_is_unobserved():
    table = read_galex(guvcat())
    assert np.isnan(table.flux[1, 0]) and np.isnan(table.error[1, 0]) and np.isnan(table.flux[2, 1])
    assert table.detected.tolist() == [[True, True], [False, True], [True, False]]
    assert table.report.unknown["FUVmag"]["blank"] == 1


def test_a_blank_within_a_layer_is_undetected():
    table = read_galex(guvcat(), layer="AIS")
    sigma = 10 ** (0.4 * (31.4 - 19.9)) / 5  # 5 σ at 19.9 mag
    np.testing.assert_allclose((table.flux[1, 0], table.error[1, 0]), (0.0, sigma))
    assert not table.detected[1, 0] and table.detected[1, 1]


def test_an_exposure_decides_band_by_band():
    """FUV was off for source 1: a blank of no exposure was never looked at."""
    table = read_galex(guvcat(FUV_EXPTIME=[100.0, 0.0, 100.0], NUV_EXPTIME=[100.0, 1500.0, 1500.0]), layer="AIS")
    assert np.isnan(table.flux[1, 0])
    assert table.flux[2, 1] == 0.0
    np.testing.assert_allclose(table.error[2, 1], 10 ** (0.4 * (31.4 - 22.7)) / 5)


def test_a_layer_of_each_row():
    table = read_galex(guvcat(UV_SURVEY=[1, 2, 9]))
    np.testing.assert_allclose(table.error[1, 0], depth_error("MIS")[0])
    assert np.isnan(table.error[2, 1])  # 9 is no layer


def test_depths_grow_with_exposure_and_meet_the_layers():
    for band in range(2):
        times = np.array([DEPTH[layer][2] for layer in DEPTH])
        np.testing.assert_allclose(exposure_error(band, times), [depth_error(layer)[band] for layer in DEPTH])
        assert (np.diff(exposure_error(band, np.geomspace(20, 1e5, 40))) < 0).all()


def test_unmatched_is_unobserved_unless_galex_looked():
    table = read_galex(guvcat())
    asked = {"ra": [10.0 + 3 / 3600, 10.0, np.nan, 50.0], "dec": [0.0, 5 / 3600, 0.0, 0.0]}
    labels = table.lookup(**asked)
    assert labels.matched.tolist() == [True, False, False, False]
    assert np.isnan(labels.flux[1:]).all() and np.isnan(labels.error[1:]).all()
    labels = table.lookup(**asked, observed=np.array([True, True, False, True]), layer="MIS")
    np.testing.assert_array_equal(labels.flux[[1, 3]], 0.0)
    np.testing.assert_allclose(labels.error[1], depth_error("MIS"))
    assert np.isnan(labels.flux[2]).all() and labels.flux[0, 0] > 0
    assert labels.detected.tolist() == [[True, True], [False] * 2, [False] * 2, [False] * 2]


def test_counts_of_the_pipeline_and_microjansky_of_mast():
    place = {"RA": [10.0], "DEC": [0.0]}
    counts = read_galex(
        {**place, "FUV_FLUX_AUTO": [1.0], "FUV_FLUXERR_AUTO": [0.1], "NUV_FLUX_AUTO": [1.0], "NUV_FLUXERR_AUTO": [0.1]}
    )
    np.testing.assert_allclose(31.4 - 2.5 * np.log10(counts.flux[0]), [18.82, 20.08])
    given = {"fuv_flux": [3.0], "fuv_fluxerr": [0.3], "nuv_flux": [-3.0], "nuv_fluxerr": [2.0]}
    mast = read_galex({**place, **given, "FUV_FLUX_AUTO": [1.0], "FUV_FLUXERR_AUTO": [0.1]})  # both: the calibrated one
    np.testing.assert_allclose(mast.flux[0], [3000.0, -3000.0])  # a measured negative flux is a flux


def test_the_unit_of_the_header_decides():
    import astropy.units as u

    table = Table({"RA": [10.0], "DEC": [0.0], "FUV_FLUX_AUTO": [2.0], "FUV_FLUXERR_AUTO": [0.1]})
    table["FUV_FLUX_AUTO"].unit = u.uJy
    np.testing.assert_allclose(read_galex(table).flux[0, 0], 2000.0)
    table["FUV_FLUX_AUTO"].unit = u.km
    with pytest.raises(ValueError, match="FUV_FLUX_AUTO: unit 'km'"):
        read_galex(table)


def test_no_match_of_zero_flux_and_zero_error_is_blank():
    columns = {"RA": [10.0, 11.0], "DEC": [0.0, 0.0], "NUV_FLUX_AUTO": [0.0, -99.0], "NUV_FLUXERR_AUTO": [0.0, -99.0]}
    assert np.isnan(read_galex(columns).flux).all()
    np.testing.assert_allclose(read_galex(columns, layer="AIS").flux[:, 1], 0.0)
    assert np.isnan(read_galex(columns, layer="AIS").flux[:, 0]).all()  # the table says nothing of FUV


def test_dust_of_the_milky_way():
    plain, corrected = read_galex(guvcat()), read_galex(guvcat(), deredden=True)
    ratio = 2.5 * np.log10(corrected.flux[0] / plain.flux[0])
    np.testing.assert_allclose(ratio, [8.06 * 0.02, 7.95 * 0.02])
    with pytest.raises(ValueError, match="no column E\\(B-V\\)"):
        table = guvcat()
        table.remove_column("E(B-V)")
        read_galex(table, deredden=True)


def test_matched_by_id():
    table = read_galex(Table({"TARGETID": [39627001, 39627000], "fuv_mag": [20.0, 21.0], "fuv_magerr": [0.1, 0.1]}))
    labels = table.lookup([39627000, 5])
    np.testing.assert_allclose(31.4 - 2.5 * np.log10(labels.flux[0, 0]), 21.0)
    assert labels.matched.tolist() == [True, False] and np.isnan(labels.flux[1]).all()
    with pytest.raises(ValueError, match="targetid 5 stands in several rows"):
        read_galex(Table({"TARGETID": [5, 5], "fuv_mag": [20.0, 21.0], "fuv_magerr": [0.1, 0.1]}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ra": [10.0]}, "give ids, or ra and dec"),
        ({"ids": [1]}, "it has positions alone"),
        ({"ra": [10.0], "dec": [0.0], "layer": "deep"}, "layer 'deep' is not one of AIS, MIS, DIS"),
        ({"ra": [10.0], "dec": [0.0], "observed": np.array([True, False])}, r"bool \(2,\); bool \(1,\) needed"),
        ({"ra": [10.0], "dec": [0.0], "observed": np.array([1])}, "observed is int64"),
    ],
)
def test_bad_questions(arguments, message):
    with pytest.raises(ValueError, match=message):
        read_galex(guvcat()).lookup(**arguments)


def test_real_galaxies_have_the_colours_of_galaxies(real_data):
    """GALEX-SDSS sample of kcorrect: counts/s, as NUV - r = 3 to 4 in the median shows; in µJy it would be 6."""
    path = real_data / "galex_sdss_gst" / "gst_tests_small.fits"
    table = read_galex(path)
    magnitude = 31.4 - 2.5 * np.log10(table.flux)
    from astropy.io import fits

    red = 22.5 - 2.5 * np.log10(fits.getdata(path)["PETROFLUX"][:, 2].clip(1e-3))
    assert 0.3 < np.nanmedian(magnitude[:, 0] - magnitude[:, 1]) < 0.9
    assert 3.0 < np.nanmedian(magnitude[:, 1] - red) < 4.5
    assert table.detected.sum(0).tolist() == [263, 374]
