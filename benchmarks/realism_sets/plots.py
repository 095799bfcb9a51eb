"""Where simulated galaxies differ from real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hf_galaxy.plotting.style import BLUE, GREY, PAGE_WIDTH, VERMILION, label_page, new_figure, save_figure, styled

from .comparison import Verdict
from .sample import Sample

COLUMNS = 4
BINS = 28
STEPS = 7  # of redshift in the trends

LINE_LABELS = {
    "oii_doublet": "[O II]", "hgamma": r"H$\gamma$", "hbeta": r"H$\beta$", "oiii_5007": "[O III]",
    "halpha": r"H$\alpha$", "nii_6584": "[N II]", "sii_6716": "[S II] 6716", "sii_6731": "[S II] 6731",
}  # fmt: skip


def label(feature: str) -> str:
    """What stands on the axis of a feature."""
    if feature.startswith("log EW "):
        return f"log EW({LINE_LABELS[feature.removeprefix('log EW ')]}/Å)"
    if "-" in feature:
        return " $-$ ".join(feature.split("-")) + " [mag]"
    return feature


def draw(sample: Sample, verdict: Verdict, half: str, folder: Path) -> list[Path]:
    """Distributions of every feature, their trends, and differences by band where there is a cloud."""
    made = [
        draw_distributions(sample, verdict, half, folder / f"realism_{sample.name}.png"),
        draw_trends(sample, half, folder / f"realism_{sample.name}_trends.png"),
    ]
    if sample.notes.get("cloud", {}).get("difference"):
        made.append(draw_cloud(sample, half, folder / f"realism_{sample.name}_cloud.png"))
    return made


def _panels(sample: Sample, height: float):
    names = sample.evidence
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    width = PAGE_WIDTH * columns / COLUMNS
    figure, axes = new_figure(rows, columns, width=max(width, 5.2), height=height * rows + 0.45)
    for ax in axes.ravel()[len(names) :]:
        ax.remove()
    return figure, dict(zip(names, axes.ravel(), strict=False))


def _title(sample: Sample, half: str) -> str:
    return f"{sample.name.replace('_', ' ')}, {half} half"


@styled
def draw_distributions(sample: Sample, verdict: Verdict, half: str, path: Path) -> Path:
    """Histograms of the real (filled) and simulated (line) galaxies; the number is the AUC of the feature alone."""
    figure, axes = _panels(sample, 1.6)
    for name, ax in axes.items():
        real, simulated = (side[name][np.isfinite(side[name])] for side in (sample.real, sample.simulated))
        low, high = np.percentile(np.concatenate([real, simulated]), [0.5, 99.5])
        edges = np.linspace(low, high, BINS + 1)
        ax.hist(real, edges, density=True, color=GREY, alpha=0.45, label="real")
        ax.hist(simulated, edges, density=True, histtype="step", color=VERMILION, linewidth=1.2, label="simulated")
        ax.set(xlabel=label(name), yticks=[], xlim=(low, high))
        if np.isfinite(verdict.single[name]):
            ax.text(0.97, 0.93, f"{verdict.single[name]:.2f}", transform=ax.transAxes, ha="right", va="top", fontsize=8)
    next(iter(axes.values())).legend(loc="upper left", handlelength=1.0, borderaxespad=0.2)
    judged = (
        f": AUC {verdict.auc:.3f} ± {verdict.auc_error:.3f}" if np.isfinite(verdict.auc) else ", too few for an AUC"
    )
    figure.suptitle(_title(sample, half) + judged, fontsize=10)
    return save_figure(label_page(figure, "", "density"), path)


@styled
def draw_trends(sample: Sample, half: str, path: Path) -> Path:
    """Median (line) and 16–84 % (band) of each feature over the first matched feature, real and simulated."""
    figure, axes = _panels(sample, 1.55)
    over = sample.matched_on[0] if sample.matched_on else sample.evidence[0]
    edges = np.quantile(sample.real[over], np.linspace(0, 1, STEPS + 1))
    middle = 0.5 * (edges[1:] + edges[:-1])
    for name, ax in axes.items():
        sides = ((sample.real, BLUE, "real"), (sample.simulated, VERMILION, "simulated"))
        for side, colour, word in sides:
            place = np.clip(np.searchsorted(edges, side[over]) - 1, 0, STEPS - 1)
            rows = [side[name][(place == i) & np.isfinite(side[name])] for i in range(STEPS)]
            low, median, high = np.transpose(
                [np.percentile(r, [16, 50, 84]) if len(r) > 4 else [np.nan] * 3 for r in rows]
            )
            ax.fill_between(middle, low, high, color=colour, alpha=0.22, linewidth=0)
            ax.plot(middle, median, color=colour, label=word)
        ax.set_ylabel(label(name), labelpad=2, fontsize=8.5)
    next(iter(axes.values())).legend(loc="best")
    figure.suptitle(_title(sample, half), fontsize=10)
    return save_figure(label_page(figure, over.replace("_", " "), ""), path)


@styled
def draw_cloud(sample: Sample, half: str, path: Path) -> Path:
    """Real minus nearest simulated galaxies, band by band: median (points) and 16–84 % of the galaxies (bars)."""
    cloud = sample.notes["cloud"]
    names = list(cloud["difference"])
    low, middle, high = np.transpose(list(cloud["difference"].values()))
    figure, axes = new_figure(1, 1, width=PAGE_WIDTH, height=2.7)
    ax, place = axes[0, 0], np.arange(len(names))
    ax.axhline(0, color=GREY, linewidth=0.7)
    ax.errorbar(place, middle, [middle - low, high - middle], fmt="o", color=BLUE, markersize=3, linewidth=0.8)
    ax.set_xticks(place[:: max(1, len(names) // 24)], names[:: max(1, len(names) // 24)], rotation=90)
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    ax.set(ylabel="real $-$ simulated [mag]", xlim=(-1, len(names)))
    ax.set_title(
        f"{_title(sample, half)}: {cloud['outside_99']:.0%} of {cloud['galaxies']} galaxies outside 99 % of the cloud",
        fontsize=10,
    )
    return save_figure(figure, path)
