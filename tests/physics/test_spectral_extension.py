"""The template speaks only where the spectrum does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.photometry import synthesize
from hf_galaxy.physics.spectra import Spectrum
from hf_galaxy.physics.spectral_extension import FAR_ERROR, LN_PER_MAG, NEAR_ERROR, as_observed, extend
from hf_galaxy.physics.template_fit import STEP, TemplateFit

FILTERS = FilterSet.embedded()
BANDS = list(FILTERS.names)
LEVEL = 3e-17
Z = 0.1


def spectrum(low=3900.0, high=9300.0, bad=(), slope=0.0):
    wave = np.arange(low, high, 2.0)
    flux = LEVEL * (wave / 6000.0) ** slope
    ivar = np.full(wave.shape, (0.1 * LEVEL) ** -2)
    for a, b in bad:
        ivar[(wave >= a) & (wave <= b)] = 0.0
    return Spectrum(wave, flux, ivar, Z, "flat")


def model(level=LEVEL, sigma=0.0, blue=1.0, red=1.0, slope=0.0):
    log_wave = np.arange(np.log(1500.0), np.log(11200.0), STEP)
    flux = level * (np.exp(log_wave) * (1 + Z) / 6000.0) ** slope
    return TemplateFit(log_wave, flux, np.full(flux.shape, sigma), blue, red, 1.0, 500)


def test_without_need_the_template_changes_nothing():
    seen = spectrum(low=3000.0, high=11500.0)
    mine, theirs = extend(seen, model(level=1e3 * LEVEL)).photometry(FILTERS), synthesize(seen, FILTERS)
    np.testing.assert_allclose(mine.flux[theirs.covered], theirs.flux[theirs.covered], rtol=1e-10)
    np.testing.assert_allclose(mine.error[theirs.covered], theirs.error[theirs.covered], rtol=1e-10)
    assert not mine.extrapolated.any()


def test_missing_bands_are_the_template_s_and_say_so():
    found = extend(spectrum(), model(level=2 * LEVEL)).photometry(FILTERS)
    whole = synthesize(spectrum(low=1200.0, high=12000.0), FILTERS)
    j = BANDS.index("uJAVA")
    assert found.extrapolated[j] and found.flux[j] == pytest.approx(2 * whole.flux[j], rel=1e-3)
    j = BANDS.index("J0660")
    assert not found.extrapolated[j] and found.flux[j] == pytest.approx(whole.flux[j], rel=1e-6)
    # J1007 begins at 9100 Å: 200 Å of it are seen, the rest is not
    j = BANDS.index("J1007")
    assert found.extrapolated[j] and 1.5 < found.flux[j] / whole.flux[j] < 2.0


def test_the_ultraviolet_is_never_made():
    found = extend(spectrum(low=3000.0), model()).photometry(FILTERS)
    assert np.isnan(found.flux[[BANDS.index("FUV"), BANDS.index("NUV")]]).all()
    near = extend(spectrum(low=2200.0), model()).photometry(FILTERS)  # what is missing of NUV is within reach, and yet
    assert np.isnan(near.flux[BANDS.index("NUV")])
    seen = extend(spectrum(low=1300.0), model()).photometry(FILTERS)  # measured is measured
    assert np.isfinite(seen.flux[BANDS.index("NUV")]) and not seen.extrapolated[BANDS.index("NUV")]


def test_bands_out_of_reach_are_missing():
    found = extend(spectrum(low=4600.0), model()).photometry(FILTERS)
    assert np.isnan(found.flux[BANDS.index("uJAVA")]) and np.isnan(found.flux[BANDS.index("J0400")])
    assert found.extrapolated[BANDS.index("J0440")]


def test_error_grows_with_the_distance_and_with_the_noise():
    found = extend(spectrum(), model()).photometry(FILTERS)
    added = {b: found.error[BANDS.index(b)] / found.flux[BANDS.index(b)] / LN_PER_MAG for b in ("uJAVA", "J0378")}
    assert NEAR_ERROR < added["J0378"] < added["uJAVA"] < FAR_ERROR
    # ln(3900 / 3545) = 0.095 is nearly the reach
    assert added["uJAVA"] == pytest.approx(NEAR_ERROR + (FAR_ERROR - NEAR_ERROR) * 0.95, abs=0.004)
    noisy = extend(spectrum(), model(sigma=0.3 * LEVEL)).photometry(FILTERS)
    j = BANDS.index("uJAVA")
    assert noisy.error[j] / noisy.flux[j] == pytest.approx(np.hypot(0.3, added["uJAVA"] * LN_PER_MAG), rel=1e-2)


def test_masked_pixels_are_filled_by_the_template_at_the_level_of_the_data():
    """A straight line would miss the bump of the template in the gap; its level alone would be wrong by a factor."""
    gap = (6604.0, 6614.0)
    seen, fit = spectrum(bad=[gap]), model(level=0.8 * LEVEL)
    wave = np.exp(fit.log_wavelength) * (1 + Z)
    fit = replace(fit, flux=np.where((wave > 6600.0) & (wave < 6616.0), 3.0, 1.0) * fit.flux)
    bumpy = replace(seen, flux=np.where((seen.wavelength > 6600.0) & (seen.wavelength < 6616.0), 3.0, 1.0) * LEVEL)
    truth = synthesize(replace(bumpy, ivar=np.full(bumpy.flux.shape, bumpy.ivar.max())), FILTERS)
    j = BANDS.index("J0660")
    filled = extend(bumpy, fit).photometry(FILTERS)
    assert 0.02 < filled.masked[j] < 0.1 and not filled.extrapolated[j]
    # the steps of the template are 6.6 Å, on which the bump is drawn to 15 %; without it 12 % would be missing
    assert filled.flux[j] == pytest.approx(truth.flux[j], rel=0.02)
    # and the error knows: 5 % of what was filled
    clean = synthesize(seen, FILTERS)
    assert filled.error[j] > clean.error[j]


def test_a_band_masked_by_more_than_a_tenth_is_missing():
    found = extend(spectrum(bad=[(6590.0, 6620.0)]), model()).photometry(FILTERS)
    assert np.isnan(found.flux[BANDS.index("J0660")]) and found.masked[BANDS.index("J0660")] > 0.1
    assert np.isfinite(found.flux[BANDS.index("J0670")])


def test_scales_of_the_ends_join_the_template_to_the_data():
    found = extend(spectrum(), model(level=0.9 * LEVEL, blue=1 / 0.9, red=1 / 0.9)).photometry(FILTERS)
    whole = synthesize(spectrum(low=1200.0, high=12000.0), FILTERS)
    for band in ("uJAVA", "J1007"):
        assert found.flux[BANDS.index(band)] == pytest.approx(whole.flux[BANDS.index(band)], rel=1e-3)


def test_without_a_template_gaps_are_bridged_and_ends_are_ends():
    seen = spectrum(bad=[(6604.0, 6610.0)], slope=1.0)
    found, theirs = as_observed(seen).photometry(FILTERS), synthesize(seen, FILTERS)
    np.testing.assert_array_equal(np.isfinite(found.flux), theirs.covered)
    np.testing.assert_allclose(found.flux[theirs.covered], theirs.flux[theirs.covered], rtol=1e-9)
    assert not found.extrapolated.any() and found.masked[BANDS.index("J0660")] > 0.02


def test_scaled_stretches_and_dims():
    ext = extend(spectrum(slope=-1.0), model(slope=-1.0))
    moved = ext.scaled(1.1, 0.5).photometry(FILTERS)
    # f ∝ 1/λ stretched by 1.1 is 1.1 times as bright at each wavelength
    whole = synthesize(spectrum(low=1200.0, high=12000.0, slope=-1.0), FILTERS)
    covered = np.isfinite(moved.flux)
    assert covered.sum() > 50
    np.testing.assert_allclose(moved.flux[covered], 0.55 * whole.flux[covered], rtol=2e-3)
    # its ends move with it: uJAVA lies now ln(4290 / 3545) = 0.19 away, beyond the reach
    assert np.isnan(moved.flux[BANDS.index("uJAVA")])
