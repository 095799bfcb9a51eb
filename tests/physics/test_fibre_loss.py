from __future__ import annotations

import numpy as np
import pytest

from hf_galaxy.physics.fibre_loss import SYSTEMS, WrongImagingError, fibre_factor, imaging_bands, scale
from hf_galaxy.physics.photometry import PhotometryOperator
from hf_galaxy.physics.spectra import Spectrum


@pytest.fixture
def seen():
    wave = np.arange(3600.0, 9800.0, 2.0)
    flux = 1e-17 * (1 + 0.3 * np.sin(wave / 200.0))
    pair = (2e-16, 1e-17)
    return Spectrum(wave, flux, np.full(wave.shape, 1e36), 0.2, "made up", line_fluxes={"halpha": pair})


def images(spectrum, system, factor):
    """nJy of the spectrum times a factor of the wavelength."""
    bands = imaging_bands(system)
    flux = PhotometryOperator(bands, spectrum.wavelength)(spectrum.flux * factor(spectrum.wavelength))
    return dict(zip(bands.names, flux, strict=True))


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_grey_loss_is_found_whatever_the_spectrum(seen, system):
    total = images(seen, system, lambda w: np.full(w.shape, 2.5))
    for mode in ("grey", "smooth"):
        np.testing.assert_allclose(fibre_factor(seen, total, system, mode), 2.5, rtol=1e-9)


def test_a_grey_factor_is_the_geometric_mean(seen):
    total = images(seen, "sdss", np.ones_like)
    factor = fibre_factor(seen, {"g": 2 * total["g"], "i": 8 * total["i"]}, "sdss", "grey")
    np.testing.assert_allclose(factor, 4.0, rtol=1e-9)


def test_a_smooth_loss_is_followed(seen):
    """A bulge in the fibre: blue light is missed more. Lines in ln λ between g and r follow a power law.

    The z band reaches beyond the spectrum and is not used: behind r the factor is that of r.
    """
    total = images(seen, "legacy", lambda w: 2.0 * (w / 6000.0) ** -0.5)
    factor = fibre_factor(seen, total, "legacy", "smooth")
    at = (seen.wavelength > 4700) & (seen.wavelength < 6500)
    expected = 2.0 * (seen.wavelength / 6000.0) ** -0.5
    np.testing.assert_allclose(factor[at], expected[at], rtol=0.02)  # bands have widths, and the spectrum waves
    assert np.ptp(fibre_factor(seen, total, "legacy", "grey")) == 0.0


def test_what_is_missing_or_negative_is_left_out(seen):
    total = images(seen, "sdss", lambda w: np.full(w.shape, 2.0)) | {"g": -1.0, "r": np.nan}
    np.testing.assert_allclose(fibre_factor(seen, total, "sdss", "grey"), 2.0, rtol=1e-9)
    assert fibre_factor(seen, {"g": 0.0}, "sdss", "grey") is None
    assert fibre_factor(seen, total, "sdss", "none") is None
    blue = Spectrum(*(x[seen.wavelength < 5000] for x in (seen.wavelength, seen.flux, seen.ivar)))
    assert fibre_factor(blue, total, "sdss", "grey") is None  # no band of the images is covered


def test_images_of_another_galaxy_or_unit_are_refused(seen):
    total = {"r": 3631.0 * images(seen, "sdss", np.ones_like)["r"]}
    with pytest.raises(WrongImagingError, match=r"3.63e\+03 times the light of the spectrum at 62\d\d Å"):
        fibre_factor(seen, total, "sdss", "grey")


def test_line_fluxes_go_with_the_light_at_the_line(seen):
    factor = np.where(seen.wavelength < 7000, 2.0, 4.0)
    new = scale(seen, factor, {"halpha": 6564.6})  # at 7878 Å
    assert new.line_fluxes["halpha"] == pytest.approx((8e-16, 4e-17), rel=1e-6, abs=0)
    np.testing.assert_allclose(new.flux * np.sqrt(new.ivar), seen.flux * np.sqrt(seen.ivar))
    np.testing.assert_allclose(new.flux, factor * seen.flux)
