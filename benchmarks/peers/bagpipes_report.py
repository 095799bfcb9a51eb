"""How true bagpipes is on simulated galaxies, and what it costs; with free redshift, or with the true one given.

    python -m benchmarks.peers.bagpipes_report --data FOLDER_OF_PARQUET [--n 20] [--cache FOLDER] [--fixed-redshift]

The galaxies are seen at the plain assumed depths, as in ``benchmarks.compare``, and chosen over brightness and colour.
Every fit is kept as soon as it is done; with ``--available`` those alone are reported.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.comparison.galaxies import NOISE, NOISE_SEED
from benchmarks.harness import RESULTS, machine_facts
from benchmarks.peers.bagpipes_fits import BagpipesFits, FitSettings, stratified_rows
from benchmarks.peers.bagpipes_worker import PARAMETERS
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.evaluation.photoz import residual_statistics
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.physics.noise import NoiseModel
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES


def main(argv: list[str] | None = None) -> None:
    """Fit, print and write."""
    given = arguments().parse_args(argv)
    galaxies = GalaxyTable.load(given.data)
    seen = NoiseModel(NOISE["nominal"], BANDS).observe(galaxies.flux, torch.Generator().manual_seed(NOISE_SEED))
    flux, error = (x.double().numpy() for x in (seen.flux, seen.error))
    rows = stratified_rows(flux, given.n)
    truth = galaxies.properties[torch.as_tensor(rows)].double().numpy()
    redshift = truth[:, PROPERTIES.index("redshift")] if given.fixed_redshift else np.full(len(rows), np.nan)
    peer = BagpipesFits(given.cache, given.n, processes=given.processes)
    if given.available:
        there = peer.available(flux[rows], error[rows], redshift)
        rows, truth, redshift = rows[there], truth[there], redshift[there]
    found = peer.posteriors(flux[rows], error[rows], redshift)
    magnitude = 31.4 - 2.5 * np.log10(galaxies.flux[torch.as_tensor(rows), BANDS.index("iSDSS")].double().numpy())
    metrics = measure(found, truth, fixed=given.fixed_redshift)
    show(metrics, found, truth, magnitude)
    data = {"source": Path(given.data).name, "galaxies": len(rows), "rows": rows, "i": magnitude}
    data |= {"noise": "nominal", "noise_seed": NOISE_SEED}
    model = {"name": "bagpipes", "fixed_redshift": given.fixed_redshift, **asdict(FitSettings())}
    write_report(given.out, assemble_report(model=model, data=data, machine=machine_facts(), metrics=metrics))


def measure(found: dict[str, np.ndarray], truth: np.ndarray, fixed: bool = False) -> dict[str, Any]:
    """Bias, scatter and coverage of every property (redshift in Δz / (1 + z)), and what the fits cost.

    Args:
        found: Of ``BagpipesFits.posteriors``.
        truth: (n, P) in the order of ``PROPERTIES``.
        fixed: The redshift was given, and is left out.
    """
    properties = {}
    for i, name in enumerate(PARAMETERS):
        if fixed and name == "redshift":
            continue
        draws, true = found["draws"][..., i], truth[:, PROPERTIES.index(name)]
        low, middle, high = np.quantile(draws, [0.16, 0.5, 0.84], axis=1)
        scale = 1 + true if name == "redshift" else 1.0
        inside = (low <= true) & (true <= high)
        properties[name] = {
            **residual_statistics(middle / scale, true / scale)._asdict(),
            "coverage_68": float(inside.mean()),
            "coverage_68_error": float(np.sqrt(0.68 * 0.32 / len(true))),
            "half_width_68": float(np.median(0.5 * (high - low) / scale)),
        }
    costs = {name: found[name] for name in ("calls", "seconds", "processor_seconds", "effective")}
    cost = {name: {"median": np.median(x), "largest": np.max(x), "sum": np.sum(x)} for name, x in costs.items()}
    chi2 = {"chi2_per_band": float(np.median(found["chi2"] / found["bands"])), "finished": int(found["finished"].sum())}
    return {"properties": properties, "cost": cost, "fit": chi2}


def show(metrics: dict[str, Any], found: dict[str, np.ndarray], truth: np.ndarray, magnitude: np.ndarray) -> None:
    """Every fit, then the figures."""
    print(f"{'i':>6} {'z':>7} {'z of fit':>17} {'calls':>6} {'CPU s':>6} {'chi2/band':>9}")
    for row in np.argsort(magnitude):
        z, low, high = np.quantile(found["draws"][row, :, 0], [0.5, 0.16, 0.84])
        print(
            f"{magnitude[row]:6.2f} {truth[row, PROPERTIES.index('redshift')]:7.4f} {z:7.4f} ±{(high - low) / 2:8.4f}"
            f" {found['calls'][row]:6.0f} {found['processor_seconds'][row]:6.1f}"
            f" {found['chi2'][row] / found['bands'][row]:9.2f}"
        )
    print(f"\n{'property':10s} {'bias':>8} {'scatter':>8} {'68 % width':>10} {'68 % hold':>12}")
    for name, row in metrics["properties"].items():
        held = f"{row['coverage_68']:.0%} ± {row['coverage_68_error']:.0%}"
        print(f"{name:10s} {row['bias']:+8.4f} {row['sigma_nmad']:8.4f} {row['half_width_68']:10.4f} {held:>12}")
    cost = metrics["cost"]
    print(f"\nlikelihoods a galaxy: median {cost['calls']['median']:.0f}, most {cost['calls']['largest']:.0f}")
    print(f"processor seconds a galaxy: median {cost['processor_seconds']['median']:.1f}")


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers.bagpipes_report", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", required=True, help="folder of Parquet of test galaxies")
    parser.add_argument("--n", type=int, default=20, help="galaxies")
    parser.add_argument("--cache", type=Path, default=Path("outputs/compare/bagpipes_fits"), help="where fits are kept")
    parser.add_argument("--processes", type=int, default=2, help="fits at a time")
    parser.add_argument("--fixed-redshift", action="store_true", help="give it the true redshift")
    parser.add_argument("--available", action="store_true", help="report the fits that are there, and fit no more")
    parser.add_argument("--out", type=Path, default=RESULTS / "bagpipes_fits.json", help="result")
    return parser


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"bagpipes_report: {error}")
