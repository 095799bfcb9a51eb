from __future__ import annotations

import numpy as np
import pytest

from hf_galaxy.physics.galactic_extinction import deredden, extinction_factor
from hf_galaxy.physics.spectra import Spectrum


def test_extinction_is_that_of_schlafly_and_finkbeiner():
    """Their table 6 gives A / E(B-V) of the SFD map for R_V = 3.1 in g, r and i of SDSS."""
    for wave, expected in ((4717.0, 3.303), (6165.0, 2.285), (7476.0, 1.698)):
        found = 2.5 * np.log10(extinction_factor(np.array([wave]), 0.1)[0]) / 0.1
        # bands have widths, and theirs are weighted by a star
        assert found == pytest.approx(expected, rel=0.03)


def test_no_dust_changes_nothing_and_lines_go_with_their_wavelength():
    wave = np.arange(4000.0, 9000.0, 5.0)
    seen = Spectrum(wave, np.ones(wave.shape), np.ones(wave.shape), 0.1, line_fluxes={"hbeta": (1.0, 0.1)})
    np.testing.assert_array_equal(deredden(seen, 0.0, {"hbeta": 4862.7}).flux, seen.flux)
    new = deredden(seen, 0.2, {"hbeta": 4862.7})
    at = np.interp(4862.7 * 1.1, wave, new.flux)
    assert new.line_fluxes["hbeta"] == pytest.approx((at, 0.1 * at), rel=1e-5) and at > 1.3
    np.testing.assert_allclose(new.flux**2 * new.ivar, 1.0)
