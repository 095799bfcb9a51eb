"""Figures of a comparison: redshifts, scatter by magnitude, calibration, and CRPS relative to ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.comparison.answers import COMPARED, LEVELS, Floats
from benchmarks.comparison.cache import Outcome
from benchmarks.comparison.contenders import OURS
from benchmarks.comparison.galaxies import Galaxies
from hf_galaxy.assessment.measure import MAGNITUDE_EDGES
from hf_galaxy.evaluation.calibration import pit_from_quantiles
from hf_galaxy.evaluation.photoz import photoz_statistics
from hf_galaxy.plotting.calibration import plot_photoz
from hf_galaxy.plotting.style import GREY, PAGE_WIDTH, PALETTE, dress, new_figure, save_figure, styled, symbol

MARKERS = "osD^vP*X<>"
NOISES = {"nominal": "assumed depths", "survey": "with everything a survey does"}


def draw(out: Path, outcomes: Mapping[str, Sequence[Outcome]], metrics: Mapping[str, Any], galaxies: Galaxies) -> None:
    """All figures as PNG beside ``out``; the first seed of every peer."""
    runs = {key: outcomes[key][0] for key in metrics["peers"]}
    stem = out.with_suffix("")
    draw_photoz(Path(f"{stem}_photoz.png"), runs, galaxies)
    draw_magnitude(Path(f"{stem}_magnitude.png"), metrics["peers"])
    draw_calibration(Path(f"{stem}_calibration.png"), runs, galaxies)
    if metrics["relative_crps"]:
        draw_crps(Path(f"{stem}_crps.png"), metrics)


@styled
def draw_photoz(path: Path, runs: Mapping[str, Outcome], galaxies: Galaxies) -> None:
    """A panel a peer, at the assumed depths."""
    shown = {key: run for key, run in runs.items() if "redshift" in run.told["nominal"].point}
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = new_figure(rows, columns, width=PAGE_WIDTH, height=2.05 * rows, sharex=True, sharey=True)
    panels = list(axes.ravel())
    truth = galaxies.truth["redshift"]
    for i, (ax, run) in enumerate(zip(panels, shown.values(), strict=False)):
        z = run.told["nominal"].point["redshift"]
        there = np.isfinite(z)
        plot_photoz(ax, truth[there], z[there], limits=(0, 1.05))
        found = photoz_statistics(z[there], truth[there])
        ax.set_title(run.facts["name"], fontsize=9)
        text = rf"$\sigma_\mathrm{{NMAD}} = {found.sigma_nmad:.4f}$" + "\n"
        text += rf"$\eta_{{0.03}} = {100 * found.outliers_003:.1f}$ %"
        ax.text(0.05, 0.95, text, transform=ax.transAxes, va="top", fontsize=7.5, zorder=5)
        ax.set_xlabel(ax.get_xlabel() if i >= len(shown) - columns else "")
        ax.set_ylabel(ax.get_ylabel() if i % columns == 0 else "")
        ax.tick_params(labelbottom=i >= len(shown) - columns, labelleft=i % columns == 0)
    for ax in panels[len(shown) :]:
        ax.set_axis_off()
    save_figure(figure, path)


@styled
def draw_magnitude(path: Path, peers: Mapping[str, Any]) -> None:
    """Scatter of the redshift by magnitude, under both kinds of noise."""
    figure, axes = new_figure(1, 2, width=PAGE_WIDTH, height=3.2, sharey=True)
    names = [f"{a:g}–{b:g}" for a, b in pairwise(MAGNITUDE_EDGES)]
    for ax, (noise, title) in zip(np.ravel(axes), NOISES.items(), strict=True):
        dress(ax)
        for i, (key, peer) in enumerate(peers.items()):
            bins = list(peer["noise"][noise]["redshift"]["by_i"].values())
            y = np.array([b["sigma_nmad"] if b["n"] else np.nan for b in bins], dtype=float)
            ax.plot(np.arange(len(names)), y, **_look(key, i), label=peer["facts"][0]["name"])
        ax.set_yscale("log")
        _plain_log(ax.yaxis)
        ax.set_xticks(range(len(names)), names)
        ax.minorticks_on()
        ax.tick_params(axis="x", which="minor", bottom=False, top=False)
        ax.set_xlabel("true $i$ magnitude")
        ax.set_title(title, fontsize=9)
    np.ravel(axes)[0].set_ylabel(r"$\sigma_\mathrm{NMAD}$ of $\Delta z / (1 + z)$")
    _legend(figure, np.ravel(axes)[0])
    save_figure(figure, path)


@styled
def draw_calibration(path: Path, runs: Mapping[str, Outcome], galaxies: Galaxies) -> None:
    """Coverage minus what was stated, of the redshift and of all properties together, with survey noise."""
    pits: dict[str, dict[str, Floats]] = {"redshift": {}, "all": {}}
    for key, run in runs.items():
        mine = {
            name: pit_from_quantiles(q[there], LEVELS, galaxies.truth[name][there])
            for name, q in run.told["survey"].quantiles.items()
            if (there := np.isfinite(q).all(axis=1)).any()
        }
        if "redshift" in mine:
            pits["redshift"][key] = mine["redshift"]
        if len(mine) == len(COMPARED):
            pits["all"][key] = np.concatenate(list(mine.values()))
    figure, axes = new_figure(1, 2, width=PAGE_WIDTH, height=3.2, sharey=True)
    level = np.linspace(0, 1, 101)
    for ax, (kind, of_peers) in zip(np.ravel(axes), pits.items(), strict=True):
        dress(ax)
        ax.axhline(0, color=GREY, linewidth=0.7)
        for key, pit in of_peers.items():
            look = _look(key, list(runs).index(key)) | {"marker": ""}
            inside = np.searchsorted(np.sort(2 * np.abs(pit - 0.5)), level, side="right") / pit.size
            ax.plot(level, inside - level, **look, label=runs[key].facts["name"])
        ax.set_xlim(0, 1)
        ax.set_xlabel("stated credibility of the central interval")
        ax.set_title("redshift" if kind == "redshift" else f"all {len(COMPARED)} properties together", fontsize=9)
        for y, side, text in ((0.97, "top", "intervals too wide"), (0.03, "bottom", "intervals too narrow")):
            ax.text(0.97, y, text, transform=ax.transAxes, ha="right", va=side, fontsize=8, style="italic", color=GREY)
    first = np.ravel(axes)[0]
    first.set_ylabel("share of truths inside − stated")
    limit = 1.25 * max(abs(y) for y in first.get_ylim())
    first.set_ylim(-limit, limit)
    _legend(figure, first)
    save_figure(figure, path)


@styled
def draw_crps(path: Path, metrics: Mapping[str, Any]) -> None:
    """CRPS of every property over that of ours on the same galaxies."""
    figure, axes = new_figure(1, 2, width=PAGE_WIDTH, height=3.6, sharey=True, sharex=True)
    for ax, (noise, title) in zip(np.ravel(axes), NOISES.items(), strict=True):
        dress(ax)
        ax.axvline(1, color=GREY, linewidth=0.8)
        for i, (key, row) in enumerate(metrics["relative_crps"][noise].items()):
            if key == OURS:
                continue
            look = _look(key, i) | {"linestyle": "none"}
            where = [COMPARED.index(name) for name in row]
            ax.plot(list(row.values()), where, **look, label=metrics["peers"][key]["facts"][0]["name"])
        ax.set_xscale("log")
        _plain_log(ax.xaxis)
        ax.set_yticks(range(len(COMPARED)), [symbol(name) for name in COMPARED])
        ax.minorticks_on()
        ax.tick_params(axis="y", which="minor", left=False, right=False)
        ax.set_ylim(len(COMPARED) - 0.5, -0.5)
        ax.set_xlabel("CRPS / CRPS of ours, same galaxies")
        ax.set_title(title, fontsize=9)
    _legend(figure, np.ravel(axes)[0])
    save_figure(figure, path)


def _look(key: str, i: int) -> dict[str, Any]:
    mine = key in (OURS, "shipped")
    return {
        "color": PALETTE[i % len(PALETTE)],
        "marker": MARKERS[i % len(MARKERS)],
        "markersize": 5.5 if mine else 4.5,
        "linewidth": 1.8 if mine else 1.0,
        "linestyle": "-" if mine else (0, (4, 1.5)),
        "zorder": 4 if mine else 3,
    }


def _plain_log(axis: Any) -> None:
    """Plain numbers at 1, 2 and 5 of every decade."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _legend(figure: Any, ax: Axes) -> None:
    """One legend below both panels."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)


__all__ = ["draw", "draw_calibration", "draw_crps", "draw_magnitude", "draw_photoz"]
