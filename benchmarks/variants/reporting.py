"""The comparison of designs as a table and as a figure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from .registry import BASELINE

FIGURES = ("nll", "nll_mixed", "nll_chain", "crps", "nll_redshift", "sigma_nmad", "pit_deviation")
HEADS = ("NLL", "mixed", "chain", "CRPS", "z NLL", "σ_NMAD", "PIT", "Δ NLL", "cost", "Δ at cost", "answers/s", "runs")
Runs = list[dict[str, Any]]


def summary(runs: Runs) -> list[dict[str, Any]]:
    """A row a variant and kind of run: means over its seeds, and what it differs by from what it is compared with.

    ``delta`` is the difference of the NLL over the seeds that both have; ``cost`` the ratio of the seconds a galaxy;
    ``delta_at_cost`` the difference that is left when both have the same seconds: the dearer one has seen fewer
    galaxies then, and the baseline says what these are worth. Either is None where there is nothing to compare with.
    """
    rows = []
    for kind in _kinds(runs):
        here = [run for run in runs if _kind(run) == kind]
        slope = learning_slope([run for run in runs if run["warm"] == kind[0]])
        for name in dict.fromkeys(run["name"] for run in here):
            rows.append(_row(name, here, slope))
    return rows


def _row(name: str, here: Runs, slope: float | None) -> dict[str, Any]:
    own = {run["seed"]: run for run in here if run["name"] == name}
    first = next(iter(own.values()))
    others = {run["seed"]: run for run in here if run["name"] == first["against"]}
    shared = sorted(own.keys() & others.keys())
    row = {key: mean(run[key] for run in own.values()) for key in (*FIGURES, "answers_per_second")}
    row |= {key: first[key] for key in ("name", "group", "against", "warm", "galaxies", "parameters")}
    row["seeds"] = len(own)
    row["seconds_per_1000"] = mean(1000 * run["train_seconds"] / run["galaxies"] for run in own.values())
    row["delta"] = row["cost"] = row["delta_at_cost"] = None
    if shared and name != first["against"]:
        row["delta"] = mean(own[s]["nll"] - others[s]["nll"] for s in shared)
        row["cost"] = math.exp(mean(math.log(own[s]["train_seconds"] / others[s]["train_seconds"]) for s in shared))
        row["delta_at_cost"] = None if slope is None else row["delta"] - slope * math.log(row["cost"])
    return row


def _kind(run: dict[str, Any]) -> tuple[bool, int]:
    return run["warm"], run["galaxies"]


def _kinds(runs: Runs) -> list[tuple[bool, int]]:
    return sorted({_kind(run) for run in runs})


def learning_slope(runs: Runs) -> float | None:
    """Change of the baseline's NLL with the logarithm of the galaxies seen, by least squares over seed 0."""
    points = [(math.log(r["galaxies"]), r["nll"]) for r in runs if r["name"] == BASELINE and r["seed"] == 0]
    if len(points) < 2:
        return None
    x0, y0 = (mean(column) for column in zip(*points, strict=True))
    return sum((x - x0) * (y - y0) for x, y in points) / sum((x - x0) ** 2 for x, _ in points)


def seed_scatter(runs: Runs, figure: str = "nll") -> float | None:
    """Standard deviation of a figure of the baseline between seeds."""
    values = [run[figure] for run in runs if run["name"] == BASELINE]
    return stdev(values) if len(values) > 1 else None


def table(runs: Runs) -> str:
    """A Markdown table for every kind of run, and the scatter between seeds of the baseline."""
    rows, parts = summary(runs), []
    for warm, galaxies in _kinds(runs):
        here = [run for run in runs if _kind(run) == (warm, galaxies)]
        start = "from the checkpoint on" if warm else "from nothing"
        scatter = seed_scatter(here)
        said = "one seed" if scatter is None else f"the NLL of the baseline scatters by {scatter:.4f} between seeds"
        lines = [f"{galaxies:,} galaxies {start}; {said}.", ""]
        lines += ["| | " + " | ".join(HEADS) + " |", "|---|" + "---|" * len(HEADS)]
        lines += [_line(row) for row in rows if (row["warm"], row["galaxies"]) == (warm, galaxies)]
        parts.append("\n".join(lines))
    slope = learning_slope([run for run in runs if not run["warm"]])
    if slope is not None:
        parts.append(f"Twice the galaxies change the NLL of the baseline by {slope * math.log(2):+.3f}.")
    return "\n\n".join(parts)


def _line(row: dict[str, Any]) -> str:
    cells = [f"{row[key]:.3f}" for key in FIGURES[:5]] + [f"{row['sigma_nmad']:.4f}", f"{row['pit_deviation']:.3f}"]
    cells += [_signed(row["delta"]), "" if row["cost"] is None else f"{row['cost']:.2f}", _signed(row["delta_at_cost"])]
    cells += [f"{row['answers_per_second']:,.0f}", str(row["seeds"])]
    return f"| {row['name']} | " + " | ".join(cells) + " |"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}".replace("-", "−")


def draw(runs: Runs, path: Path) -> None:
    """What every variant changes, at equal galaxies and at equal seconds, in the kind of run that has most variants."""
    from hf_galaxy.plotting.style import BLUE, GREY, PAGE_WIDTH, VERMILION, new_figure, save_figure

    kinds = _kinds(runs)
    kind = max(kinds, key=lambda k: len({run["name"] for run in runs if _kind(run) == k}))
    rows = [row for row in summary(runs) if (row["warm"], row["galaxies"]) == kind and row["delta"] is not None]
    rows = sorted(rows, key=lambda row: row["delta"], reverse=True)
    figure, axes = new_figure(1, 1, width=PAGE_WIDTH, height=1.0 + 0.19 * len(rows))
    ax, places = axes[0, 0], range(len(rows))
    scatter = seed_scatter([run for run in runs if _kind(run) == kind])
    if scatter is not None:
        # A difference of two runs scatters by the root of two more than one.
        ax.axvspan(-2 * 2**0.5 * scatter, 2 * 2**0.5 * scatter, color=GREY, alpha=0.18, lw=0, label="2σ of the seeds")
    ax.axvline(0, color=GREY, lw=0.8)
    ax.plot([row["delta"] for row in rows], places, "o", color=BLUE, ms=5, label="same galaxies")
    _at_cost(ax, rows, VERMILION)
    ax.set_yticks(list(places), [row["name"] for row in rows])
    ax.tick_params(axis="y", which="minor", left=False, right=False)
    ax.set_xlabel(f"change of the mean NLL of the properties ({kind[1]:,} galaxies seen; less is better)")
    ax.legend(loc="upper right")
    save_figure(figure, path)


def _at_cost(ax: Any, rows: Iterable[dict[str, Any]], colour: str) -> None:
    known = [(i, row["delta_at_cost"]) for i, row in enumerate(rows) if row["delta_at_cost"] is not None]
    if known:
        ax.plot([x for _, x in known], [i for i, _ in known], "D", mfc="none", color=colour, ms=4, label="same seconds")


__all__ = ["draw", "learning_slope", "seed_scatter", "summary", "table"]
