"""From settings to a run of ``--stage adapt``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...checkpoints import save_pretrained
from ...configuration_galaxy import GalaxyConfig
from ...data.conditioning import Conditioner, ConditioningSettings
from ...data.galaxies import GalaxyTable
from ...data.settings_input import settings_of
from ...modeling_galaxy import GalaxyModel
from ...physics.noise import NoiseModel, NoiseSettings
from ...tokenization_galaxy import GalaxyTokenizer
from ...variables_galaxy import BANDS
from ..building import check_output, evidence_ranges, make_accelerator, model_and_tokenizer, resolve_micro_batch
from ..feeding import feed
from ..loop import Loop
from ..settings import TrainSettings
from ..sources import GalaxySource
from .calibrated_model import CalibratedModel
from .galaxies import LabelledSource, SurveyBatcher, SurveyFacts, survey_facts, tables_of
from .settings import AdaptationSettings
from .strength import BlankedSource, HeldBack, hold_back
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
    held = hold_back(survey.table, chosen.checked, settings.seed)
    if held is not None:
        source, survey = BlankedSource(source, held), replace(survey, table=held.blank(survey.table))
    elif chosen.zero_points:
        warnings.warn(
            "--stage adapt: too few redshifts of the survey to hold some back, so nothing tells if its zero points "
            "make redshifts better or worse; add galaxies of it with redshifts (20 will do), or compare before and "
            "after with hf-galaxy evaluate"
        )
    if chosen.weights != "none" and not _has_replay(tables, settings):
        warnings.warn(
            "--stage adapt without replay: the model may forget what it knew; add --data SURVEY SIMULATED:0.5"
        )
    model, tokenizer = model_and_tokenizer(settings, None, accelerator.device)
    before = GalaxyConfig.from_pretrained(settings.init_from)
    model.config.simulation = before.simulation  # still the prior of every answer
    model, tokenizer = with_survey(model, tokenizer, survey.name)
    noise = NoiseModel(_noise(settings, before.training), BANDS, accelerator.device)
    batches = _batches(source, survey, model, noise, chosen, settings, accelerator.device)
    values = survey.values * min(1.0, chosen.prior_galaxies / len(survey.table))
    variables = tuple(model.config.variable_table().values())
    calibrated = CalibratedModel(choose_weights(model, chosen), variables, survey.bands, values, chosen, settings.lr)
    ranges = evidence_ranges(sample.to(accelerator.device), noise.observe, settings.seed)
    facts = _facts(survey, noise.settings, ranges, before.training or {})
    save = partial(_save, calibrated, tokenizer, survey.name, held, before.calibration or {}, facts)
    return Loop(calibrated, batches, batches.validation(held_out), save, settings, accelerator)


def _has_replay(tables: list[GalaxyTable], settings: TrainSettings) -> bool:
    return settings.online or not all(table.has_errors and bool(table.noisy.all()) for table in tables)


def _batches(
    source: GalaxySource,
    survey: SurveyFacts,
    model: GalaxyModel,
    noise: NoiseModel,
    chosen: AdaptationSettings,
    settings: TrainSettings,
    device: torch.device,
) -> SurveyBatcher:
    """What is shown and asked of the galaxies, in which the few with labels come often."""
    variables = tuple(model.config.variable_table().values())
    asking = settings_of(ConditioningSettings, settings.conditioning, "conditioning")
    draw = Conditioner(variables, asking, device=device).draw
    if chosen.labelled and bool(survey.labelled.any()):
        source = LabelledSource(source, survey.table[survey.labelled], chosen.labelled, settings.seed)
    place = surveys_of(model).index(survey.name)
    return SurveyBatcher(source, noise.observe, draw, variables, place, chosen.shown, settings.seed, device)


def _facts(
    survey: SurveyFacts, noise: NoiseSettings, ranges: dict[str, list[float]], before: Mapping[str, Any]
) -> dict[str, Any]:
    """What the configuration tells of the adaptation, besides the record of the run."""
    return {
        "noise": asdict(noise),
        "ranges": _wider(ranges, before.get("ranges", {})),
        "adapted": {"survey": survey.name, "galaxies": len(survey.table), "labelled": int(survey.labelled.sum())},
        "before": {name: fact for name, fact in before.items() if name not in ("noise", "ranges")},
    }


def _save(
    calibrated: CalibratedModel,
    tokenizer: GalaxyTokenizer,
    survey: str,
    held: HeldBack | None,
    others: Mapping[str, Any],
    facts: Mapping[str, Any],
    folder: Path,
    record: Mapping[str, Any],
) -> None:
    """Write a model of plain weights, with the calibration of the survey beside those that it had.

    Of the calibration as much as the redshifts that were held back bear out; all of it if there are none.
    """
    borne_out = (
        held.log_probs(calibrated, surveys_of(calibrated.model).index(survey)) if held is not None else {1.0: 0.0}
    )
    strength = max(borne_out, key=borne_out.get)
    with calibrated.at(strength):
        calibration = calibrated.calibration().to_dict()
    if held is not None:
        checked = {"redshifts": len(held.table), "log_prob": {str(s): round(x, 4) for s, x in borne_out.items()}}
        facts = {**facts, "adapted": {**facts["adapted"], "strength": strength, "checked": checked}}
    plain = merged(calibrated.model)
    plain.config.calibration = {**others, survey: calibration}
    plain.config.training = {**record, **facts}
    save_pretrained(plain, tokenizer, folder)


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
