"""From settings to a run of ``--stage finetune``."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ...checkpoints import save_pretrained
from ...configuration_galaxy import SPECIAL_TOKENS
from ...data.conditioning import Conditioner, ConditioningSettings
from ...data.galaxies import GalaxyTable
from ...data.labelled_tables import read_labelled
from ...data.settings_input import settings_of
from ...modeling_galaxy import GalaxyModel
from ...physics.noise import NoiseModel, NoiseSettings
from ...variables_galaxy import BANDS, PROPERTIES
from ..building import check_output, evidence_ranges, make_accelerator, model_and_tokenizer, resolve_micro_batch
from ..loop import Loop
from ..settings import TrainSettings
from .galaxies import GrownBatcher, held_out_of, ranges_of, source_of, wider
from .new_variables import provisional, standardised
from .settings import FinetuningSettings
from .weights import choose_weights, plain

USUAL = len(BANDS) + len(PROPERTIES) + 1


def build_finetuning(settings: TrainSettings) -> Loop:
    """Everything that a fine-tuning needs, ready for ``run()``.

    Raises:
        ValueError: settings, data or output folder do not fit.
        ImportError: a package that the settings need is missing.
    """
    if settings.num_threads:
        torch.set_num_threads(settings.num_threads)
    chosen = settings_of(FinetuningSettings, settings.finetuning, "finetuning")
    path = _only_source(settings)
    accelerator = make_accelerator(settings)
    settings = resolve_micro_batch(settings, accelerator.num_processes)
    check_output(settings)
    model, tokenizer = model_and_tokenizer(settings, None, accelerator.device)
    before = GalaxyModel.config_class.from_pretrained(settings.init_from)
    model.config.simulation = before.simulation  # still the prior of every answer
    galaxies, held_out = _grow(model, tokenizer, path, chosen)
    if held_out is None:
        galaxies, held_out = held_out_of(galaxies, chosen.held_out, settings.valid_rows, settings.seed)
    if not chosen.replay and chosen.weights != "new":
        warnings.warn("--stage finetune without replay: the model may forget what it knew; finetuning: {replay: 0.5}")
    variables = tuple(model.config.variable_table().values())
    learnt = [fields["name"] for fields in chosen.wanted]
    noise = NoiseModel(_noise(settings, before.training), BANDS, accelerator.device)
    asking = settings_of(ConditioningSettings, settings.conditioning, "conditioning")
    draw = Conditioner(variables, asking, accelerator.device, learnt).draw
    source = source_of(galaxies, chosen, settings, accelerator.device)
    batches = GrownBatcher(source, noise.observe, draw, len(variables) - USUAL, settings.seed, accelerator.device)
    ranges = evidence_ranges(galaxies.to(accelerator.device), noise.observe, settings.seed)
    ranges |= ranges_of([v.name for v in variables[USUAL:]], galaxies.extra)
    tokens = [i + len(SPECIAL_TOKENS) for i, v in enumerate(variables) if v.name in learnt]
    model = choose_weights(model, chosen, tokens)
    recorded = before.training or {}
    facts = {
        "noise": asdict(noise.settings),
        "ranges": wider(ranges, recorded.get("ranges", {})),
        "finetuned": {"variables": learnt, "galaxies": len(galaxies)},
        "before": {k: v for k, v in recorded.items() if k not in ("noise", "ranges")},
    }

    def save(folder: Path, record: dict[str, Any]) -> None:
        saved = plain(model)
        saved.config.training = {**_without_paths(record), **facts}
        save_pretrained(saved, tokenizer, folder)

    return Loop(model, batches, batches.validation(held_out), save, settings, accelerator)


def _only_source(settings: TrainSettings) -> str:
    """The one table or folder of ``data``."""
    (name, share), *others = settings.sources or [(None, None)]
    if name is None or others or share is not None or settings.online or settings.stream:
        raise ValueError(
            "--stage finetune learns from one catalogue or folder, --data PATH; simulated galaxies come by "
            "finetuning: {replay: 0.5}"
        )
    return name


def _grow(
    model: GalaxyModel, tokenizer: Any, path: str, chosen: FinetuningSettings
) -> tuple[GalaxyTable, GalaxyTable | None]:
    """Let model and tokenizer know the new variables, in place; the galaxies to learn them from."""
    known = tuple(model.config.variable_table().values())
    if tokenizer.variables != known:
        raise ValueError("--init-from: the variables of variables.json are not those of config.json")
    wanted = chosen.wanted
    table = provisional(known, wanted)
    galaxies, held_out = read_labelled(path, table, [fields["name"] for fields in wanted], chosen.unit or None)
    table = standardised(table, len(known), wanted, galaxies, path)
    for grows in (tokenizer, model):
        grows.add_variables(table[len(known) :])
    return galaxies, held_out


def _noise(settings: TrainSettings, before: Mapping[str, Any] | None) -> NoiseSettings:
    """That of the replayed galaxies: as the model knows it, but for what the settings change."""
    recorded = asdict(NoiseSettings.recorded(before["noise"])) if before and "noise" in before else {}
    return settings_of(NoiseSettings, {**recorded, **settings.noise}, "noise")


def _without_paths(record: dict[str, Any]) -> dict[str, Any]:
    """The record with no folder of this machine in it: the model may be published."""
    record = copy.deepcopy(record)
    section = record["settings"]["finetuning"]
    if section.get("replay_data"):
        section["replay_data"] = Path(section["replay_data"]).name
    return record


__all__ = ["build_finetuning"]
