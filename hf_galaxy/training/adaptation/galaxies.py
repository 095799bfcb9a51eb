"""The galaxies of an adaptation: those of the survey, as it measured them, and simulated ones against forgetting.

A galaxy is of the survey if its row is ``noisy``: fluxes as measured, with their errors. All others are replay.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...configuration_galaxy import SPECIAL_TOKENS
from ...data.galaxies import GalaxyTable
from ...variables_galaxy import BANDS, SURVEYS, Variable
from ..batches import inputs_of
from ..seeds import seed_of
from ..sources import GalaxySource, MixedSource, SequenceSource, TableSequence


@dataclass(frozen=True)
class SurveyFacts:
    """What the galaxies of the survey are like.

    Attributes:
        table: The galaxies.
        bands: Bands that any of them has.
        values: Number of fluxes.
        name: Name of the survey.
    """

    table: GalaxyTable
    bands: tuple[str, ...]
    values: int
    name: str

    @property
    def labelled(self) -> Tensor:
        """(n,) bool: galaxies of which any property is known."""
        return torch.isfinite(self.table.properties).any(1)


def survey_facts(tables: Iterable[GalaxyTable], name: str) -> SurveyFacts:
    """The galaxies of the survey among all.

    Args:
        tables: Galaxies to train on.
        name: Name of the survey; empty: as the rows say.

    Raises:
        ValueError: no galaxy of a survey, no observed band, or rows of several surveys and no name.
    """
    found = [table[table.noisy] for table in tables if table.has_errors and bool(table.noisy.any())]
    if not found:
        raise ValueError(
            "--stage adapt: no galaxy of --data has the errors of a survey (columns flux_error and noisy = true); add "
            "the data of the survey, as dataset_scripts.survey_catalogue or dataset_scripts.minijpas write them"
        )
    table = GalaxyTable.join(found)
    observed = torch.isfinite(table.flux) & torch.isfinite(table.flux_error)
    if not observed.any():
        raise ValueError("--stage adapt: the galaxies of the survey have no flux in any band; nothing can be learnt")
    if blank := int((~observed.any(1)).sum()):
        warnings.warn(f"{blank} of {len(table)} galaxies of the survey have no flux in any band and teach nothing")
    if not name:
        surveys = sorted({SURVEYS[i] for i in table.survey[table.survey >= 0].unique().tolist()})
        if len(surveys) != 1:
            raise ValueError(
                f"--stage adapt: the galaxies are of the surveys {', '.join(surveys) or '(unknown)'}; name the survey, "
                "adaptation: {survey: NAME}"
            )
        name = surveys[0]
    bands = tuple(band for band, seen in zip(BANDS, observed.any(0).tolist(), strict=True) if seen)
    return SurveyFacts(table, bands, int(observed.sum()), name)


def tables_of(source: GalaxySource, sample: GalaxyTable) -> list[GalaxyTable]:
    """The tables in memory that a source draws from; of streamed files the sample."""
    sequences = [source.sequence] if isinstance(source, SequenceSource) else []
    if isinstance(source, MixedSource):
        sequences = [source.main, *(sequence for sequence, _ in source.others)]
    tables = [sequence.table for sequence in sequences if isinstance(sequence, TableSequence)]
    return [*tables, sample] if len(tables) < len(sequences) else tables


class LabelledSource:
    """A source in which some galaxies of the survey give way to ones with labels, which are few.

    Args:
        source: The galaxies.
        labelled: Those of the survey with labels.
        share: Share of the survey's galaxies of a unit that are drawn from them.
        seed: Of the draws.
    """

    def __init__(self, source: GalaxySource, labelled: GalaxyTable, share: float, seed: int) -> None:
        self.source, self.labelled, self.share, self.seed = source, labelled.with_errors(), share, seed

    def rows(self, step: int, unit: int) -> GalaxyTable:
        """The galaxies of this unit."""
        rows = self.source.rows(step, unit).with_errors()
        place = rows.noisy.nonzero()[:, 0]
        generator = torch.Generator().manual_seed(seed_of(self.seed, "labelled", step, unit))
        # A share of a galaxy is one galaxy as often.
        count = int(len(place) * self.share + float(torch.rand(1, generator=generator)))
        if not count:
            return rows
        kept = torch.ones(len(rows), dtype=torch.bool, device=place.device)
        kept[place[:count]] = False
        chosen = torch.randint(len(self.labelled), (count,), generator=generator)
        return GalaxyTable.join([rows[kept], self.labelled[chosen]])


class SurveyBatcher:
    """Rows to inputs of a ``CalibratedModel``; a pure function of (seed, step, unit), as every batcher.

    Args:
        source: Galaxies of the survey, and others.
        observe: ``NoiseModel.observe``.
        draw: ``Conditioner.draw``.
        variables: The table of variables.
        survey: Index of the survey among the values of the variable ``survey``.
        shown: Share of the galaxies whose context says which survey they are of.
        seed: Of noise and conditioning.
        device: Where noise and conditioning are drawn.
    """

    def __init__(
        self,
        source: GalaxySource,
        observe: Callable,
        draw: Callable,
        variables: tuple[Variable, ...],
        survey: int,
        shown: float,
        seed: int,
        device: torch.device | str,
    ) -> None:
        self.source, self.observe, self.draw, self.seed, self.device = source, observe, draw, seed, device
        self.token = [v.name for v in variables].index("survey") + len(SPECIAL_TOKENS)
        self.survey, self.shown = survey, shown

    def __call__(self, step: int, unit: int) -> dict[str, Tensor]:
        """Keyword arguments of the model for one unit of one step."""
        generator = torch.Generator(self.device).manual_seed(seed_of(self.seed, "step", step, unit))
        return self.inputs(self.source.rows(step, unit).to(self.device), generator)

    def inputs(self, rows: GalaxyTable, generator: torch.Generator) -> dict[str, Tensor]:
        """Keyword arguments of the model for some galaxies."""
        rows = rows.with_errors()
        rows = replace(rows, survey=torch.where(rows.noisy, self.survey, rows.survey))
        inputs = inputs_of(rows, self.observe, self.draw, generator)
        told = torch.rand(len(rows), generator=generator, device=rows.flux.device) < self.shown
        return {**with_survey_shown(inputs, self.token, rows.survey, told), "of_survey": rows.noisy}

    def validation(self, table: GalaxyTable, size: int = 512) -> list[dict[str, Tensor]]:
        """The fixed questions about the fixed galaxies that every validation asks."""
        batches = []
        for k, start in enumerate(range(0, len(table), size)):
            generator = torch.Generator(self.device).manual_seed(seed_of(self.seed, "validation", k))
            batches.append(self.inputs(table[slice(start, start + size)].to(self.device), generator))
        return batches


def with_survey_shown(inputs: dict[str, Tensor], token: int, survey: Tensor, told: Tensor) -> dict[str, Tensor]:
    """Inputs in which the context of some galaxies says which survey they are of, and which are not asked it then.

    Args:
        inputs: Of the model, for `n` galaxies.
        token: Token id of the variable ``survey``.
        survey: (n,) index of the survey; negative is unknown.
        told: (n,) bool, of whom it is said.
    """
    told = told & (survey >= 0)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    mask = mask.masked_fill(ids == token, 0) if bool((ids == token).any()) else mask
    shown = told | (inputs["attention_mask"].bool() & (ids == token)).any(1)
    columns = {"input_ids": torch.full_like(survey, token), "values": survey.clamp(min=0).to(inputs["values"].dtype)}
    columns |= {"errors": torch.zeros_like(columns["values"]), "attention_mask": shown.to(mask.dtype)}
    merged = {
        name: torch.cat([mask if name == "attention_mask" else inputs[name], column.unsqueeze(1)], dim=1)
        for name, column in columns.items()
    }
    answered = told.unsqueeze(1) & (inputs["query_ids"] == token)
    return {**inputs, **merged, "labels": inputs["labels"].masked_fill(answered, torch.nan)}


__all__ = ["LabelledSource", "SurveyBatcher", "SurveyFacts", "survey_facts", "tables_of", "with_survey_shown"]
