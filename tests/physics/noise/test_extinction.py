"""Extinction in the bands against published coefficients."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from dust_extinction.parameter_averages import F99

from hf_galaxy.physics.filters import FilterCurve, FilterSet
from hf_galaxy.physics.noise.extinction import LAWS, band_extinction

BANDS = FilterSet.embedded()


def test_against_published_coefficients():
    # Schlafly & Finkbeiner (2011), table 6, F99, R_V = 3.1, SDSS g, r, i: A over E(B−V) of SFD, which is 1 / 0.86 of
    # the true one. Bands as boxes in place of curves, and f_ν constant in place of a star: 3 %
    bands = {"g": (4686, 1379, 3.303), "r": (6166, 1382, 2.285), "i": (7480, 1535, 1.698)}
    boxes = [
        FilterCurve(name, center + width / 2 * np.array([-1.02, -0.98, 0.98, 1.02]), np.array([0.0, 1.0, 1.0, 0.0]))
        for name, (center, width, _) in bands.items()
    ]
    published = np.array([value for *_, value in bands.values()]) / 0.86
    assert band_extinction(FilterSet(boxes), "F99") == pytest.approx(published, rel=0.03)
    # Bianchi (2011): 8.06 and 7.95, of another law
    assert band_extinction(BANDS, "F99")[:2] == pytest.approx([8.06, 7.95], rel=0.05)


def test_a_band_of_one_wavelength_has_the_law_at_it():
    line = FilterCurve("line", np.array([4999.0, 5000.0, 5001.0]), np.array([0.0, 1.0, 0.0]))
    expected = 2.5 * F99(Rv=2.5)(5000.0 * u.AA)
    assert band_extinction(FilterSet([line]), "F99", 2.5)[0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("law", LAWS)
def test_every_law_covers_the_bands_and_falls_with_wavelength(law):
    narrow = band_extinction(BANDS, law)[4:58]
    assert (np.diff(narrow) < 0).all()
    assert np.interp(5500, BANDS.pivots[4:58], narrow) == pytest.approx(3.1, rel=0.03)  # the definition of R_V
    low, high = LAWS[law]
    assert np.isfinite(band_extinction(BANDS, law, low)).all() and np.isfinite(band_extinction(BANDS, law, high)).all()


def test_a_band_beyond_the_law_is_refused():
    far = FilterSet([FilterCurve("far", np.array([40000.0, 45000.0]), np.array([1.0, 1.0]))])
    with pytest.raises(ValueError, match="band far reaches from 40000 to 45000 Å; the law F99 holds from 1000"):
        band_extinction(far)
