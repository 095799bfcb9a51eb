"""The learning rate as a function of the step: warm-up, constant or cosine, decay.

Default is WSD ("warm-up, stable, decay"; Hu et al. 2024, arXiv:2404.06395): a run that has not begun to decay can be
prolonged or ended at will, which is what a machine lent for an unknown time asks for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

SHAPES = ("wsd", "cosine")


@dataclass(frozen=True)
class Schedule:
    """Factor on the peak rate at every step of one stretch of training.

    Attributes:
        end: Step at which the rate has come down to ``floor``.
        warmup: Steps of the linear rise.
        decay_start: First step of the decay.
        start: Step at which the stretch (and its warm-up) begins; above zero after a finished run was prolonged.
        shape: ``"wsd"`` (linear decay) or ``"cosine"``.
        floor: Factor at the end.
    """

    end: int
    warmup: int
    decay_start: int
    start: int = 0
    shape: str = "wsd"
    floor: float = 0.0

    @classmethod
    def plan(
        cls, steps: int, warmup: int, decay_fraction: float, shape: str = "wsd", start: int = 0, floor: float = 0.0
    ) -> Schedule:
        """The stretch from ``start`` to ``steps``; WSD decays over its last ``decay_fraction``, cosine over all."""
        length = steps - start
        warmup = min(warmup, length // 2)
        decay_start = start + warmup if shape == "cosine" else steps - round(decay_fraction * length)
        return cls(steps, warmup, max(decay_start, start + warmup), start, shape, floor)

    def factor(self, step: int) -> float:
        """Factor on the peak rate at ``step``, counted from 0."""
        rise = min(1.0, (step - self.start + 1) / max(1, self.warmup))
        if step < self.decay_start:
            return rise
        left = (self.end - step) / max(1, self.end - self.decay_start)
        left = min(1.0, max(0.0, left))
        fall = 0.5 * (1 - math.cos(math.pi * left)) if self.shape == "cosine" else left
        return rise * (self.floor + (1 - self.floor) * fall)

    def prolong(self, step: int, planned: Schedule) -> Schedule:
        """The schedule of a run that stands at ``step`` of this one and shall now end where ``planned`` ends.

        Before the decay the plan is simply replaced; a decay that would lie in the past starts now. Once the rate has
        begun to fall, the rest is a new stretch with its own warm-up (``planned`` is then re-planned from ``step``).

        Raises:
            ValueError: the end is the same, the rate falls already, and the plan would have it fall otherwise.
        """
        if step > self.decay_start:
            if planned.end == self.end:
                raise ValueError(
                    f"--resume: the rate falls since step {self.decay_start}; warmup, schedule and decay_fraction can "
                    "change no more, unless --steps or --galaxies prolong the run"
                )
            share = (planned.end - planned.decay_start) / max(1, planned.end - planned.start)
            return Schedule.plan(planned.end, planned.warmup, share, planned.shape, start=step, floor=planned.floor)
        return replace(planned, start=self.start, decay_start=max(step, planned.decay_start))
