"""Speed of training: galaxies per second of whole steps (noise, questions, forward, backward, optimiser).

    python benchmarks/train_step.py [--sizes tiny small] [--device cuda]

The peer is the OJALA-like network with its own masking and loss, at the same batch, precision and threads. Galaxies are
random: speed does not depend on them. All contenders take turns, round after round, so that a busy machine slows all of
them alike; the median round counts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import RESULTS, machine_facts
from matrix_rate import operations, rates
from peers.ojala import Ojala, OjalaTokens, Standardiser
from peers.ojala import loss as ojala_loss

from hf_galaxy.configuration_galaxy import GalaxyConfig
from hf_galaxy.data.conditioning import Conditioner
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.modeling_galaxy import GalaxyModel
from hf_galaxy.physics.noise import NoiseModel
from hf_galaxy.training.batches import inputs_of
from hf_galaxy.training.optimization import WeightAverage, make_optimizer
from hf_galaxy.training.settings import RATES_OF_SIZE
from hf_galaxy.twin import DTYPES
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, Variable, default_variables

TARGET = {"tiny": 500.0}  # galaxies/s on two CPU cores
ROWS = 8192
COUNTED = 8  # steps whose operations are counted: contexts and questions differ in size


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=["tiny", "small"])
    parser.add_argument("--batch", type=int, help="galaxies a step; default: that of the size")
    parser.add_argument("--steps", type=int, default=10, help="steps of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("bf16", "no"), default="bf16")
    parser.add_argument("--out", type=Path, default=RESULTS / "train_step.json")
    given = parser.parse_args(argv)
    rows = random_galaxies(ROWS)
    contenders: dict[str, dict[str, Any]] = {}
    for size in given.sizes:
        batch = given.batch or RATES_OF_SIZE[size]["batch_size"]
        contenders[size] = galaxy_contender(size, rows, batch, given)
        contenders[f"ojala, batch {batch}"] = ojala_contender(rows, batch, given)
    metrics = compete(contenders, given)
    kind = "bfloat16" if given.precision == "bf16" else "float32"
    rate = rates([GalaxyConfig.preset(size).hidden_size for size in given.sizes], {kind: DTYPES[kind]}, given.device)
    for name, row in metrics.items():
        row["operations_per_galaxy"] = products(contenders[name], given)
        done = row["operations_per_galaxy"] * row["galaxies_per_processor_second"]
        row["fraction_of_matrix_rate"] = done / rate[kind]["large"]
    report(metrics, rate, given)


def random_galaxies(n: int) -> GalaxyTable:
    """Galaxies of log-normal fluxes and properties around their centres."""
    generator = torch.Generator().manual_seed(0)
    variables = [v for v in default_variables() if v.kind == "property"]
    flux = torch.exp(
        9.0 + torch.randn(n, 1, generator=generator) + 0.3 * torch.randn(n, len(BANDS), generator=generator)
    )
    centers = torch.tensor([v.inverse(0.0) for v in variables])
    properties = centers * torch.exp(0.1 * torch.randn(n, len(PROPERTIES), generator=generator))
    return GalaxyTable(flux, properties, torch.zeros(n, dtype=torch.int64))


def galaxy_contender(size: str, rows: GalaxyTable, batch: int, given: argparse.Namespace) -> dict[str, Any]:
    """A step of our model, all that training does included."""
    torch.manual_seed(0)
    attention = "eager" if given.device == "cpu" else "sdpa"
    model = GalaxyModel._from_config(GalaxyConfig.preset(size), attn_implementation=attention).to(given.device)
    noise = NoiseModel(bands=BANDS, device=given.device)
    draw = Conditioner([Variable(**v) for v in model.config.variables], device=given.device).draw
    average = WeightAverage(model.parameters(), 0.999)

    def loss(step: int, generator: torch.Generator) -> torch.Tensor:
        part = rows[torch.arange(step * batch, (step + 1) * batch) % ROWS].to(given.device)
        average.update(step)
        return model(**inputs_of(part, noise.observe, draw, generator)).loss

    return {"loss": loss, "model": model, "batch": batch, "optimizer": "auto"}


def ojala_contender(rows: GalaxyTable, batch: int, given: argparse.Namespace) -> dict[str, Any]:
    """A step of the peer."""
    torch.manual_seed(0)
    tokens = OjalaTokens.default()
    model = Ojala(tokens).to(given.device)
    noise = NoiseModel(bands=BANDS, device=given.device)
    seen = noise.observe(rows.flux.to(given.device), torch.Generator(given.device).manual_seed(0)).flux.cpu()
    standardiser = Standardiser(tokens, seen, rows.properties)

    def loss(step: int, generator: torch.Generator) -> torch.Tensor:
        part = rows[torch.arange(step * batch, (step + 1) * batch) % ROWS].to(given.device)
        flux = noise.observe(part.flux, generator).flux
        values, known = standardiser(flux.cpu(), part.properties.cpu())
        return ojala_loss(model, standardiser, values.to(given.device), known.to(given.device), generator)

    return {"loss": loss, "model": model, "batch": batch, "optimizer": "adamw"}


def stepper(contender: dict[str, Any], given: argparse.Namespace) -> Callable[[int], None]:
    """Forward, backward, clip, and the optimiser that each is trained with."""
    model = contender["model"].train()
    optimizer = make_optimizer(model, 1e-4, 0.01, (0.9, 0.98), contender["optimizer"])

    def step(number: int) -> None:
        generator = torch.Generator(given.device).manual_seed(number)
        with torch.autocast(torch.device(given.device).type, torch.bfloat16, enabled=given.precision == "bf16"):
            value = contender["loss"](number, generator)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def products(contender: dict[str, Any], given: argparse.Namespace) -> float:
    """Operations a galaxy in the matrix products of forward and backward passes, the mean over some steps."""

    def passes() -> None:
        for number in range(COUNTED):
            contender["loss"](number, torch.Generator(given.device).manual_seed(number)).backward()

    return operations(passes) / (COUNTED * contender["batch"])


def compete(contenders: dict[str, dict[str, Any]], given: argparse.Namespace) -> dict[str, Any]:
    """Median over the rounds of galaxies per second, and per second of processor time."""
    steps = {name: stepper(contender, given) for name, contender in contenders.items()}
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for turn in range(given.rounds + 1):
        for name, step in steps.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for number in range(turn * given.steps, (turn + 1) * given.steps):
                step(number)
            if given.device != "cpu":
                torch.cuda.synchronize()
            seen = given.steps * contenders[name]["batch"]
            rates[name].append((seen / (time.perf_counter() - wall), seen / (time.process_time() - cpu)))
    return {
        name: {
            "parameters": sum(p.numel() for p in contenders[name]["model"].parameters()),
            "batch": contenders[name]["batch"],
            "galaxies_per_second": statistics.median(r[0] for r in rounds[1:]),
            "galaxies_per_processor_second": statistics.median(r[1] for r in rounds[1:]),
        }
        for name, rounds in rates.items()
    }


def report(metrics: dict[str, Any], rate: dict[str, Any], given: argparse.Namespace) -> None:
    """Print a row a contender, and write the result."""
    for name, row in metrics.items():
        print(
            f"{name:20s} {row['parameters'] / 1e6:5.2f} M  batch {row['batch']:5d}"
            f" {row['galaxies_per_second']:9,.0f} galaxies/s,"
            f" {row['galaxies_per_processor_second']:9,.0f} per processor second,"
            f" {100 * row['fraction_of_matrix_rate']:3.0f} % of the matrix rate"
        )
    machine = machine_facts() | {"load_average": round(os.getloadavg()[0], 1)}
    settings = {"device": given.device, "precision": given.precision, "steps": given.steps, "rounds": given.rounds}
    data = {"galaxies": "random", "bands": len(BANDS), "properties": len(PROPERTIES)}
    measured = {"targets": TARGET, "contenders": metrics, "matrix_operations_per_second": rate}
    write_report(given.out, assemble_report(model=settings, data=data, machine=machine, metrics=measured))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"train_step.py: {error}")
