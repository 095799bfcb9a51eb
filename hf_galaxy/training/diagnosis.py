"""What was wrong with a step: which galaxies have no finite loss, and how many fit into the memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any

import torch
from accelerate.utils import gather_object
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor, nn

SHOWN = 4  # galaxies that a message names; the log has all


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Whether an error says that a device, or the host, has no memory left."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or bool(should_reduce_batch_size(error))


@torch.no_grad()
def bad_rows(model: nn.Module, inputs: dict[str, Tensor]) -> list[int]:
    """Positions in a batch of the galaxies whose own loss is not finite; all, where the model does not tell."""
    output = model(**inputs)
    if torch.isfinite(output.loss):
        return []
    labels, log_prob = inputs.get("labels"), getattr(output, "log_prob", None)
    if labels is None or log_prob is None:
        return list(range(len(next(iter(inputs.values())))))
    bad = (torch.isfinite(labels) & ~torch.isfinite(log_prob)).any(1)
    return bad.nonzero().squeeze(-1).tolist()


def bad_galaxies(model: nn.Module, batches: Callable, step: int, units: Sequence[int]) -> list[dict[str, Any]]:
    """The galaxies of a step without finite loss, of the units of all processes; all processes call this together.

    Returns:
        Unit, position in it, and, as far as the source of the galaxies can tell, where the galaxy stands (``place``)
        and which of its values are absurd (``values``).
    """
    found = []
    for unit in units:
        rows = bad_rows(model, batches(step, unit))
        explain = getattr(batches, "explain", None)
        told = explain(step, unit, rows) if explain and rows else [{} for _ in rows]
        found += [{"unit": unit, "position": row, **more} for row, more in zip(rows, told, strict=True)]
    return sorted(gather_object(found), key=lambda galaxy: (galaxy["unit"], galaxy["position"]))


def in_words(galaxies: list[dict[str, Any]], of: int) -> str:
    """The galaxies of ``bad_galaxies``, of so many in all, in one line."""
    if not galaxies:
        return "every galaxy has a finite loss, but the gradient is not finite"
    shown = "; ".join(map(_one, galaxies[:SHOWN])) + (f"; and {len(galaxies) - SHOWN} more") * (len(galaxies) > SHOWN)
    if 2 * len(galaxies) > of:
        return f"{len(galaxies)} of {of} galaxies have no finite loss, so that the weights are to blame ({shown})"
    return f"{len(galaxies)} of {of} galaxies: {shown}"


def _one(galaxy: dict[str, Any]) -> str:
    place = galaxy.get("place") or f"position {galaxy['position']} of unit {galaxy['unit']}"
    values = ", ".join(f"{name} = {value:.4g}" for name, value in list(galaxy.get("values", {}).items())[:SHOWN])
    return f"{place} with {values}" if values else place


def smaller_batches(batch_size: int, micro_batch: int, processes: int) -> list[int]:
    """Sizes below ``micro_batch`` that the processes can share a batch in: each at most half the one before."""
    fitting = [n for n in range(micro_batch // 2, 0, -1) if batch_size % n == 0 and (batch_size // n) % processes == 0]
    chosen = fitting[:1]
    for n in fitting:
        if n <= chosen[-1] // 2:
            chosen.append(n)
    return chosen


def largest_that_fits(model: nn.Module, inputs: dict[str, Tensor], sizes: Sequence[int]) -> int | None:
    """The first of some numbers of galaxies whose loss and gradient fit into the memory; ``None`` if none does.

    The gradient is cleared. The optimiser should have made its state, if a step was ever done.
    """
    for size in sizes:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            model(**head(inputs, size)).loss.backward()
            return size
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        finally:
            model.zero_grad(set_to_none=True)
    return None


def head(inputs: dict[str, Tensor], size: int) -> dict[str, Tensor]:
    """The first galaxies of a batch; what has no axis of galaxies, such as a common ``answer_mask``, stays."""
    n, ids = len(next(iter(inputs.values()))), inputs.get("query_ids")
    common = "answer_mask" if ids is not None and inputs.get("answer_mask", ids).dim() == ids.dim() else ""
    return {k: v[:size] if len(v) == n and k != common else v for k, v in inputs.items()}


__all__ = [
    "bad_galaxies",
    "bad_rows",
    "head",
    "in_words",
    "is_out_of_memory",
    "largest_that_fits",
    "smaller_batches",
]
