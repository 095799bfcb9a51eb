"""What a model is, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .answers import Answers


def facts(posterior: Answers) -> dict[str, str]:
    """Size, arithmetic, variables and training of the model of a posterior."""
    config, parameters = posterior.model.config, sum(p.numel() for p in posterior.model.parameters())
    training = config.training or {}
    commit = getattr(config, "_commit_hash", None)
    return {
        "commit": commit or "none: a folder",
        "parameters": f"{parameters:,}",
        "encoder layers": f"{config.num_hidden_layers} of width {config.hidden_size}",
        "question layers": str(config.num_question_layers),
        "density": f"{config.num_components} Gaussians",
        "arithmetic": f"encoder {str(posterior.dtype).removeprefix('torch.')}, the rest float32",
        "bands": " ".join(v.name for v in posterior.variables if v.kind == "flux"),
        "properties": " ".join(v.name for v in posterior.variables if v.kind == "property"),
        "learnt later": " ".join(_learnt_later(training)) or "nothing",
        "galaxies seen": _galaxies_seen(training),
        "adapted to": " ".join(config.calibration or ()) or "no survey",
        "simulation": str(config.simulation) if config.simulation else "unknown",
    }


def _galaxies_seen(training: Mapping[str, Any]) -> str:
    """Of the last training, and of those before it that the model started from."""
    counts = []
    while training:
        counts += [f"{training['galaxies_seen']:,}"] if "galaxies_seen" in training else []
        training = training.get("before") or {}
    return ", before ".join(counts) or "unknown"


def _learnt_later(training: Mapping[str, Any]) -> list[str]:
    """Variables that the model was taught by fine-tuning, the first ones first."""
    if not training:
        return []
    names = _learnt_later(training.get("before") or {})
    return [*names, *(n for n in training.get("finetuned", {}).get("variables", ()) if n not in names)]


__all__ = ["facts"]
