from __future__ import annotations

import numpy as np
import pytest

from hf_galaxy.physics import igm

# Lyα and Lyβ of table 2 of Inoue et al. (2014)
SERIES = np.array([[1215.67, 1.690e-2, 2.354e-3, 1.026e-4, 1.617e-4, 5.390e-5],
                   [1025.72, 4.692e-3, 6.536e-4, 2.849e-5, 1.545e-4, 5.151e-5]])  # fmt: skip


def test_forest_depth_by_hand():
    """λ_obs = 1300 Å in front of z = 0.2, where Lyα alone absorbs, and of z = 0.5, where Lyβ does too."""
    alpha, beta = 1300 / 1215.67, 1300 / 1025.72
    by_alpha = 1.690e-2 * alpha**1.2 + 1.617e-4 * alpha**2
    by_beta = 4.692e-3 * beta**1.2 + 1.545e-4 * beta**2
    observed = np.array([1300.0])
    assert abs(igm.lyman_series_depth(observed, 0.2, SERIES)[0] - by_alpha) < 1e-12
    assert abs(igm.lyman_series_depth(observed, 0.5, SERIES)[0] - by_alpha - by_beta) < 1e-12


def test_nothing_is_absorbed_redwards_of_lyman_alpha_or_at_redshift_zero():
    assert igm.transmission(np.array([1216.0, 5000.0]), 1.4, SERIES).tolist() == [1.0, 1.0]
    assert igm.transmission(np.array([600.0, 950.0, 1200.0]), 0.0, SERIES).tolist() == [1.0, 1.0, 1.0]


def test_absorption_grows_with_redshift():
    values = [igm.transmission(np.array([700.0, 900.0, 1100.0]), z, SERIES) for z in (0.3, 0.6, 1.0, 1.19, 1.21, 1.5)]
    assert (np.diff(values, axis=0) < 0).all()
    # the two forms of the continuum meet at z = 1.2
    assert np.abs(values[4] - values[3]).max() < 0.02


def test_continuum_depth_by_hand():
    """λ_obs = 1.2 λ_L in front of z = 0.5: eqs. 25 and 28."""
    r = 1.2
    forest = 0.325 * (r**1.2 - 1.5**-0.9 * r**2.1)
    damped = 0.211 * 1.5**2 - 7.66e-2 * 1.5**2.3 * r**-0.3 - 0.135 * r**2
    assert abs(igm.lyman_continuum_depth(np.array([r * 911.8]), 0.5)[0] - forest - damped) < 1e-12


def test_redshifts_beyond_the_formulae_are_refused():
    with pytest.raises(ValueError, match="redshift 2.5 is outside"):
        igm.transmission(np.array([1000.0]), 2.5, SERIES)
