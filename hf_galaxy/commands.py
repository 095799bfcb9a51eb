"""What each subcommand of ``hf-galaxy`` does with its arguments; every one checks its output before it works."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import astropy.units as u
import numpy as np
import torch
from astropy.table import Column, Table, hstack, vstack
from tqdm import tqdm

from hf_galaxy.data.catalogues import Catalogue, read_catalogue
from hf_galaxy.data.column_names import ERROR_SUFFIX, nearest
from hf_galaxy.data.spectra_table import photometry_table
from hf_galaxy.data.table_io import check_output, table_format, write_table
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.physics.priors import SimulationSettings
from hf_galaxy.physics.simulate import Simulator
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.variables_galaxy import PROPERTIES, Variable, default_variables

ROWS_AT_ONCE = 4096  # rows of a catalogue, and of a simulation, that are worked on together
FOLDS = 4  # parts of the bands that `plot` hides in turn
GRID = 400


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
    galaxy, catalogue = _evidence(arguments)
    asked = _asked(arguments.ask, galaxy)
    parts = []
    for rows in _chunks(len(catalogue), "predict"):
        parts.append(_answers(galaxy.condition(catalogue[rows]), asked, arguments, arguments.seed + rows.start))
    answers = vstack(parts, metadata_conflicts="silent")
    kept = _identity(catalogue, answers.colnames)
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
    from hf_galaxy.plotting.style import new_figure, save_figure

    galaxy, catalogue = _evidence(arguments)
    if arguments.index >= len(catalogue):
        raise ValueError(f"{catalogue.source}: there is no row {arguments.index}; rows are 0 to {len(catalogue) - 1}")
    asked = _asked(arguments.ask, galaxy)
    row = catalogue[[arguments.index]]
    columns = len(asked)
    figure, axes = new_figure(2, columns, width=max(7.1, 2.4 * columns), height=5.6, height_ratios=[1.6, 1])
    grid = axes[0, 0].get_gridspec()
    for ax in axes[0]:
        ax.remove()
    _draw_sed(figure.add_subplot(grid[0, :]), galaxy, row)
    _draw_densities(axes[1], galaxy.condition(row), row, asked)
    save_figure(figure, arguments.output)


def info(arguments: argparse.Namespace) -> None:
    """What a model is, on stdout."""
    for name, text in _load(arguments).facts().items():
        print(f"{name:24s} {text}")


# Pieces -------------------------------------------------------------------------------------------------------------


def _check_table_output(arguments: argparse.Namespace) -> None:
    table_format(arguments.output)
    check_output(arguments.output, arguments.overwrite)


def _load(arguments: argparse.Namespace) -> GalaxyPosterior:
    return GalaxyPosterior.from_pretrained(arguments.model, revision=arguments.revision)


def _evidence(arguments: argparse.Namespace) -> tuple[GalaxyPosterior, Catalogue]:
    """The model and the catalogue; what the catalogue says of itself goes to stderr."""
    galaxy = _load(arguments)
    catalogue = read_catalogue(arguments.catalogue, arguments.unit, arguments.given, galaxy.variables)
    for line in catalogue.report.lines():
        print(f"hf-galaxy: {catalogue.source}: {line}", file=sys.stderr)
    return galaxy, catalogue


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


def _identity(catalogue: Catalogue, taken: Sequence[str]) -> Table:
    """Columns of the user's table that are no evidence: identities, positions, values to compare with."""
    evidence = {form for name in catalogue.names for form in (name, name + ERROR_SUFFIX)}
    return Table(catalogue.table[[c for c in catalogue.table.colnames if c not in evidence and c not in taken]])


def _simulated_table(rows: slice, bands: Sequence[str], drawn: Any, seen: Any) -> Table:
    units = {v.name: v.unit for v in default_variables()}
    table = Table({"row": np.arange(rows.start, rows.stop), "population": drawn.survey})
    for i, band in enumerate(bands):
        table[band] = Column(seen.flux[:, i].numpy(), unit=u.nJy)
        table[band + ERROR_SUFFIX] = Column(seen.error[:, i].numpy(), unit=u.nJy)
    for i, name in enumerate(PROPERTIES):
        table[f"true_{name}"] = Column(drawn.properties[:, i].numpy(), unit=units[name] or None)
    return table


def _draw_sed(ax: Any, galaxy: GalaxyPosterior, row: Catalogue) -> None:
    from hf_galaxy.plotting.sed import PREDICTED_LEVELS, plot_sed

    bands = [v for v in galaxy.variables if v.kind == "flux"]
    place = {name: i for i, name in enumerate(row.names)}
    flux, error = (
        np.array([table[0, place[b.name]] if b.name in place else np.nan for b in bands])
        for table in (row.values, row.errors)
    )
    plot_sed(
        ax,
        [b.pivot for b in bands],
        [b.width for b in bands],
        flux,
        error,
        predicted=_predicted_from_others(galaxy, row, [b.name for b in bands], PREDICTED_LEVELS),
    )


def _predicted_from_others(
    galaxy: GalaxyPosterior, row: Catalogue, bands: Sequence[str], levels: Sequence[float]
) -> np.ndarray:
    """(n_band, n_level) quantiles of the noiseless flux of each band, given the bands of the other folds."""
    fold = {name: 1 + i % FOLDS for i, name in enumerate(n for n in bands if n in row.names)}
    rows = row[[0] * (1 + FOLDS)]
    values = rows.values.copy()
    for name, part in fold.items():
        values[part, row.names.index(name)] = np.nan
    errors = np.where(np.isnan(values), np.nan, rows.errors)
    posterior = galaxy.condition(replace(rows, values=values, errors=errors))
    return np.stack([np.asarray(posterior.quantiles(name, levels))[fold.get(name, 0)] for name in bands])


def _draw_densities(axes: np.ndarray, posterior: GalaxyPosterior, row: Catalogue, asked: Sequence[Variable]) -> None:
    from hf_galaxy.plotting.posterior import plot_marginals

    densities, medians, intervals, truths = {}, {}, {}, {}
    for variable in asked:
        low, lower, median, upper, high = np.asarray(
            posterior.quantiles(variable.name, [0.001, 0.16, 0.5, 0.84, 0.999])
        )[0]
        margin = 0.2 * (high - low)
        grid = np.linspace(low - margin, high + margin, GRID)
        densities[variable.name] = grid, np.asarray(posterior.pdf(variable.name, grid))[0]
        medians[variable.name], intervals[variable.name] = median, (lower, upper)
        truth = _comparison(row.table, variable.name)
        if truth is not None:
            truths[variable.name] = truth
    plot_marginals(axes, densities, truths=truths, medians=medians, intervals=intervals)


def _comparison(table: Table, name: str) -> float | None:
    """The value of the catalogue to compare with, if it has one."""
    for column in (f"true_{name}", f"{name}_spec", name):
        if column in table.colnames:
            value = np.ma.filled(np.ma.asarray(table[column][:1], dtype=float), np.nan)[0]
            return float(value) if np.isfinite(value) else None
    return None


__all__ = ["info", "photometry", "plot", "predict", "simulate"]
