from __future__ import annotations

import numpy as np
import torch

from hf_galaxy.physics.attenuation import AttenuationLaw, calzetti, drude, transmission


def law(wavelength, slope=0.0, bump=0.0):
    return AttenuationLaw(np.array(wavelength))(torch.tensor([slope]), torch.tensor([bump]))[0]


def test_calzetti():
    """k(λ) = R_V A(λ)/A(V) worked out by hand from eq. 4 of the paper."""
    np.testing.assert_allclose(4.05 * calzetti(np.array([1500.0, 5500.0, 8000.0])), [10.334, 4.048, 2.569], atol=2e-3)
    assert abs(calzetti(np.array([1199.9]))[0] / calzetti(np.array([1200.1]))[0] - 1) < 1e-3
    step = calzetti(np.array([6299.9]))[0] / calzetti(np.array([6300.1]))[0] - 1
    assert 0.005 < abs(step) < 0.009  # the published law has this step


def test_no_slope_and_no_bump_is_calzetti():
    w = np.linspace(1000.0, 9000.0, 50)
    np.testing.assert_allclose(law(w), calzetti(w), rtol=1e-6)


def test_slope_keeps_the_v_band_and_turns_the_law():
    w = [1500.0, 5500.0, 9000.0]
    steep, flat = law(w, -0.5), law(w)
    assert abs(steep[1] / flat[1] - 1) < 1e-6 and steep[0] > flat[0] and steep[2] < flat[2]
    np.testing.assert_allclose(steep / flat, (np.array(w) / 5500) ** -0.5, rtol=1e-5)


def test_bump():
    extra = law([2175.0, 8000.0], 0.0, 2.0) - law([2175.0, 8000.0])
    assert abs(extra[0] - 2.0 / 4.05) < 1e-5 and extra[1] < 0.003
    assert abs(drude(np.array([2175.0]))[0] - 1) < 1e-12


def test_transmission():
    ones = torch.ones(1, 1)
    assert abs(transmission(ones, torch.tensor([2.5])).item() - 0.1) < 1e-6
    assert transmission(ones, torch.tensor([0.0])).item() == 1.0
    assert transmission(ones * 1e4, torch.tensor([9.0])).item() > 1e-30  # no subnormal numbers
