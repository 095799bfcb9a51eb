"""From settings to the galaxies of a run: what to train on, what to validate on, and what is known of how they came."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..data.galaxies import GalaxyTable
from ..data.galaxy_files import GalaxyFiles, files_of_split, splits
from ..data.settings_input import settings_of
from ..data.shards import SETTINGS_FILE, public_facts
from ..physics.settings import SimulationSettings
from ..physics.simulate import Simulator
from ..variables_galaxy import SURVEYS
from .plausibility import refuse_other_units
from .seeds import seed_of
from .settings import TrainSettings
from .sources import (
    GalaxySequence,
    GalaxySource,
    MixedSource,
    OnlineSource,
    SequenceSource,
    StreamedSequence,
    TableSequence,
    row_of_groups,
)

# At most this share of a table is held out for validation where no other galaxies are given.
HELD_OUT_SHARE = 0.05
# Galaxies whose observed extremes say what evidence the model was trained on.
RANGE_ROWS = 20_000


class Feed(NamedTuple):
    """The galaxies of a run.

    Attributes:
        source: To train on.
        held_out: To validate on.
        sample: Some of those to train on.
    """

    source: GalaxySource
    held_out: GalaxyTable
    sample: GalaxyTable


def feed(settings: TrainSettings, device: torch.device) -> Feed:
    """The galaxies that the settings name.

    Raises:
        ValueError: nothing there, something that is no data set of galaxies, or too few galaxies.
    """
    s = settings
    opened = [(*_open(name, s), share) for name, share in s.sources]
    left = 1 - sum(share or 0 for _, _, share in opened)
    rows = sum(len(sequence) for sequence, _, share in opened if share is None)
    # What has no share of its own has one in proportion to its galaxies.
    parts = [(sequence, held, share or left * len(sequence) / rows) for sequence, held, share in opened]
    validation = [(held, share) for _, held, share in parts]
    if s.online:
        simulate = simulator_of(s, device)
        main = OnlineSource(simulate, s.micro_batch, s.seed)
        if not s.valid_data:  # simulated galaxies that the run does not see
            validation.append((simulate(seed_of(s.seed, "held out"), 0, s.valid_rows), left))
    else:
        main = max((p for p, o in zip(parts, opened, strict=True) if o[2] is None), key=lambda part: part[2])[0]
    others = [(sequence, share) for sequence, _, share in parts if sequence is not main]
    held_out = _held_out(validation, s)
    spans = [sequence.span(0, min(RANGE_ROWS // len(parts), len(sequence))) for sequence, _, _ in parts]
    for span, (name, _) in zip(spans, s.sources, strict=True):
        refuse_other_units(span, name)
    return Feed(_source(main, others, s), held_out, held_out if s.online else GalaxyTable.join(spans))


def _source(main: OnlineSource | GalaxySequence, others: list, s: TrainSettings) -> GalaxySource:
    if others:
        return MixedSource(main, others, s.batch_size, s.micro_batch)
    return main if isinstance(main, OnlineSource) else SequenceSource(main, s.batch_size, s.micro_batch)


def _held_out(validation: list[tuple[GalaxyTable | None, float]], s: TrainSettings) -> GalaxyTable:
    """``valid_data``, or some of every source in its share."""
    if s.valid_data:
        present = splits(s.valid_data) if Path(s.valid_data).is_dir() else []
        return GalaxyTable.load(s.valid_data, "validation" if "validation" in present else None)[: s.valid_rows]
    return GalaxyTable.join([held[: max(1, round(s.valid_rows * share))] for held, share in validation])


def _open(name: str, s: TrainSettings) -> tuple[GalaxySequence, GalaxyTable | None]:
    """The galaxies of one entry of ``data``, and those of them that are for validation."""
    present = splits(name) if Path(name).is_dir() else []
    split = "train" if "train" in present else None
    held_out = GalaxyTable.load(name, "validation")[: s.valid_rows] if "validation" in present else None
    if s.stream:
        return _stream(name, split, held_out, s)
    table = GalaxyTable.load(name, split)
    if held_out is None and not s.valid_data:
        n = max(1, min(s.valid_rows, int(HELD_OUT_SHARE * len(table))))
        table, held_out = table[:-n], table[-n:]
    if len(table) == 0:
        raise ValueError(f"{name}: too few galaxies to train on")
    return TableSequence(table, s.seed, lambda row: _place(name, split, row)), held_out


def _place(name: str, split: str | None, row: int) -> str:
    """File and row of a galaxy of ``GalaxyTable.load(name, split)``."""
    if not Path(name).exists():
        return f"{name} row {row}"
    groups = GalaxyFiles(files_of_split(Path(name), split)).groups
    return row_of_groups(groups, range(len(groups)), row)


def _stream(
    name: str, split: str | None, held_out: GalaxyTable | None, s: TrainSettings
) -> tuple[GalaxySequence, GalaxyTable | None]:
    """The same of files that are read as they are needed: whole row groups are held out."""
    if not Path(name).exists():
        raise ValueError(f"{name}: --stream reads Parquet files from a folder, and there is none; download it first")
    files = GalaxyFiles(files_of_split(Path(name), split))
    if held_out is None and not s.valid_data:
        if len(files.groups) == 1:
            raise ValueError(f"{name}: a single row group, of which none can be held out; leave out --stream")
        held_out = GalaxyTable(**files.read(len(files.groups) - 1))[: s.valid_rows]
        del files.groups[-1]
    return StreamedSequence(files, s.seed), held_out


def simulator_of(settings: TrainSettings, device: torch.device | str) -> Callable[[int, int, int], GalaxyTable]:
    """``simulate(seed, start, n)`` by the settings of the run, on its device."""
    wanted = settings_of(SimulationSettings, settings.simulation, "simulation")
    simulator = Simulator(wanted, device=device)

    def simulate(seed: int, start: int, n: int) -> GalaxyTable:
        rows = simulator.rows(seed, start, n)
        survey = torch.tensor([SURVEYS.index(name) for name in rows.survey], device=rows.flux.device)
        return GalaxyTable(rows.flux, rows.properties, survey)

    return simulate


def origin(settings: TrainSettings) -> dict[str, Any] | None:
    """What is known of how the galaxies came, which is the prior of every posterior; of several sources, of each.

    Raises:
        ValueError: a file of settings that is damaged.
    """
    known = []
    if settings.online:
        simulated = asdict(settings_of(SimulationSettings, settings.simulation, "simulation"))
        known.append({"settings": simulated})
    for name, share in settings.sources:
        facts = _facts(Path(name) / SETTINGS_FILE)
        known.append(facts if share is None or facts is None else {**facts, "share": share})
    known = [facts for facts in known if facts is not None]
    return {"sources": known} if len(known) > 1 else known[0] if known else None


def _facts(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    try:
        return public_facts(json.loads(file.read_text(encoding="utf-8")))  # the model may be published
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"{file}: not valid JSON ({error})") from None


__all__ = ["Feed", "feed", "origin", "simulator_of"]
