"""Readers of spectra: what each format means, and what is said about files that are none of them."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from hf_galaxy.physics.filters import FilterCurve, FilterSet
from hf_galaxy.physics.photometry import synthesize
from hf_galaxy.physics.spectra import Spectrum, air_to_vacuum, read_spectrum
from hf_galaxy.physics.spectra.sdss import BAD_BITS
from hf_galaxy.physics.spectra.text import local_noise
from tests.spectra_files import write_desi, write_sdss


def refused(path, **options) -> str:
    """The message with which a file is refused: one line that names the file."""
    with pytest.raises(ValueError) as caught:
        read_spectrum(path, **options)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("spall", [False, True])
def test_sdss_whatever_the_case_and_the_names(tmp_path, upper, spall):
    (spectrum,) = read_spectrum(write_sdss(tmp_path / "spec.fits", upper=upper, spall=spall))
    assert spectrum.redshift == 0.25 and spectrum.source == "sdss"
    assert spectrum.facts["plate"] == 266 and spectrum.facts["class"] == "GALAXY"
    np.testing.assert_allclose(spectrum.flux, 2e-17)
    np.testing.assert_allclose(spectrum.ivar, 4e34)
    assert spectrum.wavelength[0] == pytest.approx(10**3.58)
    assert spectrum.signal_to_noise == pytest.approx(4.0)


def test_sdss_widths_are_turned_to_the_rest_frame(tmp_path):
    widths = read_spectrum(write_sdss(tmp_path / "spec.fits"))[0].widths
    assert "hbeta" not in widths  # its error is negative: not measured
    assert widths["halpha"] == pytest.approx((8.0, 0.8))
    assert widths["oii_3727"] == pytest.approx((16.0, 0.8 * np.sqrt(2)))  # a doublet is a sum
    assert read_spectrum(tmp_path / "spec.fits", redshift=1.0)[0].widths["halpha"] == pytest.approx((5.0, 0.5))


def test_sdss_masks_what_matters_and_nothing_else(tmp_path):
    n = np.arange(3.58, 3.96, 1e-4).size
    and_mask, ivar = np.zeros(n, dtype=np.int32), np.full(n, 4.0)
    and_mask[10] = 1 << 24  # NODATA
    and_mask[20] = 1 << 23  # BRIGHTSKY, a warning
    and_mask[30] = (1 << 22) | (1 << 23)
    ivar[40] = 0
    spectrum = read_spectrum(write_sdss(tmp_path / "spec.fits", and_mask=and_mask, ivar=ivar))[0]
    assert np.nonzero(~spectrum.good)[0].tolist() == [10, 30, 40]
    assert BAD_BITS == 2**18 + 2**22 + 2**24  # FULLREJECT, NOSKY, NODATA of the SPPIXMASK table of SDSS


def test_desi_arms_are_combined_by_inverse_variance(tmp_path):
    first, second = read_spectrum(write_desi(tmp_path))
    assert (np.diff(first.wavelength) > 0.7).all()
    assert first.wavelength[0] == pytest.approx(3600) and first.wavelength[-1] == pytest.approx(9824)
    at = np.searchsorted(first.wavelength, 5790.0)
    assert first.flux[at] * 1e17 == pytest.approx((1 * 1 + 3 * 2) / 4)  # blue 1 at ivar 1, red 2 at ivar 3
    assert first.ivar[at] == pytest.approx(4e34)
    assert (first.flux[10] * 1e17, second.flux[10] * 1e17) == pytest.approx((1.0, 2.0))
    # ten masked pixels in each arm, 3680 Å on, 5840 Å on and 7600 Å on: the last are filled by the red arm
    assert np.round(first.wavelength[~first.good], 1).tolist() == [
        round(low + 0.8 * i, 1) for low in (3680.0, 5840.0) for i in range(10)
    ]


def test_desi_redshifts_are_matched_by_target(tmp_path):
    path = write_desi(tmp_path)
    assert [s.redshift for s in read_spectrum(path)] == [0.1, 0.2]  # the redrock rows stand in reverse
    assert read_spectrum(path, index=1)[0].facts == {"targetid": 39627001, "zwarning": 0, "class": "GALAXY"}
    assert read_spectrum(path, index=1)[0].redshift == 0.2
    assert read_spectrum(path, redshift=0.7, index=0)[0].redshift == 0.7


def test_desi_without_redrock_has_no_redshift_and_can_be_given_one(tmp_path):
    path = write_desi(tmp_path, redrock=False)
    assert read_spectrum(path)[0].redshift is None
    (tmp_path / "other").mkdir()
    write_desi(tmp_path / "other")
    assert read_spectrum(path, redrock=tmp_path / "other" / "redrock-main-bright-1.fits")[1].redshift == 0.2
    assert "not a redrock file" in refused_redrock(path, path)
    (tmp_path / "third").mkdir()
    three = write_desi(tmp_path / "third", n_target=3, redrock=False)
    message = refused(three, redrock=tmp_path / "other" / "redrock-main-bright-1.fits")
    assert "TARGETID 39627002 of row 2 is not in the redrock file" in message


def refused_redrock(path, redrock) -> str:
    with pytest.raises(ValueError) as caught:
        read_spectrum(path, redrock=redrock)
    return str(caught.value)


def test_desi_with_one_arm_and_index_beyond(tmp_path):
    path = write_desi(tmp_path, arms="R")
    assert read_spectrum(path)[0].wavelength[-1] == pytest.approx(7620, abs=0.8)
    assert "index 2 is outside its 2 spectra (0 to 1)" in refused(path, index=2)


def write_text(path, columns, header="") -> str:
    np.savetxt(path, np.transpose(columns), header=header)
    return str(path)


WAVE = np.arange(4000.0, 7000.0, 2.0)


def test_text_with_errors(tmp_path):
    flux = np.full(WAVE.shape, 3e-17)
    error = np.full(WAVE.shape, 1e-18)
    error[5], error[6], flux[7] = 0.0, -1e-18, np.nan
    (spectrum,) = read_spectrum(write_text(tmp_path / "a.txt", [WAVE, flux, error], "z: 0.31"))
    assert spectrum.redshift == 0.31 and spectrum.facts == {"errors": "file"}
    np.testing.assert_array_equal(spectrum.wavelength, WAVE)  # vacuum unless said otherwise
    assert np.nonzero(~spectrum.good)[0].tolist() == [5, 6, 7]
    assert spectrum.ivar[0] == pytest.approx(1e36)
    assert read_spectrum(tmp_path / "a.txt", redshift=0.5)[0].redshift == 0.5


@pytest.mark.parametrize(("header", "redshift"), [("z: -1", None), ("redshift = 1.5e-1", 0.15), ("quartz: 3", None)])
def test_redshift_of_the_header(tmp_path, header, redshift):
    assert read_spectrum(write_text(tmp_path / "a.txt", [WAVE, WAVE], header))[0].redshift == redshift


def test_text_without_errors_has_them_estimated(tmp_path):
    rng = np.random.default_rng(5)
    continuum = 1e-17 * (2 + np.sin(WAVE / 300))
    sigma = np.where(WAVE < 5500, 1e-18, 3e-18)
    flux = continuum + sigma * rng.standard_normal(WAVE.size)
    flux[700:702] += 1e-16  # a line is no noise
    (spectrum,) = read_spectrum(write_text(tmp_path / "a.txt", [WAVE, flux]))
    assert spectrum.facts == {"errors": "estimated"}
    error = spectrum.ivar**-0.5
    # 100 pixels a block: the median absolute value scatters by 1.17/sqrt(100) or so, correlated differences more
    assert np.median(error[:600]) * 1e18 == pytest.approx(1.0, rel=0.25)
    assert error[700] * 1e18 == pytest.approx(1.0, rel=0.6)  # at the line
    assert np.median(error[900:]) * 1e18 == pytest.approx(3.0, rel=0.25)


def test_noiseless_text_keeps_finite_weights():
    assert (local_noise(np.full(500, 2.0), np.zeros(500, dtype=bool)) > 0).all()
    assert (local_noise(np.array([1.0, 2.0, 3.0]), np.zeros(3, dtype=bool)) > 0).all()


def test_third_column_of_zeros_and_ones_is_a_mask(tmp_path):
    bad = (WAVE < 4100).astype(float)
    flux = np.where(WAVE > 6900, 0.0, 1.0 + 0.01 * np.cos(WAVE))  # nothing beyond 6900 Å
    spectrum = read_spectrum(write_text(tmp_path / "a.txt", [WAVE, flux, bad]))[0]
    np.testing.assert_array_equal(spectrum.good, (WAVE >= 4100) & (WAVE <= 6900))
    assert spectrum.relative


def test_air_wavelengths_are_converted(tmp_path):
    path = write_text(tmp_path / "a.txt", [WAVE, WAVE])
    assert read_spectrum(path)[0].wavelength[500] == 5000.0
    # Morton (1991, ApJS 77, 119) table: [OIII] 5006.843 in air is 5008.240 in vacuum
    assert air_to_vacuum(5006.843) == pytest.approx(5008.240, abs=2e-3)
    assert read_spectrum(path, air=True)[0].wavelength[500] == pytest.approx(5001.394, abs=2e-3)
    assert air_to_vacuum(1500.0) == 1500.0


def test_commas_and_a_line_of_names_are_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("wavelength,flux\n" + "\n".join(f"{w},{1e-17}" for w in WAVE))
    assert read_spectrum(path)[0].wavelength.size == WAVE.size


def test_what_is_no_text_spectrum(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("5000 1\n4000 1\n4500 2\n")
    assert "must be positive and increase, but see pixel 1" in refused(path)
    path.write_text("dear reader,\nthis is a letter\n")
    assert "line 2: 'this is a letter' is not 4 numbers; not a spectrum" in refused(path)
    path.write_text("")
    assert "no row of numbers" in refused(path)
    path.write_text("4000\n4001\n")
    assert "one column" in refused(path)
    path.write_text("4000 1\n4001\n")
    assert "line 2" in refused(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    assert "neither FITS nor text" in refused(path)
    write_text(path, [WAVE, np.full(WAVE.shape, np.nan)])
    assert f"no good pixel among {WAVE.size}" in refused(path)
    assert "no such file" in refused(tmp_path / "absent.fits")
    assert "redshift -0.5 is not a number above -0.01" in refused(path, redshift=-0.5)


def test_truncated_fits(tmp_path):
    whole = write_sdss(tmp_path / "spec.fits").read_bytes()
    for share in (0.01, 0.3, 0.6, 0.9):
        path = tmp_path / f"cut{share}.fits"
        path.write_bytes(whole[: int(len(whole) * share)])
        message = refused(path)
        assert ("truncated" in message and "download it again" in message) or "not an SDSS spec" in message
    desi = write_desi(tmp_path).read_bytes()
    (tmp_path / "cut.fits").write_bytes(desi[: len(desi) // 2])
    refused(tmp_path / "cut.fits")


def test_other_fits(tmp_path):
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "image.fits")
    assert "not an SDSS spec nor a DESI coadd (its HDUs: PRIMARY)" in refused(tmp_path / "image.fits")


def test_fits_without_a_good_pixel(tmp_path):
    n = np.arange(3.58, 3.96, 1e-4).size
    message = refused(write_sdss(tmp_path / "spec.fits", ivar=np.zeros(n)))
    assert "no good pixel among 38" in message and "truncated" not in message


def test_pixels_that_are_not_finite_do_not_count():
    flux, ivar = np.array([1.0, np.nan, np.inf, 4.0, 5.0, 6.0]), np.array([1.0, 1.0, 1.0, np.nan, -1.0, np.inf])
    spectrum = Spectrum(np.arange(1.0, 7.0), flux, ivar)
    assert spectrum.good.tolist() == [True, False, False, False, False, False]
    assert np.isfinite(spectrum.flux).all() and np.isfinite(spectrum.ivar).all()


@pytest.mark.parametrize("wavelength", [[1.0, np.nan, 3.0], [0.0, 1.0, 2.0], [1.0, 1.0, 2.0], [1.0, 2.0, np.inf]])
def test_impossible_wavelengths_are_refused(wavelength):
    with pytest.raises(ValueError, match="must be positive and increase, but see pixel"):
        Spectrum(np.array(wavelength), np.ones(3), np.ones(3))


def test_shapes_of_a_spectrum_are_checked():
    with pytest.raises(ValueError, match=r"must be equal"):
        Spectrum(np.arange(3.0) + 1, np.ones(4), np.ones(3))


def test_real_sdss_spectra(real_data):
    curve = np.loadtxt(real_data / "filters" / "sdss" / "SLOAN_SDSS.r.dat", unpack=True)
    sdss_r = FilterSet([FilterCurve("r", *curve)])
    for path in sorted((real_data / "sdss_spectra").glob("spec-*.fits")):
        (spectrum,) = read_spectrum(path)
        assert 0.01 < spectrum.redshift < 0.3 and spectrum.facts["plate"] == int(path.name.split("-")[1])
        with fits.open(path) as hdus:
            flux_r = hdus[2].data["SPECTROFLUX"][0][2]
            line = hdus[3].data[[str(n).strip() for n in hdus[3].data["LINENAME"]].index("H_alpha")]
        # the width of the file is the area over the continuum: observed frame. Ours times 1 + z gives it back
        observed = spectrum.widths["halpha"][0] * (1 + spectrum.redshift)
        assert observed == pytest.approx(line["LINEAREA"] / line["LINECONTLEVEL"], rel=1e-3)
        # SPECTROFLUX: the same spectrum through SDSS r by the pipeline, nanomaggies; another copy of the curve
        assert synthesize(spectrum, sdss_r).flux[0] / 3631 == pytest.approx(flux_r, rel=0.02)


def test_real_line_width_in_the_rest_frame(real_data):
    # [OIII] 5007 of KUG 0028+000, strong and on a smooth continuum, measured directly
    (spectrum,) = read_spectrum(real_data / "sdss_spectra" / "spec-0391-51782-0594.fits")
    rest = spectrum.wavelength / (1 + spectrum.redshift)
    line, side = np.abs(rest - 5008.2) < 22, (rest > 5043) & (rest < 5098)
    direct = np.trapezoid(spectrum.flux[line] / np.median(spectrum.flux[side]) - 1, rest[line])
    # the continua differ by 4 %; without the division by 1 + z it would be 14 %
    assert spectrum.widths["oiii_5007"][0] == pytest.approx(direct, rel=0.1)


def test_real_repeats_of_a_galaxy_agree(real_data):
    filters = FilterSet.embedded()
    a, b = (
        synthesize(read_spectrum(real_data / "sdss_spectra" / f"spec-{name}.fits")[0], filters)
        for name in ("0266-51602-0526", "0266-51630-0525")
    )
    both = a.covered & b.covered
    ratio = (a.flux / b.flux)[both]
    assert np.std(ratio) / np.mean(ratio) < 0.04  # SDSS spectrophotometry repeats to about 4 %


def test_real_desi_spectrum(real_data):
    (spectrum,) = read_spectrum(real_data / "desi_spectra" / "coadd-4-80613-thru20210324.fits")
    assert spectrum.redshift == pytest.approx(0.3687, abs=1e-4) and spectrum.facts["targetid"] == 39633345008634465
    with fits.open(real_data / "desi_spectra" / "coadd-4-80613-thru20210324.fits") as hdus:
        row = hdus["FIBERMAP"].data[0]
        expected = float(row["FIBERFLUX_R"]) * 3631  # nanomaggies to nJy
    ours = synthesize(spectrum, FilterSet.embedded().subset(["rSDSS"])).flux[0]
    assert ours == pytest.approx(expected, rel=0.4)  # another r, and the seeing; a wrong unit is a factor ten


def test_real_fors2_spectrum(real_data):
    (spectrum,) = read_spectrum(real_data / "fors2_spectra" / "SPEC106n.txt")
    assert spectrum.redshift == 0.6436 and spectrum.relative and spectrum.facts["errors"] == "estimated"
    assert spectrum.wavelength[spectrum.good][0] > 4451.68
