"""One adaptation as ``train.py --stage adapt`` does it, and the redshifts that it gives: a job of a process."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.utils import logging

from benchmarks.adapting.measuring import Redshifts, redshifts
from hf_galaxy import GalaxyPosterior
from hf_galaxy.training.settings import TrainSettings
from hf_galaxy.training.stages import build_stage

SURVEY = "target"


@dataclass(frozen=True)
class Job:
    """An adaptation, and what is asked of the model that comes of it.

    Attributes:
        base: Folder or Hub id of the model.
        data, replay, out: Folders: of the survey, of simulated galaxies (half of every batch, or None), of the result.
        tests: Name to (flux (n, 62), flux_error, redshift (n,), survey to be told or None).
        settings: Of the run; those of the adaptation under ``adaptation``.
    """

    base: str
    data: Path
    replay: Path | None
    out: Path
    tests: Mapping[str, tuple[NDArray, NDArray, NDArray, str | None]]
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """What comes of a job: answers by test, the calibration of the survey, and the seconds of the adaptation."""

    answers: dict[str, Redshifts]
    calibration: dict[str, dict[str, float]]
    seconds: float


def adapt(job: Job) -> Done:
    """Adapt, load what was saved, ask."""
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    given = dict(job.settings)
    adaptation = {"survey": SURVEY, **given.pop("adaptation", {})}
    run = TrainSettings(
        stage="adapt",
        init_from=job.base,
        data=[str(job.data), *([f"{job.replay}:0.5"] if job.replay else [])],
        out=str(job.out),
        tracker="none",
        valid_rows=256,
        valid_every=10**9,
        save_every=1e6,
        num_threads=1,
        adaptation=adaptation,
        **given,
    )
    began = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()):  # the bars of a dozen runs
        build_stage(run).run()
    seconds = time.perf_counter() - began
    galaxy = GalaxyPosterior.from_pretrained(str(job.out))
    return Done(ask(galaxy, job.tests), galaxy.model.config.calibration[SURVEY], seconds)


def ask(galaxy: GalaxyPosterior, tests: Mapping[str, tuple]) -> dict[str, Redshifts]:
    """Redshifts of every test."""
    return {
        name: redshifts(galaxy, *(torch.as_tensor(np.asarray(x)) for x in (flux, error)), z, survey)
        for name, (flux, error, z, survey) in tests.items()
    }


__all__ = ["SURVEY", "Done", "Job", "adapt", "ask"]
