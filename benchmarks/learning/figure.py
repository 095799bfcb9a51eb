"""The page of plots of ``benchmarks.finetuning``: learning curves beside the peers, and what is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from hf_galaxy.plotting.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PAGE_WIDTH,
    VERMILION,
    dress,
    new_figure,
    save_figure,
    styled,
)  # fmt: skip

# label, colour, marker
CURVES = {
    "all": ("fine-tuned, all weights", BLUE, "o"),
    "perceptron": ("neural network, same rows alone", VERMILION, "^"),
    "boosted_trees": ("boosted trees, same rows alone", ORANGE, "v"),
}
POINTS = {"new": ("fine-tuned, new embeddings", GREEN, "D"), "lora": ("fine-tuned, low rank", BLACK, "s")}
PANELS = (
    ("W1", "rms", "error of W1 (mag)"),
    ("log_mbh", "rms", r"error of $\log M_\mathrm{BH}$ (dex)"),
    ("W1", "nll", "NLL of W1 (nats)"),
    ("log_mbh", "nll", r"NLL of $\log M_\mathrm{BH}$ (nats)"),
)


@styled
def draw(path: Path, metrics: dict[str, Any]) -> Path:
    """Error and NLL of the band and the property against the number of rows, and the change of old answers."""
    figure, axes = new_figure(2, 3, width=PAGE_WIDTH, height=4.6)
    for place, (name, key, label) in zip(((0, 0), (0, 1), (1, 0), (1, 1)), PANELS, strict=True):
        _curves(axes[place], metrics, name, key, label)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    _forgotten(axes[0, 2], metrics["learnt"])
    axes[1, 2].axis("off")
    axes[1, 2].legend(handles, labels, loc="center", frameon=False)
    return save_figure(figure, path)


def _curves(ax: Axes, metrics: dict[str, Any], name: str, key: str, label: str) -> None:
    rows = metrics["learnt"] | metrics["peers"]
    sizes = sorted({int(row.split()[1]) for row in rows})
    for kind, (text, color, marker) in (CURVES | POINTS).items():
        found = [(n, rows[f"{kind} {n}"][name][key]) for n in sizes if f"{kind} {n}" in rows]
        ax.plot(*zip(*found, strict=True), color=color, marker=marker, ms=5, lw=1.2, label=text)
    ax.set_xscale("log")
    ax.set_xlabel("rows to learn from")
    ax.set_ylabel(label)
    dress(ax)
    ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
    ax.xaxis.set_minor_locator(NullLocator())


def _forgotten(ax: Axes, learnt: dict[str, Any]) -> None:
    names = list(learnt)
    for i, name in enumerate(names):
        lost, kind = learnt[name]["forgotten"], name.split()[0]
        _, color, marker = (CURVES | POINTS)[kind]
        ax.plot(100 * lost["crps"], i, color=color, marker=marker, ms=5)
        ax.plot(100 * lost["worst_crps"], i, color=color, marker=marker, ms=5, mfc="none")
    ax.axvline(0, color=GREY, lw=0.8)
    ax.axvline(2, color=GREY, lw=0.8, ls="--")
    ax.set_yticks(range(len(names)), [f"{n.split()[0]}, {int(n.split()[1]):,}" for n in names])
    ax.invert_yaxis()
    ax.set_xlabel("CRPS of old answers, change (%)\nfilled: mean, open: worst")
    dress(ax)
    ax.yaxis.set_minor_locator(NullLocator())


__all__ = ["draw"]
