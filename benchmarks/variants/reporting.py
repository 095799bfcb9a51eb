"""The comparison of designs as a table and as a figure."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from .registry import BASELINE

FIGURES = ("nll", "nll_mixed", "nll_chain", "crps", "nll_redshift", "sigma_nmad", "pit_deviation")
COMPARED = {"nll": "given all bands", "nll_mixed": "all kinds of context"}
HEADS = ("NLL", "mixed", "chain", "CRPS", "z NLL", "σ_NMAD", "PIT", "s / 1000", "answers/s", "runs")
DIFFERENCES = ("Δ NLL", "Δ mixed", "cost", "Δ NLL at cost", "Δ mixed at cost")
Runs = list[dict[str, Any]]


def summary(runs: Runs) -> list[dict[str, Any]]:
    """A row a variant and kind of run: means over its seeds, and what it differs by from what it is compared with.

    ``cost`` is the ratio of the seconds a galaxy. ``delta_nll`` is the difference of the NLL over the seeds that both
    have, ``error_nll`` the standard error of that mean (from two seeds on), and ``at_cost_nll`` the difference that is
    left when both have the same seconds: the dearer one has seen fewer galaxies then, and the baseline says what these
    are worth; likewise of the other figures in ``COMPARED``. They are None where there is nothing to compare with.
    """
    return [
        _row(name, [run for run in runs if _kind(run) == kind], runs)
        for kind in _kinds(runs)
        for name in dict.fromkeys(run["name"] for run in runs if _kind(run) == kind)
    ]


def _row(name: str, here: Runs, runs: Runs) -> dict[str, Any]:
    own = {run["seed"]: run for run in here if run["name"] == name}
    first = next(iter(own.values()))
    others = {run["seed"]: run for run in here if run["name"] == first["against"]}
    shared = sorted(own.keys() & others.keys()) if name != first["against"] else []
    row = {key: mean(run[key] for run in own.values()) for key in (*FIGURES, "answers_per_second")}
    row |= {key: first[key] for key in ("name", "group", "against", "warm", "galaxies", "parameters")}
    row |= {"seeds": len(own), "cost": None}
    row["seconds_per_1000"] = mean(1000 * run["train_seconds"] / run["galaxies"] for run in own.values())
    if shared:
        row["cost"] = math.exp(mean(math.log(own[s]["train_seconds"] / others[s]["train_seconds"]) for s in shared))
    for figure in COMPARED:
        differences = [own[s][figure] - others[s][figure] for s in shared]
        delta = mean(differences) if shared else None
        slope = learning_slope([run for run in runs if run["warm"] == first["warm"]], figure)
        known = delta is not None and slope is not None
        row[f"delta_{figure}"] = delta
        row[f"error_{figure}"] = stdev(differences) / len(shared) ** 0.5 if len(shared) > 1 else None
        row[f"at_cost_{figure}"] = delta - slope * math.log(row["cost"]) if known else None
    return row


def _kind(run: dict[str, Any]) -> tuple[bool, int]:
    return run["warm"], run["galaxies"]


def _kinds(runs: Runs) -> list[tuple[bool, int]]:
    return sorted({_kind(run) for run in runs})


def learning_slope(runs: Runs, figure: str = "nll") -> float | None:
    """Change of a figure of the baseline with the logarithm of the galaxies seen, by least squares over seed 0."""
    points = [(math.log(r["galaxies"]), r[figure]) for r in runs if r["name"] == BASELINE and r["seed"] == 0]
    if len(points) < 2:
        return None
    x0, y0 = (mean(column) for column in zip(*points, strict=True))
    return sum((x - x0) * (y - y0) for x, y in points) / sum((x - x0) ** 2 for x, _ in points)


def seed_scatter(runs: Runs, figure: str = "nll") -> float | None:
    """Standard deviation of a figure of the baseline between seeds."""
    values = [run[figure] for run in runs if run["name"] == BASELINE]
    return stdev(values) if len(values) > 1 else None


def _seeds(runs: Runs) -> int:
    return sum(run["name"] == BASELINE for run in runs)


def table(runs: Runs) -> str:
    """A Markdown table for every kind of run, and what seeds and galaxies change of the baseline."""
    rows, parts = summary(runs), []
    for warm, galaxies in _kinds(runs):
        here = [run for run in runs if _kind(run) == (warm, galaxies)]
        lines = [f"{galaxies:,} galaxies {'from the checkpoint on' if warm else 'from nothing'}", ""]
        lines += [
            "| | " + " | ".join((*HEADS, *DIFFERENCES)) + " |",
            "|---|" + "---|" * (len(HEADS) + len(DIFFERENCES)),
        ]
        lines += [_line(row) for row in rows if (row["warm"], row["galaxies"]) == (warm, galaxies)]
        known = {key: seed_scatter(here, key) for key in FIGURES}
        if known["nll"] is not None:
            said = ", ".join(f"{head} {known[key]:.4f}" for head, key in zip(HEADS, FIGURES, strict=False))
            lines += ["", f"Standard deviation of the baseline between {_seeds(here)} seeds: {said}."]
        parts.append("\n".join(lines))
    slopes = {key: learning_slope([run for run in runs if not run["warm"]], key) for key in COMPARED}
    if None not in slopes.values():
        said = " and ".join(f"{slope * math.log(2):+.3f} ({COMPARED[key]})" for key, slope in slopes.items())
        parts.append(f"Twice the galaxies change the NLL of the baseline by {said}.")
    return "\n\n".join(parts)


def _line(row: dict[str, Any]) -> str:
    cells = [f"{row[key]:.3f}" for key in FIGURES[:5]] + [f"{row['sigma_nmad']:.4f}", f"{row['pit_deviation']:.3f}"]
    cells += [f"{row['seconds_per_1000']:.2f}", f"{row['answers_per_second']:,.0f}", str(row["seeds"])]
    cells += [_signed(row[f"delta_{key}"]) + _error(row[f"error_{key}"]) for key in COMPARED]
    cells += ["" if row["cost"] is None else f"{row['cost']:.2f}"]
    cells += [_signed(row[f"at_cost_{key}"]) for key in COMPARED]
    return f"| {row['name']} | " + " | ".join(cells) + " |"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}".replace("-", "−")


def _error(value: float | None) -> str:
    return "" if value is None else f" ± {value:.3f}"


def draw(runs: Runs, path: Path) -> None:
    """What every variant changes, at equal galaxies and at equal seconds, in the kind of run that has most variants."""
    from hf_galaxy.plotting.style import PAGE_WIDTH, label_page, new_figure, save_figure, styled

    kind = max(_kinds(runs), key=lambda k: len({run["name"] for run in runs if _kind(run) == k}))
    rows = [row for row in summary(runs) if (row["warm"], row["galaxies"]) == kind and row["cost"] is not None]
    rows = sorted(rows, key=lambda row: row["delta_nll_mixed"], reverse=True)
    figure, axes = new_figure(1, 2, width=PAGE_WIDTH, height=1.2 + 0.18 * len(rows), sharey=True)
    for ax, key in zip(axes[0], COMPARED, strict=True):
        scatter = seed_scatter([run for run in runs if _kind(run) == kind], key)
        styled(_panel)(ax, rows, key, scatter, f"2σ, from {_seeds([r for r in runs if _kind(r) == kind])} seeds")
    axes[0, 0].set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes[0, 0].set_ylim(-0.7, len(rows) - 0.3)
    styled(figure.legend)(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    save_figure(label_page(figure, f"change of the NLL after {kind[1]:,} galaxies; less is better", ""), path)


def _panel(ax: Any, rows: list[dict[str, Any]], key: str, scatter: float | None, band: str) -> None:
    from hf_galaxy.plotting.style import BLUE, GREY, VERMILION

    if scatter is not None:
        # A difference of two runs scatters by the root of two more than one.
        ax.axvspan(-(2**1.5) * scatter, 2**1.5 * scatter, color=GREY, alpha=0.2, lw=0, label=band)
    ax.axvline(0, color=GREY, lw=0.8)
    values, errors = ([row[f"{of}_{key}"] for row in rows] for of in ("delta", "error"))
    bars = [error or 0.0 for error in errors]  # of one seed: none, the band says how far seeds differ
    ax.errorbar(values, range(len(rows)), xerr=bars, fmt="o", color=BLUE, ms=4, lw=1, label="same galaxies")
    paid = [(row[f"at_cost_{key}"], i) for i, row in enumerate(rows) if row[f"at_cost_{key}"] is not None]
    if paid:
        ax.plot(*zip(*paid, strict=True), "D", mfc="none", color=VERMILION, ms=4, label="same seconds")
    ax.tick_params(axis="y", which="minor", left=False, right=False)
    ax.set_title(COMPARED[key])


__all__ = ["draw", "learning_slope", "seed_scatter", "summary", "table"]
