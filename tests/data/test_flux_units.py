from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest

from hf_galaxy.data.flux_units import flux_scale, parse_unit

# One flux, 1 µJy in J0660 (pivot 6607.6 Å), in every unit; the magnitude is -2.5 log10(1e-29 cgs) - 48.6.
PIVOT = 6607.6
SAME_FLUX = {
    "nJy": 1000.0,
    "uJy": 1.0,
    "microJy": 1.0,
    "Jy": 1e-6,
    "erg/s/cm2/Hz": 1e-29,
    "W/m2/Hz": 1e-32,
    "mag": 23.9,
    "ABmag": 23.9,
    "mag(AB)": 23.9,
    "nmgy": 10 ** (-0.4 * (23.9 - 22.5)),
    "nanomaggies": 10 ** (-0.4 * (23.9 - 22.5)),
    "maggies": 10 ** (-0.4 * 23.9),
    "erg/s/cm2/AA": 1e-29 * 2.99792458e18 / PIVOT**2,
    "1e-17 erg/s/cm2/Ang": 1e-12 * 2.99792458e18 / PIVOT**2,
    u.ABmag: 23.9,
    u.uJy: 1.0,
}


@pytest.mark.parametrize("unit", SAME_FLUX, ids=str)
def test_every_unit_gives_the_same_flux(unit):
    flux = flux_scale(unit, PIVOT).flux(np.array([SAME_FLUX[unit]]))
    assert flux == pytest.approx([1000.0], rel=1e-9)  # rounding of a dozen float64 operations


@pytest.mark.parametrize("unit", ["nJy", "mag", "erg/s/cm2/AA", u.STmag], ids=str)
def test_errors_follow_the_slope_of_the_flux(unit):
    scale, value, step = flux_scale(unit, PIVOT), np.array([20.0]), 1e-5
    slope = np.abs(scale.flux(value + step) - scale.flux(value - step)) / (2 * step)
    error = scale.error(scale.flux(value), np.array([0.3]))
    assert error == pytest.approx(0.3 * slope, rel=1e-6)  # central differences: step² / 24 and rounding / step


def test_st_magnitudes_go_through_wavelength():
    # STMAG 0 is 3.63e-9 erg/s/cm2/Å by definition: -2.5 log10 f_λ - 21.1
    flux = flux_scale(u.STmag, PIVOT).flux(np.array([18.0]))
    f_lambda = 10 ** (-0.4 * (18.0 + 21.1))
    assert flux == pytest.approx([f_lambda * PIVOT**2 / 2.99792458e18 * 1e32], rel=1e-6)  # 21.1 is rounded in astropy


@pytest.mark.parametrize("unit", ["Angstrom", "erg/s/cm2", "K", "s", "mag(s)", "dex(Jy)", "erg/s/cm2/A"])
def test_other_kinds_are_refused(unit):
    with pytest.raises(ValueError, match="not one of a flux density; fluxes can be in nJy"):
        flux_scale(unit, PIVOT)


def test_a_text_that_is_no_unit_is_refused():
    with pytest.raises(ValueError, match="'bogus' is no unit"):
        parse_unit("bogus")
