"""Speed of inference: galaxies per second for the posteriors of all properties, and joint draws per second.

    python benchmarks/infer.py [--device cuda]

Weights are random where no checkpoint of a size is given: speed does not depend on them. The peer is the OJALA-like
network asked in its own way, one decoder pass a property in batches of 64.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from harness import flux_table, machine_facts, parser

from hf_galaxy import GalaxyConfig, GalaxyModel, GalaxyPosterior
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.training.building import tokenizer_of
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

TARGETS = {"galaxies_per_second": {"small": 1500}, "joint_draws_per_second": 20_000, "times_ojala": 10}
SIZES = ("tiny", "small")
JOINT = ("redshift", "log_mstar", "av", "log_sfr")


def main(argv: list[str] | None = None) -> None:
    arguments = parser(__doc__.splitlines()[0], "infer.json")
    arguments.add_argument("--sizes", nargs="+", default=SIZES)
    arguments.add_argument("--n", type=int, default=512, help="galaxies for the posteriors")
    arguments.add_argument("--joint", type=int, default=64, help="galaxies for the joint draws")
    arguments.add_argument("--draws", type=int, default=100, help="joint draws of each")
    arguments.add_argument("--repeat", type=int, default=3, help="the fastest of so many runs counts")
    arguments.add_argument("--device", default="cpu")
    given = arguments.parse_args(argv)
    table = mock_catalogue(given.n)
    metrics: dict[str, Any] = {"targets": TARGETS, "peer": peer_speed(given)}
    for size in given.sizes:
        metrics[size] = measure(load(given.model, size, given.device), table, given)
        if metrics["peer"]:
            ratio = metrics[size]["galaxies_per_second"] / metrics["peer"]["galaxies_per_second"]
            metrics[size]["times_peer"] = ratio
        print_row(size, metrics[size])
    if metrics["peer"]:
        print(f"{'OJALA-like':12s} {metrics['peer']['galaxies_per_second']:10,.0f} galaxies/s")
    data = {"galaxies": given.n, "bands": len(BANDS), "properties": len(PROPERTIES), "joint": JOINT}
    model = {"sizes": list(given.sizes), "checkpoint": given.model or "random weights"}
    write_report(given.out, assemble_report(model=model, data=data, machine=machine_facts(), metrics=metrics))


def load(checkpoint: str | None, size: str, device: str) -> GalaxyPosterior:
    """A checkpoint, or a new model of a size."""
    if checkpoint is not None:
        return GalaxyPosterior.from_pretrained(checkpoint, device=device)
    torch.manual_seed(0)
    config = GalaxyConfig.preset(size)
    return GalaxyPosterior(GalaxyModel(config).to(device), tokenizer_of(config))


def mock_catalogue(n: int) -> Any:
    """Fluxes of the order of those of galaxies with i near 20, all bands observed."""
    generator = torch.Generator().manual_seed(0)
    flux = 30_000.0 * torch.exp(0.5 * torch.randn(n, len(BANDS), generator=generator))
    return flux_table(flux, 0.03 * flux)


def measure(galaxy: GalaxyPosterior, table: Any, given: Any) -> dict[str, float]:
    """Galaxies and draws per second, reading of the table apart."""
    posterior = galaxy.condition(table)
    few = galaxy.condition(table[: given.joint])
    asked, drawn = list(PROPERTIES), given.joint * given.draws
    seconds = {
        "read": fastest(lambda: galaxy.condition(table), given),
        "summary": fastest(lambda: posterior.summary(asked), given),
        "redshift": fastest(lambda: posterior.quantiles("redshift", [0.16, 0.5, 0.84]), given),
        "joint": fastest(lambda: few.sample(given.draws, list(JOINT), seed=0), given),
        "joint_all": fastest(lambda: few.sample(given.draws, asked, seed=0), given),
    }
    return {
        "parameters": sum(p.numel() for p in galaxy.model.parameters()),
        "galaxies_per_second": len(table) / seconds["summary"],
        "galaxies_per_second_redshift_only": len(table) / seconds["redshift"],
        "galaxies_per_second_reading": len(table) / seconds["read"],
        "joint_draws_per_second": drawn / seconds["joint"],
        "joint_draws_per_second_all_properties": drawn / seconds["joint_all"],
    }


def fastest(job: Callable[[], Any], given: Any) -> float:
    """Seconds of the fastest run, after one to warm up."""
    times = []
    for _ in range(given.repeat + 1):
        start = time.perf_counter()
        job()
        if given.device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def peer_speed(given: Any) -> dict[str, float] | None:
    """The OJALA-like network, if it is here."""
    try:
        from peers.ojala import inference_speed
    except ImportError:
        return None
    return {"galaxies_per_second": inference_speed(given.n, len(PROPERTIES), given.device)}


def print_row(size: str, row: dict[str, float]) -> None:
    print(
        f"{size:12s} {row['galaxies_per_second']:10,.0f} galaxies/s for all {len(PROPERTIES)} properties,"
        f" {row['galaxies_per_second_redshift_only']:,.0f} for the redshift;"
        f" {row['joint_draws_per_second']:,.0f} joint draws/s of {len(JOINT)},"
        f" {row['joint_draws_per_second_all_properties']:,.0f} of all"
        + (f"; {row['times_peer']:.1f} times the peer" if "times_peer" in row else "")
    )


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"infer.py: {error}")
