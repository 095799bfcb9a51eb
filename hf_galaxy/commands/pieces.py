"""What several subcommands do with their arguments: check the output, load the model, read the catalogue."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

import torch
from tqdm import tqdm

from hf_galaxy.data.catalogues import Catalogue, read_catalogue
from hf_galaxy.data.column_names import nearest
from hf_galaxy.data.layouts.finding import LayoutSettings
from hf_galaxy.data.table_io import check_output, table_format
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.variables_galaxy import Variable

ROWS_AT_ONCE = 4096  # rows of a catalogue, and of a simulation, that are worked on together


def check_table_output(arguments: argparse.Namespace) -> None:
    """Refuse an output that cannot be written, before any work."""
    table_format(arguments.output)
    check_output(arguments.output, arguments.overwrite)


def load(arguments: argparse.Namespace, device: str | torch.device = "cpu") -> GalaxyPosterior:
    """The model, told the survey of the catalogue if one is given."""
    galaxy = GalaxyPosterior.from_pretrained(arguments.model, revision=arguments.revision, device=device)
    survey = getattr(arguments, "survey", None)
    if survey is None:
        return galaxy
    adapted = tuple(galaxy.model.config.calibration or ())
    if survey not in adapted:
        known = f"it has been to {', '.join(adapted)}" if adapted else "it has been to none"
        raise ValueError(
            f"--survey {survey}: the model was not adapted to that survey; {known} (train.py --stage adapt)"
        )
    return galaxy.condition(survey=survey)


def evidence(arguments: argparse.Namespace, galaxy: GalaxyPosterior) -> Catalogue:
    """The catalogue as the model reads it."""
    return read_catalogue(arguments.catalogue, variables=galaxy.variables, settings=layout_settings(arguments))


def layout_settings(arguments: argparse.Namespace) -> LayoutSettings:
    """What the user says of the columns."""
    names = ("unit", "given", "columns", "layout", "aperture", "filters", "ebv")
    return LayoutSettings(**{name: getattr(arguments, name) for name in names})


def tell(catalogue: Catalogue) -> None:
    """What the catalogue says of itself, on stderr."""
    for line in catalogue.report.lines():
        print(f"hf-galaxy: {catalogue.source}: {line}", file=sys.stderr)


def asked_variables(names: Sequence[str] | None, galaxy: GalaxyPosterior) -> list[Variable]:
    """The variables asked for; every property by default."""
    known = {v.name: v for v in galaxy.variables if v.kind != "category"}
    if names is None:
        return [v for v in known.values() if v.kind == "property"]
    for name in names:
        if name not in known:
            raise ValueError(
                f"--ask {name}: the model knows no such variable; the nearest is {nearest(name, list(known))}"
            )
    return [known[name] for name in dict.fromkeys(names)]


def chunks(n: int, label: str) -> Iterator[slice]:
    """Slices of rows, with a progress bar on a terminal."""
    with tqdm(total=n, desc=label, unit=" galaxies", disable=None if n > ROWS_AT_ONCE else True) as bar:
        for start in range(0, n, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, n)
            yield slice(start, stop)
            bar.update(stop - start)
