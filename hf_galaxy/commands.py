"""What each subcommand of ``hf-galaxy`` does with its arguments; every one checks its output before it works."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import torch
from astropy.table import Column, Table, hstack, vstack
from tqdm import tqdm

from hf_galaxy.assessment.facts import model_facts
from hf_galaxy.assessment.held_out import held_out
from hf_galaxy.assessment.output import REPORT, check_extras, check_folder
from hf_galaxy.assessment.output import evaluate as evaluate_kinds
from hf_galaxy.assessment.run import AssessmentSettings, compared, noise_kinds
from hf_galaxy.data.catalogues import Catalogue, read_catalogue
from hf_galaxy.data.column_names import ERROR_SUFFIX, nearest
from hf_galaxy.data.spectra_table import photometry_table
from hf_galaxy.data.table_io import check_output, table_format, write_table
from hf_galaxy.evaluation.report import write_report
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.physics.settings import SimulationSettings
from hf_galaxy.physics.simulate import Simulator
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.variables_galaxy import PROPERTIES, Variable, default_variables

ROWS_AT_ONCE = 4096  # rows of a catalogue, and of a simulation, that are worked on together


def photometry(arguments: argparse.Namespace) -> None:
    """Spectra to a table of synthetic photometry."""
    _check_table_output(arguments)
    table = photometry_table(
        arguments.spectra,
        FilterSet.from_folder(arguments.filters) if arguments.filters else None,
        arguments.redshift,
        arguments.error_floor,
        arguments.scale_to,
        air=arguments.air,
        redrock=arguments.redrock,
    )
    write_table(table, arguments.output, arguments.overwrite)


def predict(arguments: argparse.Namespace) -> None:
    """A catalogue to a table of posterior quantiles."""
    _check_table_output(arguments)
    if Path(arguments.output).resolve() == Path(arguments.catalogue).resolve():
        raise ValueError(f"{arguments.output}: is the catalogue itself; answers would replace it, give another output")
    galaxy = _load(arguments)
    asked = _asked(arguments.ask, galaxy)
    catalogue = _evidence(arguments, galaxy)
    _tell(catalogue)
    parts = []
    for rows in _chunks(len(catalogue), "predict"):
        parts.append(_answers(galaxy.condition(catalogue[rows]), asked, arguments, arguments.seed + rows.start))
    answers = vstack(parts, metadata_conflicts="silent")
    if beyond := int((answers["n_extrapolated"] > 0).sum()):
        text = "rows with evidence beyond the range of the training (n_extrapolated); are the units right?"
        print(f"hf-galaxy: {catalogue.source}: {text}: {beyond}", file=sys.stderr)
    kept = _identity(catalogue, galaxy, answers.colnames)
    write_table(hstack([kept, answers]) if kept.colnames else answers, arguments.output, arguments.overwrite)


def simulate(arguments: argparse.Namespace) -> None:
    """A simulated catalogue: what a survey would see, and the truth."""
    _check_table_output(arguments)
    simulator = Simulator(SimulationSettings(population=arguments.population))
    settings = NoiseSettings.nominal() if arguments.noise == "nominal" else NoiseSettings.survey()
    noise = NoiseModel(settings, simulator.bands)
    parts = []
    for rows in _chunks(arguments.n, "simulate"):
        drawn = simulator.rows(arguments.seed, rows.start, rows.stop - rows.start)
        generator = torch.Generator().manual_seed(arguments.seed + rows.start)
        seen = noise.observe(drawn.flux, generator)
        parts.append(_simulated_table(rows, simulator.bands, drawn, seen))
    table = vstack(parts)
    table.meta["comments"] = [f"Simulated by hf-galaxy: {simulator.settings}, seed {arguments.seed}, {noise.settings}."]
    write_table(table, arguments.output, arguments.overwrite)


def plot(arguments: argparse.Namespace) -> None:
    """One galaxy: its bands over what the posterior predicts for each from the others, and densities of properties."""
    check_output(arguments.output, arguments.overwrite)
    if find_spec("matplotlib") is None:
        raise ImportError('figures need matplotlib: pip install "hf-galaxy[plot]"')
    from hf_galaxy.figures import galaxy_figure
    from hf_galaxy.plotting.style import save_figure

    galaxy = _load(arguments)
    asked = _asked(arguments.ask, galaxy)
    catalogue = _evidence(arguments, galaxy)
    if arguments.index >= len(catalogue):
        raise ValueError(f"{catalogue.source}: there is no row {arguments.index}; rows are 0 to {len(catalogue) - 1}")
    _tell(catalogue)
    figure = galaxy_figure(galaxy, catalogue[[arguments.index]], [v.name for v in asked])
    save_figure(figure, arguments.output)


def evaluate(arguments: argparse.Namespace) -> None:
    """A model against galaxies whose truth is known: metrics.json and pages of figures."""
    check_extras(arguments.joint, pages=True)
    galaxy = _load(arguments)
    galaxies = held_out(arguments.data, arguments.n, arguments.seed, galaxy.variables, arguments.unit)
    kinds = noise_kinds(galaxies, arguments.noise)
    compared(galaxies, galaxy, arguments.ask)
    settings = AssessmentSettings(arguments.ask, kinds[0], arguments.seed, arguments.joint, arguments.draws)
    check_folder(arguments.out, arguments.overwrite)
    facts = model_facts(galaxy, arguments.model)
    report = evaluate_kinds(galaxy, galaxies, kinds, settings, model=facts, stem=f"{arguments.out}/", tell=print)
    write_report(arguments.out / REPORT, report)


def info(arguments: argparse.Namespace) -> None:
    """What a model is, on stdout."""
    for name, text in _load(arguments).facts().items():
        print(f"{name:24s} {text}")


# Pieces -------------------------------------------------------------------------------------------------------------


def _check_table_output(arguments: argparse.Namespace) -> None:
    table_format(arguments.output)
    check_output(arguments.output, arguments.overwrite)


def _load(arguments: argparse.Namespace) -> GalaxyPosterior:
    """The model, told the survey of the catalogue if one is given."""
    galaxy = GalaxyPosterior.from_pretrained(arguments.model, revision=arguments.revision)
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


def _evidence(arguments: argparse.Namespace, galaxy: GalaxyPosterior) -> Catalogue:
    return read_catalogue(arguments.catalogue, arguments.unit, arguments.given, galaxy.variables)


def _tell(catalogue: Catalogue) -> None:
    """What the catalogue says of itself, on stderr."""
    for line in catalogue.report.lines():
        print(f"hf-galaxy: {catalogue.source}: {line}", file=sys.stderr)


def _asked(names: Sequence[str] | None, galaxy: GalaxyPosterior) -> list[Variable]:
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


def _chunks(n: int, label: str) -> Iterator[slice]:
    """Slices of rows, with a progress bar on a terminal."""
    with tqdm(total=n, desc=label, unit=" galaxies", disable=None if n > ROWS_AT_ONCE else True) as bar:
        for start in range(0, n, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, n)
            yield slice(start, stop)
            bar.update(stop - start)


def _answers(posterior: GalaxyPosterior, asked: Sequence[Variable], arguments: argparse.Namespace, seed: int) -> Table:
    """What `predict` writes of some galaxies."""
    names = [v.name for v in asked]
    table = posterior.summary(names, arguments.quantiles)
    table["log_prob_photometry"] = posterior.log_prob_photometry()
    if arguments.samples:
        draws = posterior.sample(arguments.samples, names, seed)
        for variable in asked:
            table[f"{variable.name}_samples"] = u.Quantity(draws[variable.name], variable.unit, dtype=np.float32)
    return Table(table)


def _identity(catalogue: Catalogue, galaxy: GalaxyPosterior, taken: Sequence[str]) -> Table:
    """Columns of the user's table other than bands: identities, positions, values to compare with."""
    bands = {form for v in galaxy.variables if v.kind == "flux" for form in (v.name, v.name + ERROR_SUFFIX)}
    kept = [c for c in catalogue.table.colnames if c not in bands and c not in taken]
    return Table(catalogue.table[kept]) if kept else Table()  # astropy: table[[]] has every column and no row


def _simulated_table(rows: slice, bands: Sequence[str], drawn: Any, seen: Any) -> Table:
    units = {v.name: v.unit for v in default_variables()}
    table = Table({"row": np.arange(rows.start, rows.stop), "population": drawn.survey})
    for i, band in enumerate(bands):
        table[band] = Column(seen.flux[:, i].numpy(), unit=u.nJy)
        table[band + ERROR_SUFFIX] = Column(seen.error[:, i].numpy(), unit=u.nJy)
    for i, name in enumerate(PROPERTIES):
        table[f"true_{name}"] = Column(drawn.properties[:, i].numpy(), unit=units[name] or None)
    return table


__all__ = ["evaluate", "info", "photometry", "plot", "predict", "simulate"]
