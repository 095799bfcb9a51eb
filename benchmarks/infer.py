"""Speed of inference: galaxies per second for the posteriors of all properties, and joint draws per second.

    python benchmarks/infer.py [--device cuda]

Of the presets the weights are random: speed does not depend on them. ``shipped`` is the checkpoint of the package. The
peer is the OJALA-like network asked in its own way, one decoder pass a property in batches of 64.

The clock is the processor time of one thread, which other work on the machine hardly touches: contenders are compared
by it, and the fraction of the matrix rate (`matrix_rate.py`, measured in the same run) is taken of it. With `--wall`
the wall clock runs too, with all threads: what a user waits for on a machine that does nothing else.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from harness import flux_table, machine_facts, model_facts, parser
from matrix_rate import fastest, operations, rates, threads

from hf_galaxy import GalaxyConfig, GalaxyModel, GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.twin import DTYPES, has_bfloat16
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

SHIPPED_SIZE = "shipped"  # the size that the checkpoint of the package has
TARGETS = {"galaxies_per_second": {"small": 1500}, "joint_draws_per_second": 20_000, "times_ojala": 10}
SIZES = ("tiny", "small", SHIPPED_SIZE)
JOINT = ("redshift", "log_mstar", "av", "log_sfr")


def main(argv: list[str] | None = None) -> None:
    arguments = parser(__doc__.splitlines()[0], "infer.json")
    arguments.add_argument("--sizes", nargs="+", default=SIZES)
    arguments.add_argument("--dtypes", nargs="+", choices=DTYPES, help="default: those that the machine has")
    arguments.add_argument("--n", type=int, default=512, help="galaxies for the posteriors")
    arguments.add_argument("--joint", type=int, default=64, help="galaxies for the joint draws")
    arguments.add_argument("--draws", type=int, default=100, help="joint draws of each")
    arguments.add_argument("--repeat", type=int, default=3, help="the fastest of so many runs counts")
    arguments.add_argument("--wall", action="store_true", help="measure with all threads by the wall clock too")
    arguments.add_argument("--device", default="cpu")
    given = arguments.parse_args(argv)
    given.dtypes = given.dtypes or [d for d in DTYPES if d == "float32" or has_bfloat16(given.device)]
    table = mock_catalogue(given.n)
    presets = [size for size in given.sizes if size != SHIPPED_SIZE]
    widths = sorted({GalaxyConfig.preset(size).hidden_size for size in presets})
    rate = rates(widths, {name: DTYPES[name] for name in given.dtypes}, given.device)
    metrics: dict[str, Any] = {"targets": TARGETS, "matrix_operations_per_second": rate, "peer": peer_speed(given)}
    for size in given.sizes:
        for dtype in given.dtypes:
            row = measure(load(given.model, size, dtype, given.device), table, given)
            done = row["operations_per_galaxy"] * row["galaxies_per_processor_second"]
            row["fraction_of_matrix_rate"] = done / rate[dtype]["large"]
            if metrics["peer"]:
                peer = metrics["peer"]["galaxies_per_processor_second"]
                row["times_peer"] = row["galaxies_per_processor_second"] / peer
            metrics.setdefault(size, {})[dtype] = row
            print_row(f"{size} {dtype}", row)
    if metrics["peer"]:
        print(f"OJALA-like: {metrics['peer']['galaxies_per_processor_second']:,.0f} galaxies per processor second")
    data = {"galaxies": given.n, "bands": len(BANDS), "properties": len(PROPERTIES), "joint": JOINT}
    model = {"sizes": list(given.sizes), "checkpoint": given.model or "random weights of presets"}
    if SHIPPED_SIZE in given.sizes:
        model["shipped"] = model_facts(load(None, SHIPPED_SIZE, "float32", "cpu"), None)
    machine = machine_facts() | {"load_average": round(os.getloadavg()[0], 1)}
    write_report(given.out, assemble_report(model=model, data=data, machine=machine, metrics=metrics))


def load(checkpoint: str | None, size: str, dtype: str, device: str) -> GalaxyPosterior:
    """A checkpoint, or a new model of a size."""
    if checkpoint is not None or size == SHIPPED_SIZE:
        return GalaxyPosterior.from_pretrained(None if size == SHIPPED_SIZE else checkpoint, device=device, dtype=dtype)
    torch.manual_seed(0)
    model = GalaxyModel(GalaxyConfig.preset(size)).to(device)
    return GalaxyPosterior(model, GalaxyTokenizer(), dtype=dtype)


def mock_catalogue(n: int, bands: int = len(BANDS)) -> Any:
    """Fluxes of the order of those of galaxies with i near 20, observed in some bands spread over the spectrum."""
    generator = torch.Generator().manual_seed(0)
    flux = 30_000.0 * torch.exp(0.5 * torch.randn(n, len(BANDS), generator=generator))
    table = flux_table(flux, 0.03 * flux)
    chosen = torch.linspace(0, len(BANDS) - 1, bands).round().int().tolist()
    return table[[name for i in chosen for name in (BANDS[i], f"{BANDS[i]}_err")]]


def measure(galaxy: GalaxyPosterior, table: Any, given: Any) -> dict[str, float]:
    """Galaxies and draws per second, reading of the table apart."""
    posterior = galaxy.condition(table)
    few = galaxy.condition(table[: given.joint])
    asked, drawn = list(PROPERTIES), given.joint * given.draws
    jobs: dict[str, tuple[Callable[[], Any], int]] = {
        "galaxies": (lambda: posterior.summary(asked), len(table)),
        "redshifts": (lambda: posterior.quantiles("redshift", [0.16, 0.5, 0.84]), len(table)),
        "catalogue_rows": (lambda: galaxy.condition(table), len(table)),
        "joint_draws": (lambda: few.sample(given.draws, list(JOINT), seed=0), drawn),
        "joint_draws_of_all_properties": (lambda: few.sample(given.draws, asked, seed=0), drawn),
    }
    row: dict[str, float] = {"parameters": sum(p.numel() for p in galaxy.model.parameters())}
    for name, (job, count) in jobs.items():
        if given.wall:
            row[f"{name}_per_second"] = count / fastest(job, given.device, given.repeat, time.perf_counter)
        with threads(1):
            row[f"{name}_per_processor_second"] = count / fastest(job, given.device, given.repeat)
    plain = GalaxyPosterior(galaxy.model, galaxy.tokenizer).condition(table[:64])
    plain._inference.model = galaxy.model  # the twin's kernels are not counted, its products are the same
    row["operations_per_galaxy"] = operations(lambda: plain.summary(asked)) / 64
    return row


def peer_speed(given: Any) -> dict[str, float] | None:
    """The OJALA-like network, if it is here."""
    try:
        from peers.ojala import Ojala, OjalaTokens, request
    except ImportError:
        return None
    torch.manual_seed(0)
    tokens = OjalaTokens.default()
    model = Ojala(tokens).to(given.device)
    values = torch.randn(given.n, len(tokens.wavelength), device=given.device)
    known = tokens.observation.to(given.device).expand(given.n, -1)
    columns = range(len(BANDS), len(BANDS) + len(PROPERTIES))

    def job():
        return request(model, values, known, columns, wavelength_bias=True)

    row = {"galaxies_per_second": given.n / fastest(job, given.device, 2, time.perf_counter)} if given.wall else {}
    with threads(1):
        return row | {"galaxies_per_processor_second": given.n / fastest(job, given.device, 2)}


def print_row(name: str, row: dict[str, float]) -> None:
    print(
        f"{name:15s} per processor second {row['galaxies_per_processor_second']:6,.0f} galaxies, all {len(PROPERTIES)}"
        f" properties, at {100 * row['fraction_of_matrix_rate']:.0f} % of the matrix rate"
        + (f", {row['times_peer']:.1f} times the peer" if "times_peer" in row else "")
        + f"; {row['joint_draws_per_processor_second']:,.0f} joint draws of {len(JOINT)},"
        f" {row['joint_draws_of_all_properties_per_processor_second']:,.0f} of all"
        + (f"; by the wall clock {row['galaxies_per_second']:,.0f} galaxies/s" if "galaxies_per_second" in row else "")
    )


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"infer.py: {error}")
