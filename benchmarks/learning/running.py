"""One fine-tuning as ``train.py --stage finetune`` does it, and what the model answers then: a job of a process."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.utils import logging

from benchmarks.learning.galaxies import HOLE, W1, Sample
from hf_galaxy import GalaxyPosterior
from hf_galaxy.coordinates_galaxy import Coordinates
from hf_galaxy.evaluation.calibration import crps_from_quantiles
from hf_galaxy.training.settings import TrainSettings
from hf_galaxy.training.stages import build_stage
from hf_galaxy.variables_galaxy import PROPERTIES

LEVELS = np.array([0.01, 0.04, 0.1, 0.16, 0.25, 0.36, 0.5, 0.64, 0.75, 0.84, 0.9, 0.96, 0.99])
ROWS_AT_ONCE = 256
HELPED = ("redshift", "log_mstar", "log_sfr")  # which W1 may tell something about


@dataclass(frozen=True)
class Job:
    """A fine-tuning, and the galaxies that the model is tested on.

    Attributes:
        base: Folder or Hub id of the model.
        catalogue: File to learn from.
        out: Folder of the result.
        replay: Folder of simulated galaxies to replay; empty: they are simulated as it goes.
        test: Galaxies with their truth.
        weights, steps, lr: Of the run.
    """

    base: str
    catalogue: Path
    out: Path
    replay: str
    test: Sample
    weights: str = "all"
    steps: int = 200
    lr: float = 2e-4
    more: Mapping[str, Any] = field(default_factory=dict)


def finetune(job: Job) -> dict[str, Any]:
    """Learn, load what was saved, ask."""
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    settings = TrainSettings(
        stage="finetune",
        init_from=job.base,
        data=str(job.catalogue),
        out=str(job.out),
        steps=job.steps,
        lr=job.lr,
        batch_size=64,
        valid_every=100,
        valid_rows=256,
        tracker="none",
        num_threads=1,
        finetuning={"variables": [W1, HOLE], "weights": job.weights, "replay_data": job.replay},
        **job.more,
    )
    clock, processor = time.monotonic(), time.process_time()
    with contextlib.redirect_stderr(io.StringIO()):
        build_stage(settings).run()
    seconds = {"wall": time.monotonic() - clock, "processor": time.process_time() - processor}
    galaxy = GalaxyPosterior.from_pretrained(str(job.out))
    return {**new_answers(galaxy, job.test), "old": old_answers(galaxy, job.test), "seconds": seconds}


def new_answers(galaxy: GalaxyPosterior, test: Sample) -> dict[str, Any]:
    """How well the new variables are answered from the 62 bands, and what W1 adds as evidence."""
    truth = {"W1": test.true_w1, "log_mbh": test.true_hole}
    found = {}
    for name, (nll, quantiles, t) in asked(galaxy, test, truth).items():
        v = galaxy.tokenizer.variable(name)
        # W1 in arcsinh magnitudes, the black hole in dex: natural units of people, and of the peers.
        unit = {"W1": v.scale * 2.5 / np.log(10), "log_mbh": v.scale}[name]
        wrong = unit * (quantiles[:, len(LEVELS) // 2] - t)
        found[name] = {"nll": float(nll.mean() + np.log(unit)), "rms": float(np.sqrt(np.mean(wrong**2)))}
    known = {name: test.properties[:, PROPERTIES.index(name)] for name in HELPED}
    found["helped"] = {
        name: {"nll": float(nll.mean()), "crps": _crps(quantiles, t)}
        for name, (nll, quantiles, t) in asked(galaxy, test, known, with_w1=True).items()
    }
    return found


def old_answers(galaxy: GalaxyPosterior, test: Sample) -> dict[str, Any]:
    """NLL and CRPS of every old property from the 62 bands, in token coordinates."""
    truth = {name: test.properties[:, i] for i, name in enumerate(PROPERTIES)}
    return {
        name: {"nll": float(nll.mean()), "crps": _crps(quantiles, t)}
        for name, (nll, quantiles, t) in asked(galaxy, test, truth).items()
    }


def _crps(quantiles: np.ndarray, t: np.ndarray) -> float:
    return float(crps_from_quantiles(quantiles, LEVELS, t).mean())


@torch.inference_mode()
def asked(
    galaxy: GalaxyPosterior, test: Sample, truth: Mapping[str, np.ndarray], with_w1: bool = False
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """By name: NLL of the truth (n,), quantiles (n, levels) at ``LEVELS`` and truth (n,), all in token coordinates."""
    catalogue = test.catalogue()
    if not with_w1:
        catalogue.remove_columns(["W1", "W1_err"])
    evidence, names = galaxy.condition(catalogue).evidence, list(truth)
    variables = [galaxy.tokenizer.variable(name) for name in names]
    t = Coordinates(variables, torch.float64).forward(torch.tensor(np.stack(list(truth.values()), 1))).float()
    tokens = torch.tensor(galaxy.tokenizer.convert_tokens_to_ids(names))
    parts: Sequence[tuple[torch.Tensor, torch.Tensor]] = []
    for start in range(0, len(test), ROWS_AT_ONCE):
        rows = slice(start, min(start + ROWS_AT_ONCE, len(test)))
        context = galaxy.model.encode(*evidence.tokens(rows))
        questions = tokens.expand(len(context.reference), -1)
        exact = torch.zeros(questions.shape)
        logits = galaxy.model.answer(context, questions)
        density = galaxy.model.density(logits, questions, exact, context.reference)
        log_prob = galaxy.model.log_prob(logits, questions, exact, context.reference, t[rows])
        quantiles = torch.stack([density.quantile(torch.tensor(float(level))) for level in LEVELS], dim=-1)
        parts.append((-log_prob, quantiles))
    nll, quantiles = (torch.cat(columns).double().numpy() for columns in zip(*parts, strict=True))
    return {name: (nll[:, i], quantiles[:, i], t[:, i].double().numpy()) for i, name in enumerate(names)}


__all__ = ["HELPED", "Job", "asked", "finetune", "new_answers", "old_answers"]
