"""Spectra of made-up galaxies whose light is known where the spectrograph does not see it, for tests of the templates.

Nothing is shared with the templates but the stellar grid: continuous delayed star formation, a mixture of
metallicities, a power law of dust (Charlot & Fall 2000) in place of Calzetti's, other line ratios, and the same noise
on every pixel.
"""

from __future__ import annotations

import numpy as np

from hf_galaxy.physics.spectra import Spectrum
from hf_galaxy.physics.template_fit import population_spectra, template_basis

FINE = 2.3e-4  # in ln λ, of the pixels of SDSS
# name: wavelength [Å], strength over Hα; young stars alone have them
LINES = {3728.5: 0.9, 4862.7: 0.3, 4341.7: 0.14, 5008.2: 0.5, 4960.3: 0.17, 6564.6: 1.0, 6585.3: 0.35, 6725.5: 0.4,
         9071.1: 0.1, 9533.2: 0.25}  # fmt: skip


def mock_galaxy(rng: np.random.Generator, redshift: float) -> tuple[np.ndarray, np.ndarray]:
    """Observed vacuum wavelengths (m,) in Å and noiseless f_λ (m,) of a galaxy, mean 1e-16 erg/s/cm²/Å."""
    basis = template_basis()
    old, young, nebular = population_spectra(basis)
    edges, coarse = basis.age_edges, basis.wavelength
    start, tau = 10 ** rng.uniform(9.3, 10.05), 10 ** rng.uniform(8.3, 10.3)
    time = np.clip(start - 0.5 * (edges[1:] + edges[:-1]), 0.0, None)
    mass = time / tau * np.exp(-time / tau) * np.diff(edges)
    mass /= mass.sum()
    n, share, z = basis.n_young, basis.old_share, rng.uniform(2.2, 5.0)
    pick = [(min(int(z), 5), 1 - z % 1.0), (min(int(z) + 1, 5), z % 1.0)]
    depth = rng.uniform(0.0, 0.8) * (coarse / 5500.0) ** rng.uniform(-1.1, -0.6)
    old_mass, young_mass = mass[n - 1 :].copy(), mass[:n].copy()
    old_mass[0] *= share
    young_mass[-1] *= 1 - share
    stars = sum(w * (young_mass @ young[i]) for i, w in pick)
    light = sum(w * (old_mass @ old[i]) for i, w in pick) * np.exp(-depth)
    light += (stars + sum(w * (young_mass @ nebular[i, 3]) for i, w in pick)) * np.exp(-2 * depth)
    # an equivalent width of some hundred Å over the young stars alone
    halpha = 30.0 * rng.uniform(0.5, 1.5) * np.interp(6564.6, coarse, stars)
    wave = np.exp(np.arange(np.log(coarse[0]), np.log(coarse[-1]), FINE))
    light = np.interp(wave, coarse, light)
    for line, ratio in LINES.items():
        strength = halpha * ratio * 10 ** rng.normal(0, 0.15) * np.exp(-2 * np.interp(line, coarse, depth))
        width = 5e-4 * line
        light += strength * np.exp(-0.5 * ((wave - line) / width) ** 2) / (np.sqrt(2 * np.pi) * width)
    seen = (wave > 3500) & (wave < 7000)
    return wave * (1 + redshift), 1e-16 * light / light[seen].mean()


def spectrograph(
    rng: np.random.Generator,
    wave: np.ndarray,
    flux: np.ndarray,
    redshift: float,
    limits: tuple[float, float],
    signal_to_noise: float,
) -> Spectrum:
    """What is seen between two wavelengths, with Gaussian noise of the same size in every pixel."""
    inside = (wave > limits[0]) & (wave < limits[1])
    sigma = np.median(flux[inside]) / signal_to_noise
    noisy = flux[inside] + sigma * rng.standard_normal(inside.sum())
    return Spectrum(wave[inside], noisy, np.full(noisy.shape, sigma**-2), redshift, "mock", source="sdss")
