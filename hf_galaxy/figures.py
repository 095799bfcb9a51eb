"""Figures of posteriors: what `plotting` draws of arrays, asked from a model and a catalogue.

Needs matplotlib, as all of `plotting` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hf_galaxy.data.catalogues import Catalogue
from hf_galaxy.information import STRETCH, information, stretches
from hf_galaxy.plotting.information import plot_information, plot_surprise
from hf_galaxy.plotting.posterior import plot_density, plot_joint, plot_marginals
from hf_galaxy.plotting.sed import PREDICTED_LEVELS, plot_sed
from hf_galaxy.plotting.style import PAGE_WIDTH, new_figure, styled
from hf_galaxy.plotting.wavelength import ULTRAVIOLET_LIMIT
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.variables_galaxy import Variable

FOLDS = 4  # parts of the bands that are hidden in turn
PANELS_IN_A_ROW = 4
ONE_SIGMA, INTERVAL = 0.6827, "68 %, highest density"
DRAWS = 5000
NEXT_SNR = 10.0  # of a band that might be observed next
LEAST_FLUX = 10.0  # nJy, where the predicted one is next to nothing
BROAD = 0.05  # half width of a 68 % interval of the redshift over 1 + z beyond which no line is marked
# Column of a table to compare with, and what its value is called.
COMPARISONS = (("true_{}", "true"), ("{}_spec", "spectroscopic"), ("{}", "catalogue"))
NAMES_OF_ROWS = ("id", "ID", "name", "NAME", "TILE_NUMBER", "objid", "OBJID", "targetid", "TARGETID")


class Marked(NamedTuple):
    """A redshift to mark lines at: its value, the interval it lies in, or None, and what it is."""

    value: float
    interval: tuple[float, float] | None
    label: str


@styled
def galaxy_figure(
    galaxy: GalaxyPosterior, row: Catalogue, names: Sequence[str] = ("redshift",), hidden: Sequence[str] = ()
) -> Figure:
    """One galaxy: its bands over what the model predicts for each from the others, and posterior densities.

    Args:
        galaxy: The model.
        row: A catalogue of one row; its redshift or properties, true, spectroscopic or given, are marked.
        names: Properties whose density is drawn.
        hidden: Bands that are kept from the model, drawn hollow.
    """
    columns = min(len(names), PANELS_IN_A_ROW)
    rows = -(-len(names) // columns)
    height = 3.6 + 1.9 * rows
    figure, axes = new_figure(1 + rows, columns, width=PAGE_WIDTH, height=height, height_ratios=[1.8, *[1.0] * rows])
    for ax in axes[0]:
        ax.remove()
    sed_ax = figure.add_subplot(axes[0, 0].get_gridspec()[0, :])
    draw_sed(sed_ax, galaxy, row, hidden)
    _title(sed_ax, row)
    draw_densities(axes[1:], galaxy.condition(hide(row, hidden)), row.table, names)
    figure.align_xlabels(axes[1:])
    _legend_of(figure, axes[1:].ravel(), "outside lower center")
    return figure


@styled
def density_figure(galaxy: GalaxyPosterior, rows: Catalogue, names: Sequence[str] = ("redshift",)) -> Figure:
    """Density of a property, by default p(z), of some galaxies: mode, 68 % highest-density region, truth, odds.

    Args:
        rows: A panel each; of several properties, a row of panels each.
    """
    panels = len(rows) * len(names)
    columns = len(names) if len(names) > 1 else min(panels, 3)
    width = 3.9 if panels == 1 else PAGE_WIDTH
    lines = -(-panels // columns)
    figure, axes = new_figure(lines, columns, width=width, height=2.9 if panels == 1 else 0.3 + 2.1 * lines)
    for i, ax in enumerate(axes.ravel()):
        if i >= panels:
            ax.set_axis_off()
            continue
        place, name = divmod(i, len(names)) if len(names) > 1 else (i, 0)
        _density_panel(ax, galaxy.condition(rows[[place]]), rows[[place]], names[name])
        if i % columns:
            ax.set_ylabel("")
    _legend_of(figure, axes.ravel()[:panels], "outside upper center")
    return figure


@styled
def corner_figure(
    galaxy: GalaxyPosterior, row: Catalogue, names: Sequence[str], draws: int = DRAWS, seed: int = 0
) -> Figure:
    """Joint draws of some properties of one galaxy, each pair and each alone, with the truth where it is known.

    Raises:
        ValueError: Fewer than two properties, or one is known exactly.
    """
    if len(names) < 2:
        raise ValueError(f"a corner plot shows pairs: ask two properties or more, not {', '.join(names) or 'none'}")
    samples = {name: drawn[0] for name, drawn in galaxy.condition(row).sample(draws, names, seed).items()}
    for name, drawn in samples.items():
        if np.ptp(drawn) == 0:
            raise ValueError(f"{name} is known exactly; a corner plot shows what is not: ask without it")
    truths = {name: comparison(row.table, name) for name in names}
    truths = {name: value for name, value in truths.items() if value is not None}
    side = min(PAGE_WIDTH, 1.5 * len(names) + 0.6)
    figure, axes = new_figure(len(names), len(names), width=side, height=side)
    figure.get_layout_engine().set(wspace=0.02, hspace=0.02, w_pad=0.02, h_pad=0.02)
    plot_joint(axes, samples, truths=truths)
    figure.align_labels(axes)
    lines = [name_of(row), f"{draws:,} joint draws; contours hold 68 and 95 %".replace(",", "\u2009")]
    label = next((word for name in truths for word in [_comparison(row.table, name)[1]]), None)
    lines += [f"dashed: {label}"] if label else []
    figure.text(0.98, 0.98, "\n".join(lines), ha="right", va="top", fontsize=8.5, linespacing=1.4)
    return figure


@styled
def information_figure(galaxy: GalaxyPosterior, row: Catalogue, names: Sequence[str] = ("redshift",)) -> Figure:
    """Which bands informed the answers: the bands of a galaxy, what each brought or would bring, and which is odd."""
    posterior = galaxy.condition(row)
    bands, _, _ = _fluxes(galaxy, row)
    shown = [b for b in bands if b.name in row.names and row.observed[0, row.names.index(b.name)]]
    if len(shown) < 2:
        raise ValueError(f"{row.source}: this galaxy has {len(shown)} bands; what each brought needs two or more")
    seen = [b.name for b in shown]
    alone = information(posterior, [[name] for name in seen], names)[0]
    around = information(posterior, stretches(shown, seen), names)[0]
    whole = information(posterior, [seen], names)[0, 0]
    panels = len(names) + 2
    figure, axes = new_figure(
        panels, 1, width=PAGE_WIDTH, height=2.6 + 1.25 * (panels - 1), height_ratios=[2.1, *[1.0] * (panels - 1)]
    )
    figure.get_layout_engine().set(hspace=0.01, h_pad=0.02)
    top, *below = axes[:, 0]
    draw_sed(top, galaxy, row, below=below)
    _title(top, row)
    pivot, width = [b.pivot for b in bands], [b.width for b in bands]
    place = [bands.index(b) for b in shown]
    for i, (ax, name) in enumerate(zip(below, names, strict=False)):
        brought, together = np.full((2, len(bands)), np.nan)
        brought[place], together[place] = alone[:, i], around[:, i]
        plot_information(
            ax, pivot, width, brought, stretch=together, name=name, legend=i == 0,
            stretch_label=f"all within {STRETCH:g} Å", note=f"all bands {whole[i]:.2f} nat",
            expected=expected_information(posterior, bands, name), expected_label=f"expected at S/N {NEXT_SNR:g}",
        )  # fmt: skip
    table = posterior.surprise(seen)
    residual = dict(zip(table["band"], table["residual"], strict=True))
    plot_surprise(below[-1], [b.pivot for b in shown], [residual[name] for name in seen], seen)
    figure.align_ylabels(axes[:, 0])
    return figure


def expected_information(
    posterior: GalaxyPosterior, bands: Sequence[Variable], name: str, snr: float = NEXT_SNR
) -> np.ndarray:
    """(n_band,) information in nats that the first galaxy's unobserved bands are expected to bring about a property.

    Args:
        snr: Signal-to-noise ratio, at the predicted flux, that they would be observed with.
    """
    known = posterior.evidence.known[0]
    missing = [b.name for b in bands if not known[posterior.evidence.column(b)]]
    gain = np.full(len(bands), np.nan)
    if not missing or known[posterior.evidence.column(posterior.tokenizer.variable(name))]:
        return gain
    flux = posterior.quantiles_of(missing, [0.5])[0, :, 0]
    errors = {band: max(float(f), LEAST_FLUX) / snr for band, f in zip(missing, flux, strict=True)}
    found = posterior.information_gain(name, missing, errors)
    for i, band in enumerate(bands):
        gain[i] = found[band.name][0] if band.name in found else np.nan
    return gain


def draw_sed(
    ax: Axes, galaxy: GalaxyPosterior, row: Catalogue, hidden: Sequence[str] = (), below: Sequence[Axes] = ()
) -> Axes:
    """The bands of one galaxy over their prediction: of `hidden` bands from the others, or else of each band from
    the bands of the other folds. Ultraviolet bands are shown if they are observed.

    Args:
        below: Panels that share the wavelength axis.
    """
    bands, flux, error = _fluxes(galaxy, row)
    names = [b.name for b in bands]
    lines = line_redshift(galaxy.condition(hide(row, hidden)), row)
    return plot_sed(
        ax,
        [b.pivot for b in bands],
        [b.width for b in bands],
        flux,
        error,
        used=[name not in hidden for name in names],
        predicted=predict_hidden(galaxy, row, names, PREDICTED_LEVELS, hidden),
        redshift=lines and lines.value,
        redshift_interval=lines and lines.interval,
        redshift_label=lines.label if lines else "",
        below=below,
    )


def line_redshift(posterior: GalaxyPosterior, row: Catalogue) -> Marked | None:
    """Where to mark lines: at the redshift that is known, or else at the mode of the posterior if that is sharp."""
    found = _comparison(row.table, "redshift")
    if found is not None:
        value, word = found
        return Marked(value, None, f"lines at the {word} redshift {value:.3f}")
    mode, (low, high) = posterior.mode("redshift")[0], posterior.interval("redshift")[0]
    if 0.5 * (high - low) > BROAD * (1 + mode):
        return None
    return Marked(float(mode), (float(low), float(high)), f"lines at the posterior mode, $z = {mode:.3f}$")


def hide(row: Catalogue, names: Sequence[str]) -> Catalogue:
    """A catalogue without some of its evidence."""
    columns = [row.names.index(name) for name in names if name in row.names]
    values, errors = row.values.copy(), row.errors.copy()
    values[:, columns] = errors[:, columns] = np.nan
    return replace(row, values=values, errors=errors)


def name_of(row: Catalogue) -> str:
    """What the first row is called in its table, if it is."""
    found = [c for c in NAMES_OF_ROWS if c in row.table.colnames]
    return str(row.table[found[0]][0]) if found else ""


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
    quantiles = galaxy.condition(rows).quantiles_of(bands, levels)
    return np.stack([quantiles[fold.get(name, 0), i] for i, name in enumerate(bands)])


def draw_densities(axes: np.ndarray, posterior: GalaxyPosterior, table: Table, names: Sequence[str]) -> None:
    """A panel for the density of each property of the first galaxy, with the value of the table to compare with."""
    found = {name: _comparison(table, name) for name in names}
    truths = {name: one for name, one in found.items() if one is not None}
    words = list(dict.fromkeys(word for _, word in truths.values()))
    plot_marginals(
        axes,
        {name: density(posterior, name) for name in names},
        truths={name: value for name, (value, _) in truths.items()},
        medians={name: posterior.quantiles(name, [0.5])[0, 0] for name in names},
        intervals={name: posterior.regions(name, ONE_SIGMA)[0][:, :2] for name in names},
        labels={"interval_label": INTERVAL, "median_label": "median", "truth_label": " or ".join(words) or None},
    )


def density(posterior: GalaxyPosterior, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Grid and density of one variable of the first galaxy; the grid is fine where the probability is."""
    levels = [0.001, *np.linspace(0.01, 0.99, 99), 0.999]
    quantiles = posterior.quantiles(name, levels)[0]
    margin = 0.2 * (quantiles[-1] - quantiles[0])
    grid = np.union1d(np.linspace(quantiles[0] - margin, quantiles[-1] + margin, 400), quantiles)
    return grid, posterior.pdf(name, grid)[0]


def comparison(table: Table, name: str) -> float | None:
    """The value in the first row to compare with, if the table has one: true, spectroscopic, or of that name."""
    found = _comparison(table, name)
    return found and found[0]


def _comparison(table: Table, name: str) -> tuple[float, str] | None:
    for form, word in COMPARISONS:
        if (column := form.format(name)) in table.colnames:
            value = np.ma.filled(np.ma.asarray(table[column][:1], dtype=float), np.nan)[0]
            return (float(value), word) if np.isfinite(value) else None
    return None


def _fluxes(galaxy: GalaxyPosterior, row: Catalogue) -> tuple[list[Variable], np.ndarray, np.ndarray]:
    """Bands to show, fluxes and errors (nJy) of the first row; of the ultraviolet only what is observed."""
    place = {name: i for i, name in enumerate(row.names)}
    bands = [v for v in galaxy.variables if v.kind == "flux"]
    bands = [
        b for b in bands
        if b.pivot > ULTRAVIOLET_LIMIT or (b.name in place and np.isfinite(row.values[0, place[b.name]]))
    ]  # fmt: skip
    flux, error = (
        np.array([table[0, place[b.name]] if b.name in place else np.nan for b in bands])
        for table in (row.values, row.errors)
    )
    return bands, flux, error


def _density_panel(ax: Axes, posterior: GalaxyPosterior, row: Catalogue, name: str) -> None:
    """Density, mode, highest-density region and figures of merit of one galaxy."""
    regions, mode = posterior.regions(name, ONE_SIGMA)[0], posterior.mode(name)[0]
    median, found = posterior.quantiles(name, [0.5])[0, 0], _comparison(row.table, name)
    write = _writer(np.append(regions[:, :2], median))
    pieces = r" $\cup$ ".join(f"[{write(low)}, {write(high)}]" for low, high, _ in regions)
    lines = [f"mode {write(mode)}   median {write(median)}", f"68 % {pieces}"]
    if name == "redshift":
        lines.append(f"odds {posterior.odds()[0]:.2f}")
    plot_density(
        ax, *density(posterior, name), truth=found and found[0], interval=regions[:, :2], median=mode, label=name,
        interval_label=INTERVAL, median_label="mode", truth_label=found[1] if found else None,
        note="\n".join(lines),
    )  # fmt: skip
    ax.set_title(name_of(row), fontsize=8.5, pad=4)
    ax.xaxis.get_major_locator().set_params(nbins=5)


def _writer(values: np.ndarray) -> Callable[[float], str]:
    """How numbers of the size and the range of some are written: two digits of the range."""
    if np.max(np.abs(values)) < 1e-3 or np.max(np.abs(values)) >= 1e5:
        return lambda value: f"{value:.3g}"
    digits = int(np.clip(1 - np.floor(np.log10(np.ptp(values))), 0, 5))
    return lambda value: f"{value:.{digits}f}"


def _legend_of(figure: Figure, axes: Sequence[Axes], place: str) -> None:
    """One legend for panels that show the same."""
    handles: dict = {}
    for ax in axes:
        handles |= {label: handle for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, loc=place, ncols=len(handles), columnspacing=1.4)


def _title(ax: Axes, row: Catalogue) -> None:
    if name := name_of(row):
        ax.set_title(name, fontsize=9, loc="left", pad=14)


__all__ = [
    "comparison",
    "corner_figure",
    "density",
    "draw_densities",
    "draw_sed",
    "galaxy_figure",
    "hide",
    "information_figure",
    "line_redshift",
    "predict_hidden",
    "density_figure",
]
