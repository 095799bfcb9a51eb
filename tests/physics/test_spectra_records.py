"""Records of the Multimodal Universe and SPARCL; lines, images and redshift tables that readers of files add."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from hf_galaxy.physics.spectra import read_spectrum
from hf_galaxy.physics.spectra.desi import read_redshifts
from hf_galaxy.physics.spectra.multimodal import clean_identifier, multimodal_spectrum, specobjid_facts
from hf_galaxy.physics.spectra.sparcl import sparcl_spectrum
from hf_galaxy.physics.spectra.spectrum import NANOMAGGY_NJY
from tests.spectra_files import multimodal_row, sparcl_record, write_desi, write_sdss

SPECOBJID = 461628614023079936  # of the data viewer of MultimodalUniverse/sdss: plate 410, mjd 51877, fibre 35


def test_specobjid_says_plate_mjd_and_fibre():
    """Bits as in the data model of SDSS; (2674 << 50) + … is that of spec-2674-54097-0001 by hand."""
    assert specobjid_facts(SPECOBJID) | {"specobjid": 0} == {"specobjid": 0, "plate": 410, "mjd": 51877, "fiberid": 35}
    by_hand = (2674 << 50) + (1 << 38) + ((54097 - 50000) << 24) + (26 << 10)
    assert [specobjid_facts(by_hand)[k] for k in ("plate", "mjd", "fiberid")] == [2674, 54097, 1]


@pytest.mark.parametrize("text", [SPECOBJID, f"b' {SPECOBJID}'", f"  {SPECOBJID} ", f'b"{SPECOBJID}"'])
def test_identifiers_as_the_hub_has_them(text):
    assert clean_identifier(text) == SPECOBJID


def test_identifiers_that_are_none():
    with pytest.raises(ValueError, match="object_id 'galaxy' is not a number"):
        clean_identifier("galaxy")


def test_sdss_rows_are_padded_and_their_mask_is_a_warning():
    row = multimodal_row("sdss", n=50, padding=7)
    row["spectrum"]["mask"][3] = True  # a bright sky
    row["spectrum"]["ivar"][5] = 0.0
    seen = multimodal_spectrum(row, "object 1")
    assert seen.wavelength.size == 50 and seen.wavelength[0] > 3000
    assert seen.good[3] and not seen.good[5]
    np.testing.assert_allclose(seen.flux, 2e-17, rtol=1e-6)
    assert seen.signal_to_noise == pytest.approx(4.0, rel=1e-5)
    assert seen.source == "sdss" and seen.redshift == pytest.approx(0.1)
    assert seen.facts["plate"] == 410 and seen.facts["zwarning"] == 0 and "imaging" not in seen.facts


def test_desi_rows_count_their_mask_and_say_good_by_true():
    """ZWARN of the data set is ``not bool(ZWARN)`` of the pipeline, by the code of its builder."""
    row = multimodal_row("desi", n=50)
    row["spectrum"]["mask"][3] = True
    seen = multimodal_spectrum(row, "object 1")
    assert not seen.good[3] and seen.facts["zwarning"] == 0 and seen.source == "desi"
    assert multimodal_spectrum(row | {"ZWARN": False}, "object 1").facts["zwarning"] == 1
    assert seen.facts["imaging"] == pytest.approx({"g": 10 * NANOMAGGY_NJY, "r": 20 * NANOMAGGY_NJY})
    assert seen.facts["ebv"] == pytest.approx(0.03)


@pytest.mark.parametrize("nothing", [0.0, -99.0])
def test_desi_rows_without_images(nothing):
    row = multimodal_row("desi") | {f"FLUX_{b}": nothing for b in "GRZ"} | {"EBV": 0.0}
    facts = multimodal_spectrum(row, "object 1").facts
    assert "imaging" not in facts and "ebv" not in facts


def test_sdss_rows_warn_by_true():
    assert multimodal_spectrum(multimodal_row("sdss") | {"ZWARNING": True}, "object 1").facts["zwarning"] == 1


@pytest.mark.parametrize("absent", ["Z", "spectrum", "object_id"])
def test_rows_of_another_data_set(absent):
    row = {k: v for k, v in multimodal_row("sdss").items() if k != absent}
    with pytest.raises(ValueError, match=f"row 3: no column {absent}"):
        multimodal_spectrum(row, "row 3")
    row = multimodal_row("sdss")
    del row["spectrum"]["ivar"]
    with pytest.raises(ValueError, match=r"no column spectrum\.ivar"):
        multimodal_spectrum(row, "row 3")


def test_rows_with_arrays_of_two_lengths_or_wavelengths_that_turn():
    row = multimodal_row("sdss")
    row["spectrum"]["flux"] = row["spectrum"]["flux"][:-1]
    with pytest.raises(ValueError, match="object 1: flux 49, ivar 50"):
        multimodal_spectrum(row, "object 1")
    row = multimodal_row("sdss")
    row["spectrum"]["lambda"][7] = 9000.0
    with pytest.raises(ValueError, match="must be positive and increase, but see pixel 8"):
        multimodal_spectrum(row, "object 1")


def test_sparcl_records_of_sdss_and_desi():
    sdss, desi = (sparcl_spectrum(sparcl_record(release)) for release in ("SDSS-DR17", "DESI-DR1"))
    assert sdss.source == "sdss" and sdss.facts["plate"] == 410 and sdss.facts["class"] == "GALAXY"
    assert desi.source == "desi" and desi.facts["targetid"] == SPECOBJID
    np.testing.assert_allclose(sdss.flux, 2e-17)
    # pixel 1 is marked by bit 0, a mere warning of SDSS; pixel 2 by NODATA
    assert sdss.good[1] and not sdss.good[2] and not desi.good[1] and not desi.good[2]
    assert sdss.facts["z_err"] == pytest.approx(1e-5) and sdss.facts["ra"] == 150.0


def test_sparcl_specids_beyond_63_bits_are_negative():
    record = sparcl_record("BOSS-DR16") | {"specid": -6444532452352045056}
    assert sparcl_spectrum(record).facts["plate"] == 10660


def test_sparcl_records_without_a_field():
    record = sparcl_record("SDSS-DR17")
    del record["ivar"]
    with pytest.raises(ValueError, match="SPARCL uuid-1: no field ivar; ask for"):
        sparcl_spectrum(record)
    with pytest.raises(ValueError, match="mask"):
        sparcl_spectrum(sparcl_record("SDSS-DR17") | {"mask": [0, 0]})


def test_spzline_fluxes_are_as_observed_and_widths_of_the_rest_frame(tmp_path):
    path = write_sdss(tmp_path / "spec-0266-51602-0007.fits", redshift=0.25)
    (seen,) = read_spectrum(path)
    assert seen.line_fluxes["halpha"] == pytest.approx((30e-17, 3e-17), rel=1e-6, abs=0)
    assert seen.line_fluxes["oii_3727"] == pytest.approx((60e-17, 3e-17 * np.sqrt(2)), rel=1e-6, abs=0)
    assert seen.widths["halpha"] == pytest.approx((8.0, 0.8))  # 10 Å over 1.25
    assert "hbeta" not in seen.line_fluxes  # an error below zero is no measurement
    assert seen.facts["ra"] == 146.7 and seen.facts["z_err"] == pytest.approx(1e-5)


def test_widths_and_fluxes_of_a_real_galaxy_agree(real_data):
    """EW = flux over continuum, in a galaxy of strong Hα."""
    (seen,) = read_spectrum(real_data / "sdss_spectra" / "spec-1045-52725-0628.fits")
    at = 6564.6 * (1 + seen.redshift)
    beside = (np.abs(seen.wavelength - at) > 60) & (np.abs(seen.wavelength - at) < 150)
    level = np.median(seen.flux[beside & seen.good])
    width = seen.line_fluxes["halpha"][0] / level / (1 + seen.redshift)
    # the pipeline divides by its stellar continuum under the line, up to 25 % lower than that beside it
    assert 0.75 < width / seen.widths["halpha"][0] < 1.05 and seen.widths["halpha"][0] > 40


def test_boss_files_carry_images(real_data):
    (seen,) = read_spectrum(real_data / "sdss_spectra" / "spec-4055-55359-0006.fits")
    assert set(seen.facts["imaging"]) == {"g", "r", "i", "z"} and seen.facts["imaging_system"] == "sdss"
    magnitude = 31.4 - 2.5 * np.log10(seen.facts["imaging"]["r"])
    assert 15 < magnitude < 18.5  # brighter than the r = 18.0 of SPECTROFLUX, the light of the fibre


def test_desi_says_positions_images_and_dust(real_data):
    (seen,) = read_spectrum(real_data / "desi_spectra" / "coadd-4-80613-thru20210324.fits")
    assert seen.facts["imaging"]["r"] == pytest.approx(5.947273 * NANOMAGGY_NJY, rel=1e-6)
    assert seen.facts["ebv"] == pytest.approx(0.0514118) and seen.facts["ra"] == pytest.approx(105.4897745)
    assert 0 < seen.facts["z_err"] < 1e-3


@pytest.mark.parametrize("layout", ["redrock", "fastspecfit 2", "fastspecfit 3", "zcatalog"])
def test_redshifts_of_every_layout(tmp_path, layout):
    table = {"TARGETID": [5, 4], "Z": [0.2, 0.1], "ZWARN": [0, 4], "SPECTYPE": ["GALAXY", "STAR"]}
    other = fits.BinTableHDU(Table({"TARGETID": [5, 4], "VDISP": [1.0, 2.0]}), name="SPECPHOT")
    parts = {
        "redrock": [fits.BinTableHDU(Table(table | {"ZERR": [1e-5, 2e-5]}), name="REDSHIFTS")],
        "fastspecfit 2": [
            fits.BinTableHDU(Table(table), name="FASTSPEC"),
            fits.BinTableHDU(Table(table), name="METADATA"),
        ],
        "fastspecfit 3": [fits.BinTableHDU(Table(table), name="METADATA"), other],
        "zcatalog": [fits.BinTableHDU(Table(table), name="ZCATALOG")],
    }[layout]
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(tmp_path / "z.fits")
    found = read_redshifts(tmp_path / "z.fits")
    assert found[5].value == 0.2 and found[4].warning == 4 and found[4].kind == "STAR"
    assert (found[5].error == 1e-5) if layout == "redrock" else np.isnan(found[5].error)


def test_redshift_tables_that_contradict_themselves_or_are_none(tmp_path):
    table = Table({"TARGETID": [5, 5], "Z": [0.2, 0.3], "ZWARN": [0, 0]})
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table, name="REDSHIFTS")]).writeto(tmp_path / "z.fits")
    with pytest.raises(ValueError, match=r"z\.fits: TARGETID 5 has redshifts 0\.2 and 0\.3"):
        read_redshifts(tmp_path / "z.fits")
    fits.HDUList([fits.PrimaryHDU()]).writeto(tmp_path / "none.fits")
    with pytest.raises(ValueError, match=r"none\.fits: not a redrock file .*no table REDSHIFTS"):
        read_redshifts(tmp_path / "none.fits")


def test_a_coadd_finds_the_fastspecfit_file_beside_it(tmp_path):
    path = write_desi(tmp_path, redrock=False)
    table = Table({"TARGETID": [39627000, 39627001], "Z": [0.31, 0.32], "ZWARN": [0, 0], "SPECTYPE": ["GALAXY"] * 2})
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table, name="METADATA")]).writeto(
        tmp_path / "fastspec-main-bright-1.fits.gz"
    )
    assert [s.redshift for s in read_spectrum(path)] == [0.31, 0.32]
