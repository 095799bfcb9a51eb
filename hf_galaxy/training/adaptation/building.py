"""From settings to a run of ``--stage adapt``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ...data.conditioning import Conditioner, ConditioningSettings
from ...data.settings_input import settings_of
from ...modeling_galaxy import GalaxyModel
from ...physics.noise import NoiseModel, NoiseSettings
from ...variables_galaxy import BANDS, Variable
from ..building import (
    check_output,
    evidence_ranges,
    make_accelerator,
    model_and_tokenizer,
    resolve_micro_batch,
)
from ..feeding import feed
from ..loop import Loop
from ..settings import TrainSettings
from .calibrated_model import CalibratedModel
from .galaxies import LabelledSource, SurveyBatcher, survey_facts, tables_of
from .settings import AdaptationSettings
from .survey_token import surveys_of, with_survey
from .weights import choose_weights, merged


def build_adaptation(settings: TrainSettings) -> Loop:
    """Everything that an adaptation needs, ready for ``run()``.

    Raises:
        ValueError: settings, data or output folder do not fit.
        ImportError: a package that the settings need is missing.
    """
    if settings.num_threads:
        torch.set_num_threads(settings.num_threads)
    accelerator = make_accelerator(settings)
    settings = resolve_micro_batch(settings, accelerator.num_processes)
    chosen = settings_of(AdaptationSettings, settings.adaptation, "adaptation")
    check_output(settings)
    source, held_out, sample = feed(settings, accelerator.device)
    tables = tables_of(source, sample)
    survey = survey_facts(tables, chosen.survey)
    if (
        chosen.weights != "none"
        and not settings.online
        and all(table.has_errors and bool(table.noisy.all()) for table in tables)
    ):
        warnings.warn(
            "--stage adapt without replay: the model may forget what it knew; add --data SURVEY SIMULATED:0.5"
        )
    model, tokenizer = model_and_tokenizer(settings, None, accelerator.device)
    before = GalaxyModel.config_class.from_pretrained(settings.init_from)
    model.config.simulation = before.simulation  # still the prior of every answer
    model, tokenizer = with_survey(model, tokenizer, survey.name)
    variables = tuple(Variable(**entry) for entry in model.config.variables)
    noise = NoiseModel(_noise(settings, before.training), BANDS, accelerator.device)
    asking = settings_of(ConditioningSettings, settings.conditioning, "conditioning")
    if chosen.labelled and bool(survey.labelled.any()):
        source = LabelledSource(source, survey.table[survey.labelled], chosen.labelled, settings.seed)
    batches = SurveyBatcher(
        source,
        noise.observe,
        Conditioner(variables, asking, device=accelerator.device).draw,
        variables,
        surveys_of(model).index(survey.name),
        chosen.shown,
        settings.seed,
        accelerator.device,
    )
    ranges = evidence_ranges(sample.to(accelerator.device), noise.observe, settings.seed)
    model = choose_weights(model, chosen)
    values = survey.values * min(1.0, chosen.prior_galaxies / len(survey.table))
    calibrated = CalibratedModel(model, variables, survey.bands, values, chosen, settings.lr)
    facts = {
        "noise": asdict(noise.settings),
        "ranges": _wider(ranges, (before.training or {}).get("ranges", {})),
        "adapted": {"survey": survey.name, "galaxies": len(survey.table), "labelled": int(survey.labelled.sum())},
        "before": {k: v for k, v in (before.training or {}).items() if k not in ("noise", "ranges")},
    }

    def save(folder: Path, record: dict[str, Any]) -> None:
        plain = merged(calibrated.model)
        plain.config.calibration = {
            **(before.calibration or {}),
            survey.name: calibrated.calibration().to_dict(),
        }
        plain.config.training = {**record, **facts}
        plain.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    validation = batches.validation(held_out)
    return Loop(calibrated, batches, validation, save, settings, accelerator)


def _noise(settings: TrainSettings, before: Mapping[str, Any] | None) -> NoiseSettings:
    """That of the simulated galaxies: as the model knows it, but for what the settings change."""
    recorded = asdict(NoiseSettings.recorded(before["noise"])) if before and "noise" in before else {}
    return settings_of(NoiseSettings, {**recorded, **settings.noise}, "noise")


def _wider(ranges: Mapping[str, list[float]], before: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """What the model has seen, now or before."""
    both = {name: [ranges.get(name), before.get(name)] for name in {**before, **ranges}}
    known = {name: [pair for pair in pairs if pair] for name, pairs in both.items()}
    return {name: [min(p[0] for p in pairs), max(p[1] for p in pairs)] for name, pairs in known.items()}


__all__ = ["build_adaptation"]
