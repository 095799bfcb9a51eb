"""What an encoder in bfloat16 changes in the answers, beside the same model in float32.

    python benchmarks/rounding.py --data FOLDER [--n 4096]

Galaxies of a data set, observed at the nominal depth and with the noise of training. For every property: how far
quantiles move, in units of half of the 68 % interval; the mean negative log density of the truth; the largest distance
of the PIT from uniform. Use a validation set: a figure on the test set is final.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
import torch
from harness import flux_table, machine_facts, model_facts, parser

from hf_galaxy import GalaxyPosterior
from hf_galaxy.coordinates_galaxy import Coordinates
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
NOISE = {"nominal": NoiseSettings.nominal, "as trained": NoiseSettings.survey}
DTYPES = ("float32", "bfloat16")


def main(argv: list[str] | None = None) -> None:
    arguments = parser(__doc__.splitlines()[0], "rounding.json")
    arguments.add_argument("--data", required=True, help="folder of simulated galaxies")
    arguments.add_argument("--n", type=int, default=4096)
    arguments.add_argument("--seed", type=int, default=0, help="of the noise")
    given = arguments.parse_args(argv)
    pair = [GalaxyPosterior.from_pretrained(given.model, dtype=dtype) for dtype in DTYPES]
    rows = GalaxyTable.load(given.data)[slice(0, given.n)]
    metrics: dict[str, Any] = {}
    for kind, settings in NOISE.items():
        seen = NoiseModel(settings(), BANDS).observe(rows.flux, torch.Generator().manual_seed(given.seed))
        table = flux_table(seen.flux, seen.error)
        metrics[kind] = compare(*(answers(galaxy.condition(table), rows.properties) for galaxy in pair))
        print_rows(kind, metrics[kind])
    data = {"galaxies": len(rows), "seed": given.seed, "folder": os.path.basename(given.data)}
    model = model_facts(pair[0], given.model)
    write_report(given.out, assemble_report(model=model, data=data, machine=machine_facts(), metrics=metrics))


def answers(posterior: GalaxyPosterior, properties: torch.Tensor) -> dict[str, np.ndarray]:
    """Quantiles `(n, P, levels)` in token coordinates, log densities and PIT of the truth `(n, P)`."""
    names = list(PROPERTIES)
    coordinates = Coordinates([posterior.tokenizer.variable(name) for name in names], torch.float64)
    truth = coordinates.forward(properties.double()).float()

    def use(rows: slice, density: Any) -> torch.Tensor:
        t = torch.minimum(torch.maximum(truth[rows], density.lower), density.upper)
        told = torch.stack([density.log_prob(t), density.cdf(t)], dim=-1)
        return torch.cat([density.unsqueeze(2).quantile(torch.tensor(LEVELS)), told], dim=-1)

    every = posterior.ask(names, use).double().numpy()
    every[~torch.isfinite(truth).numpy(), -2:] = np.nan
    return {"quantiles": every[..., :-2], "log_prob": every[..., -2], "pit": every[..., -1]}


def compare(exact: dict[str, np.ndarray], rounded: dict[str, np.ndarray]) -> dict[str, Any]:
    """A row a property: shifts of quantiles, and scores of both."""
    q = exact["quantiles"]
    half = (q[..., 3] - q[..., 1])[..., None] / 2
    shift = np.abs(rounded["quantiles"] - q) / half
    rows = {}
    for i, name in enumerate(PROPERTIES):
        rows[name] = {
            "median_shift": float(np.median(shift[:, i])),
            "rms_shift": float(np.sqrt(np.mean(shift[:, i] ** 2))),
            "p99_shift": float(np.quantile(shift[:, i], 0.99)),
        }
        for dtype, answer in zip(DTYPES, (exact, rounded), strict=True):
            rows[name][f"nll_{dtype}"] = float(-np.nanmean(answer["log_prob"][:, i]))
            rows[name][f"pit_distance_{dtype}"] = pit_distance(answer["pit"][:, i])
    return rows


def pit_distance(pit: np.ndarray) -> float:
    """Largest distance of the distribution of some PIT from uniform; NaN is unknown."""
    pit = np.sort(pit[np.isfinite(pit)])
    return float(np.abs(pit - (np.arange(len(pit)) + 0.5) / len(pit)).max())


def print_rows(kind: str, rows: dict[str, Any]) -> None:
    print(f"{kind}: shift of quantiles in half widths; NLL and distance of the PIT, float32 and bfloat16")
    for name, row in rows.items():
        print(
            f"  {name:20s} median {row['median_shift']:.4f}  rms {row['rms_shift']:.4f}  99 % {row['p99_shift']:.3f}"
            f"   NLL {row['nll_float32']:8.4f} {row['nll_bfloat16']:8.4f}"
            f"   PIT {row['pit_distance_float32']:.4f} {row['pit_distance_bfloat16']:.4f}"
        )


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"rounding.py: {error}")
