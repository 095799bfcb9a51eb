"""Posteriors of single galaxies: p(z), the marginals of all properties, and joint draws of a few of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from hf_galaxy.plotting.style import BLUE, VERMILION, axis_label, dress, styled, symbol


@styled
def plot_density(
    ax: Axes,
    grid: ArrayLike,
    pdf: ArrayLike,
    *,
    truth: float | None = None,
    interval: tuple[float, float] | None = None,
    median: float | None = None,
    label: str = "redshift",
    color: str = BLUE,
    truth_label: str | None = None,
    window: tuple[float, float] | None = None,
    density_label: str = "posterior density",
) -> Axes:
    """One marginal posterior density, its 68 % interval shaded and the truth marked.

    Args:
        grid, pdf: (n,) values and density, in the unit of the property.
        truth: True or spectroscopic value, drawn as a dashed line.
        interval: Limits of the central 68 % interval.
        median: Drawn as a thin line inside the interval.
        label: Name of the property (see ``style.SYMBOLS``) or any text.
        truth_label: What the truth is, for the legend; no legend without it.
        window: Limits of the axis; the part of the grid that holds the probability by default.
    """
    grid, pdf = np.asarray(grid, dtype=float), np.asarray(pdf, dtype=float)
    if grid.ndim != 1 or grid.shape != pdf.shape:
        raise ValueError(f"grid has shape {grid.shape}, density {pdf.shape}: give two arrays of one length")
    dress(ax)
    ax.fill_between(grid, pdf, color=color, alpha=0.12, linewidth=0)
    if interval is not None:
        inside = np.linspace(*interval, 200)
        ax.fill_between(inside, np.interp(inside, grid, pdf), color=color, alpha=0.33, linewidth=0, label="68 %")
    if median is not None:
        ax.vlines(median, 0, np.interp(median, grid, pdf), color=color, linewidth=0.8)
    ax.plot(grid, pdf, color=color, linewidth=1.2)
    if truth is not None:
        ax.axvline(truth, color=VERMILION, linewidth=1.1, dashes=(4, 2), label=truth_label, zorder=3)
    ax.set_xlim(*(window or _window(grid, pdf, truth)))
    ax.set_ylim(0, 1.12 * np.max(pdf))
    _value_axis(ax, label)
    ax.set_ylabel(density_label)
    if truth_label is not None:
        ax.legend()
    return ax


@styled
def plot_marginals(
    axes: Sequence[Axes],
    densities: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    truths: Mapping[str, float] | None = None,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    medians: Mapping[str, float] | None = None,
) -> Sequence[Axes]:
    """A panel for each property of one galaxy; panels left over are switched off.

    Args:
        axes: At least as many panels as properties.
        densities: (grid, pdf) by the name of the property.
        truths, intervals, medians: By the same names, where known.
    """
    panels = np.ravel(np.asarray(axes, dtype=object))
    if panels.size < len(densities):
        raise ValueError(f"{len(densities)} properties need as many panels, not {panels.size}")
    truths, intervals, medians = truths or {}, intervals or {}, medians or {}
    for ax, (name, (grid, pdf)) in zip(panels, densities.items(), strict=False):
        plot_density(
            ax, grid, pdf, truth=truths.get(name), interval=intervals.get(name), median=medians.get(name), label=name
        )
        ax.set_yticks([])
        ax.set_ylabel("")
        ax.xaxis.label.set_fontsize(9 if len(symbol(name)) < 25 or not name.startswith("flux_") else 7.2)
        ax.xaxis.get_major_locator().set_params(nbins=4)
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
    """Triangle of joint draws of one galaxy: contours of every pair, a histogram of each property.

    Args:
        axes: (n, n) panels for n properties; those above the diagonal are switched off.
        samples: (n_sample,) draws by the name of the property, rows belonging together.
        levels: Shares of the draws inside the contours.
    """
    names, truths = list(samples), truths or {}
    axes = np.asarray(axes, dtype=object)
    if axes.shape != (len(names), len(names)):
        raise ValueError(f"{len(names)} properties need ({len(names)}, {len(names)}) panels, not {axes.shape}")
    draws = {name: np.asarray(values, dtype=float) for name, values in samples.items()}
    limits = {name: _limits(draws[name], truths.get(name)) for name in names}
    for row, below in enumerate(names):
        for column, across in enumerate(names):
            ax = axes[row, column]
            if column > row:
                ax.set_axis_off()
                continue
            dress(ax)
            if column == row:
                _histogram(ax, draws[across], limits[across], color)
                ax.set_title(_spread(draws[across]), fontsize=9, pad=4)
            else:
                _contours(ax, draws[across], draws[below], (limits[across], limits[below]), levels, color)
                ax.set_ylim(*limits[below])
            _cross(ax, truths.get(across), truths.get(below) if column < row else None)
            ax.set_xlim(*limits[across])
            _outer_labels(ax, row, column, names)
    return axes


def _value_axis(ax: Axes, name: str) -> None:
    """Label with the unit; very small or large values as numbers of order one, their power of ten in the label."""
    largest = max(abs(limit) for limit in ax.get_xlim())
    power = int(np.floor(np.log10(largest))) if largest < 1e-3 or largest >= 1e5 else 0
    if power:
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 10.0**power:.3g}"))
    ax.set_xlabel(axis_label(name, power))


def _histogram(ax: Axes, values: np.ndarray, limits: tuple[float, float], color: str) -> None:
    ax.hist(values, bins=36, range=limits, histtype="stepfilled", color=color, alpha=0.3, linewidth=0)
    ax.hist(values, bins=36, range=limits, histtype="step", color=color, linewidth=1.0)


def _contours(ax: Axes, x: np.ndarray, y: np.ndarray, limits: Any, levels: Sequence[float], color: str) -> None:
    """Contours of the smoothed histogram that hold the given shares of the draws."""
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=36, range=limits)
    counts = _smooth(counts)
    ordered = np.sort(counts.ravel())[::-1]
    share = np.cumsum(ordered) / ordered.sum()
    heights = sorted({float(ordered[min(np.searchsorted(share, level), share.size - 1)]) for level in levels})
    centres = [0.5 * (edges[1:] + edges[:-1]) for edges in (x_edges, y_edges)]
    ax.contourf(*centres, counts.T, [*heights, np.inf], colors=[color], alpha=0.25, extend="neither")
    if len(heights) > 1:
        ax.contourf(*centres, counts.T, [heights[-1], np.inf], colors=[color], alpha=0.35)
    ax.contour(*centres, counts.T, heights, colors=[color], linewidths=0.9)


def _smooth(counts: np.ndarray, width: float = 1.2) -> np.ndarray:
    """Gaussian smoothing of a histogram, ``width`` in bins; the shot noise of draws is no structure."""
    offset = np.arange(-4, 5)
    kernel = np.exp(-0.5 * (offset / width) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        counts = np.apply_along_axis(np.convolve, axis, counts, kernel, mode="same")
    return counts


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


def _outer_labels(ax: Axes, row: int, column: int, names: list[str]) -> None:
    """Labels along the left and the lower edge of the triangle only."""
    ax.tick_params(labelbottom=row == len(names) - 1, labelleft=column == 0 and row > 0, labelsize=7.5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_major_locator().set_params(nbins=4, prune="both")
    if row == column:
        ax.set_yticks([])
    if row == len(names) - 1:
        ax.set_xlabel(axis_label(names[column]))
        ax.tick_params(axis="x", labelrotation=45)
    if column == 0 and row > 0:
        ax.set_ylabel(axis_label(names[row]))


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
