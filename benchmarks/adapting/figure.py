"""The page of plots of ``benchmarks.adaptation``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from hf_galaxy.plotting.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PAGE_WIDTH,
    VERMILION,
    new_figure,
    save_figure,
    styled,
)  # fmt: skip
from hf_galaxy.variables_galaxy import default_variables

PIVOT = {v.name: v.pivot for v in default_variables() if v.kind == "flux"}
# Order from top to bottom; label; colour; marker.
STEPS = (
    ("before", "before", BLACK, "o"),
    ("photometry", "calibration, no redshift", BLUE, "s"),
    ("photometry, weights", "and weights, no redshift", GREEN, "D"),
    ("200 redshifts", "and weights, 200 redshifts", VERMILION, "^"),
    ("all labels", "and weights, all labels", ORANGE, "v"),
    ("true calibration", "true calibration, old weights", GREY, "x"),
)
FIGURES = (("sigma_nmad", r"$\sigma_\mathrm{NMAD}$"), ("nll", "NLL of redshift"), ("coverage_68", "share in 68 %"))


@styled
def draw(path: Path, metrics: dict[str, Any]) -> Path:
    """Zero points against their truth, figures of merit before and after, PIT, and the real galaxies."""
    found = metrics["simulated"]
    figure, axes = new_figure(3, 3, width=PAGE_WIDTH, height=7.0, height_ratios=[1.15, 1, 1])
    grid = axes[0, 0].get_gridspec()
    for ax in (*axes[0], *axes[2]):
        ax.remove()
    _zero_points(figure.add_subplot(grid[0, :2]), found)
    _recovery(figure.add_subplot(grid[0, 2]), found)
    rows = [(label, found[name]["survey"], color, marker) for name, label, color, marker in STEPS if name in found]
    for i, (key, label) in enumerate(FIGURES):
        _merit(axes[1, i], rows, key, label, named=i == 0)
    _pit(figure.add_subplot(grid[2, 0]), found)
    _forgetting(figure.add_subplot(grid[2, 1]), found)
    ax = figure.add_subplot(grid[2, 2])
    if "real" in metrics:
        _real(ax, metrics["real"])
    else:
        ax.set_axis_off()
    return save_figure(figure, path)


@styled
def _zero_points(ax: Axes, found: dict[str, Any]) -> None:
    bands = found["zero_points"]["bands"]
    wave = np.array([PIVOT[band] for band in bands]) / 1e4
    learnt = np.array(found["photometry"]["calibration"]["zero_points"], dtype=float)
    ax.axhline(0, color=GREY, lw=0.6)
    ax.plot(wave, found["zero_points"]["truth"], "o", mfc="none", mec=BLACK, ms=5, label="true")
    ax.plot(wave, learnt, "s", color=BLUE, ms=2.8, label="learnt from photometry alone")
    ax.set_xscale("log")
    ax.set_xticks(
        [0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0], labels=["0.15", "0.2", "0.3", "0.4", "0.5", "0.6", "0.8", "1"]
    )
    ax.set_xticks([], minor=True)
    ax.set(xlabel="pivot wavelength [µm]", ylabel="zero point [mag]")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.16 * (high - low))
    ax.legend(loc="upper right", ncols=2)


@styled
def _recovery(ax: Axes, found: dict[str, Any]) -> None:
    truth = np.array(found["zero_points"]["ln_ratio"], dtype=float)
    learnt = np.array(found["photometry"]["calibration"]["ln_ratio"], dtype=float)
    low, high = np.nanmin([truth, learnt]) - 0.05, np.nanmax([truth, learnt]) + 0.05
    ax.plot([low, high], [low, high], color=GREY, lw=0.6)
    ax.plot(truth, learnt, "s", color=BLUE, ms=2.8)
    ax.set(xlim=(low, high), ylim=(low, high), xlabel="ln(true / stated error)", ylabel="learnt")
    ax.set_box_aspect(1)


@styled
def _merit(ax: Axes, rows: list, key: str, label: str, named: bool) -> None:
    """One figure of merit, a line for each model, with the standard deviation over resampled galaxies."""
    for i, (_, figures, color, marker) in enumerate(rows):
        ax.errorbar(figures[key], -i, xerr=figures["std"][key], fmt=marker, color=color, ms=4, lw=1)
    if key == "coverage_68":
        ax.axvline(0.68, color=GREY, lw=0.6, ls="--")
    ax.set_yticks(-np.arange(len(rows)), labels=[row[0] for row in rows] if named else [])
    ax.tick_params(axis="y", which="both", length=0)
    ax.yaxis.set_ticks([], minor=True)
    ax.set(ylim=(-len(rows) + 0.4, 0.6), xlabel=label)


@styled
def _pit(ax: Axes, found: dict[str, Any]) -> None:
    edges = np.linspace(0, 1, 21)
    ax.axhline(1, color=GREY, lw=0.6)
    for (name, _, color, _), label in zip(STEPS[:2], ("before", "calibration learnt"), strict=True):
        height = np.histogram(found["pit"][name], edges, density=True)[0]
        ax.stairs(height, edges, color=color, lw=1.2, label=label)
    ax.set(xlim=(0, 1), ylim=(0, None), xlabel="PIT of redshift", ylabel="density")
    ax.set_ylim(0, 1.45 * ax.get_ylim()[1] / 1.05)
    ax.legend(loc="upper center")


@styled
def _forgetting(ax: Axes, found: dict[str, Any]) -> None:
    """Change of the NLL of the survey's redshifts against that of galaxies simulated as before."""
    ax.axhline(0, color=GREY, lw=0.6)
    ax.axvline(0, color=GREY, lw=0.6)
    for name, _, color, marker in STEPS:
        if name in found and "forgetting" in found[name]:
            (x, x_low, x_high), (y, y_low, y_high) = (found[name][key]["nll"] for key in ("change", "forgetting"))
            bars = {"xerr": [[x - x_low], [x_high - x]], "yerr": [[y - y_low], [y_high - y]]}
            ax.errorbar(x, y, **bars, fmt=marker, color=color, ms=4, lw=1)
    ax.set(xlabel="change of NLL, survey", ylabel="change of NLL, as before")


@styled
def _real(ax: Axes, found: dict[str, Any]) -> None:
    """FORS2: changes of the same galaxies, with 95 % intervals of resampled ones."""
    keys, labels = ("nll", "outliers_003", "coverage_68"), ("NLL", "share > 0.03", "share in 68 %")
    ax.plot([], [], " ", label=rf"before: $\sigma_\mathrm{{NMAD}} = {found['before']['sigma_nmad']:.4f}$")
    for j, name in enumerate(name for name in found if name != "before"):
        label = f"{name}: {found[name]['sigma_nmad']:.4f}"
        for i, key in enumerate(keys):
            value, low, high = found[name]["change"][key]
            bars = {"xerr": [[value - low], [high - value]], "label": label if i == 0 else None}
            color, marker = ((BLUE, "s"), (VERMILION, "^"), (GREEN, "D"))[j]
            ax.errorbar(value, 0.2 - i - 0.2 * j, fmt=marker, color=color, ms=4, lw=1, **bars)
    ax.axvline(0, 0, 0.72, color=GREY, lw=0.6)
    ax.set_yticks(-np.arange(len(keys)), labels=labels)
    ax.yaxis.set_ticks([], minor=True)
    ax.set(ylim=(-len(keys) + 0.5, 2.2), xlabel="FORS2: change, and 95 %")
    ax.legend(loc="upper left", fontsize=7.5, handlelength=1.0)


__all__ = ["draw"]
