"""Fine-tuning to a band and a property that the model never knew: what some thousand rows teach, and what it forgets.

    python -m benchmarks.finetuning      (some fifteen minutes on two cores)

WISE W1 (3.4 µm) and the mass of the central black hole, of simulated galaxies (``learning.galaxies`` says how). One
fine-tuning learns both, from 500, 2,000 and 5,000 rows; at 2,000 rows all weights, low-rank additions and the new
embeddings alone are compared. The peers are what people train on such rows alone, a small neural network and boosted
trees, one each for the band and the property. Old answers are asked before and after of the same other galaxies.
"""

from __future__ import annotations

import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import machine_facts, model_facts, parser
from benchmarks.learning.galaxies import HOLE_ERROR, RELATIONS, W1_DEPTH, Sample, simulate
from benchmarks.learning.peers import PEERS, features
from benchmarks.learning.running import HELPED, Job, finetune, old_answers
from hf_galaxy import GalaxyPosterior
from hf_galaxy.checkpoints import SHIPPED
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.variables_galaxy import FLUX_SOFTENING_NJY

SIZES = (500, 2000, 5000)
COMPARED = 2000  # rows at which the ways of training are compared
WEIGHTS = ("all", "lora", "new")
RATE = 2e-4  # chosen on galaxies of other seeds, as new_rate
TRAIN_SEED, TEST_SEED = 41, 42
ASINH_MAG = 2.5 / np.log(10)


def main(argv: Sequence[str] | None = None) -> None:
    made = parser(__doc__.splitlines()[0], "finetuning.json")
    made.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="rows to learn from")
    made.add_argument("--n-test", type=int, default=1000, help="other galaxies to test on")
    made.add_argument("--steps", type=int, default=600, help="steps of 64 galaxies, half of them replay")
    made.add_argument("--replay", default="", help="folder of simulated galaxies to replay, instead of simulating")
    made.add_argument("--processes", type=int, default=2, help="fine-tunings at the same time, of one thread each")
    given = made.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        report = run(given, Path(folder))
    write_report(given.out, report)
    from benchmarks.learning.figure import draw

    draw(given.out.with_suffix(".png"), report["metrics"])


def run(given: Namespace, folder: Path) -> dict[str, Any]:
    """Everything that is measured."""
    galaxy = GalaxyPosterior.from_pretrained(given.model)
    train, test = simulate(max(given.sizes), TRAIN_SEED), simulate(given.n_test, TEST_SEED)
    jobs = jobs_of(given, folder, train, test)
    # Processes of their own, started anew: those that are forked share the threads of torch, and hang.
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        done = dict(zip(jobs, pool.map(finetune, jobs.values()), strict=True))
    before = old_answers(galaxy, test)
    learnt = {name: {"forgotten": forgotten(before, found.pop("old")), **found} for name, found in done.items()}
    metrics = {
        "learnt": learnt,
        "peers": {f"{kind} {n}": peer(kind, train[:n], test) for kind in PEERS for n in given.sizes},
        "before": {"mean_nll": mean_of(before, "nll"), "helped": {name: before[name] for name in HELPED}},
        "best_possible": {"log_mbh": entropy_of_scatter()},
    }
    for name, row in (metrics["learnt"] | metrics["peers"]).items():
        print_row(name, row)
    data = {
        "galaxies": "simulated, mixed population, plain assumed depths",
        "seeds": {"train": TRAIN_SEED, "test": TEST_SEED},
        "sizes": list(given.sizes),
        "tested": given.n_test,
        "steps": given.steps,
        "batch_size": 64,
        "learning_rate": RATE,
        "W1_depth_ab_5_sigma": W1_DEPTH,
        "log_mbh": {"relations": RELATIONS, "error_dex": HOLE_ERROR},
    }
    return assemble_report(model=model_facts(galaxy, given.model), data=data, machine=machine_facts(), metrics=metrics)


def jobs_of(given: Namespace, folder: Path, train: Sample, test: Sample) -> dict[str, Job]:
    """All weights for every size; the other ways at one of them."""
    jobs = {}
    wanted = [("all", n) for n in given.sizes] + [
        (w, COMPARED) for w in WEIGHTS if w != "all" and COMPARED in given.sizes
    ]
    for weights, n in wanted:
        catalogue = folder / f"{n}.fits"
        if not catalogue.exists():
            train[:n].catalogue().write(catalogue)
        out, base = folder / f"{weights}_{n}", given.model or str(SHIPPED)
        jobs[f"{weights} {n}"] = Job(base, catalogue, out, given.replay, test, weights, given.steps, RATE)
    return jobs


def peer(kind: str, train: Sample, test: Sample) -> dict[str, Any]:
    """A peer that learns from the rows alone, in the units of ``new_answers``."""
    began, x, other = time.process_time(), features(train.flux, train.error), features(test.flux, test.error)
    y, truth = (np.arcsinh(f / FLUX_SOFTENING_NJY) for f in (train.w1, test.true_w1))
    error = train.w1_error / FLUX_SOFTENING_NJY / np.cosh(y)
    band = PEERS[kind](x, ASINH_MAG * y, ASINH_MAG * error, 0)(other)
    hole = PEERS[kind](x, train.hole, train.hole_error, 0)(other)
    return {
        "W1": {"nll": band.nll(ASINH_MAG * truth), "rms": _rms(band.mean - ASINH_MAG * truth)},
        "log_mbh": {"nll": hole.nll(test.true_hole), "rms": _rms(hole.mean - test.true_hole)},
        "seconds": {"processor": time.process_time() - began},
    }


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))


def mean_of(answers: dict[str, dict[str, float]], what: str) -> float:
    """Mean over the properties."""
    return float(np.mean([answer[what] for answer in answers.values()]))


def forgotten(before: dict[str, Any], after: dict[str, Any]) -> dict[str, float]:
    """How much worse old properties are answered: NLL in nats, CRPS as a ratio less one, mean and worst."""
    ratio = {name: after[name]["crps"] / before[name]["crps"] - 1 for name in before}
    worst = max(ratio, key=ratio.get)
    return {
        "nll": mean_of(after, "nll") - mean_of(before, "nll"),
        "crps": float(np.mean(list(ratio.values()))),
        "worst_crps": ratio[worst],
        "worst": worst,
    }


def entropy_of_scatter() -> dict[str, float]:
    """NLL in nats of the black hole for who knows mass and class exactly: quiescent galaxies, and the others."""
    return {name: 0.5 * float(np.log(2 * np.pi * np.e * scatter**2)) for name, (_, _, scatter) in RELATIONS.items()}


def print_row(name: str, row: dict[str, Any]) -> None:
    text = ", ".join(f"{v} NLL {row[v]['nll']:.3f} rms {row[v]['rms']:.3f}" for v in ("W1", "log_mbh"))
    lost = (
        f", old answers NLL {row['forgotten']['nll']:+.4f}, CRPS {row['forgotten']['crps']:+.2%}"
        if "forgotten" in row
        else ""
    )
    print(f"{name:20s} {text}{lost}, {row['seconds']['processor']:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
