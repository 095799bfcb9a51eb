"""Pages of figures of one assessment. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..evaluation.lines import CASE_B, CLASSES
from ..evaluation.photoz import PhotozStatistics
from ..plotting.calibration import plot_coverage, plot_photoz, plot_pit, plot_recovery
from ..plotting.evaluation import (
    plot_by_bin,
    plot_confusion,
    plot_correlations,
    plot_decrements,
    plot_joint_coverage,
    plot_reliability,
)
from ..plotting.style import PAGE_WIDTH, SYMBOLS, label_page, new_figure, save_figure, styled, symbol
from .draws import JOINT, PROJECTIONS
from .measure import WIDTH_EDGES
from .run import Assessment

FEWEST = 20  # galaxies below which a page says nothing
HIGHLIGHT = ("redshift", "log_mstar", "log_sfr", "ew_halpha")
SIGMA, BEYOND = r"$\sigma_\mathrm{NMAD}$", {"beyond 0.03": "outliers_003", "beyond 0.15": "outliers_015"}
NOT_RECOVERED = "flux_"  # line fluxes follow the brightness; widths show what is learnt
RANKED = (*JOINT, *PROJECTIONS)


def pages(result: Assessment, targets: Mapping[str, float] | None = None) -> dict[str, Figure]:
    """Pages by name: those that the galaxies are enough for.

    Args:
        result: Of ``assess``.
        targets: σ_NMAD wanted, by magnitude bin.
    """
    enough = {name for name, one in result.answers.of.items() if len(one.rows) >= FEWEST}
    made: dict[str, Figure] = {}
    if "redshift" in enough:
        made["photoz"] = photoz_page(result, targets or {})
    recovered = [name for name in result.answers.of if name in enough and not name.startswith(NOT_RECOVERED)]
    if recovered := [name for name in recovered if name != "redshift"]:
        made["properties"] = properties_page(result, recovered)
    if enough:
        pits = {name: one.pit for name, one in result.answers.of.items() if name in enough}
        made["pit"], made["coverage"] = pit_page(pits), coverage_page(pits)
    if "tarp" in result.joint:
        made["joint"] = joint_page(result)
    if "bpt" in result.joint and "balmer" in result.joint:
        made["lines"] = lines_page(result)
    return made


def write_pages(made: Mapping[str, Figure], stem: str | Path, kinds: Sequence[str]) -> list[Path]:
    """``<stem>_<page>.<kind>`` of every page."""
    return [save_figure(figure, f"{stem}_{name}.{kind}") for name, figure in made.items() for kind in kinds]


@styled
def photoz_page(result: Assessment, targets: Mapping[str, float]) -> Figure:
    """Redshift against truth; scatter and outliers by magnitude and by odds."""
    metrics, answer = result.metrics["redshift"], result.answers.of["redshift"]
    figure, axes = new_figure(2, 3, width=PAGE_WIDTH, height=4.3, height_ratios=[1.6, 1])
    statistics = PhotozStatistics(**metrics["all"])
    plot_photoz(axes[0, 0], answer.truth, answer.median, statistics=statistics, residual_ax=axes[1, 0],
                interval=(answer.low, answer.high))  # fmt: skip
    for column, key, label in ((1, "by_i", "magnitude"), (2, "by_odds", "odds")):
        bins = {name: one for name, one in metrics[key].items() if one["n"]}
        if not bins:
            for ax in axes[:, column]:
                ax.set_axis_off()
            continue
        top, bottom = axes[:, column]
        wanted = {name: value for name, value in targets.items() if key == "by_i" and name in bins}
        plot_by_bin(top, {SIGMA: {name: one["sigma_nmad"] for name, one in bins.items()}}, targets=wanted)
        top.set_ylabel(SIGMA)
        shares = {text: {name: one[field] for name, one in bins.items()} for text, field in BEYOND.items()}
        plot_by_bin(bottom, shares, factor=100)
        bottom.set_ylabel("outliers [%]")
        bottom.legend(loc="lower right" if key == "by_i" else "lower left")
        top.tick_params(labelbottom=False)
        bottom.set_xlabel(label)
        bottom.tick_params(axis="x", labelsize=7.5)
    return figure


@styled
def properties_page(result: Assessment, names: Sequence[str]) -> Figure:
    """Posterior median against truth of every property."""
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure, axes = new_figure(rows, columns, width=PAGE_WIDTH, height=1.85 * rows)
    for ax in axes.ravel()[len(names) :]:
        ax.set_axis_off()
    for ax, name in zip(axes.ravel(), names, strict=False):
        answer, metrics = result.answers.of[name], result.metrics["properties"][name]
        scale = "asinh" if name.startswith("ew_") else "linear"
        unit = "dex" if name.startswith("log_") else SYMBOLS.get(name, ("", "", ""))[2]
        note = rf"$\sigma = {metrics['sigma_nmad']:.2g}$ {unit}"
        plot_recovery(ax, answer.truth, answer.median, label=name, scale=scale, note=note,
                      interval=(answer.low, answer.high))  # fmt: skip
        ax.set_title(symbol(name), fontsize=9)
        ax.set_xlabel("")
        ax.set_ylabel("")
        ax.tick_params(labelsize=7)
        ax.set_box_aspect(1)
    return label_page(figure, "true", "posterior median")


def pit_page(pits: Mapping[str, np.ndarray]) -> Figure:
    """PIT of every property."""
    columns = min(4, len(pits))
    rows = -(-len(pits) // columns)
    figure, axes = new_figure(rows, columns, width=PAGE_WIDTH, height=0.3 + 1.52 * rows, sharex=True, sharey=True)
    plot_pit(axes, pits)
    return label_page(figure, "probability integral transform", "density")


def coverage_page(pits: Mapping[str, np.ndarray]) -> Figure:
    """Coverage of central intervals, and its difference from what is stated."""
    figure, axes = new_figure(1, 2, width=PAGE_WIDTH, height=3.3)
    chosen = [name for name in HIGHLIGHT if name in pits]
    for ax, difference in zip(axes[0], (False, True), strict=True):
        plot_coverage(ax, pits, highlight=chosen, difference=difference)
    return figure


@styled
def joint_page(result: Assessment) -> Figure:
    """TARP, correlation of residuals, and ranks of properties and of projections."""
    ranks = {_title(name): result.joint["sbc"][name] for name in RANKED if name in result.joint["sbc"]}
    rows = -(-len(ranks) // 4)
    figure, _ = new_figure(width=PAGE_WIDTH, height=2.9 + 1.5 * rows)
    figure.clear()
    top, bottom = figure.subfigures(2, 1, height_ratios=[2.7, 0.2 + 1.5 * rows])
    left, right = top.subplots(1, 2)
    plot_joint_coverage(left, {"joint draws": result.joint["tarp"], "pairing broken": result.joint["tarp_independent"]})
    if pairs := result.metrics["joint"].get("correlation"):
        plot_correlations(right, {", ".join(map(symbol, name.split(", "))): one for name, one in pairs.items()})
    else:
        right.set_axis_off()
    plot_pit(bottom.subplots(rows, 4, squeeze=False, sharex=True, sharey=True), ranks, bins=10)
    bottom.supxlabel("rank of the truth among the draws", fontsize=10)
    bottom.supylabel("density", fontsize=10)
    return figure


@styled
def lines_page(result: Assessment) -> Figure:
    """Widths in bins of width, the Balmer decrement, and classes of the BPT diagram."""
    figure, axes = new_figure(2, 3, width=PAGE_WIDTH, height=5.0)
    widths = {name: _relative(bins) for name, bins in result.metrics["by_width"].items()}
    for ax, key, label in ((axes[0, 0], "sigma_nmad", SIGMA), (axes[0, 1], "bias", "bias")):
        series = {symbol(name): {b: one[key] for b, one in bins.items()} for name, bins in widths.items()}
        plot_by_bin(ax, series, log=key != "bias", factor=100)
        ax.set_xlabel("true equivalent width [Å]")
        ax.set_ylabel(f"{label} / centre of bin [%]")
        ax.tick_params(axis="x", labelsize=7, labelrotation=20)
    axes[0, 1].axhline(0, color="0.4", linewidth=0.7)
    plot_decrements(axes[0, 2], result.joint["balmer"], CASE_B)
    bpt = result.metrics["joint"]["bpt"]
    plot_confusion(axes[1, 0], bpt["confusion"], ["SF", "comp.", "active", "weak"])
    plot_reliability(axes[1, 1], dict(zip(CLASSES, result.joint["bpt"], strict=True)))
    _text(axes[1, 2], result.metrics["joint"])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    axes[1, 2].legend(handles, labels, loc="lower left", ncols=2, fontsize=7, columnspacing=0.8, borderaxespad=0)
    return figure


def _relative(bins: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Scatter and bias over the geometric centre of the bin, from 3 Å on, where there are galaxies enough."""
    made = {}
    for (lower, upper), (name, one) in zip(pairwise(WIDTH_EDGES), bins.items(), strict=True):
        if lower >= 3:
            centre, full = (lower * upper) ** 0.5, one["n"] >= FEWEST
            made[name] = {key: one[key] / centre if full else None for key in ("sigma_nmad", "bias")}
    return made


def _text(ax: Any, joint: Mapping[str, Any]) -> None:
    """Figures of merit in words."""
    bpt, balmer = joint["bpt"], joint["balmer"]
    lines = [
        f"{joint['galaxies']:,} galaxies, {joint['draws']} joint draws each",
        "Hα/Hβ more than 5 % below case B:",
        *(f"   {kind}: {'—' if share is None else f'{100 * share:.1f} %'}" for kind, share in balmer.items()),
        f"class right: {100 * bpt['accuracy']:.0f} %",
        f"Brier score {bpt['brier']:.3f}",
        f"   if calibrated {bpt['expected_brier']:.3f}",
        f"   from frequencies alone {bpt['brier_of_frequencies']:.3f}",
    ]
    ax.set_axis_off()
    ax.text(0, 0.98, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=8, linespacing=1.3,
            fontfamily="STIXGeneral")  # fmt: skip


def _title(name: str) -> str:
    return " $-$ ".join(symbol(part) for part in name.split(" - "))


__all__ = ["FEWEST", "pages", "write_pages"]
