"""How odd `outlier_score` calls galaxies of the simulation, and what is in no simulation: quasars and stars.

    python benchmarks/outliers.py --data FOLDER [--n 2000]

Galaxies are observed at the assumed depths and with the noise of training: their p-values should be uniform. Quasars
are power laws f_λ ~ λ^-1.5 at 1.2 < z < 3.5 with broad lines and the intergalactic medium; stars are black bodies of
3500 to 9000 K. Both are drawn by formula, so that they say what the score can find, not how many a survey would.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import numpy as np
import torch
from harness import flux_table, machine_facts, model_facts, parser

from hf_galaxy import GalaxyPosterior
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.physics.photometry import PhotometryOperator
from hf_galaxy.variables_galaxy import BANDS

BELOW = (0.001, 0.01, 0.05, 0.1)
MAGNITUDES = (19.0, 20.0, 21.0, 22.0)  # iSDSS, AB
ZERO_POINT = 31.4  # AB magnitude of 1 nJy
WAVELENGTH = np.arange(1200.0, 12_000.0, 2.0)  # Å, observed
NOISE = {"nominal": NoiseSettings.nominal, "as trained": NoiseSettings.survey}

# Rest wavelength in Å and rest equivalent width in Å of broad lines, about those of the composite of Vanden Berk et al.
# (2001, AJ 122, 549, table 2): Lyα, C IV, C III], Mg II, Hβ; all 0.012 of their wavelength wide (σ, 3600 km/s).
BROAD_LINES = ((1216.0, 93.0), (1549.0, 24.0), (1909.0, 21.0), (2799.0, 32.0), (4861.0, 46.0))
LINE_WIDTH = 0.012
FOREST, LIMIT = (1216.0, 0.7), (912.0, 0.05)  # rest wavelength, and a factor below it
SECOND_RADIATION = 1.43877e8  # hc/k in Å K


def main(argv: list[str] | None = None) -> None:
    arguments = parser(__doc__.splitlines()[0], "outliers.json")
    arguments.add_argument("--data", required=True, help="folder of simulated galaxies held out from training")
    arguments.add_argument("--n", type=int, default=2000, help="galaxies, and a tenth as many of each kind of intruder")
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args(argv)
    galaxy = GalaxyPosterior.from_pretrained(given.model)
    held = GalaxyTable.load(given.data)[: given.n]
    metrics = {}
    for kind, settings in NOISE.items():
        metrics[f"galaxies, {kind}"] = shares(galaxy, held.flux, settings(), given.seed)
    operator = PhotometryOperator(FilterSet.embedded(), WAVELENGTH)
    for name, spectrum in {"quasars": quasar, "black bodies": black_body}.items():
        rng = np.random.default_rng(given.seed)
        fluxes = operator(np.stack([spectrum(rng) for _ in range(given.n // 10)]))
        for magnitude in MAGNITUDES:
            flux = torch.as_tensor(scaled(fluxes, magnitude), dtype=held.flux.dtype)
            key = f"{name}, i = {magnitude:g}"
            metrics[key] = shares(galaxy, flux, NoiseSettings.nominal(), given.seed)
    print_table(metrics)
    data = {
        "galaxies": len(held),
        "intruders": given.n // 10,
        "seed": given.seed,
        "folder": os.path.basename(given.data),
    }
    model = model_facts(galaxy, given.model)
    write_report(given.out, assemble_report(model=model, data=data, machine=machine_facts(), metrics=metrics))


def shares(galaxy: GalaxyPosterior, flux: torch.Tensor, settings: NoiseSettings, seed: int) -> dict[str, float]:
    """Shares of p-values below `BELOW`, of fluxes `(n, 62)` in nJy observed once."""
    seen = NoiseModel(settings, BANDS).observe(flux, torch.Generator().manual_seed(seed))
    value, error = (torch.where(seen.observed, x, torch.nan) for x in (seen.flux, seen.error))
    p_value = np.asarray(galaxy.condition(flux_table(value, error)).outlier_score()["p_value"])
    return {"n": len(p_value), **{f"below {level:g}": float(np.mean(p_value < level)) for level in BELOW}}


def quasar(rng: np.random.Generator) -> np.ndarray:
    """f_λ on `WAVELENGTH` of a power law with broad lines, at a redshift from 1.2 to 3.5; arbitrary scale."""
    one_z = 1 + rng.uniform(1.2, 3.5)
    rest = WAVELENGTH / one_z
    flux = rest**-1.5
    for line, width in BROAD_LINES:
        sigma = LINE_WIDTH * line
        shape = np.exp(-0.5 * ((rest - line) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        flux += line**-1.5 * width * shape
    for edge, transmission in (FOREST, LIMIT):
        flux[rest < edge] *= transmission
    return flux


def black_body(rng: np.random.Generator) -> np.ndarray:
    """f_λ on `WAVELENGTH` of a black body of 3500 to 9000 K; arbitrary scale."""
    return WAVELENGTH**-5 / np.expm1(SECOND_RADIATION / (WAVELENGTH * rng.uniform(3500, 9000)))


def scaled(flux: np.ndarray, magnitude: float) -> np.ndarray:
    """Fluxes `(n, 62)` in nJy of rows brought to a magnitude in iSDSS."""
    goal = 10 ** (0.4 * (ZERO_POINT - magnitude))
    return flux * (goal / flux[:, [BANDS.index("iSDSS")]])


def print_table(metrics: dict[str, dict[str, float]], tell: Callable[[str], None] = print) -> None:
    tell("share of p-values below".ljust(26) + "".join(f"{level:>9g}" for level in BELOW))
    for name, row in metrics.items():
        tell(name.ljust(26) + "".join(f"{100 * row[f'below {level:g}']:8.1f}%" for level in BELOW))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"outliers.py: {error}")
