"""A model to start from: it must be one, be whole, and speak of the variables that the data hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedConfig

from ..configuration_galaxy import PRESETS, GalaxyConfig
from ..modeling_galaxy import GalaxyModel
from ..tokenization_galaxy import GalaxyTokenizer
from ..variables_galaxy import SURVEYS, Variable, default_variables
from .growth import deepened
from .settings import TrainSettings, refuse_unknown

DEPTH = "num_hidden_layers"  # may grow
# What may change without a change of the weights.
FREE = ("min_log_scale", "reference_brightness", "initializer_range", "rms_norm_eps")


def load(settings: TrainSettings, attention: str) -> tuple[GalaxyModel, GalaxyTokenizer]:
    """The model of ``init_from``, in float32, and its tokenizer; deeper, if ``model: num_hidden_layers`` asks for it.

    Raises:
        ValueError: nothing there, another kind of model, of another size than the settings say, weights that are
            missing, or other variables than those of the data.
    """
    where = f"--init-from {settings.init_from}"
    facts = _facts(settings.init_from, where)
    _check_size(facts, settings, where)
    changes = {key: value for key, value in settings.model.items() if key != DEPTH}
    how = {"attn_implementation": attention, "dtype": torch.float32, "ignore_mismatched_sizes": True}
    how["use_safetensors"] = True  # a pickle would run
    try:
        model, report = GalaxyModel.from_pretrained(settings.init_from, output_loading_info=True, **how, **changes)
        tokenizer = GalaxyTokenizer.from_pretrained(settings.init_from)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise ValueError(f"{where}: {str(error).splitlines()[0]}") from None
    _check_weights(report, where)
    variables = [Variable(**entry) for entry in model.config.variables]
    if list(tokenizer.variables) != variables:
        said = unlike(tokenizer.variables, variables) or "the transform of some variable is another"
        raise ValueError(f"{where}: {said} in its tokenizer, but not in its model")
    if said := unlike(variables, default_variables()):
        raise ValueError(
            f"{where}: {said} in the model, but not in the data; use the version of hf_galaxy of the model"
        )
    if len(variables) > len(default_variables()) and settings.stage == "pretrain":
        extra = ", ".join(v.name for v in variables[len(default_variables()) :])
        raise ValueError(f"{where}: the model knows {extra}, which the data do not hold; --stage finetune trains it")
    depth = settings.model.get(DEPTH, model.config.num_hidden_layers)
    return model if depth == model.config.num_hidden_layers else deepened(model, depth), tokenizer


def _facts(name: str, where: str) -> dict[str, Any]:
    """The configuration of a model, before any class is made of it."""
    try:
        facts, _ = PreTrainedConfig.get_config_dict(name)
    except OSError as error:
        raise ValueError(f"{where}: {str(error).splitlines()[0]}") from None
    kind = facts.get("model_type")
    if kind != GalaxyConfig.model_type:
        raise ValueError(f"{where}: a model of type {kind!r}; one of type {GalaxyConfig.model_type!r} is wanted")
    return facts


def _check_size(facts: dict[str, Any], settings: TrainSettings, where: str) -> None:
    """The size of the model is that of the checkpoint, whatever else the settings say; only layers may be added."""
    known = {f.name: f.default for f in fields(GalaxyConfig)}
    refuse_unknown(settings.model, known, "model")
    for key, wanted in settings.model.items():
        found = facts.get(key, known[key])
        if key == DEPTH and isinstance(wanted, int) and wanted > found:
            continue
        if key not in FREE and wanted != found:
            raise ValueError(f"{where}: its {key} is {found!r}, and model: {key} asks for {wanted!r}; leave that out")
    width = facts.get("hidden_size", known["hidden_size"])
    named = [size for size, preset in PRESETS.items() if preset["hidden_size"] == width]
    if named and settings.size not in named:
        raise ValueError(
            f"{where}: {width} wide, which is size {named[0]}; the rates of size {settings.size} do not fit: "
            f"give --size {named[0]}"
        )


def _check_weights(report: dict[str, Any], where: str) -> None:
    """Every weight of the model was in the file, and nothing else."""
    for key, what in (
        ("missing_keys", "lacks the weights"),
        ("unexpected_keys", "holds weights that this version does not know,"),
        ("mismatched_keys", "holds weights of another shape,"),
    ):
        names = sorted(str(entry[0] if isinstance(entry, tuple | list) else entry) for entry in report.get(key, ()))
        if names:
            more = f" and {len(names) - 3} more" * (len(names) > 3)
            raise ValueError(f"{where}: {what} {', '.join(names[:3])}{more}; it is of another version, or damaged")


def unlike(found: Sequence[Variable], wanted: Sequence[Variable]) -> str:
    """The first difference that matters between two tables of variables, in words; more at the end is none."""
    for i, variable in enumerate(wanted):
        if i >= len(found) or found[i].name != variable.name:
            other = found[i].name if i < len(found) else "nothing"
            return f"variable {i} is {other} instead of {variable.name}"
        for what in ("kind", "unit"):
            was, now = getattr(found[i], what), getattr(variable, what)
            if was != now:
                return f"variable {variable.name} has the {what} {was!r} instead of {now!r}"
        if variable.name == "survey" and tuple(found[i].categories[: len(SURVEYS)]) != tuple(variable.categories):
            return f"the surveys are {', '.join(found[i].categories)} instead of {', '.join(variable.categories)}"
    return ""


__all__ = ["load", "unlike"]
