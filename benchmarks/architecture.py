"""Designs of the model compared at a fixed number of galaxies seen, by what they learn and what they cost.

    python -m benchmarks.architecture --data TRAIN --valid VALID            (trains what is not in the result yet)
    python -m benchmarks.architecture --data TRAIN --valid VALID --warm     (training choices, from the checkpoint on)
    python -m benchmarks.architecture --report                              (table and figure of what has been run)

Every variant but *as it is now* differs in one thing from the model as it was when the comparison began. All see the
same galaxies in the same order with the same noise; what is held out is observed once, the same for all. Runs are
appended to the result as they finish, so that the command can be stopped and given again. One thread; costs are seconds
of the processor, not of the clock.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmarks.harness import RESULTS, machine_facts
from benchmarks.variants.registry import BASELINE, NEW_HEADS, VARIANTS, Variant
from benchmarks.variants.reporting import draw, table
from benchmarks.variants.trial import measure, train
from hf_galaxy.checkpoints import SHIPPED
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.evaluation.report import assemble_report, read_report, write_report
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.variables_galaxy import BANDS

TRAIN_ROWS, HELD_ROWS = 200_000, 2048  # of the galaxies


def main(argv: list[str] | None = None) -> None:
    given = arguments().parse_args(argv)
    if given.report:
        runs = known_runs(given.out)
        print(table(runs))
        draw(runs, given.out.with_suffix(".png"))
        return
    if not (given.data and given.valid):
        raise ValueError("--data and --valid name folders of galaxies to train on and to measure with")
    torch.set_num_threads(1)
    galaxies, held = GalaxyTable.load(given.data)[:TRAIN_ROWS], GalaxyTable.load(given.valid)[:HELD_ROWS]
    observe = NoiseModel(NoiseSettings.survey(), BANDS).observe
    start = load_file(Path(given.checkpoint) / "model.safetensors") if given.warm else None
    spent = time.process_time()
    for variant, seed in wanted(given):
        if time.process_time() - spent > 60 * given.minutes:
            print(f"stopped after {given.minutes:g} minutes of the processor; give the command again to go on")
            break
        model, average, seconds = train(variant, galaxies, observe, given.galaxies, seed, start)
        raw = measure(model, held, observe, brief=True)["nll"]
        with average:
            figures = measure(model, held, observe)
        run = {
            **key(variant, seed, given),
            "group": variant.group,
            "against": variant.against,
            "parameters": sum(p.numel() for p in model.parameters()),
            "train_seconds": seconds,
            "nll_without_average": raw,
            **figures,
        }
        keep(given, run, len(held))
        print(f"{variant.name:36s} seed {seed}  NLL {run['nll']:+.4f}  {seconds:5.0f} s", flush=True)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of galaxies to train on")
    parser.add_argument("--valid", help="folder of galaxies that no run sees, to measure with")
    parser.add_argument("--galaxies", type=int, default=12_800, help="galaxies that every run sees")
    parser.add_argument("--only", nargs="+", help="names of variants; default: all")
    parser.add_argument("--seeds", type=int, help="runs of each; default: as many as the variant wants")
    parser.add_argument("--warm", action="store_true", help="start from a checkpoint: training choices and new heads")
    parser.add_argument("--checkpoint", default=SHIPPED, help="folder to start from")
    parser.add_argument("--minutes", type=float, default=75, help="of the processor; no run is begun after them")
    parser.add_argument("--out", type=Path, default=RESULTS / "architecture.json")
    parser.add_argument("--report", action="store_true", help="train nothing; table and figure")
    return parser


def checkpoint_digest(folder: str | Path) -> str:
    """Which weights a warm run started from."""
    return hashlib.sha256((Path(folder) / "model.safetensors").read_bytes()).hexdigest()[:12]


def wanted(given: argparse.Namespace) -> Iterator[tuple[Variant, int]]:
    """Variants and seeds that are not in the result: first seeds of all, then second ones."""
    variants = [v for v in VARIANTS if v.warm] + list(NEW_HEADS) if given.warm else VARIANTS
    names = [v.name for v in variants]
    for name in given.only or ():
        if name not in names:
            raise ValueError(f"--only: no variant {name!r}; there are {', '.join(names)}")
    variants = [v for v in variants if not given.only or v.name in given.only]
    for seed in range(given.seeds or max(v.seeds for v in variants)):
        for variant in variants:
            mine = key(variant, seed, given)
            done = [{k: run.get(k) for k in mine} for run in known_runs(given.out)]
            if seed < (given.seeds or variant.seeds) and mine not in done:
                yield variant, seed


def key(variant: Variant, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """What tells a run from the others."""
    run = {"name": variant.name, "seed": seed, "galaxies": given.galaxies, "warm": given.warm}
    return run | ({"checkpoint": checkpoint_digest(given.checkpoint)} if given.warm else {})


def known_runs(out: Path) -> list[dict[str, Any]]:
    return read_report(out)["metrics"]["runs"] if out.exists() else []


def keep(given: argparse.Namespace, run: dict[str, Any], held: int) -> None:
    """Append a run to the result."""
    data = {"train": Path(given.data).name, "valid": Path(given.valid).name, "held_out": held, "noise": "survey"}
    metrics = {"runs": [*known_runs(given.out), run]}
    model = {"baseline": BASELINE, "size": "tiny"}
    write_report(given.out, assemble_report(model=model, data=data, machine=machine_facts(), metrics=metrics))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"architecture: error: {error}")
