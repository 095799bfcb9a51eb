from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hf_galaxy.physics.spectra import Spectrum
from hf_galaxy.physics.spectral_indices import dn4000


def spectrum(flux, redshift=0.2, sigma=0.01, bad=()):
    """f_λ as a function of the rest-frame wavelength."""
    wave = np.arange(3700.0, 4300.0, 1.0) * (1 + redshift)
    f = flux(wave / (1 + redshift))
    ivar = np.full(wave.shape, sigma**-2)
    for a, b in bad:
        ivar[(wave / (1 + redshift) >= a) & (wave / (1 + redshift) < b)] = 0.0
    return Spectrum(wave, f, ivar, redshift, "made up")


def test_flat_in_frequency_is_one():
    value, _ = dn4000(spectrum(lambda w: (w / 4000.0) ** -2))
    assert value == pytest.approx(1.0, abs=1e-9)


def test_flat_in_wavelength_is_the_ratio_of_squares():
    """∫λ² over 4000 to 4100 over that of 3850 to 3950 Å, analytically."""
    value, _ = dn4000(spectrum(np.ones_like))
    assert value == pytest.approx((4100**3 - 4000**3) / (3950**3 - 3850**3), rel=1e-6)


def test_agrees_with_the_labels_of_simulations(synthesizer):
    """The same spectrum through both; the pixels of the simulation are 1.6 Å."""
    import torch

    from hf_galaxy.physics.labels import Labels

    wave = synthesizer.wavelength
    flux = 1.0 + 0.8 / (1 + np.exp(-(wave - 3990.0) / 20.0)) + 0.1 * np.sin(wave / 9.0)
    theirs = Labels(synthesizer).dn4000(torch.as_tensor(flux, dtype=torch.float32)[None])
    inside = (wave > 3700) & (wave < 4300)
    mine, _ = dn4000(Spectrum(wave[inside], flux[inside], np.ones(inside.sum()), 0.0, "made up"))
    assert mine == pytest.approx(float(theirs[0]), rel=1e-4)


def test_error_is_the_scatter():
    rng = np.random.default_rng(4)
    seen = spectrum(np.ones_like, sigma=0.1)
    found = [dn4000(replace(seen, flux=seen.flux + 0.1 * rng.standard_normal(seen.flux.size))) for _ in range(300)]
    values, errors = np.array(found).T
    assert values.std() == pytest.approx(errors.mean(), rel=0.15)  # a standard deviation of 300 is good to 4 %


def test_masked_or_uncovered_sides_are_no_index():
    assert dn4000(spectrum(np.ones_like, bad=[(4020.0, 4035.0)])) is None
    few = dn4000(spectrum(np.ones_like, bad=[(4020.0, 4022.0)]))
    assert few is not None and few[0] == pytest.approx(dn4000(spectrum(np.ones_like))[0], rel=1e-3)
    assert dn4000(replace(spectrum(np.ones_like), redshift=0.35)) is None
    assert dn4000(replace(spectrum(np.ones_like), redshift=None)) is None
    assert dn4000(spectrum(lambda w: np.where(w < 3990, -1.0, 1.0))) is None  # a ratio to noise below zero
