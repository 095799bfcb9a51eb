"""Training on several processes: what is measured here, and what is computed for many GPUs, each under its own name.

    python benchmarks/training_scaling.py [--processes 1 2] [--size tiny] [--batch 64] [--rounds 3]

Measured: the loop of ``train.py`` on this machine, on GPUs where there are as many, else on processors (gloo). Every
process has the same number of galaxies a step (weak scaling); runs with one process and with several take turns, so
that a busy machine slows both. Processes that share cores cannot be faster than the cores: the rate in processor time
shows what the exchange of gradients costs, the rate in real time what the machine gives.

Computed: one step on a GPU from its floating-point operations (counted) and a rate (assumed), the all-reduce of the
gradient from the formula of a ring (Patarasuk & Yuan 2009), 2 (N - 1) / N bytes / bandwidth + 2 (N - 1) latencies,
within a node and between nodes. Bandwidths are those of the data sheets times a usual efficiency; a step that is slower
than assumed (launching small kernels takes time) hides more of the exchange and scales better. No such machine was
measured; the formula is checked on the machine here with its own bandwidth.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from harness import RESULTS, machine_facts
from torch.utils.flop_counter import FlopCounterMode
from train_step import random_galaxies

from hf_galaxy.configuration_galaxy import GalaxyConfig
from hf_galaxy.data.conditioning import Conditioner
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.modeling_galaxy import GalaxyModel
from hf_galaxy.physics.noise import NoiseModel
from hf_galaxy.training.batches import Batcher
from hf_galaxy.training.loop import Loop
from hf_galaxy.training.settings import TrainSettings
from hf_galaxy.training.sources import SequenceSource, TableSequence
from hf_galaxy.variables_galaxy import BANDS, Variable

STEPS = 8  # of a round; the first round of every process is not counted


@dataclass(frozen=True)
class Cluster:
    """GPUs as the computation assumes them; nothing here was measured.

    Attributes:
        flops: Rate that a step reaches, in operations a second: 5 % of 990e12 (H100 and H200, dense bf16), because the
            matrices are small.
        within, between: Bytes a second of an all-reduce inside a node (NVLink, 450e9) and of a GPU's share of the net
            between nodes (400 Gb/s, 50e9), each at 70 %.
        latency_within, latency_between: Seconds of one hop.
        of_a_node: GPUs of a node.
    """

    flops: float = 0.05 * 990e12
    within: float = 0.7 * 450e9
    between: float = 0.7 * 50e9
    latency_within: float = 5e-6
    latency_between: float = 15e-6
    of_a_node: int = 8


def ring(members: int, size: float, bandwidth: float, latency: float) -> float:
    """Seconds of an all-reduce of ``size`` bytes among the members of a ring."""
    if members == 1:
        return 0.0
    return 2 * (members - 1) / members * size / bandwidth + 2 * (members - 1) * latency


def all_reduce(gpus: int, size: float, c: Cluster) -> float:
    """Seconds on a cluster: within every node, then between nodes with a share of the gradient for every GPU."""
    inside, nodes = min(gpus, c.of_a_node), -(-gpus // c.of_a_node)
    shared = ring(nodes, size / inside, c.between, c.latency_between)
    return ring(inside, size, c.within, c.latency_within) + shared


def computed(size: str, batch: int, gpus: list[int], cluster: Cluster) -> dict[str, Any]:
    """Galaxies per second on many GPUs with ``batch`` galaxies each.

    The exchange is either wholly beside the backward pass (two thirds of a step), or wholly after it: the truth lies
    between the two.
    """
    operations, parameters = flops_of_a_galaxy(size)
    step = operations * batch / cluster.flops
    rows = {}
    for n in gpus:
        exchange = all_reduce(n, 4.0 * parameters, cluster)
        hidden, shown = step + max(0.0, exchange - 2 / 3 * step), step + exchange
        rows[str(n)] = {
            "exchange_seconds": exchange,
            "efficiency_lowest": step / shown,
            "efficiency_highest": step / hidden,
            "galaxies_per_second_lowest": n * batch / shown,
            "galaxies_per_second_highest": n * batch / hidden,
        }
    return {
        "parameters": parameters,
        "operations_a_galaxy": operations,
        "galaxies_a_gpu_and_step": batch,
        "step_seconds": step,
        "gpus": rows,
    }


def flops_of_a_galaxy(size: str) -> tuple[float, int]:
    """Floating-point operations of forward and backward pass for a galaxy, in the mean over batches; parameters."""
    galaxies, steps = 4, 8  # batches show more or less of their galaxies
    model, batches = parts(size, galaxies, galaxies, torch.device("cpu"))
    with FlopCounterMode(display=False) as counter:
        for step in range(steps):
            model(**batches(step, 0)).loss.backward()
    return counter.get_total_flops() / (galaxies * steps), sum(p.numel() for p in model.parameters())


def parts(size: str, batch_size: int, micro_batch: int, device: torch.device) -> tuple[GalaxyModel, Batcher]:
    """A new model and batches of random galaxies."""
    torch.manual_seed(0)
    attention = "eager" if device.type == "cpu" else "sdpa"
    model = GalaxyModel._from_config(GalaxyConfig.preset(size), attn_implementation=attention)
    source = SequenceSource(TableSequence(random_galaxies(2048), 0), batch_size, micro_batch)
    draw = Conditioner([Variable(**v) for v in model.config.variables], device=device).draw
    return model, Batcher(source, NoiseModel(bands=BANDS, device=device).observe, draw, 0, device)


class Clocked:
    """Batches that note the time, real and of the processor, at which each was asked for."""

    def __init__(self, batches: Batcher) -> None:
        self.batches, self.marks = batches, []

    def __call__(self, step: int, unit: int) -> dict[str, torch.Tensor]:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.marks.append((time.perf_counter(), time.process_time()))
        return self.batches(step, unit)


def worker(size: str, batch: int, rounds: int) -> None:
    """One process of a measured run; the main one prints what it found as JSON."""
    torch.set_num_threads(1)
    accelerator = Accelerator(mixed_precision="bf16")
    accelerator.end_training = lambda: None  # it would part the processes, which have a sum to make
    many, device = accelerator.num_processes, accelerator.device
    model, batches = parts(size, batch * many, batch, device)
    clocked = Clocked(batches)
    plan = {"steps": STEPS * (rounds + 1) + 1, "batch_size": batch * many, "micro_batch": batch, "tracker": "none"}
    with tempfile.TemporaryDirectory() as out:
        settings = TrainSettings(online=True, size=size, out=out, valid_every=10**9, log_every=10**9, **plan)
        Loop(model, clocked, [], lambda folder, record: None, settings, accelerator).run()
    marks = torch.tensor(clocked.marks[STEPS::STEPS], dtype=torch.float64, device=device).diff(dim=0)
    used = accelerator.reduce(marks[:, 1].contiguous(), "sum")
    exchange = exchange_seconds(accelerator, sum(p.numel() for p in model.parameters()))
    if accelerator.is_main_process:
        galaxies = STEPS * batch * many
        rates = {"real": (galaxies / marks[:, 0]).tolist(), "processor": (galaxies / used).tolist()}
        print("\n" + json.dumps({"rates": rates, "exchange_seconds": exchange}))


def exchange_seconds(accelerator: Accelerator, count: int) -> float:
    """Median seconds of an all-reduce of so many floats, with nothing beside it."""
    gradient, seconds = torch.ones(count, device=accelerator.device), []
    for _ in range(12 if accelerator.num_processes > 1 else 0):
        accelerator.wait_for_everyone()
        began = time.perf_counter()
        torch.distributed.all_reduce(gradient)
        if gradient.is_cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[2:]) if seconds else 0.0


def launch(processes: int, given: argparse.Namespace) -> dict[str, Any]:
    """Run the worker in so many processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", port]
    here = [str(Path(__file__).resolve()), "--worker", "--size", given.size, "--batch", str(given.batch)]
    cpu = torch.cuda.device_count() < processes
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | ({"ACCELERATE_USE_CPU": "true"} if cpu else {})
    done = subprocess.run([sys.executable, *torchrun, *here], env=environment, capture_output=True, text=True)
    if done.returncode:
        own = [line for line in done.stderr.splitlines() if "training_scaling.py: " in line or "Error: " in line]
        raise ValueError(f"{processes} processes: {(own or ['failed'])[0]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """Median rates of all turns, and what the formula makes of the measured exchange."""
    found: dict[int, list[dict[str, Any]]] = {n: [] for n in given.processes}
    for _ in range(given.rounds):
        for n in given.processes:
            found[n].append(launch(n, given))
    rows = {}
    for n, runs in found.items():
        rows[n] = {
            f"galaxies_per_{kind}second": statistics.median(r for run in runs for r in run["rates"][name])
            for kind, name in (("", "real"), ("processor_", "processor"))
        }
        rows[n]["exchange_seconds"] = statistics.median(run["exchange_seconds"] for run in runs)
        rows[n]["step_seconds"] = n * given.batch / rows[n]["galaxies_per_second"]
    alone = rows[min(rows)]
    for n, row in rows.items():
        row["efficiency_real"] = row["galaxies_per_second"] / (n * alone["galaxies_per_second"])
        row["efficiency_processor"] = row["galaxies_per_processor_second"] / alone["galaxies_per_processor_second"]
        row["efficiency_by_the_formula_lowest"] = alone["step_seconds"] / (
            alone["step_seconds"] + row["exchange_seconds"]
        )
    return {str(n): row for n, row in rows.items()}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--size", default="tiny", help="of the measured runs")
    parser.add_argument("--batch", type=int, default=64, help="galaxies a process and step, measured")
    parser.add_argument("--rounds", type=int, default=3, help="turns of every number of processes")
    parser.add_argument("--gpus", nargs="+", type=int, default=[1, 8, 16, 32, 64], help="computed")
    parser.add_argument("--gpu-batch", type=int, default=256, help="galaxies a GPU and step, computed")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULTS / "training_scaling.json")
    given = parser.parse_args(argv)
    if given.worker:
        return worker(given.size, given.batch, 2)
    load, cluster = round(os.getloadavg()[0], 1), Cluster()
    metrics = {
        "measured": measured(given),
        "computed": {size: computed(size, given.gpu_batch, given.gpus, cluster) for size in ("tiny", "small", "base")},
    }
    report(metrics)
    settings = {"size": given.size, "precision": "bf16", "galaxies_a_process": given.batch, "steps_a_round": STEPS}
    metrics["computed"]["assumed"] = asdict(cluster)
    machine, data = machine_facts() | {"load_average": load}, {"galaxies": "random"}
    write_report(given.out, assemble_report(model=settings, data=data, machine=machine, metrics=metrics))


def report(metrics: dict[str, Any]) -> None:
    """Print both tables."""
    print("measured here")
    for n, row in metrics["measured"].items():
        print(
            f"  {n:>3s} processes {row['galaxies_per_second']:9,.0f} galaxies/s"
            f" {row['galaxies_per_processor_second']:9,.0f} per processor second, exchange"
            f" {1e3 * row['exchange_seconds']:.1f} ms, efficiency {row['efficiency_real']:.2f} in real time,"
            f" {row['efficiency_processor']:.2f} in processor time"
        )
    print("computed, not measured")
    for size, table in metrics["computed"].items():
        for n, row in table["gpus"].items():
            print(
                f"  {size:5s} {n:>3s} GPUs {row['galaxies_per_second_lowest']:12,.0f} to"
                f" {row['galaxies_per_second_highest']:12,.0f} galaxies/s, efficiency"
                f" {row['efficiency_lowest']:.2f} to {row['efficiency_highest']:.2f}"
            )


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"training_scaling.py: {error}")
