"""What a resumed run may change, and what it may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .schedule import Schedule
from .settings import TrainSettings, sources_of

# The batches or the meaning of the optimiser's state would be others.
FIXED = (
    "size",
    "stage",
    "seed",
    "batch_size",
    "online",
    "stream",
    "weight_decay",
    "beta1",
    "beta2",
    "ema_decay",
    "optimizer",
)
FIXED_SECTIONS = ("model", "noise", "conditioning", "simulation", "adaptation", "finetuning")
PLAN = ("galaxies", "steps", "warmup", "decay_fraction", "schedule")


def plan_of(s: TrainSettings) -> Schedule:
    """The schedule of a run that begins with these settings."""
    return Schedule.plan(s.total_steps, s.warmup, s.decay_fraction, s.schedule)


def refuse_other_run(saved: Mapping[str, Any], now: TrainSettings) -> None:
    """Refuse settings with which the saved run could not go on as the same run.

    Args:
        saved: Settings of the run; one that it did not know had the effect of today's default.

    Raises:
        ValueError: names what was changed.
    """
    defaults = TrainSettings(
        data=now.data, online=now.online, size=now.size, stage=now.stage, init_from=now.init_from
    ).to_dict()
    for key in (*FIXED, *FIXED_SECTIONS):
        was, wanted = saved.get(key, defaults[key]), getattr(now, key)
        if was != wanted:
            raise ValueError(f"--resume: {key} was {was!r} and cannot become {wanted!r}; use a new --out")
    was, wanted = saved.get("micro_batch", now.micro_batch), now.micro_batch
    if now.online and was != wanted:
        raise ValueError(
            f"--resume: micro_batch was {was} and cannot become {wanted} with --online, whose galaxies would come "
            "twice; start a new --out with --init-from this one"
        )
    was, wanted = ([share for _, share in sources_of(d)] for d in (saved["data"], now.data))
    if was != wanted:
        raise ValueError(f"--resume: the shares of --data were {was} and cannot become {wanted}; use a new --out")


def resumed_schedule(saved: Mapping[str, Any], now: TrainSettings, schedule: Schedule, step: int) -> Schedule:
    """The schedule of a run that goes on at ``step``: its own, unless its settings ask for another.

    Raises:
        ValueError: fewer steps than there were, or another decay when the rate falls already.
    """
    if step > now.total_steps:
        seen, wanted = (n * now.batch_size for n in (step, now.total_steps))
        raise ValueError(f"--resume: the run has seen {seen:,} galaxies already, more than the {wanted:,} asked for")
    before = replace(now, **{key: saved[key] for key in PLAN if key in saved})
    planned = plan_of(now)
    return schedule if planned == plan_of(before) else schedule.prolong(step, planned)


__all__ = ["plan_of", "refuse_other_run", "resumed_schedule"]
