"""The counters of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from .watch import Watch

_OF_THE_MOMENT = ("stopped", "reason")


@dataclass
class Progress:
    """Counters of a run; all that ``state.json`` needs besides settings and schedule.

    Attributes:
        step: Finished steps.
        skipped, skipped_in_a_row: Steps that were passed over.
        loss_sum, loss_count: Since the last entry of the log.
        seconds: Of training.
        valid_loss: Of the last validation.
        good_step: Step of the last state that was saved while validation was well.
        watch: For early warning.
        stopped, reason: Whether and why the run ends before its last step; not saved.
    """

    step: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    seconds: float = 0.0
    valid_loss: float | None = None
    good_step: int | None = None
    watch: Watch = field(default_factory=Watch)
    stopped: bool = field(default=False, compare=False)
    reason: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.watch, Watch):
            self.watch = Watch(**self.watch)

    def to_dict(self) -> dict[str, Any]:
        """What is saved, as plain JSON types."""
        return {k: v for k, v in asdict(self).items() if k not in _OF_THE_MOMENT}


__all__ = ["Progress"]
