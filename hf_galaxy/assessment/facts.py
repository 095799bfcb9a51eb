"""What a measured number belongs to: the machine and the model."""

from __future__ import annotations

import hashlib
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..posterior import GalaxyPosterior


def machine_facts() -> dict[str, Any]:
    """The machine that a number was measured on."""
    facts = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "numpy")},
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def model_facts(galaxy: GalaxyPosterior, asked: str | None) -> dict[str, Any]:
    """The checkpoint, its size, and what it has seen; of a folder its name alone, for reports are published."""
    path = Path(asked) if asked else None
    name = "shipped checkpoint" if path is None else path.resolve().name if path.exists() else asked
    facts = {"checkpoint": name, "parameters": sum(p.numel() for p in galaxy.model.parameters())}
    facts["weights"] = weights_digest(galaxy.model)
    seen = (galaxy.model.config.training or {}).get("galaxies_seen")
    return facts if seen is None else {**facts, "galaxies_seen": seen}


def weights_digest(model: nn.Module) -> str:
    """What tells these weights from all others, in whatever file they are."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


__all__ = ["machine_facts", "model_facts", "weights_digest"]
