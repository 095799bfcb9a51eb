"""Shapes of the errors that spectrographs make, as curves over the bands."""

from __future__ import annotations

import numpy as np

from ..filters import FilterSet

# Share of the light that the atmosphere absorbs: knots (vacuum Å, share), straight lines between. Up to 7400 Å measured
# on the published throughput of iSDSS and rSDSS at OAJ, which includes the atmosphere (equivalent widths of 4 Å in the
# B band, 24 Å in the A band, 5 Å at 7200 Å); beyond, a dry night at a high site, roughly (Noll et al. 2012).
OXYGEN = ((6845, 0.0), (6880, 0.05), (6915, 0.05), (6960, 0.0), (7585, 0.0), (7608, 0.45), (7680, 0.0))
WATER = (
    (7130, 0.0), (7180, 0.06), (7225, 0.02), (7300, 0.02), (7340, 0.0), (8110, 0.0), (8160, 0.05), (8330, 0.06),
    (8360, 0.0), (8920, 0.0), (8980, 0.08), (9170, 0.08), (9220, 0.02), (9280, 0.08), (9340, 0.32), (9420, 0.22),
    (9560, 0.15), (9700, 0.02), (9800, 0.0),
)  # fmt: skip
RED_RANGE = (7000.0, 9500.0)  # Å; where the errors of the red end begin, and where they have the size of the settings


def spectrum_curves(pivots: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slit losses (2, n_band), the red end (1, n_band) and a slope (1, n_band), each 1 where the settings define it.

    A source that is displaced in the slit by a + b r(λ), with r the refraction by the atmosphere, loses light as the
    square of that (Filippenko 1982, PASP 94, 715): a constant, a term in r and a term in r². The standard star lost
    light too, so that either sign occurs (for BOSS: Margala et al. 2016, ApJ 831, 157). The slope is that of ln λ in
    octaves from 5500 Å.
    """
    r = (refractivity(pivots) - refractivity(5500.0)) / (refractivity(3800.0) - refractivity(5500.0))
    octaves = np.log2(pivots / 5500.0)
    return np.stack([r, r**2]), red_ramp(pivots)[None], octaves[None]


def refractivity(wavelength: np.ndarray | float) -> np.ndarray | float:
    """(n − 1) 10⁶ of dry air, λ in Å (Filippenko 1982, eq. 1)."""
    s2 = (1e4 / np.asarray(wavelength, dtype=float)) ** 2
    return 64.328 + 29498.1 / (146 - s2) + 255.4 / (41 - s2)


def red_ramp(pivots: np.ndarray) -> np.ndarray:
    """(n_band,) 0 up to 7000 Å, then rising as the square, 1 at 9500 Å."""
    low, high = RED_RANGE
    return np.clip((pivots - low) / (high - low), 0.0, None) ** 2


def telluric_curves(filters: FilterSet) -> np.ndarray:
    """(2, n_band) mag that O₂ and H₂O take from each band, if nothing is corrected."""
    rows = []
    for knots in (OXYGEN, WATER):
        wave, share = np.array(knots).T
        absorbed = [np.average(np.interp(w, wave, share), weights=_weight(w, t)) for w, t in _fine(filters)]
        rows.append(-2.5 * np.log10(1 - np.array(absorbed)))
    return np.stack(rows)


def _fine(filters: FilterSet) -> list[tuple[np.ndarray, np.ndarray]]:
    return [curve.fine() for curve in filters.values()]


def _weight(wave: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """Weights of ∫ T / λ dλ by the trapezoid rule: photons of a constant f_ν."""
    return trans / wave * np.gradient(wave)


__all__ = ["red_ramp", "refractivity", "spectrum_curves", "telluric_curves"]
