"""The table that ``hf-galaxy photometry`` writes."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import QTable
from astropy.utils.masked import Masked

from hf_galaxy.data.spectra_table import photometry_table
from hf_galaxy.variables_galaxy import BANDS
from tests.spectra_files import write_desi, write_sdss

WAVE = np.arange(3000.0, 10000.0, 3.0)
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sdss_galaxies.ecsv"


def write_text(path, scale=1e-17, low=3000.0, header=""):
    wave = WAVE[WAVE >= low]
    np.savetxt(
        path,
        np.transpose([wave, scale * (1 + 0.1 * np.sin(wave / 40)), np.full(wave.shape, 0.05 * scale)]),
        header=header,
    )
    return path


def test_rows_and_columns_of_a_mixed_lot(tmp_path):
    paths = [
        write_sdss(tmp_path / "spec-0266-51602-0007.fits"),
        write_desi(tmp_path),
        write_text(tmp_path / "mine.txt"),
    ]
    table = photometry_table(paths)
    assert list(table["id"]) == ["spec-0266-51602-0007", "39627000", "39627001", "mine"]
    assert list(table["plate"].mask) == [False, True, True, True]
    assert list(table["redshift_spec"].mask) == [False, False, False, True]
    assert table["J0660"].unit == table["J0660_err"].unit == u.nJy
    assert table["ew_halpha_spec"].unit == u.AA and list(table["ew_halpha_spec"].mask) == [False, True, True, True]
    assert "FUV" not in table.colnames  # no spectrum reaches it
    assert list(table["uJAVA"].mask) == [True, True, True, False]
    assert [name for name in table.colnames if name in BANDS] == [name for name in BANDS if name in table.colnames]
    comments = " ".join(table.meta["comments"])
    assert "Sloan" in comments and "DESI" in comments and "0.02" in comments


def test_flux_is_what_the_spectrum_has(tmp_path):
    table = photometry_table(write_sdss(tmp_path / "a.fits"))
    # flat f_λ = 2e-17: f_ν = f_λ λ_pivot² / c
    expected = 2e-17 * 6607.6**2 / 2.99792458e18 * 1e32
    assert table["J0660"][0].value == pytest.approx(expected, rel=1e-4)  # the pivot is known to 0.1 Å
    assert not isinstance(table["J0660"], Masked)


def test_error_floor_is_added_in_quadrature(tmp_path):
    path = write_text(tmp_path / "a.txt")
    plain, floored = (photometry_table(path, error_floor=floor) for floor in (0.0, 0.1))
    np.testing.assert_allclose(
        floored["J0500_err"].value ** 2, plain["J0500_err"].value ** 2 + (0.1 * plain["J0500"].value) ** 2, rtol=1e-5
    )
    with pytest.raises(ValueError, match="error floor 2 is not within 0 and 1"):
        photometry_table(path, error_floor=2)


def test_relative_fluxes_are_scaled_or_refused(tmp_path):
    path = write_text(tmp_path / "relative.txt", scale=1.0)
    with pytest.raises(ValueError, match=r"relative\.txt: the flux is relative"):
        photometry_table(path)
    table = photometry_table(path, scale_to=("rSDSS", 20.5))
    assert 31.4 - 2.5 * np.log10(table["rSDSS"][0].value) == pytest.approx(20.5, abs=1e-6)
    absolute = photometry_table(write_text(tmp_path / "b.txt"))
    for a, b in (("J0500", "rSDSS"), ("J0500_err", "J0500")):
        assert (table[a] / table[b])[0].value == pytest.approx((absolute[a] / absolute[b])[0].value, rel=1e-6)
    assert any("rSDSS = 20.5" in line for line in table.meta["comments"])


def test_scaling_to_a_band_that_is_not_there(tmp_path):
    path = write_text(tmp_path / "a.txt", scale=1.0, low=8000.0)
    with pytest.raises(ValueError, match=r"a\.txt: rSDSS, to scale to, is not covered; choose one of J0810"):
        photometry_table(path, scale_to=("rSDSS", 20.5))
    with pytest.raises(ValueError, match="no filter named 'K'"):
        photometry_table(path, scale_to=("K", 20.5))


def test_nothing_covered_and_nothing_given(tmp_path):
    path = tmp_path / "microns.txt"
    np.savetxt(path, np.transpose([WAVE / 1e4, np.full(WAVE.shape, 1e-17)]))
    with pytest.raises(ValueError, match=r"microns\.txt: no band is covered by any spectrum; are the wavelengths in Å"):
        photometry_table(path)
    with pytest.raises(ValueError, match="no spectrum was given"):
        photometry_table([])


def test_redshift_and_index_are_passed_on(tmp_path):
    assert photometry_table(write_text(tmp_path / "a.txt"), redshift=0.4)["redshift_spec"][0] == 0.4
    assert list(photometry_table(write_desi(tmp_path), index=1)["id"]) == ["39627001"]


@pytest.mark.parametrize("suffix", ["ecsv", "fits", "parquet"])
def test_table_survives_its_formats(tmp_path, suffix):
    table = photometry_table([write_sdss(tmp_path / "a.fits"), write_text(tmp_path / "b.txt")])
    table.write(tmp_path / f"t.{suffix}")
    back = QTable.read(tmp_path / f"t.{suffix}")
    assert back["uJAVA"].unit == u.nJy and list(back["uJAVA"].mask) == [True, False]
    np.testing.assert_array_equal(back["J0660"].value, table["J0660"].value)
    assert "Sloan" in " ".join(back.meta["comments"]).replace("\n", "")


def test_example_catalogue_is_what_the_spectra_give(real_data):
    example = QTable.read(EXAMPLE)
    paths = [real_data / "sdss_spectra" / f"{name}.fits" for name in example["id"]]
    table = photometry_table(paths)
    assert table.colnames == example.colnames
    for name in ("J0400", "J0660", "iSDSS_err", "ew_halpha_spec"):
        np.testing.assert_allclose(table[name].value, example[name].value, rtol=1e-6)


def test_example_catalogue_is_ten_galaxies_with_their_source():
    example = QTable.read(EXAMPLE)
    assert len(example) == 10 and len(set(zip(example["plate"], example["mjd"], example["fiberid"], strict=True))) == 10
    assert "Sloan" in str(example.meta) and "hf-galaxy photometry" in str(example.meta)
    assert example["redshift_spec"].min() < 0.03 and example["ew_halpha_spec"].max() > 300 * u.AA
