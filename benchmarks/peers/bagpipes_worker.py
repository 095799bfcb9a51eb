"""Posteriors of galaxies by bagpipes, in a process of its own: bagpipes prints and writes files on import.

    python bagpipes_worker.py REQUEST.npz FOLDER

The request holds ``flux`` and ``error`` (n, band) in nJy, NaN where not observed, ``filters`` (paths of two-column
files), ``redshift`` (n,), NaN where it is free, ``keys`` (n,) names of the answers, and ``settings`` (JSON of
``bagpipes_fits.FitSettings``). Each answer is written to ``FOLDER/KEY.npz`` as soon as it is there: ``draws``
(k, parameter) of equal weight in the order of ``PARAMETERS``, and what it cost.

Models and priors are those of bagpipes. Its own call of the sampler (``bagpipes.fit.fit``) is written out, because it
takes no seed and does not say how often it asked for the likelihood, and the mass is integrated over analytically: the
same posterior as with a flat prior of log mass, one dimension less to search. Grids and lines are moved to vacuum
first, as in hf_galaxy.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path

import numpy as np

PARAMETERS = ("redshift", "log_mstar", "log_zstar", "av", "log_age", "log_sfr")
NANO_TO_MICRO = 1e-3
LOG_MASS_FORMED = 10.0  # of the models; their amplitude is fitted
IMPOSSIBLE = -9.99e99  # as bagpipes says it
LOG_SSFR_FLOOR = -14.0  # of hf_galaxy.physics.labels: keeps the logarithm of no star formation finite


def instructions(settings: dict, redshift: float) -> dict:
    """Model and priors in the language of bagpipes (ages in Gyr); a redshift that is not NaN is fixed."""
    s = settings
    return {
        "redshift": float(redshift) if np.isfinite(redshift) else tuple(s["redshift"]),
        "t_bc": 0.01,
        "delayed": {
            "age": (0.05, 13.5),
            "tau": (0.1, 10.0),
            "tau_prior": "log_10",
            "massformed": LOG_MASS_FORMED,
            "metallicity": (0.01, 3.0),
            "metallicity_prior": "log_10",
        },
        "nebular": {"logU": (-4.0, -1.3)},
        "dust": {
            "type": "Salim",
            "Av": (0.0, 3.5),
            "eta": (1.0, 3.5),
            "delta": (-1.2, 0.5),
            "delta_prior": "Gaussian",
            "delta_prior_mu": -0.2,
            "delta_prior_sigma": 0.3,
            "B": s["bump"],
        },
    }


def configure(bagpipes, settings: dict) -> None:
    """Resolution, range of redshift, vacuum."""
    from hf_galaxy.physics.spectra import air_to_vacuum

    config = bagpipes.config
    config.max_redshift, config.R_phot = settings["redshift"][1] + 0.02, settings["resolution"]
    config.wavelengths, config.neb_wavs = air_to_vacuum(config.wavelengths), air_to_vacuum(config.neb_wavs)
    config.line_wavs = air_to_vacuum(config.line_wavs)


def fit(bagpipes, flux: np.ndarray, error: np.ndarray, filters: list[str], redshift: float, settings: dict) -> dict:
    """The posterior of one galaxy from what of it is observed."""
    from bagpipes.fitting.fitted_model import fitted_model
    from nautilus import Sampler

    seen = np.isfinite(flux) & np.isfinite(error)
    error = np.hypot(error, settings["floor"] * np.abs(flux))
    table = np.column_stack([flux, error])[seen] * NANO_TO_MICRO
    paths = [path for path, there in zip(filters, seen, strict=True) if there]
    galaxy = bagpipes.galaxy("galaxy", lambda _: table, filt_list=paths, spectrum_exists=False)
    model = fitted_model(galaxy, instructions(settings, redshift))
    start = time.perf_counter(), time.process_time()
    sampler = Sampler(
        model.prior.transform,
        amplitude_free(model),
        n_dim=model.ndim,
        n_live=settings["live"],
        n_networks=settings["networks"],
        seed=settings["seed"],
    )
    finished = sampler.run(n_eff=settings["effective"], n_like_max=settings["most_calls"])
    points, log_weight, log_likelihood = sampler.posterior()
    rng = np.random.default_rng(settings["seed"])
    draws = derived(model, drawn(points, log_weight, settings["draws"]), rng)
    return {
        "draws": draws,
        "finished": finished,
        "calls": sampler.n_like,
        "effective": sampler.n_eff,
        "log_evidence": sampler.log_z,
        "chi2": amplitude_chi2(model, points[log_likelihood.argmax()]),
        "bands": int(seen.sum()),
        "seconds": time.perf_counter() - start[0],
        "processor_seconds": time.process_time() - start[1],
    }


def amplitude(model, point: np.ndarray) -> tuple[float, float, float]:
    """Best amplitude of the model at a point of the fit, its inverse variance, and χ² there; NaN: no such galaxy."""
    if model.lnlike(point) <= IMPOSSIBLE:
        return np.nan, np.nan, np.nan
    flux, weight, predicted = model.galaxy.photometry[:, 1], model.inv_sigma_sq_phot, model.model_galaxy.photometry
    curvature = (weight * predicted**2).sum()
    best = (weight * flux * predicted).sum() / curvature
    return best, curvature, (weight * (flux - best * predicted) ** 2).sum()


def amplitude_chi2(model, point: np.ndarray) -> float:
    """χ² of a point at its best amplitude."""
    return float(amplitude(model, point)[2])


def amplitude_free(model):
    """Log likelihood of a point, integrated over ln amplitude (constants dropped)."""

    def log_likelihood(point: np.ndarray) -> float:
        best, curvature, chi2 = amplitude(model, point)
        if not best > 0:  # NaN too
            return IMPOSSIBLE
        return -0.5 * (chi2 + np.log(curvature)) - np.log(best)

    return log_likelihood


def drawn(points: np.ndarray, log_weight: np.ndarray, n: int) -> np.ndarray:
    """(n, parameter) points of equal weight, by systematic resampling."""
    share = np.cumsum(np.exp(log_weight - log_weight.max()))
    return points[np.searchsorted(share, (np.arange(n) + 0.5) / n * share[-1])]


def derived(model, points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, parameter) the quantities of ``PARAMETERS`` of points of the fit, with an amplitude drawn for each."""
    rows = []
    for point in points:
        best, curvature, _ = amplitude(model, point)
        log_scale = np.log10(max(best + rng.standard_normal() / np.sqrt(curvature), 1e-3 * best))
        parts, history = model.model_components, model.model_galaxy.sfh
        mass = float(np.squeeze(history.stellar_mass)) + log_scale
        rate = np.log10(history.sfr * 10**log_scale + 10 ** (mass + LOG_SSFR_FLOOR))
        metals, age = np.log10(parts["delayed"]["metallicity"]), 9 + np.log10(history.mass_weighted_age)
        rows.append([parts["redshift"], mass, metals, parts["dust"]["Av"], age, rate])
    return np.array(rows, dtype=float)


def main(request_path: str, folder: str) -> None:
    """Fit what has no answer yet."""
    warnings.simplefilter("ignore")  # histories that begin before the universe: it says so thousands of times
    import bagpipes

    with np.load(request_path) as file:
        request = dict(file)
    settings = json.loads(str(request["settings"]))
    configure(bagpipes, settings)
    filters = [str(path) for path in request["filters"]]
    for i, key in enumerate(request["keys"]):
        answer = Path(folder) / f"{key}.npz"
        if answer.exists():
            continue
        found = fit(bagpipes, request["flux"][i], request["error"][i], filters, request["redshift"][i], settings)
        unfinished = answer.with_suffix(f".{os.getpid()}.part")
        with open(unfinished, "wb") as file:
            np.savez(file, **found)
        os.replace(unfinished, answer)  # a fit that is killed leaves no half answer


if __name__ == "__main__":
    main(*sys.argv[1:])
