from __future__ import annotations

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.redshifting import HUBBLE_FLOW, dimming, draw_redshift, move, row_generator
from hf_galaxy.physics.spectra import Spectrum
from hf_galaxy.physics.spectral_extension import as_observed

FILTERS = FilterSet.embedded()
LIMITS = (3800.0, 9200.0)


def draw(rng, redshift=0.1, limits=LIMITS, redshifts=(0.01, 0.8), fewest=40, magnitude=17.0, magnitudes=(13.0, 23.0)):
    return draw_redshift(rng, limits, redshift, FILTERS, redshifts, fewest, magnitude, magnitudes)


def test_dimming_is_the_ratio_of_squared_luminosity_distances():
    model = FlatLambdaCDM(H0=70, Om0=0.3)
    expected = (model.luminosity_distance(0.05) / model.luminosity_distance(0.4)).value ** 2
    assert dimming(0.05, 0.4) == pytest.approx(expected, rel=1e-12)
    assert dimming(0.05, 0.4) * dimming(0.4, 0.05) == pytest.approx(1.0, rel=1e-12)
    assert dimming(0.3, np.array([0.3, 0.4])).shape == (2,)


def test_a_moved_galaxy_keeps_its_luminosity_and_the_width_of_its_lines():
    """ν L_ν at a rest-frame wavelength, and the equivalent width of a line, from what is observed at each redshift."""
    wave = np.arange(3800.0, 9200.0, 1.0)
    line = 8.0 * np.exp(-0.5 * ((wave - 5500.0) / 4.0) ** 2)
    seen = Spectrum(wave, 1e-16 * (1 + line), np.full(wave.shape, 1e34), 0.1)
    moved = move(as_observed(seen), 0.1, 0.3)

    def power(w, f, z):  # λ f_λ 4π D², per 4π Mpc²
        distance = FlatLambdaCDM(H0=70, Om0=0.3).luminosity_distance(z).value
        return np.interp(4500.0 * (1 + z), w, w * f) * distance**2

    assert power(moved.wavelength, moved.flux, 0.3) == pytest.approx(power(wave, seen.flux, 0.1), rel=1e-6)

    def width(w, f, z):
        level = np.interp(5300.0 / 1.1 * (1 + z), w, f)
        inside = np.abs(w / (1 + z) - 5500.0 / 1.1) < 40
        return np.trapezoid((f / level - 1)[inside], w[inside] / (1 + z))

    assert width(moved.wavelength, moved.flux, 0.3) == pytest.approx(width(wave, seen.flux, 0.1), rel=1e-6)
    np.testing.assert_allclose(moved.flux / np.sqrt(moved.variance), seen.flux * np.sqrt(seen.ivar), rtol=1e-10)


def test_moving_back_is_where_it_was():
    seen = as_observed(Spectrum(np.arange(3800.0, 9200.0, 2.0), np.full(2700, 1e-16), np.full(2700, 1e34), 0.1))
    back = move(move(seen, 0.1, 0.35), 0.35, 0.1)
    np.testing.assert_allclose(back.wavelength, seen.wavelength, rtol=1e-12)
    np.testing.assert_allclose(back.flux, seen.flux, rtol=1e-12)


def test_draws_keep_the_bands_that_were_asked_for():
    rng = np.random.default_rng(1)
    wave = np.arange(*LIMITS, 2.0)
    seen = as_observed(Spectrum(wave, np.full(wave.shape, 1e-16), np.full(wave.shape, 1e34), 0.1))
    new = np.array([draw(rng) for _ in range(200)])
    covered = [np.isfinite(move(seen, 0.1, z).photometry(FILTERS).flux).sum() for z in np.sort(new)[[0, 1, -2, -1]]]
    assert min(covered) >= 36  # half-maximum edges were asked for, 99.5 % of the light is covered
    assert 0.01 <= new.min() < 0.03 and new.max() > 0.25
    assert draw(rng, fewest=62) is None  # GALEX bands are never among them
    assert draw(rng, limits=(5000.0, 6000.0)) is None


def test_draws_are_uniform_in_the_logarithm_of_what_is_allowed():
    rng = np.random.default_rng(2)
    new = np.log1p([draw(rng, limits=(1500.0, 20000.0), redshifts=(0.1, 0.4)) for _ in range(400)])
    share = (new - np.log(1.1)) / (np.log(1.4) - np.log(1.1))
    assert abs(share.mean() - 0.5) < 4 * 0.289 / 20 and share.min() >= -0.01 and share.max() <= 1.01


def test_draws_stay_within_the_magnitudes():
    rng = np.random.default_rng(3)
    new = np.array([draw(rng, magnitude=17.0, magnitudes=(16.0, 18.5)) for _ in range(100)])
    fainter = 17.0 - 2.5 * np.log10(dimming(0.1, new) * (1 + new) / 1.1)
    assert fainter.min() > 15.95 and fainter.max() < 18.55  # one step of the grid is 0.05 mag


def test_a_redshift_that_is_no_distance_is_not_moved():
    assert draw(np.random.default_rng(0), redshift=HUBBLE_FLOW / 2) is None
    assert draw(np.random.default_rng(0), redshifts=(0.0, HUBBLE_FLOW)) is None


def test_generators_depend_on_seed_galaxy_and_draw_alone():
    first = row_generator(1, "266-51602-1", 1).random(3)
    np.testing.assert_array_equal(first, row_generator(1, "266-51602-1", 1).random(3))
    others = [
        row_generator(*key).random() for key in ((2, "266-51602-1", 1), (1, "266-51602-2", 1), (1, "266-51602-1", 2))
    ]
    assert len({first[0], *others}) == 4
