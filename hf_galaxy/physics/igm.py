"""Mean transmission of the intergalactic medium, computed from the formulae of Inoue et al. (2014, MNRAS 442, 1805)."""

from __future__ import annotations

import numpy as np

LYMAN_LIMIT = 911.8
REDSHIFT_MAX = 2.0  # the formulae below are those for z < 2


def lyman_series_depth(observed: np.ndarray, redshift: float, coefficients: np.ndarray) -> np.ndarray:
    """Optical depth of the Lyman series lines (eqs. 21 and 22).

    Args:
        observed: (m,) observed wavelengths in Å.
        redshift: Redshift of the source.
        coefficients: (39, 6) line number, wavelength, A1..A3 of the forest, then A1, A2 of the damped systems
            (table 2 of the paper) in columns ``[wave, LAF1, LAF2, LAF3, DLA1, DLA2]``.
    """
    depth = np.zeros_like(observed)
    for wave, laf_1, laf_2, laf_3, dla_1, dla_2 in coefficients:
        ratio = observed / wave
        laf = np.select([ratio < 2.2, ratio < 5.7], [laf_1 * ratio**1.2, laf_2 * ratio**3.7], laf_3 * ratio**5.5)
        dla = np.where(ratio < 3.0, dla_1 * ratio**2, dla_2 * ratio**3)
        depth += np.where((ratio > 1.0) & (ratio < 1.0 + redshift), laf + dla, 0.0)
    return depth


def lyman_continuum_depth(observed: np.ndarray, redshift: float) -> np.ndarray:
    """Optical depth of the Lyman continuum: forest (eqs. 25, 26) and damped systems (eq. 28), for z < 2."""
    ratio, one_z = observed / LYMAN_LIMIT, 1.0 + redshift
    if redshift < 1.2:
        laf = 0.325 * (ratio**1.2 - one_z**-0.9 * ratio**2.1)
    else:
        near = 2.55e-2 * one_z**1.6 * ratio**2.1 + 0.325 * ratio**1.2 - 0.250 * ratio**2.1
        laf = np.where(ratio < 2.2, near, 2.55e-2 * (one_z**1.6 * ratio**2.1 - ratio**3.7))
    dla = 0.211 * one_z**2 - 7.66e-2 * one_z**2.3 * ratio**-0.3 - 0.135 * ratio**2
    inside = (ratio > 1.0) & (ratio < one_z)
    return np.where(inside, np.maximum(laf, 0.0) + np.maximum(dla, 0.0), 0.0)


def transmission(rest: np.ndarray, redshift: float, coefficients: np.ndarray) -> np.ndarray:
    """Mean transmission at rest wavelengths (m,) in Å in front of a source at a redshift.

    Raises:
        ValueError: the redshift is outside [0, 2].
    """
    if not 0.0 <= redshift <= REDSHIFT_MAX:
        raise ValueError(f"intergalactic transmission: redshift {redshift} is outside [0, {REDSHIFT_MAX}]")
    observed = np.asarray(rest, dtype=float) * (1.0 + redshift)
    depth = lyman_series_depth(observed, redshift, coefficients) + lyman_continuum_depth(observed, redshift)
    return np.exp(-depth)


__all__ = ["REDSHIFT_MAX", "lyman_continuum_depth", "lyman_series_depth", "transmission"]
