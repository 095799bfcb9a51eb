"""Photometry of given galaxies by bagpipes, in a process of its own: bagpipes prints and writes files on import.

    python bagpipes_photometry.py REQUEST.npz ANSWER.npz

The request holds ``resolution`` (R_phot), ``filters`` (paths of two-column files) and (n,) arrays of parameters. The
answer holds ``flux`` (n, band) in nJy, ``weights`` (n, 42), the mass in bagpipes' own bins of age, ``log_mstar``,
``seconds`` and ``processor_seconds`` spent in updates alone, and fluxes of two lines. Grids and lines are moved to
vacuum first, as in hf_galaxy.
"""

from __future__ import annotations

import sys
import time

import numpy as np

PARAMETERS = (
    "redshift",
    "age",
    "tau",
    "log_mass_formed",
    "metallicity",
    "log_u",
    "av",
    "birth_cloud",
    "dust_slope",
    "dust_bump",
)
MICRO_TO_NANO = 1e3


def components(g: dict[str, float]) -> dict:
    """Model components of bagpipes for one galaxy (ages in Gyr)."""
    return {
        "redshift": g["redshift"],
        "delayed": {
            "age": g["age"],
            "tau": g["tau"],
            "massformed": g["log_mass_formed"],
            "metallicity": g["metallicity"],
        },
        "nebular": {"logU": g["log_u"]},
        "dust": {
            "type": "Salim",
            "Av": g["av"],
            "eta": g["birth_cloud"],
            "delta": g["dust_slope"],
            "B": g["dust_bump"],
        },
        "t_bc": 0.01,
    }


def main(request_path: str, answer_path: str) -> None:
    """Answer one request."""
    import bagpipes

    from hf_galaxy.physics.spectra import air_to_vacuum

    request = dict(np.load(request_path))
    config = bagpipes.config
    config.max_redshift, config.R_phot = 1.05, float(request["resolution"])
    config.wavelengths, config.neb_wavs = air_to_vacuum(config.wavelengths), air_to_vacuum(config.neb_wavs)
    config.line_wavs = air_to_vacuum(config.line_wavs)
    galaxies = [{k: float(request[k][i]) for k in PARAMETERS} for i in range(len(request["redshift"]))]
    filters = [str(path) for path in request["filters"]]
    model = bagpipes.model_galaxy(components(galaxies[0]), filt_list=filters, phot_units="mujy")
    flux, weights, mass, lines, seconds, processor = [], [], [], [], 0.0, 0.0
    for galaxy in galaxies:
        parts = components(galaxy)
        start = time.perf_counter(), time.process_time()
        model.update(parts)
        seconds += time.perf_counter() - start[0]
        processor += time.process_time() - start[1]
        flux.append(np.array(model.photometry) * MICRO_TO_NANO)
        grid = np.array(model.sfh.ceh.grid).sum(0)
        weights.append(grid / grid.sum())
        mass.append(model.sfh.stellar_mass)
        lines.append([model.line_fluxes["H  1  6562.80A"], model.line_fluxes["O  3  5006.84A"]])
    times = {"seconds": seconds, "processor_seconds": processor}
    np.savez(answer_path, flux=flux, weights=weights, log_mstar=np.squeeze(mass), lines=lines, **times)


if __name__ == "__main__":
    main(*sys.argv[1:])
