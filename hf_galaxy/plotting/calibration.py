"""Figures of calibration and accuracy over many galaxies: PIT, coverage, photometric against true redshift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike, NDArray

from hf_galaxy.plotting.style import BLACK, BLUE, GREY, PALETTE, VERMILION, axis_label, dress, styled, symbol

BAND_SIGMA = 2.576  # normal quantile of a central 99 % band
ASINH_TICKS = (-100, -30, -10, -3, 0, 3, 10, 30, 100, 300, 1000)
FEWEST_RUNNING = 15  # galaxies in a bin of a running median
WITH_BARS = 500  # galaxies beyond which points have no bars
CROWD = 3000  # galaxies beyond which points become a density
DENSITY = LinearSegmentedColormap.from_list("hf_galaxy_blue", ["#DCEAF4", "#56A0CF", "#0B5394", "#08213F"])


@styled
def plot_pit(axes: Sequence[Axes], pits: Mapping[str, ArrayLike], *, bins: int = 20) -> Sequence[Axes]:
    """PIT histogram of every property, with the 99 % band of a single bin of an honest posterior.

    Args:
        axes: At least as many panels as properties; those left over are switched off.
        pits: (n_galaxy,) PIT values by the name of the property.
    """
    panels = np.ravel(np.asarray(axes, dtype=object))
    if panels.size < len(pits):
        raise ValueError(f"{len(pits)} properties need as many panels, not {panels.size}")
    pits = {name: np.asarray(pit, dtype=float) for name, pit in pits.items()}
    densities = {name: np.histogram(pit, bins=bins, range=(0, 1))[0] * bins / pit.size for name, pit in pits.items()}
    top = np.clip(1.3 * max(density.max() for density in densities.values()), 1.75, 3.0)
    edges = np.linspace(0, 1, bins + 1)
    for ax, (name, pit) in zip(panels, pits.items(), strict=False):
        dress(ax)
        density, half = densities[name], BAND_SIGMA * np.sqrt((bins - 1) / pit.size)
        ax.axhspan(1 - half, 1 + half, color=GREY, alpha=0.28, linewidth=0)
        ax.axhline(1, color=GREY, linewidth=0.6)
        ax.stairs(density, edges, color=BLUE, linewidth=1.0, fill=False)
        ax.stairs(density, edges, color=BLUE, alpha=0.16, fill=True, linewidth=0)
        ax.set_xlim(0, 1)
        ax.set_ylim(0, top)
        ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        ax.set_yticks(range(int(top) + 1))
        ax.minorticks_off()
        ax.text(0.05, 0.94, symbol(name), transform=ax.transAxes, ha="left", va="top", fontsize=9)
        ax.text(0.95, 0.06, f"max dev. {100 * _deviation(pit):.1f} %", transform=ax.transAxes, ha="right", fontsize=7.5)
    for ax in panels[len(pits) :]:
        ax.set_axis_off()
    return axes


@styled
def plot_coverage(
    ax: Axes, pits: Mapping[str, ArrayLike], *, highlight: Sequence[str] = (), difference: bool = False
) -> Axes:
    """Share of truths inside the central interval of every level, against the level.

    Args:
        pits: (n_galaxy,) PIT values by the name of the property.
        highlight: Properties drawn in colour and named; all of them, if they are no more than the colours, by default.
        difference: Show observed minus stated, where small departures are seen.
    """
    dress(ax)
    level = np.linspace(0, 1, 201)
    highlight = list(highlight) or (list(pits) if len(pits) <= len(PALETTE) else [])
    n = min(np.size(pit) for pit in pits.values())
    half = BAND_SIGMA * np.sqrt(level * (1 - level) / n)
    base = np.zeros_like(level) if difference else level
    ax.fill_between(level, base - half, base + half, color=GREY, alpha=0.28, linewidth=0, label="99 % if calibrated")
    ax.plot(level, base, color=GREY, linewidth=0.7)
    for name, pit in sorted(pits.items(), key=lambda item: item[0] in highlight):
        distance = np.sort(2.0 * np.abs(np.asarray(pit, dtype=float) - 0.5))
        observed = np.searchsorted(distance, level, side="right") / distance.size - (level if difference else 0)
        if name in highlight:
            ax.plot(level, observed, color=PALETTE[highlight.index(name)], linewidth=1.2, label=symbol(name))
        else:
            ax.plot(level, observed, color=GREY, linewidth=0.6, alpha=0.75)
    ax.set_xlim(0, 1)
    ax.set_xlabel("stated credibility of the central interval")
    ax.set_ylabel("observed − stated" if difference else "share of truths inside")
    if difference:
        top = max(0.05, 1.15 * max(abs(value) for value in ax.get_ylim()))
        ax.set_ylim(-top, top)
        for y, side, text in ((0.97, "top", "under-confident"), (0.03, "bottom", "over-confident")):
            ax.text(0.97, y, text, transform=ax.transAxes, ha="right", va=side, fontsize=8, style="italic", color=GREY)
    else:
        ax.set_ylim(0, 1)
        ax.set_aspect("equal")
    ax.legend(loc="upper left" if not difference else "best")
    return ax


@styled
def plot_photoz(
    ax: Axes,
    z_true: ArrayLike,
    z_phot: ArrayLike,
    *,
    interval: tuple[ArrayLike, ArrayLike] | None = None,
    statistics: Any = None,
    residual_ax: Axes | None = None,
    residual_limit: float = 0.1,
    limits: tuple[float, float] | None = None,
    truth_label: str = r"$z_\mathrm{true}$",
) -> Axes:
    """Photometric against true redshift: points, or a density of many; outlier limits dotted.

    Args:
        z_true, z_phot: (n,).
        interval: Lower and upper limit of the 68 % interval, drawn as bars when there are few galaxies.
        statistics: A ``PhotozStatistics``, or any object with its fields, written into the panel.
        residual_ax: A panel below for ``(z_phot - z_true) / (1 + z_true)``, points beyond ``residual_limit`` as arrows.
        limits: Of both axes.
    """
    z_true, z_phot = np.asarray(z_true, dtype=float), np.asarray(z_phot, dtype=float)
    if z_true.shape != z_phot.shape or z_true.ndim != 1 or z_true.size == 0:
        raise ValueError(f"redshifts have shapes {z_true.shape} and {z_phot.shape}: give two arrays of one length")
    for panel in (ax,) if residual_ax is None else (ax, residual_ax):
        dress(panel)
    low, high = limits or _redshift_limits(z_true, z_phot)
    line = np.array([low, high])
    ax.plot(line, line, color=BLACK, linewidth=0.8, zorder=3)
    for edge, dash in ((0.03, (0, (4, 2))), (0.15, (0, (1, 1.5)))):
        for sign in (-1, 1):
            ax.plot(line, line + sign * edge * (1 + line), color=GREY, linewidth=0.7, linestyle=dash, zorder=3)
    _cloud(ax, z_true, z_phot, (low, high), (low, high), interval)
    if z_true.size <= CROWD:
        _beyond(ax, z_true, z_phot, (low, high))
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_ylabel(r"$z_\mathrm{phot}$")
    if statistics is not None:
        _note(ax, _photoz_text(statistics))
    if residual_ax is None:
        ax.set_xlabel(truth_label)
        return ax
    ax.tick_params(labelbottom=False)
    _photoz_residual(residual_ax, z_true, z_phot, (low, high), residual_limit)
    residual_ax.set_xlabel(truth_label)
    return ax


@styled
def plot_recovery(
    ax: Axes,
    truth: ArrayLike,
    estimate: ArrayLike,
    *,
    interval: tuple[ArrayLike, ArrayLike] | None = None,
    label: str = "log_mstar",
    note: str = "",
    scale: str = "linear",
    truth_label: str = "true",
    estimate_label: str = "posterior median",
) -> Axes:
    """Estimated against true value of one property, in its unit.

    Args:
        interval: Lower and upper limit of the 68 % interval, drawn as bars when there are few galaxies.
        label: Name of the property (``style.SYMBOLS``) or any text.
        note: Figures of merit, written into the panel.
        scale: Of both axes: ``"linear"``, or ``"asinh"`` for equivalent widths, which span decades and change sign.
    """
    dress(ax)
    truth, estimate = np.asarray(truth, dtype=float), np.asarray(estimate, dtype=float)
    both = np.concatenate([truth, estimate])
    low, high = np.quantile(both, [0.001, 0.999]) if both.size > 2 * CROWD else (both.min(), both.max())
    margin = 0.06 * (high - low) or 0.5
    low, high = (low - margin, high + margin) if scale == "linear" else (low - 2.0, 1.3 * max(high, 1.0))
    for axis in ("x", "y"):
        if scale != "linear":
            getattr(ax, f"set_{axis}scale")(scale, linear_width=2.0)
            getattr(ax, f"{axis}axis").set_major_locator(FixedLocator(ASINH_TICKS))
            getattr(ax, f"{axis}axis").set_minor_locator(NullLocator())
            getattr(ax, f"{axis}axis").set_major_formatter(
                FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−"))
            )
    ax.plot([low, high], [low, high], color=BLACK, linewidth=0.8, zorder=3)
    _cloud(ax, truth, estimate, (low, high), (low, high), interval)
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_xlabel(f"{truth_label} {axis_label(label)}")
    ax.set_ylabel(f"{estimate_label} {symbol(label)}")
    if note:
        _note(ax, note)
    return ax


@styled
def plot_residual(
    ax: Axes, x: ArrayLike, residual: ArrayLike, *, bound: float, edges: Sequence[float] = (), running: int = 8
) -> Axes:
    """Residuals against anything, with their running median and 68 % range; points beyond as arrows at the edge.

    Args:
        x, residual: (n,).
        bound: Limit of the axis of residuals to both sides.
        edges: Residuals at which a line is drawn, such as those of outliers.
        running: Bins of equal numbers of galaxies, of at least ``FEWEST_RUNNING``, for the running median.
    """
    x, residual = np.asarray(x, dtype=float), np.asarray(residual, dtype=float)
    if x.shape != residual.shape or x.ndim != 1 or x.size == 0:
        raise ValueError(f"residuals have shapes {x.shape} and {residual.shape}: give two arrays of one length")
    dress(ax)
    margin = 0.04 * np.ptp(x) or 0.5
    limits = float(x.min() - margin), float(x.max() + margin)
    ax.axhline(0, color=BLACK, linewidth=0.8, zorder=1)
    for edge in edges:
        ax.axhline(edge, color=GREY, linewidth=0.7, linestyle=(0, (4, 2)), zorder=1)
    _cloud(ax, x, residual, limits, (-bound, bound), height=0.8)
    if x.size <= CROWD:
        _beyond(ax, x, residual, (-bound, bound))
    running = min(running, x.size // FEWEST_RUNNING)
    if running > 1:
        parts = np.array_split(np.argsort(x, kind="stable"), running)
        place = [np.median(x[part]) for part in parts]
        low, middle, high = np.transpose([np.quantile(residual[part], [0.16, 0.5, 0.84]) for part in parts])
        ax.plot(place, middle, color=VERMILION, linewidth=1.3, zorder=4)
        for side in (low, high):
            ax.plot(place, side, color=VERMILION, linewidth=0.9, linestyle=(0, (4, 2)), zorder=4)
    ax.set_xlim(*limits)
    ax.set_ylim(-bound, bound)
    return ax


def _note(ax: Axes, text: str) -> None:
    """Text in the upper left corner, readable over points."""
    paper = {"boxstyle": "square,pad=0.25", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    ax.text(0.045, 0.955, text, transform=ax.transAxes, ha="left", va="top", fontsize=8.5, bbox=paper, zorder=5)


def _beyond(ax: Axes, x: np.ndarray, y: np.ndarray, limits: tuple[float, float]) -> None:
    """Points above or below the panel as arrows just inside its edge."""
    low, high = limits
    margin = 0.035 * (high - low)
    for outside, edge, marker in ((y > high, high - margin, "^"), (y < low, low + margin, "v")):
        at = np.full(int(outside.sum()), edge)
        ax.scatter(x[outside], at, s=16, marker=marker, color=VERMILION, edgecolor="white", linewidth=0.3, zorder=4)


def _deviation(pit: NDArray[np.float64]) -> float:
    """Greatest distance of the empirical distribution from the uniform one."""
    pit, step = np.sort(pit), np.arange(pit.size + 1) / pit.size
    return float(max(np.max(step[1:] - pit), np.max(pit - step[:-1])))


def _cloud(
    ax: Axes, x: np.ndarray, y: np.ndarray, x_range: Any, y_range: Any, interval: Any = None, height: float = 1.0
) -> None:
    """Points with bars, or for a crowd the density of galaxies, in cells square on a panel of that relative height."""
    if x.size <= CROWD:
        if interval is not None and x.size <= WITH_BARS:
            lower, upper = (np.asarray(a, dtype=float) for a in interval)
            span = np.maximum([y - lower, upper - y], 0)
            ax.errorbar(x, y, yerr=span, linestyle="none", ecolor=BLUE, elinewidth=0.6, alpha=0.45, zorder=1)
        size = 14 if x.size < 60 else 6 if x.size <= WITH_BARS else 3.5
        ax.scatter(x, y, s=size, color=BLUE, edgecolor="white", linewidth=0.3, alpha=0.9, zorder=2)
        return
    bins = int(np.clip(np.sqrt(x.size), 50, 140))
    edges = _even_edges(ax.xaxis, x_range, bins), _even_edges(ax.yaxis, y_range, round(bins * height))
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=edges)
    counts = np.ma.masked_equal(counts.T, 0)
    ax.pcolormesh(
        x_edges, y_edges, counts, cmap=DENSITY, norm=LogNorm(1, max(float(counts.max()), 2.0)), rasterized=True
    )


def _even_edges(axis: Axis, limits: tuple[float, float], bins: int) -> NDArray[np.float64]:
    """Edges of bins that are equally wide on the axis, whatever its scale."""
    scale = axis.get_transform()
    low, high = scale.transform(np.asarray(limits, dtype=float))
    return scale.inverted().transform(np.linspace(low, high, bins + 1))


def _redshift_limits(z_true: np.ndarray, z_phot: np.ndarray) -> tuple[float, float]:
    high = float(np.quantile(z_true, 0.999) if z_true.size > CROWD else z_true.max())
    high = max(high, float(np.quantile(z_phot, 0.995) if z_phot.size > CROWD else min(z_phot.max(), 1.5 * high)))
    return 0.0, 1.05 * high


def _photoz_residual(ax: Axes, z_true: np.ndarray, z_phot: np.ndarray, limits: Any, bound: float) -> None:
    delta = (z_phot - z_true) / (1.0 + z_true)
    ax.axhline(0, color=BLACK, linewidth=0.8, zorder=3)
    for edge in (-0.03, 0.03):
        ax.axhline(edge, color=GREY, linewidth=0.7, linestyle=(0, (4, 2)), zorder=3)
    _cloud(ax, z_true, delta, limits, (-bound, bound), height=0.4)
    ax.set_xlim(*limits)
    ax.set_ylim(-bound, bound)
    if z_true.size <= CROWD:
        _beyond(ax, z_true, delta, (-bound, bound))
    ax.set_ylabel(r"$\Delta z/(1+z)$")


def _photoz_text(statistics: Any) -> str:
    return "\n".join(
        [
            f"$N = {statistics.n:,}$".replace(",", r"\,"),
            rf"$\sigma_\mathrm{{NMAD}} = {statistics.sigma_nmad:.4f}$",
            rf"$\eta_{{0.03}} = {100 * statistics.outliers_003:.1f}$ %",
            rf"$\eta_{{0.15}} = {100 * statistics.outliers_015:.1f}$ %",
            f"bias $= {round(statistics.bias, 4) + 0.0:.4f}$",
        ]
    )
