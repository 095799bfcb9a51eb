"""Galaxies of identical physics through bagpipes and through hf_galaxy: photometry, and galaxies a second."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from hf_galaxy.physics.cosmology import cosmology
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.labels import PROPERTY_NAMES, Labels
from hf_galaxy.physics.synthesis import Synthesizer

PHOTOMETRY = Path(__file__).with_name("bagpipes_photometry.py")
ROOT = Path(__file__).resolve().parents[2]


class Comparison(NamedTuple):
    """hf_galaxy against bagpipes.

    Attributes:
        bands: Names of the columns.
        difference: (n, band) magnitude of hf_galaxy minus that of bagpipes in mmag.
        log_mass: (n,) difference of log10 of the surviving mass.
        lines: (n, 2) fluxes of Hα and [OIII] over those of bagpipes.
        galaxies_per_second: Of bagpipes: updates of one model object, without its construction.
        galaxies_per_processor_second: The same in processor time, which a busy machine disturbs less.
    """

    bands: tuple[str, ...]
    difference: np.ndarray
    log_mass: np.ndarray
    lines: np.ndarray
    galaxies_per_second: float
    galaxies_per_processor_second: float


def random_galaxies(n: int, seed: int = 5) -> dict[str, np.ndarray]:
    """Parameters of delayed-τ galaxies over the ranges that both codes share (ages and τ in Gyr)."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.02, 0.98, n)
    return {
        "redshift": z,
        "age": cosmology().age(z).value * rng.uniform(0.1, 0.95, n),
        "tau": 10 ** rng.uniform(-1, 1, n),
        "log_mass_formed": rng.uniform(8, 11, n),
        "metallicity": 10 ** rng.uniform(-1.5, 0.4, n),
        "log_u": rng.uniform(-4, -1.6, n),
        "av": rng.uniform(0, 2, n),
        "birth_cloud": rng.uniform(1, 3, n),
        "dust_slope": rng.uniform(-0.7, 0.4, n),
        "dust_bump": rng.uniform(0, 4, n),
    }


def write_filters(filters: FilterSet, folder: Path) -> list[str]:
    """Two-column files on a step of 1 Å: bagpipes drops the end of a coarser table."""
    paths = []
    for name, curve in filters.items():
        wave = np.arange(np.floor(curve.wavelength[0]) - 1, curve.wavelength[-1] + 2)
        paths.append(str(folder / f"{name}.dat"))
        np.savetxt(paths[-1], np.column_stack([wave, curve.interpolate(wave)]))
    return paths


def ask_bagpipes(galaxies: dict[str, np.ndarray], filters: FilterSet, resolution: float) -> dict[str, np.ndarray]:
    """Its answer from a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        request, answer = (str(Path(folder) / name) for name in ("request.npz", "answer.npz"))
        np.savez(request, resolution=resolution, filters=write_filters(filters, Path(folder)), **galaxies)
        command = [sys.executable, str(PHOTOMETRY), request, answer]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": path})
        with np.load(answer) as file:
            return dict(file)


def compare(synthesizer: Synthesizer, filters: FilterSet, n: int, resolution: float) -> Comparison:
    """Both codes on the same n galaxies, with the masses in bins of age that bagpipes found."""
    galaxies = random_galaxies(n)
    theirs = ask_bagpipes(galaxies, filters, resolution)
    p = {name: torch.as_tensor(value) for name, value in galaxies.items()}
    p |= {"gas_metallicity": p["metallicity"], "weights": torch.as_tensor(theirs["weights"])}
    p |= {"lya_escape": torch.ones(n), "nuclear_ew": torch.zeros(n)}
    p["log_mass"] = p["log_mass_formed"] + torch.log10(synthesizer.surviving_share(p))
    rest = synthesizer.rest_frame(p)
    labels = Labels(synthesizer)(p, rest).double().numpy()
    lines = labels[:, [PROPERTY_NAMES.index(name) for name in ("flux_halpha", "flux_oiii_5007")]]
    ours = synthesizer.photometry(p, rest).double().numpy()[:, [synthesizer.bands.index(name) for name in filters]]
    return Comparison(
        tuple(filters),
        -2500 * np.log10(ours / theirs["flux"]),
        p["log_mass"].numpy() - theirs["log_mstar"],
        lines / theirs["lines"],
        n / float(theirs["seconds"]),
        n / float(theirs["processor_seconds"]),
    )


__all__ = ["Comparison", "ask_bagpipes", "compare", "random_galaxies", "write_filters"]
