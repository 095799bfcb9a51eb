"""What can be chosen about fine-tuning: the section ``finetuning:`` of the settings of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

WEIGHTS = ("all", "new", "lora")


@dataclass(frozen=True)
class FinetuningSettings:
    """What a model learns anew, and how.

    Attributes:
        variables: The new variables, fields of ``Variable`` each: name, kind, unit, pivot and width of a band; of a
            property transform, softening, center and scale are read off the data where they are not given. A name
            alone is a property without a unit. Variables that the model has already may be learnt further by name.
        unit: Unit of flux columns that have none.
        weights: ``all`` (all weights move), ``lora`` (the new embeddings, and low-rank additions to the matrices of the
            layers: Hu et al. 2021, arXiv:2106.09685) or ``new`` (the new embeddings alone: no answer changes of which
            they are no part, not by a bit).
        replay: Share of the galaxies of a batch that are simulated, against forgetting; by default 0.5, and 0 where
            only ``new`` weights move.
        replay_data: Folder of simulated galaxies to replay; by default they are simulated as it goes.
        new_rate: How many times faster the new embeddings move than what is known already.
        held_out: Share of the rows to validate on, where the data have no split ``validation``.
        rank, alpha: Of the low-rank additions: they are multiplied with alpha / rank.

    Raises:
        ValueError: a value outside its range.
    """

    variables: tuple = ()
    unit: str = ""
    weights: str = "all"
    replay: float | None = None
    replay_data: str = ""
    new_rate: float = 50.0
    held_out: float = 0.1
    rank: int = 8
    alpha: float = 16.0

    def __post_init__(self) -> None:
        if not self.variables:
            raise ValueError("variables is empty; name what is to be learnt, such as variables: [{name: log_mbh}]")
        for item in self.variables:
            if not isinstance(item, str | Mapping):
                raise ValueError(f"variables: {item!r} is neither a name nor the fields of a variable")
        if self.weights not in WEIGHTS:
            raise ValueError(f"weights {self.weights!r} is not one of {', '.join(WEIGHTS)}")
        if self.replay is None:
            object.__setattr__(self, "replay", 0.0 if self.weights == "new" else 0.5)
        for name in ("replay", "held_out"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise ValueError(f"{name} {value!r} must lie between 0 and 1, and not be 1")
        if self.held_out == 0:
            raise ValueError("held_out 0 leaves no galaxy to validate on")
        for name in ("rank", "alpha", "new_rate"):
            value = getattr(self, name)
            if isinstance(value, bool) or not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} {value} must be above zero")

    @property
    def wanted(self) -> list[dict]:
        """Fields of every variable that is to be learnt."""
        return [{"name": item} if isinstance(item, str) else dict(item) for item in self.variables]


__all__ = ["WEIGHTS", "FinetuningSettings"]
