"""EAZY (eazy-py; Brammer et al. 2008, ApJ 686, 1503) as a peer: redshifts from templates of our own.

The package comes without templates and filters, and asks for files; it is given ours: the curves of the bands, the
templates of ``template_grid`` with their photometry over redshift (lines integrated exactly, which EAZY's own
integration of tabulated spectra would not do in narrow bands), a template error, and as a prior the redshifts of the
training galaxies by magnitude. The fit is EAZY's: non-negative least squares on a grid of redshifts.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from scipy.interpolate import Akima1DInterpolator

from benchmarks.comparison.answers import LEVELS, Answers, Contender, Floats, Observe
from benchmarks.comparison.catalogue import coordinate
from benchmarks.peers.template_grid import (
    ERROR_NODES,
    MAGNITUDES,
    REDSHIFT_RANGE,
    TEMPLATES,
    TemplateGrid,
    magnitude_prior,
)
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.noise import Observation
from hf_galaxy.variables_galaxy import BANDS

ROWS_AT_ONCE = 500
FINER = 5  # steps of the integral of p(z) in one of the grid, as EAZY's own ``pz_percentiles`` has it
NOT_OBSERVED = -1e9  # nJy; EAZY's default of -90 would hide measured fluxes below it
ANYWHERE = 1e-3  # share of p(z) that is flat: a truth far from all solutions is unlikely, not impossible


class EazyPhotoz(Contender):
    """Template fits with EAZY.

    Args:
        step: Of the grid in ln(1 + z); EAZY's default of 0.01 is for broad bands.
        error_scale: Factor on the template error (``TEMP_ERR_A2``).
        limit: Galaxies that it is asked about.
    """

    def __init__(self, step: float = 0.002, error_scale: float = 1.0, limit: int | None = 2000) -> None:
        note = f"{len(TEMPLATES)} templates of our synthesis, step {step:g}, template error x {error_scale:g}"
        super().__init__("EAZY", {"note": note}, limit)
        self.step, self.error_scale = step, error_scale

    def fit(self, train: GalaxyTable, observe: Observe, seed: int) -> None:
        """The prior of redshift by magnitude, and the photometry of the templates.

        Raises:
            ValueError: eazy is not installed.
        """
        if importlib.util.find_spec("eazy") is None:
            raise ValueError("EAZY: the package eazy is not installed; install it with: pip install eazy")
        self.grid = TemplateGrid.make(self.step)
        self.prior = magnitude_prior(train, self.grid.redshift)
        self.facts |= {"galaxies": len(train)}

    def predict(self, observation: Observation) -> Answers:
        """Redshifts: the most probable one, and quantiles of p(z)."""
        start = time.perf_counter()
        flux, error = (x.double().numpy() for x in (observation.flux, observation.error))
        rows = [slice(i, i + ROWS_AT_ONCE) for i in range(0, len(flux), ROWS_AT_ONCE)]
        with tempfile.TemporaryDirectory() as folder:
            files = self._write_files(Path(folder))
            log_density = np.concatenate([self._run(flux[part], error[part], files) for part in rows])
        fine, density = self._on_fine_grid(log_density)
        # EAZY's own way to the maximum, get_maxlnp_redshift, gives -1 where it is at the edge of the grid
        best = fine[density.argmax(axis=1)]
        quantiles = quantiles_of_density(fine, density)
        seconds = time.perf_counter() - start

        def log_prob(truth: Mapping[str, Floats]) -> dict[str, Floats]:
            return {"redshift": log_density_at(fine, density, truth["redshift"])}

        return Answers(("redshift",), {"redshift": quantiles}, {"redshift": best}, log_prob, seconds)

    def _on_fine_grid(self, log_density: Floats) -> tuple[Floats, Floats]:
        """A finer grid (f,) and p(z) (n, f) on it, of integral one."""
        z = self.grid.redshift
        fine = np.expm1(np.linspace(np.log1p(z[0]), np.log1p(z[-1]), FINER * (len(z) - 1) + 1))
        log_fine = Akima1DInterpolator(z, log_density, axis=1)(fine)
        density = np.exp(log_fine - log_fine.max(axis=1, keepdims=True))
        return fine, density / np.trapezoid(density, fine, axis=1)[:, None]

    def _run(self, flux: Floats, error: Floats, files: Mapping[str, Any]) -> Floats:
        """ln p(z) (n, k) of some galaxies."""
        if len(flux) == 1:  # which eazy-py 0.8.7 cannot read
            return self._run(flux.repeat(2, axis=0), error.repeat(2, axis=0), files)[:1]
        seen = np.isfinite(flux) & np.isfinite(error)
        table = Table({"id": np.arange(len(flux))})
        for i in range(len(BANDS)):
            table[f"F{i + 1}"] = np.where(seen[:, i], flux[:, i], 2 * NOT_OBSERVED)
            table[f"E{i + 1}"] = np.where(seen[:, i], error[:, i], -1.0)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            from eazy.photoz import PhotoZ

            code = PhotoZ(
                translate_file=files["translate"],
                params={**files["parameters"], "CATALOG_FILE": table},
                tempfilt_data=self.grid.flux.astype(np.float32),
                random_draws=1,
            )
            code.fit_catalog(n_proc=0, prior=True, get_best_fit=False, verbose=False)
        return np.asarray(code.lnp, dtype=float)

    def _write_files(self, folder: Path) -> dict[str, Any]:
        """Filters, templates, template error and prior, as EAZY reads them, and its parameters."""
        (folder / "translate").write_text("")
        blocks = []
        for name, curve in FilterSet.embedded().subset(BANDS).items():
            wave = np.arange(np.floor(curve.wavelength[0]) - 1, curve.wavelength[-1] + 2)
            lines = [f"{i} {w:.1f} {t:.6f}" for i, (w, t) in enumerate(zip(wave, curve.interpolate(wave), strict=True))]
            blocks.append("\n".join([f"{len(wave)} {name} lambda_c= {wave.mean():.1f}", *lines]))
        (folder / "filters").write_text("\n".join(blocks) + "\n")
        np.savetxt(folder / "error", np.array(list(ERROR_NODES.items())))
        # their photometry is given; the file only says how many there are
        np.savetxt(folder / "template.dat", np.column_stack([np.geomspace(500, 12000, 50), np.ones(50)]))
        lines = [f"{i + 1} {folder / 'template.dat'} 1.0" for i in range(len(TEMPLATES))]
        (folder / "templates").write_text("\n".join(lines) + "\n")
        header = "# z " + " ".join(f"{m:.2f}" for m in MAGNITUDES)
        np.savetxt(folder / "prior", np.column_stack([self.grid.redshift, self.prior.T]), header=header[2:])
        return {"translate": str(folder / "translate"), "parameters": self._parameters(folder)}

    def _parameters(self, folder: Path) -> dict[str, Any]:
        return {
            "FILTERS_RES": str(folder / "filters"),
            "TEMPLATES_FILE": str(folder / "templates"),
            "TEMP_ERR_FILE": str(folder / "error"),
            "TEMP_ERR_A2": self.error_scale,
            "SYS_ERR": 0.0,
            "APPLY_IGM": "n",
            "PRIOR_FILE": str(folder / "prior"),
            "PRIOR_FILTER": BANDS.index("iSDSS") + 1,
            "PRIOR_ABZP": 31.4,
            "PRIOR_FLOOR": 1e-3,
            "Z_MIN": REDSHIFT_RANGE[0],
            "Z_MAX": REDSHIFT_RANGE[1],
            "Z_STEP": self.step,
            "NOT_OBS_THRESHOLD": NOT_OBSERVED,
            "CAT_HAS_EXTCORR": "n",
            "OUTPUT_DIRECTORY": os.fspath(folder),
            "VERBOSITY": 0,
        }


def quantiles_of_density(grid: Floats, density: Floats) -> Floats:
    """(n, L) quantiles at ``LEVELS`` of densities (n, f) on a grid (f,)."""
    steps = 0.5 * (density[:, 1:] + density[:, :-1]) * np.diff(grid)
    cumulative = np.concatenate([np.zeros((len(density), 1)), np.cumsum(steps, axis=1)], axis=1)
    cumulative /= cumulative[:, -1:]
    return np.array([np.interp(LEVELS, row, grid) for row in cumulative])


def log_density_at(grid: Floats, density: Floats, redshift: Floats) -> Floats:
    """(n,) log density, in the token coordinate, of densities (n, f) on a grid (f,) at redshifts (n,)."""
    at = np.array([np.interp(z, grid, row) for z, row in zip(redshift, density, strict=True)])
    at = (1 - ANYWHERE) * at + ANYWHERE / (grid[-1] - grid[0])
    h = 1e-6
    slope = (coordinate("redshift", redshift + h) - coordinate("redshift", redshift - h)) / (2 * h)
    return np.log(at) - np.log(slope)


__all__ = ["EazyPhotoz", "log_density_at", "quantiles_of_density"]
