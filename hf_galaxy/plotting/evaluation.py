"""Figures of evaluation beside those of ``calibration``: bins, joint coverage, correlations, classes of lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import ArrayLike

from hf_galaxy.plotting.calibration import BAND_SIGMA, DENSITY
from hf_galaxy.plotting.style import BLACK, BLUE, GREY, PALETTE, VERMILION, dress, styled

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@styled
def plot_by_bin(
    ax: Axes,
    series: Mapping[str, Mapping[str, float | None]],
    *,
    targets: Mapping[str, float] | None = None,
    log: bool = True,
    factor: float = 1.0,
) -> Axes:
    """A figure of merit in named bins, one line a series.

    Args:
        series: Label to values by the name of the bin; ``None`` and NaN are not drawn. Series share their bins.
        targets: Values to reach, by bin, as black bars.
        log: Logarithmic axis; values of zero are then not drawn.
        factor: Multiplies all values, as 100 for per cent.
    """
    dress(ax)
    names = list(next(iter(series.values())))
    place = np.arange(len(names))
    for i, (label, values) in enumerate(series.items()):
        y = factor * np.array([np.nan if values[name] is None else values[name] for name in names], dtype=float)
        y[(y <= 0) & log] = np.nan
        ax.plot(place, y, color=PALETTE[i], marker=MARKERS[i], markersize=4, markeredgewidth=0, label=label)
    for name, target in (targets or {}).items():
        x = names.index(name)
        ax.plot([x - 0.3, x + 0.3], [factor * target] * 2, color=BLACK, linewidth=1.4, zorder=1)
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_xticks(place, [name.replace("-", "–") for name in names])
    ax.xaxis.set_tick_params(which="minor", bottom=False, top=False)
    return ax


@styled
def plot_joint_coverage(ax: Axes, ranks: Mapping[str, ArrayLike]) -> Axes:
    """Expected coverage minus credibility over the credibility (Lemos et al. 2023), with the 99 % band of honesty.

    Args:
        ranks: (n_galaxy,) of ``joint.tarp_ranks`` by label.
    """
    dress(ax)
    level = np.linspace(0, 1, 201)
    n = min(np.size(rank) for rank in ranks.values())
    half = BAND_SIGMA * np.sqrt(level * (1 - level) / n)
    ax.fill_between(level, -half, half, color=GREY, alpha=0.28, linewidth=0, label="99 % if calibrated")
    ax.axhline(0, color=GREY, linewidth=0.7)
    for i, (label, rank) in enumerate(ranks.items()):
        rank = np.sort(np.asarray(rank, dtype=float))
        observed = np.searchsorted(rank, level, side="right") / rank.size
        dash = "-" if i == 0 else (0, (4, 2))
        ax.plot(level, observed - level, color=PALETTE[i], linestyle=dash, label=label)
    ax.set_xlim(0, 1)
    top = max(0.05, 1.3 * np.abs(ax.get_ylim()).max())
    ax.set_ylim(-top, top)
    ax.set_xlabel("credibility")
    ax.set_ylabel("expected coverage − credibility")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.0)
    return ax


@styled
def plot_correlations(ax: Axes, pairs: Mapping[str, Any]) -> Axes:
    """Observed correlation of residuals of pairs of properties over what their joint draws foretell.

    Args:
        pairs: Label to a ``ResidualCorrelation``, or its fields in a mapping.
    """
    dress(ax)
    place = np.arange(len(pairs))[::-1]
    rows = [one if isinstance(one, Mapping) else one._asdict() for one in pairs.values()]
    column = {key: np.array([row[key] for row in rows], dtype=float) for key in rows[0]}
    span = np.maximum([column["predicted"] - column["lower"], column["upper"] - column["predicted"]], 0)
    ax.axvline(0, color=GREY, linewidth=0.7)
    style = {"linestyle": "none", "ecolor": GREY, "elinewidth": 5, "alpha": 0.4}
    ax.errorbar(column["predicted"], place, xerr=span, label="joint draws, 99 %", **style)
    ax.plot(column["observed"], place, linestyle="none", marker="o", markersize=4, color=VERMILION, label="observed")
    ax.set_yticks(place, list(pairs))
    ax.yaxis.set_tick_params(which="minor", left=False, right=False)
    ax.set_ylim(-0.7, len(pairs) - 0.3)
    limit = 1.15 * max(0.2, np.abs(np.concatenate([column["lower"], column["upper"], column["observed"]])).max())
    ax.set_xlim(-limit, limit)
    ax.set_xlabel("rank correlation of residuals")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, borderaxespad=0.2)
    return ax


@styled
def plot_decrements(ax: Axes, ratios: Mapping[str, ArrayLike], case_b: float) -> Axes:
    """Distribution of log Hα/Hβ of joint draws, draws without their pairing, and truths, and the limit of case B."""
    dress(ax)
    edges = np.linspace(-0.2, 1.4, 81)
    for (label, ratio), color in zip(ratios.items(), (BLUE, GREY, BLACK), strict=False):
        ratio = np.asarray(ratio, dtype=float)
        density = np.histogram(np.log10(ratio[ratio > 0]), bins=edges)[0] / (max(ratio.size, 1) * np.diff(edges))
        filled = label == next(iter(ratios))
        ax.stairs(density, edges, color=color, linewidth=1.0, label=label)
        if filled:
            ax.stairs(density, edges, color=color, alpha=0.16, fill=True, linewidth=0)
    ax.axvline(np.log10(case_b), color=VERMILION, linewidth=1.0, linestyle=(0, (4, 2)))
    ax.text(np.log10(case_b) - 0.04, 0.96, "case B", transform=ax.get_xaxis_transform(), rotation=90, ha="right",
            va="top", fontsize=8, color=VERMILION)  # fmt: skip
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(bottom=0)
    ax.set_xlabel(r"$\log_{10}\,F(\mathrm{H}\alpha)/F(\mathrm{H}\beta)$")
    ax.set_ylabel("density")
    ax.legend(loc="upper right", handlelength=1.0, borderaxespad=0.3)
    return ax


@styled
def plot_confusion(ax: Axes, counts: ArrayLike, classes: Sequence[str]) -> Axes:
    """Share of each true class (row) that gets each class (column), with the numbers of galaxies."""
    dress(ax)
    counts = np.asarray(counts, dtype=float)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(np.ma.masked_equal(share, 0), cmap=DENSITY, vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(share):
        color = "white" if value > 0.45 else BLACK
        text = f"{100 * value:.0f} %\n{counts[row, column]:.0f}"
        ax.text(column, row, text, ha="center", va="center", fontsize=7.5, color=color)
    ax.set_xticks(range(len(classes)), classes)
    ax.set_yticks(range(len(classes)), classes, rotation=90, va="center")
    ax.minorticks_off()
    ax.tick_params(length=0)
    ax.set_xlabel("most probable class")
    ax.set_ylabel("true class")
    return ax


@styled
def plot_reliability(ax: Axes, curves: Mapping[str, Any], fewest: int = 10) -> Axes:
    """Frequency against stated probability; bins of fewer than ``fewest`` galaxies are left out.

    Args:
        curves: Label to a ``ReliabilityCurve``.
    """
    dress(ax)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.7)
    for i, (label, curve) in enumerate(curves.items()):
        shown = np.asarray(curve.count) >= fewest
        x, y, n = (np.asarray(a, dtype=float)[shown] for a in (curve.probability, curve.frequency, curve.count))
        error = BAND_SIGMA * np.sqrt(np.maximum(x * (1 - x), 0) / np.maximum(n, 1))
        bar = ax.errorbar(x, y, yerr=error, color=PALETTE[i], marker=MARKERS[i], markersize=3.5, elinewidth=0.6,
                          linewidth=0.9, label=label)  # fmt: skip
        bar[0].set_markeredgewidth(0)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_xlabel("stated probability")
    ax.set_ylabel("frequency")
    ax.legend(loc="lower right", fontsize=7)
    return ax


__all__ = [
    "plot_by_bin",
    "plot_confusion",
    "plot_correlations",
    "plot_decrements",
    "plot_joint_coverage",
    "plot_reliability",
]
