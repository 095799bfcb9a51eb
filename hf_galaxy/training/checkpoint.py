"""What a run leaves behind: a model folder for use, and states for exact resume. Both survive a kill at any moment.

``out/`` holds what ``from_pretrained`` loads (mean weights, tokenizer, ``training.json``); ``out/state/step-N/`` holds
the weights, their mean, the optimiser and a JSON of counters. A state appears by one rename of a complete folder, and
each file of the model folder by one rename of a complete file.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from .optimization import WeightAverage

KEPT = 2
_STATE, _PART = "step-", ".part-"


def latest(out: str | Path) -> Path | None:
    """The newest complete state under an output folder, or ``None``."""
    return max((Path(out) / "state").glob(f"{_STATE}*"), default=None)


def read_counters(state: Path) -> dict[str, Any]:
    """The JSON of a state: step, settings, schedule and the like.

    Raises:
        ValueError: damaged or missing.
    """
    try:
        return json.loads((state / "state.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{state / 'state.json'}: damaged ({error}); delete {state} to go on from the one before"
        ) from None


def save_state(
    out: str | Path,
    model: nn.Module,
    average: WeightAverage,
    optimizer: torch.optim.Optimizer,
    counters: dict[str, Any],
) -> Path:
    """Write one state, complete or not at all, and drop all but the newest two."""
    folder = Path(out) / "state"
    final = folder / f"{_STATE}{counters['step']:09d}"
    if final.exists():
        return final
    part = folder / f"{_PART}{counters['step']}"
    _remove_parts(folder)
    part.mkdir(parents=True)
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    weights = {name: p.detach().contiguous() for name, p in model.named_parameters()}
    save_file(weights, part / "weights.safetensors")
    save_file(dict(zip(names, average.mean, strict=True)), part / "mean.safetensors")
    torch.save(optimizer.state_dict(), part / "optimizer.pt")
    (part / "state.json").write_text(json.dumps(counters, indent=1), encoding="utf-8")
    _flush(part)
    os.rename(part, final)
    for old in sorted(folder.glob(f"{_STATE}*"))[:-KEPT]:
        # Renamed first, so that a kill in the middle of the removal leaves no half a state under a good name.
        shutil.rmtree(old.rename(folder / f"{_PART}{old.name}"))
    return final


def load_state(state: Path, model: nn.Module, average: WeightAverage, optimizer: torch.optim.Optimizer) -> None:
    """Put weights, mean and optimiser back.

    Raises:
        ValueError: a file is missing or damaged, or belongs to another model.
    """
    try:
        weights, mean = load_file(state / "weights.safetensors"), load_file(state / "mean.safetensors")
        moments = torch.load(state / "optimizer.pt", map_location="cpu", weights_only=True)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(weights[name])
            names = [name for name, p in model.named_parameters() if p.requires_grad]
            for name, tensor in zip(names, average.mean, strict=True):
                tensor.copy_(mean[name])
        optimizer.load_state_dict(moments)
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{state}: damaged, or of another model ({reason}); delete it to go on from the one before"
        ) from None


def export(out: str | Path, save: Callable[[Path, dict[str, Any]], None], record: dict[str, Any]) -> None:
    """Write the model folder: ``save`` writes into a folder beside, whose files then replace the old ones one by one.

    Within a run only ``model.safetensors`` and ``training.json`` ever differ, so every moment shows a loadable folder.
    """
    out = Path(out)
    part = out / f"{_PART}export"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    save(part, record)
    (part / "training.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    _flush(part)
    for file in sorted(part.iterdir()):
        os.replace(file, out / file.name)
    part.rmdir()


def _remove_parts(folder: Path) -> None:
    for part in folder.glob(f"{_PART}*"):
        shutil.rmtree(part, ignore_errors=True)


def _flush(folder: Path) -> None:
    """Force the files of a folder to the disk before a rename announces them."""
    for file in folder.iterdir():
        with open(file, "rb") as opened:
            os.fsync(opened.fileno())
