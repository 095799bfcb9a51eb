"""Where the time of an answer and of a training step goes, in processor time of one thread.

    python benchmarks/where_time_goes.py [--sizes tiny small]

Inference: quantiles of all properties from 62 bands, a piece of as many galaxies as `inference.py` takes, in every type
that the machine has; reading the table, which depends on its format, is apart (`infer.py`). Training: whole steps of
the first size, in bfloat16 where the machine has it. Weights and galaxies are random. Each part is the fastest of some
runs; of a training step, whose parts differ in size, the mean.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import RESULTS, machine_facts
from infer import load, mock_catalogue
from matrix_rate import rates
from train_step import random_galaxies

from hf_galaxy import GalaxyConfig, GalaxyModel
from hf_galaxy.coordinates_galaxy import Coordinates
from hf_galaxy.data.conditioning import Conditioner
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.inference import ROWS_ON_CPU
from hf_galaxy.physics.noise import NoiseModel
from hf_galaxy.training.batches import inputs_of
from hf_galaxy.training.optimization import WeightAverage, make_optimizer
from hf_galaxy.training.settings import RATES_OF_SIZE
from hf_galaxy.twin import DTYPES, has_bfloat16
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, Variable

LEVELS = (0.16, 0.5, 0.84)


class Clock:
    """Seconds of named parts, one entry a run."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = defaultdict(list)

    def __call__(self, name: str, job: Callable[[], Any]) -> Any:
        start = time.thread_time()
        result = job()
        self.spent[name].append(time.thread_time() - start)
        return result


def main(argv: list[str] | None = None) -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--sizes", nargs="+", default=["tiny", "small"])
    arguments.add_argument("--repeat", type=int, default=4)
    arguments.add_argument("--steps", type=int, default=24, help="of training, after a quarter as many to warm up")
    arguments.add_argument("--out", type=Path, default=RESULTS / "where_time_goes.json")
    given = arguments.parse_args(argv)
    torch.set_num_threads(1)
    dtypes = {name: dtype for name, dtype in DTYPES.items() if name == "float32" or has_bfloat16("cpu")}
    widths = [GalaxyConfig.preset(size).hidden_size for size in given.sizes]
    metrics: dict[str, Any] = {"matrix_operations_per_second": rates(widths, dtypes), "microseconds_per_galaxy": {}}
    for size in given.sizes:
        for dtype in dtypes:
            metrics["microseconds_per_galaxy"][f"answers, {size}, {dtype}"] = answers(size, dtype, given.repeat)
    name = f"training, {given.sizes[0]}, batch {RATES_OF_SIZE[given.sizes[0]]['batch_size']}"
    metrics["microseconds_per_galaxy"][name] = training(given.sizes[0], given.steps, "bfloat16" in dtypes)
    for name, parts in metrics["microseconds_per_galaxy"].items():
        total = sum(parts.values())
        print(f"{name}: {total:.0f} µs a galaxy")
        print(
            "".join(f"    {part:26s} {spent:8.0f} µs {100 * spent / total:5.0f} %\n" for part, spent in parts.items())
        )
    data = {"galaxies": "random", "bands": len(BANDS), "properties": len(PROPERTIES), "piece": ROWS_ON_CPU}
    machine = machine_facts() | {"load_average": round(os.getloadavg()[0], 1)}
    model = {"checkpoint": "random weights", "sizes": given.sizes}
    write_report(given.out, assemble_report(model=model, data=data, machine=machine, metrics=metrics))


def answers(size: str, dtype: str, repeat: int) -> dict[str, float]:
    """Microseconds a galaxy of the parts of one piece of a catalogue."""
    galaxy, clock = load(None, size, dtype, "cpu"), Clock()
    table, names = mock_catalogue(ROWS_ON_CPU), list(PROPERTIES)
    ids = galaxy._tokens(*names).expand(ROWS_ON_CPU, -1)
    coordinates = Coordinates([galaxy.tokenizer.variable(name) for name in names], torch.float64)
    posterior = galaxy.condition(table)
    for _ in range(repeat + 1):
        with torch.inference_mode():
            _piece(clock, posterior, ids, coordinates)
    return {name: 1e6 * min(times[1:]) / ROWS_ON_CPU for name, times in clock.spent.items()}


def _piece(clock: Clock, posterior: Any, ids: torch.Tensor, coordinates: Coordinates) -> None:
    model = posterior._inference.model
    tokens = clock("tokens", lambda: posterior.evidence.tokens(slice(None)))
    embedded = clock("embedding", lambda: model.embeddings(*tokens))
    # What is encoded is embedded again inside: the encoder is the difference.
    context = clock("embedding and encoder", lambda: model.encode(*tokens))
    logits = clock("questions and head", lambda: model.answer(context, ids))
    errors = torch.zeros(ids.shape)
    density = clock("densities", lambda: model.density(logits, ids, errors, embedded[2]))
    t = clock("quantiles", lambda: density.unsqueeze(2).quantile(torch.tensor(LEVELS)))
    clock("physical units", lambda: [coordinates.inverse(x) for x in t.double().unbind(-1)])
    both, once = clock.spent.pop("embedding and encoder"), clock.spent["embedding"]
    clock.spent["encoder"].append(both[-1] - once[-1])


def training(size: str, steps: int, has_bf16: bool) -> dict[str, float]:
    """Microseconds a galaxy of the parts of a step of training."""
    torch.manual_seed(0)
    batch, clock = RATES_OF_SIZE[size]["batch_size"], Clock()
    model = GalaxyModel._from_config(GalaxyConfig.preset(size), attn_implementation="eager").train()
    rows, noise = random_galaxies(16 * batch), NoiseModel(bands=BANDS)
    draw = Conditioner([Variable(**v) for v in model.config.variables]).draw
    optimizer, average = (
        make_optimizer(model, 1e-4, 0.01, (0.9, 0.98), "auto"),
        WeightAverage(model.parameters(), 0.999),
    )
    for step in range(steps + steps // 4):
        if step == steps // 4:
            clock.spent.clear()
        generator = torch.Generator().manual_seed(step)
        part = rows[torch.arange(step * batch, (step + 1) * batch) % len(rows)]
        inputs = clock("noise and questions", lambda p=part, g=generator: inputs_of(p, noise.observe, draw, g))
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bf16):
            loss = clock("forward", lambda i=inputs: model(**i).loss)
        clock("backward", loss.backward)
        clock("clipping", lambda: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))
        for each in getattr(optimizer, "optimizers", [optimizer]):
            clock(type(each).__name__, each.step)
        clock("mean weights", lambda n=step: average.update(n))
        optimizer.zero_grad(set_to_none=True)
    return {name: 1e6 * sum(times) / len(times) / batch for name, times in clock.spent.items()}


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"where_time_goes.py: {error}")
