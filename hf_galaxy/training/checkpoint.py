"""What a run leaves behind: a model folder for use, and states for exact resume. Both survive a kill at any moment.

``out/`` holds what ``from_pretrained`` loads (mean weights, tokenizer, ``training.json``); ``out/state/step-N/`` holds
the weights, their mean, the optimiser and a JSON of counters. A state appears by one rename of a complete folder, and
each file of the model folder by one rename of a complete file.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .optimization import WeightAverage
from .sharding import cut_like, cut_moments, whole
from .trouble import SaveError

KEPT = 2
BEST = "best"
_STATE, _PART = "step-", ".part-"
# States on the disk while one is replaced, with one that is kept for its validation; a state is weights, mean and up to
# two moments; and the model folder, its copy in the making and the best one.
_COPIES = (KEPT + 2) * 4 + 3


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


def check_room(out: str | Path, model: nn.Module) -> None:
    """Refuse to begin a run whose states the disk cannot hold.

    Raises:
        ValueError: too little room, or a place that is no folder.
    """
    out = Path(out)
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise ValueError(f"--out {out}: {there} is not a folder that can be written to")
    needed, free = 4 * _COPIES * sum(p.numel() for p in model.parameters()), shutil.disk_usage(there).free
    if free < needed:
        raise ValueError(f"--out {out}: the states of the run need {needed:.1e} bytes, and {free:.1e} are free")


def save_state(
    out: str | Path,
    model: nn.Module,
    average: WeightAverage,
    optimizer: torch.optim.Optimizer,
    counters: dict[str, Any],
    keep: int | None = None,
    write: bool = True,
) -> Path:
    """Write one state, complete or not at all, and drop all but the newest two and that of step ``keep``.

    Where the model is sharded all processes call this, and one of them with ``write``.

    Raises:
        SaveError: the disk does not take it; the states from before are whole.
    """
    folder = Path(out) / "state"
    final = folder / f"{_STATE}{counters['step']:09d}"
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    weights = {name: whole(p.detach()).contiguous() for name, p in model.named_parameters()}
    mean = dict(zip(names, map(whole, average.mean), strict=True))
    moments = whole(optimizer.state_dict())
    if final.exists() or not write:
        return final
    part = folder / f"{_PART}{counters['step']}"
    with complete_or_not_at_all(part):
        _remove_parts(folder)
        part.mkdir(parents=True)
        save_file(weights, part / "weights.safetensors")
        save_file(mean, part / "mean.safetensors")
        torch.save(moments, part / "optimizer.pt")
        (part / "state.json").write_text(json.dumps(counters, indent=1), encoding="utf-8")
        _flush(part)
        os.rename(part, final)
    for old in sorted(folder.glob(f"{_STATE}*"))[:-KEPT]:
        if old.name != f"{_STATE}{keep or 0:09d}":
            # Renamed first, so that a kill in the middle of the removal leaves no half a state under a good name.
            shutil.rmtree(old.rename(folder / f"{_PART}{old.name}"))
    return final


@contextmanager
def complete_or_not_at_all(part: Path) -> Iterator[None]:
    """Tell of a write that failed, and give back the room that its half took.

    Raises:
        SaveError: of whatever kind the failure was: every library that writes has its own.
    """
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        # torch.save fails with a RuntimeError that names its writer; others are not about the disk.
        if isinstance(error, RuntimeError) and not re.search(r"write|iostream|inline_container", str(error)):
            raise
        shutil.rmtree(part, ignore_errors=True)
        there = next(folder for folder in part.absolute().parents if folder.is_dir())
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:150]
        raise SaveError(
            f"{part.parent}: cannot be written to ({reason}; {shutil.disk_usage(there).free / 1e6:,.0f} MB are free)"
        ) from error


def load_state(state: Path, model: nn.Module, average: WeightAverage, optimizer: torch.optim.Optimizer) -> None:
    """Put weights, mean and optimiser back.

    Raises:
        ValueError: a file is missing or damaged, or belongs to another model.
    """
    try:
        weights, mean = load_file(state / "weights.safetensors"), load_file(state / "mean.safetensors")
        moments = torch.load(state / "optimizer.pt", map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{state}: damaged ({_short(error)}); delete it to go on from the one before") from None
    parameters = dict(model.named_parameters())
    if unlike := differences(weights, parameters):
        raise ValueError(f"{state}: of another model: {unlike}; resume with the settings and the version of the run")
    try:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(cut_like(weights[name], parameter))
            names = [name for name, p in parameters.items() if p.requires_grad]
            for name, tensor in zip(names, average.mean, strict=True):
                tensor.copy_(cut_like(mean[name], tensor))
        optimizer.load_state_dict(cut_moments(moments, optimizer))
    except (RuntimeError, KeyError, IndexError, ValueError) as error:
        raise ValueError(
            f"{state}: of another model or optimizer ({_short(error)}); resume with the settings of the run"
        ) from None


def differences(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """What differs in the names and shapes of two sets of weights, in words; empty if nothing does."""
    said = []
    for what, names in (
        ("it lacks", [n for n in wanted if n not in found]),
        ("it has, and the model has not,", [n for n in found if n not in wanted]),
    ):
        if names:
            said.append(f"{what} {', '.join(names[:3])}" + (f" and {len(names) - 3} more" * (len(names) > 3)))
    shapes = [(n, tuple(found[n].shape), tuple(wanted[n].shape)) for n in wanted if n in found]
    said += [f"{n} is {a} in it and {b} in the model" for n, a, b in shapes if a != b][:2]
    return "; ".join(said)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def export(out: str | Path, save: Callable[[Path, dict[str, Any]], None], record: dict[str, Any]) -> None:
    """Write the model folder: ``save`` writes into a folder beside, whose files then replace the old ones one by one.

    Within a run only ``model.safetensors`` and ``training.json`` ever differ, so every moment shows a loadable folder.

    Raises:
        SaveError: the disk does not take it; the model from before is whole.
    """
    out = Path(out)
    part = out / f"{_PART}export"
    shutil.rmtree(part, ignore_errors=True)
    with complete_or_not_at_all(part):
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
