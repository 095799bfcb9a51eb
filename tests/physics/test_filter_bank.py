"""Filters that are displaced and spectra that are broadened, against doing just that."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_galaxy.physics.filter_bank import FilterBank
from hf_galaxy.physics.filters import FilterCurve, FilterSet

BANDS = ("J0450", "J0660", "J0860", "rSDSS")
LOG_START, STEP, N = np.log(3900.0), 4e-4, 2200
LIGHT_SPEED_KM = 2.99792458e5


def bank(curves) -> FilterBank:
    return FilterBank(curves, LOG_START, STEP, N, 1e20)


def moved(curve: FilterCurve, shift: float) -> FilterCurve:
    """The same curve over wavelengths that are longer by a factor."""
    return FilterCurve(curve.name, curve.wavelength * np.exp(shift), curve.transmission)


@pytest.fixture(scope="module")
def curves() -> dict[str, FilterCurve]:
    return dict(FilterSet.embedded().subset(BANDS).items())


@pytest.fixture(scope="module")
def spectrum() -> torch.Tensor:
    """A continuum with a break and absorption lines, one pixel more on either side."""
    wave = np.exp(LOG_START + STEP * np.arange(-1, N + 1))
    flux = (wave / 5000.0) ** -1.3 * (1 + 0.8 / (1 + np.exp(-(wave - 6550.0) / 8.0)))
    for line in (4480.0, 6640.0, 8540.0, 8662.0):
        flux -= 0.5 * np.exp(-0.5 * ((wave - line) / 9.0) ** 2)
    return torch.tensor(flux, dtype=torch.float32)[None]


ZERO = torch.zeros(1, dtype=torch.float64)


@pytest.mark.parametrize("angstrom", [-3.0, -1.0, 2.5])
def test_displaced_filters_see_the_continuum_of_filters_made_there(curves, spectrum, angstrom):
    here = bank(curves)
    shift = angstrom / here.pivots[None]
    there = bank({k: moved(c, float(s)) for (k, c), s in zip(curves.items(), shift[0], strict=True)})
    found = here.continuum(spectrum, ZERO, ZERO, shift.float())
    expected = there.continuum(spectrum, ZERO, ZERO, None)
    change = (here.continuum(spectrum, ZERO, ZERO, None) / expected - 1).abs().max()
    assert change > 2e-3  # there is something to see
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=0.0)


@pytest.mark.parametrize("angstrom", [-2.5, 2.5])
def test_displaced_filters_see_the_lines_of_filters_made_there(curves, angstrom):
    """On the edge of a filter 2.5 Å are a sixth of its peak."""
    here = bank(curves)
    shift = angstrom / here.pivots[None]
    there = bank({k: moved(c, float(s)) for (k, c), s in zip(curves.items(), shift[0], strict=True)})
    waves = torch.log(torch.linspace(6500.0, 6720.0, 221, dtype=torch.float64))[:, None]
    flux = torch.ones(len(waves), 1)
    found = here.lines(waves, flux, None, shift.float().expand(len(waves), -1))[:, 1]
    expected = there.lines(waves, flux, None, None)[:, 1]
    still = here.lines(waves, flux, None, None)[:, 1]
    peak = expected.max()
    assert (still - expected).abs().max() > 0.1 * peak
    # the parabola rounds the bends of the trapezium
    assert (found - expected).abs().max() < 0.035 * peak and (found - expected).abs().mean() < 0.004 * peak


def test_broadened_lines_are_means_over_velocities(curves):
    here, sigma = bank(curves), 200.0 / LIGHT_SPEED_KM
    waves = torch.log(torch.linspace(6500.0, 6720.0, 111, dtype=torch.float64))[:, None]
    flux = torch.ones(len(waves), 1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(15)
    expected = sum(
        w / weights.sum() * here.lines(waves + x * sigma, flux, None, None) for x, w in zip(nodes, weights, strict=True)
    )
    found = here.lines(waves, flux, torch.full((len(waves),), sigma**2, dtype=torch.float64), None)
    narrow = here.lines(waves, flux, None, None)
    expected, found, narrow = (x[:, [1, 3]] for x in (expected, found, narrow))  # the bands that see the lines
    peak = expected.max(0).values
    assert ((narrow - expected).abs() / peak).max() > 0.05
    assert ((found - expected).abs() / peak).max() < 0.045
    # three places cannot follow the bends of the edge: half of the effect of 200 km/s remains as error
    assert (found - expected).abs().mean() < 0.55 * (narrow - expected).abs().mean()


def test_broadened_spectra_are_smoothed_ones(curves, spectrum):
    here, sigma = bank(curves), 250.0 / LIGHT_SPEED_KM
    offsets = np.arange(-12, 13)
    kernel = np.exp(-0.5 * (offsets * STEP / sigma) ** 2)
    padded = np.pad(spectrum[0].double().numpy(), 12, mode="edge")
    smooth = torch.tensor(np.convolve(padded, kernel / kernel.sum(), "valid"), dtype=torch.float32)[None]
    found = here.continuum(spectrum, ZERO, ZERO + sigma**2, None)
    expected, sharp = here.continuum(smooth, ZERO, ZERO, None), here.continuum(spectrum, ZERO, ZERO, None)
    assert (sharp / expected - 1).abs().max() > 1e-4
    assert (found / expected - 1).abs().max() < 0.3 * (sharp / expected - 1).abs().max()


def test_fractions_of_a_pixel_move_the_spectrum(curves, spectrum):
    """A spectrum on a grid of a tenth of the pixel says what lies between the pixels."""
    fine = FilterBank(curves, LOG_START, STEP / 10, N * 10, 1e20)
    wave = np.arange(-1, N + 1)
    dense = np.interp(np.arange(-1, N * 10 + 1) / 10 - 0.3, wave, spectrum[0].double().numpy())
    found = bank(curves).continuum(spectrum, ZERO + 0.3, ZERO, None)
    expected = fine.continuum(torch.tensor(dense, dtype=torch.float32)[None], ZERO, ZERO, None)
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=0.0)
