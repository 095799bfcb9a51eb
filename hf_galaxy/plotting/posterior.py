"""Posteriors of single galaxies: p(z), the marginals of all properties, and joint draws of a few of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from hf_galaxy.plotting.style import BLUE, VERMILION, axis_label, dress, styled, symbol

BINS = 36  # of histograms of joint draws
SMOOTHING = 1.2  # bins
NOTE_ROOM = 1.7  # height of a panel over that of its density, where something is written above
FEWEST_DRAWS = 100  # below which contours show the noise of the draws


@styled
def plot_density(
    ax: Axes,
    grid: ArrayLike,
    pdf: ArrayLike,
    *,
    truth: float | None = None,
    interval: tuple[float, float] | Sequence[tuple[float, float]] | None = None,
    interval_label: str = "68 %",
    median: float | None = None,
    median_label: str | None = None,
    label: str = "redshift",
    color: str = BLUE,
    truth_label: str | None = None,
    window: tuple[float, float] | None = None,
    density_label: str = "posterior density",
    note: str = "",
    legend: bool | None = None,
) -> Axes:
    """One marginal posterior density, its 68 % interval shaded and the truth marked.

    Args:
        grid, pdf: (n,) values and density, in the unit of the property.
        truth: True or spectroscopic value, drawn as a dashed line.
        interval: Limits of the 68 % interval, or of every piece of a highest-density region.
        interval_label: What that is, for the legend.
        median: Drawn as a thin line inside the interval.
        median_label: What that is, for the legend, if it is another estimate.
        label: Name of the property (see ``style.SYMBOLS``) or any text.
        truth_label: What the truth is, for the legend.
        window: Limits of the axis; the part of the grid that holds the probability by default.
        note: Figures of merit, written above the density.
        legend: Whether to draw one; by default if the truth has a label and nothing else is written.
    """
    grid, pdf = np.asarray(grid, dtype=float), np.asarray(pdf, dtype=float)
    if grid.ndim != 1 or grid.shape != pdf.shape:
        raise ValueError(f"grid has shape {grid.shape}, density {pdf.shape}: give two arrays of one length")
    dress(ax)
    ax.fill_between(grid, pdf, color=color, alpha=0.12, linewidth=0)
    for i, ends in enumerate(np.reshape(interval if interval is not None else [], (-1, 2))):
        inside = np.linspace(*ends, 200)
        name = interval_label if i == 0 else None
        ax.fill_between(inside, np.interp(inside, grid, pdf), color=color, alpha=0.33, linewidth=0, label=name)
    if median is not None:
        ax.vlines(median, 0, np.interp(median, grid, pdf), color=color, linewidth=0.8, label=median_label)
    ax.plot(grid, pdf, color=color, linewidth=1.2)
    if truth is not None:
        top = 1.06 / NOTE_ROOM if note else 1.0
        ax.axvline(truth, ymax=top, color=VERMILION, linewidth=1.1, dashes=(4, 2), label=truth_label, zorder=3)
    ax.set_xlim(*(window or _window(grid, pdf, truth)))
    ax.set_ylim(0, 1.12 * np.max(pdf))
    _value_axis(ax, label)
    ax.set_ylabel(density_label)
    if note:
        ax.set_ylim(0, NOTE_ROOM * np.max(pdf))
        ax.text(0.04, 0.95, note, transform=ax.transAxes, ha="left", va="top", fontsize=8, linespacing=1.35)
    if legend if legend is not None else truth_label is not None and not note:
        ax.legend()
    return ax


@styled
def plot_marginals(
    axes: Sequence[Axes],
    densities: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    truths: Mapping[str, float] | None = None,
    intervals: Mapping[str, tuple[float, float] | Sequence[tuple[float, float]]] | None = None,
    medians: Mapping[str, float] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Sequence[Axes]:
    """A panel for each property of one galaxy; panels left over are switched off.

    Args:
        axes: At least as many panels as properties.
        densities: (grid, pdf) by the name of the property.
        truths, intervals, medians: By the same names, where known.
        labels: What those are, as ``truth_label``, ``interval_label``, ``median_label``, for a legend of the figure.
    """
    panels = np.ravel(np.asarray(axes, dtype=object))
    if panels.size < len(densities):
        raise ValueError(f"{len(densities)} properties need as many panels, not {panels.size}")
    truths, intervals, medians = truths or {}, intervals or {}, medians or {}
    for ax, (name, (grid, pdf)) in zip(panels, densities.items(), strict=False):
        values = {"truth": truths.get(name), "interval": intervals.get(name), "median": medians.get(name)}
        plot_density(ax, grid, pdf, **values, label=name, legend=False, **(labels or {}))
        ax.set_yticks([])
        ax.set_ylabel("")
        ax.xaxis.label.set_fontsize(9 if len(symbol(name)) < 25 or not name.startswith("flux_") else 7.2)
        ax.xaxis.get_major_locator().set_params(nbins=4 if len(densities) > 2 else 8)
    for ax in panels[len(densities) :]:
        ax.set_axis_off()
    return axes


@styled
def plot_joint(
    axes: np.ndarray,
    samples: Mapping[str, ArrayLike],
    *,
    truths: Mapping[str, float] | None = None,
    levels: Sequence[float] = (0.68, 0.95),
    color: str = BLUE,
) -> np.ndarray:
    """Triangle of joint draws of one galaxy: contours of every pair by ``corner``, a histogram of each property.

    Args:
        axes: (n, n) panels for n properties; those above the diagonal are switched off.
        samples: (n_sample,) draws by the name of the property, rows belonging together.
        truths: By the same names, where known.
        levels: Shares of the draws inside the contours.

    Raises:
        ImportError: ``corner`` is not installed.
        ValueError: Another number of panels, draws of different lengths or fewer than ``FEWEST_DRAWS``.
    """
    names, truths = list(samples), dict(truths or {})
    axes = np.asarray(axes, dtype=object)
    if axes.shape != (len(names), len(names)):
        raise ValueError(f"{len(names)} properties need ({len(names)}, {len(names)}) panels, not {axes.shape}")
    draws = {name: np.asarray(values, dtype=float) for name, values in samples.items()}
    if len({d.shape for d in draws.values()}) > 1 or next(iter(draws.values())).size < FEWEST_DRAWS:
        raise ValueError(f"joint draws need one length, {FEWEST_DRAWS} or more, not {[d.size for d in draws.values()]}")
    powers = {name: _power(np.max(np.abs(draws[name]))) for name in names}
    draws = {name: draws[name] / 10.0 ** powers[name] for name in names}
    truths = {name: truths[name] / 10.0 ** powers[name] for name in names if name in truths}
    limits = {name: _limits(draws[name], truths.get(name)) for name in names}
    for row, below in enumerate(names):
        for column, across in enumerate(names):
            ax = axes[row, column]
            if column > row:
                ax.set_axis_off()
                continue
            if column == row:
                _histogram(ax, draws[across], limits[across], color)
                ax.set_title(_spread(draws[across]), fontsize=9, pad=7)
            else:
                _contours(ax, draws[across], draws[below], (limits[across], limits[below]), levels, color)
                ax.set_ylim(*limits[below])
            dress(ax)
            _cross(ax, truths.get(across), truths.get(below) if column < row else None)
            ax.set_xlim(*limits[across])
            _outer_labels(ax, row, column, [axis_label(name, powers[name]) for name in names])
    return axes


def _power(largest: float) -> int:
    """Power of ten that is put into the label; 0 for numbers that read well."""
    return int(np.floor(np.log10(largest))) if 0 < largest < 1e-3 or largest >= 1e5 else 0


def _value_axis(ax: Axes, name: str) -> None:
    """Label with the unit; very small or large values as numbers of order one, their power of ten in the label."""
    largest = max(abs(limit) for limit in ax.get_xlim())
    power = _power(largest)
    if power:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 10.0**power:.3g}"))
    ax.set_xlabel(axis_label(name, power))


def _histogram(ax: Axes, values: np.ndarray, limits: tuple[float, float], color: str) -> None:
    ax.hist(values, bins=BINS, range=limits, histtype="stepfilled", color=color, alpha=0.3, linewidth=0)
    ax.hist(values, bins=BINS, range=limits, histtype="step", color=color, linewidth=1.0)


def _contours(ax: Axes, x: np.ndarray, y: np.ndarray, limits: Any, levels: Sequence[float], color: str) -> None:
    """Contours of the smoothed histogram that hold the given shares of the draws, and the draws beyond the last one.

    Shot noise of draws is no structure, hence the smoothing.
    """
    try:
        from corner import hist2d  # here, because it imports pyplot, which nothing else of ours needs
    except ImportError as error:
        raise ImportError(f'joint draws are drawn by corner: pip install "hf-galaxy[plot]" ({error})') from None
    hist2d(x, y, ax=ax, range=limits, bins=BINS, smooth=SMOOTHING, levels=sorted(levels), color=color, quiet=True,
           plot_density=False, fill_contours=True, data_kwargs={"alpha": 0.25, "ms": 1.5},
           contourf_kwargs={"colors": [(color, 0.6 * i / len(levels)) for i in range(len(levels) + 1)]},
           contour_kwargs={"linewidths": 0.9})  # fmt: skip


def _cross(ax: Axes, x: float | None, y: float | None) -> None:
    if x is not None:
        ax.axvline(x, color=VERMILION, linewidth=0.9, dashes=(4, 2))
    if y is not None:
        ax.axhline(y, color=VERMILION, linewidth=0.9, dashes=(4, 2))


def _spread(values: np.ndarray) -> str:
    """Median and the distances to the limits of the central 68 %, to two digits of the smaller one."""
    low, middle, high = np.quantile(values, [0.16, 0.5, 0.84])
    smaller = max(min(high - middle, middle - low), 1e-12)
    digits = int(np.clip(1 - np.floor(np.log10(smaller)), 0, 8))
    return rf"${middle:.{digits}f}^{{+{high - middle:.{digits}f}}}_{{-{middle - low:.{digits}f}}}$"


def _outer_labels(ax: Axes, row: int, column: int, labels: list[str]) -> None:
    """Labels along the left and the lower edge of the triangle only."""
    ax.tick_params(labelbottom=row == len(labels) - 1, labelleft=column == 0 and row > 0, labelsize=7.5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_major_locator().set_params(nbins=4, prune="both")
    if row == column:
        ax.set_yticks([])
    if row == len(labels) - 1:
        ax.set_xlabel(labels[column])
        ax.tick_params(axis="x", labelrotation=45)
    if column == 0 and row > 0:
        ax.set_ylabel(labels[row])


def _limits(values: np.ndarray, truth: float | None) -> tuple[float, float]:
    low, high = np.quantile(values, [0.002, 0.998])
    if truth is not None:
        low, high = min(low, truth), max(high, truth)
    margin = 0.08 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def _window(grid: np.ndarray, pdf: np.ndarray, truth: float | None) -> tuple[float, float]:
    """The part of the axis with the density above a thousandth of its peak, and the truth."""
    alive = grid[pdf > 1e-3 * np.max(pdf)]
    low, high = float(alive[0]), float(alive[-1])
    if truth is not None:
        low, high = min(low, truth), max(high, truth)
    margin = 0.08 * (high - low) or 0.5
    return max(low - margin, float(grid[0])) if truth is None or truth >= grid[0] else low - margin, high + margin
