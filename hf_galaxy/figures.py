"""Figures of posteriors: what `plotting` draws of arrays, asked from a model and a catalogue.

Needs matplotlib, as all of `plotting` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hf_galaxy.data.catalogues import Catalogue
from hf_galaxy.plotting.posterior import plot_marginals
from hf_galaxy.plotting.sed import PREDICTED_LEVELS, plot_sed
from hf_galaxy.plotting.style import new_figure
from hf_galaxy.posterior import GalaxyPosterior

FOLDS = 4  # parts of the bands that are hidden in turn
PANELS_IN_A_ROW = 4


def galaxy_figure(galaxy: GalaxyPosterior, row: Catalogue, names: Sequence[str] = ("redshift",)) -> Figure:
    """One galaxy: its bands over what the model predicts for each from the others, and posterior densities.

    Args:
        galaxy: The model.
        row: A catalogue of one row; its redshift or properties, true, spectroscopic or given, are marked.
        names: Properties whose density is drawn.
    """
    columns = min(len(names), PANELS_IN_A_ROW)
    rows = -(-len(names) // columns)
    figure, axes = new_figure(1 + rows, columns, width=7.1, height=3.6 + 2.0 * rows, height_ratios=[1.7, *[1.0] * rows])
    for ax in axes[0]:
        ax.remove()
    sed_ax = figure.add_subplot(axes[0, 0].get_gridspec()[0, :])
    draw_sed(sed_ax, galaxy, row)
    draw_densities(axes[1:], galaxy.condition(row), row.table, names)
    return figure


def draw_sed(ax: Axes, galaxy: GalaxyPosterior, row: Catalogue, hidden: Sequence[str] = ()) -> Axes:
    """The bands of one galaxy over their prediction: of `hidden` bands from the others, or else of each band from
    the bands of the other folds.
    """
    bands = [v for v in galaxy.variables if v.kind == "flux"]
    place = {name: i for i, name in enumerate(row.names)}
    flux, error = (
        np.array([table[0, place[b.name]] if b.name in place else np.nan for b in bands])
        for table in (row.values, row.errors)
    )
    names = [b.name for b in bands]
    return plot_sed(
        ax,
        [b.pivot for b in bands],
        [b.width for b in bands],
        flux,
        error,
        used=[name not in hidden for name in names],
        predicted=predict_hidden(galaxy, row, names, PREDICTED_LEVELS, hidden),
        redshift=comparison(row.table, "redshift"),
    )


def predict_hidden(
    galaxy: GalaxyPosterior,
    row: Catalogue,
    bands: Sequence[str],
    levels: Sequence[float],
    hidden: Sequence[str] = (),
) -> np.ndarray:
    """(n_band, n_level) quantiles in nJy of the noiseless flux of each band, none given itself: see `draw_sed`."""
    if hidden:
        fold = dict.fromkeys(bands, 1)  # every band, also those never observed, from what is not hidden
        hiding = dict.fromkeys(hidden, 1)
    else:
        fold = hiding = {name: 1 + i % FOLDS for i, name in enumerate(n for n in bands if n in row.names)}
    rows = row[[0] * (1 + FOLDS)]
    values = rows.values.copy()
    for name, part in hiding.items():
        if name in row.names:
            values[part, row.names.index(name)] = np.nan
    rows = replace(rows, values=values, errors=np.where(np.isnan(values), np.nan, rows.errors))
    posterior = galaxy.condition(rows)
    quantiles = posterior.quantiles_of(bands, levels)
    return np.stack([quantiles[fold.get(name, 0), i] for i, name in enumerate(bands)])


def draw_densities(axes: np.ndarray, posterior: GalaxyPosterior, table: Table, names: Sequence[str]) -> None:
    """A panel for the density of each property of the first galaxy, with the value of the table to compare with."""
    densities, medians, intervals, truths = {}, {}, {}, {}
    for name in names:
        densities[name] = density(posterior, name)
        lower, medians[name], upper = posterior.quantiles(name, [0.16, 0.5, 0.84])[0]
        intervals[name] = lower, upper
        truth = comparison(table, name)
        if truth is not None:
            truths[name] = truth
    plot_marginals(axes, densities, truths=truths, medians=medians, intervals=intervals)


def density(posterior: GalaxyPosterior, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Grid and density of one variable of the first galaxy; the grid is fine where the probability is."""
    levels = [0.001, *np.linspace(0.01, 0.99, 99), 0.999]
    quantiles = posterior.quantiles(name, levels)[0]
    margin = 0.2 * (quantiles[-1] - quantiles[0])
    grid = np.union1d(np.linspace(quantiles[0] - margin, quantiles[-1] + margin, 400), quantiles)
    return grid, posterior.pdf(name, grid)[0]


def comparison(table: Table, name: str) -> float | None:
    """The value in the first row to compare with, if the table has one: true, spectroscopic, or of that name."""
    for column in (f"true_{name}", f"{name}_spec", name):
        if column in table.colnames:
            value = np.ma.filled(np.ma.asarray(table[column][:1], dtype=float), np.nan)[0]
            return float(value) if np.isfinite(value) else None
    return None


__all__ = ["comparison", "density", "draw_densities", "draw_sed", "galaxy_figure", "predict_hidden"]
