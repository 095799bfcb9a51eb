"""Early warning: a loss, a gradient or a validation that leaves the course it was on.

Single steps scatter a lot, because every batch asks other questions. So a mean over some twenty steps is compared with
a mean over some two hundred, in units of the scatter of single steps, of which the short mean keeps a sixth. Steps that
lie far outside count no more than four times the scatter: one odd batch is no divergence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

SHORT, LONG = 20, 200
SETTLED = 100  # steps before the scatter is known
# The gradient of a run that is well grows too, by a factor of two in its first few hundred steps.
NORM_FACTOR = 3.0
CLIP, LIMIT = 4.0, 1.0  # in units of the scatter of single steps; the limit is six times that of the short mean
# In nat a question: a validation this far above the best is no longer the scatter of one set under moving weights.
VALID_MARGIN = 0.05


@dataclass
class Course:
    """Long and short running mean of a number that is watched, and its scatter."""

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0
    short: float = 0.0
    high: bool = False

    def follow(self, value: float, least: float = 0.0) -> bool:
        """Take in a value; says whether the short mean has just become too high, by ``least`` at least."""
        self.count += 1
        settled, scatter = self.count > SETTLED, math.sqrt(self.variance)
        if settled:
            clip = max(CLIP * scatter, 2 * least)
            value = min(max(value, self.mean - clip), self.mean + clip)
        share = 1 / min(LONG, self.count)
        off = value - self.mean
        self.mean += share * off
        self.variance = (1 - share) * (self.variance + share * off * off)
        self.short += (value - self.short) / min(SHORT, self.count)
        was, self.high = self.high, settled and self.short - self.mean > max(LIMIT * math.sqrt(self.variance), least)
        return self.high and not was


@dataclass
class Watch:
    """What is watched in a run; part of its saved state, so that a resumed run warns as one that never stopped.

    Attributes:
        loss, log_norm: Courses of the training loss and of the logarithm of the norm of the gradient.
        best, best_step: Lowest validation loss, and its step.
        unimproved: Validations in a row since then.
        worse: Whether the last validation was clearly above the best one.
    """

    loss: Course = field(default_factory=Course)
    log_norm: Course = field(default_factory=Course)
    best: float | None = None
    best_step: int = 0
    unimproved: int = 0
    worse: bool = False

    def __post_init__(self) -> None:
        self.loss, self.log_norm = (c if isinstance(c, Course) else Course(**c) for c in (self.loss, self.log_norm))

    def step(self, loss: float, norm: float) -> list[str]:
        """Warnings after a step; both numbers are finite."""
        said = []
        if self.loss.follow(loss):
            said.append(f"the training loss rises: {self.loss.short:.3f} lately, {self.loss.mean:.3f} before")
        if self.log_norm.follow(math.log(max(norm, 1e-30)), math.log(NORM_FACTOR)):
            lately, before = math.exp(self.log_norm.short), math.exp(self.log_norm.mean)
            said.append(f"the gradient grows: norm {lately:.3g} lately, {before:.3g} before")
        return said

    def validation(self, step: int, loss: float) -> list[str]:
        """Warnings after a validation."""
        if self.best is None or loss < self.best:
            self.best, self.best_step, self.unimproved, self.worse = loss, step, 0, False
            return []
        self.unimproved += 1
        was, self.worse = self.worse, not loss <= self.best + VALID_MARGIN
        if not self.worse or was:
            return []
        return [
            f"the validation loss, {loss:.3f}, is far above its best, {self.best:.3f} at step {self.best_step}: the "
            "run may be diverging or learning its data by heart; the best weights are kept in best/"
        ]


__all__ = ["Course", "Watch"]
