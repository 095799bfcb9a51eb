"""Which bands informed an answer, which would, and which disagree: panels below a spectral energy distribution.

Wavelengths enter in Å, information in nats.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, MultipleLocator
from numpy.typing import ArrayLike, NDArray

from hf_galaxy.plotting.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION, dress, styled, symbol
from hf_galaxy.plotting.wavelength import NARROW_LIMIT, ULTRAVIOLET_LIMIT

SUSPICIOUS = 3.0  # standard deviations from which a band is marked


@styled
def plot_information(
    ax: Axes,
    pivot: ArrayLike,
    width: ArrayLike,
    nats: ArrayLike,
    *,
    stretch: ArrayLike | None = None,
    stretch_label: str = "with its neighbours",
    expected: ArrayLike | None = None,
    expected_label: str = "expected if observed",
    name: str = "redshift",
    note: str = "",
    wavelength_unit: str = "angstrom",
    legend: bool = True,
) -> Axes:
    """The information that each band brought about a property, when all others were known.

    Args:
        pivot, width: (n_band,) pivot wavelength and full width at half maximum in Å.
        nats: (n_band,) information that the band brought; NaN where it was not observed.
        stretch: (n_band,) information of the band together with its neighbours, a line through the narrow bands.
        stretch_label: What belongs to a stretch, for the legend.
        expected: (n_band,) information to expect of a band that was not observed, hollow; NaN where not asked.
        expected_label: How it would be observed, for the legend.
        name: The property (``style.SYMBOLS``) or any text.
        note: Written into the panel, such as what all bands brought together.
        wavelength_unit: ``"angstrom"`` or ``"um"``, of the axis.

    Raises:
        ValueError: Shapes that do not fit, or no band with information.
    """
    pivot, width, nats, stretch, expected = _by_wavelength(pivot, width, nats, stretch, expected)
    if not (np.isfinite(nats) | np.isfinite(expected)).any():
        raise ValueError("no band of this galaxy has a flux: nothing to draw")
    factor = 1e-4 if wavelength_unit == "um" else 1.0
    dress(ax)
    x, half = pivot * factor, 0.5 * width * factor
    narrow = (width < NARROW_LIMIT) & (pivot > ULTRAVIOLET_LIMIT)
    handles: list = []
    seen = narrow & np.isfinite(nats)
    if seen.any():
        ax.bar(x[seen], nats[seen], 1.5 * half[seen], color=BLUE, linewidth=0, zorder=3)
        handles.append((Patch(color=BLUE, linewidth=0), "narrow band"))
    for mask, kind in ((pivot > ULTRAVIOLET_LIMIT, ("broad band", ORANGE, "s")),
                       (pivot <= ULTRAVIOLET_LIMIT, ("GALEX", PURPLE, "D"))):  # fmt: skip
        label, color, marker = kind
        shown = mask & ~narrow & np.isfinite(nats)
        if shown.any():
            drawn = ax.errorbar(x[shown], nats[shown], xerr=half[shown], linestyle="none", color=color, marker=marker,
                                markersize=3.5, markeredgecolor=BLACK, markeredgewidth=0.4, elinewidth=0.9, zorder=5,
                                clip_on=False)  # fmt: skip
            handles.append((drawn[0], label))
    line = narrow & np.isfinite(stretch)
    if line.any():
        ax.fill_between(x[line], stretch[line], color=BLUE, alpha=0.16, linewidth=0, step="mid", zorder=1)
        step = ax.step(x[line], stretch[line], where="mid", color=BLUE, linewidth=0.8)[0]
        handles.append(((Patch(color=BLUE, alpha=0.16, linewidth=0), step), stretch_label))
    hollow = np.isfinite(expected)
    if hollow.any():
        style = {"facecolor": "none", "edgecolor": GREEN, "linewidth": 0.9, "linestyle": (0, (3, 1.5))}
        ax.bar(x[hollow], expected[hollow], 2 * half[hollow], zorder=3, **style)
        handles.append((Patch(**style), expected_label))
    top = np.nanmax([np.nanmax(a, initial=0.0) for a in (nats, np.where(narrow, stretch, np.nan), expected)])
    ax.set_ylim(0, 1.35 * max(float(top), 1e-3))
    ax.yaxis.set_major_locator(MaxNLocator(4, prune="upper"))
    ax.set_ylabel(f"nats about {symbol(name)}", fontsize=9)
    if note:
        paper = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
        ax.text(0.012, 0.92, note, transform=ax.transAxes, va="top", fontsize=8, bbox=paper, zorder=6)
    if legend and handles:
        ax.legend(*zip(*handles, strict=True), loc="upper right", ncols=5, columnspacing=1.2, handlelength=1.2,
                  borderaxespad=0.3, frameon=True, facecolor="white", edgecolor="none", framealpha=0.85)  # fmt: skip
    return ax


@styled
def plot_surprise(
    ax: Axes,
    pivot: ArrayLike,
    score: ArrayLike,
    names: Sequence[str],
    *,
    limit: float = 5.0,
    wavelength_unit: str = "angstrom",
) -> Axes:
    """How far each band lies from what all others make of it, in standard normal deviates; the odd ones are named.

    Args:
        pivot: (n_band,) in Å.
        score: (n_band,) normal deviate of the flux in the density that the others predict; NaN was not observed.
        names: Of the bands.
        limit: Of the axis; bands beyond are arrows at its edge.
    """
    if len(names) != np.size(pivot):
        raise ValueError(f"{np.size(pivot)} bands have {len(names)} names")
    names = [names[i] for i in np.argsort(np.asarray(pivot, dtype=float), kind="stable")]
    pivot, score = _by_wavelength(pivot, score)
    x = pivot * (1e-4 if wavelength_unit == "um" else 1.0)
    dress(ax)
    for edge, alpha in ((1, 0.18), (2, 0.12)):
        ax.axhspan(-edge, edge, color=GREY, alpha=alpha, linewidth=0)
    ax.axhline(0, color=GREY, linewidth=0.6)
    odd = np.abs(score) > SUSPICIOUS
    for mask, color in ((~odd, BLACK), (odd, VERMILION)):
        inside, beyond = mask & (np.abs(score) <= limit), mask & (np.abs(score) > limit)
        ax.vlines(x[inside], 0, score[inside], color=color, linewidth=0.7)
        ax.plot(x[inside], score[inside], color=color, linestyle="none", marker="o", markersize=2.8)
        for sign, marker in ((1, "^"), (-1, "v")):
            arrows = beyond & (sign * score > 0)
            ax.plot(x[arrows], np.full(arrows.sum(), sign * 0.93 * limit), color=color, linestyle="none",
                    marker=marker, markersize=4.5)  # fmt: skip
    for i in np.flatnonzero(odd):
        y = np.clip(score[i], -0.93 * limit, 0.93 * limit)
        left = x[i] > 0.5 * sum(ax.get_xlim())
        ax.annotate(names[i], (x[i], y), (-5 if left else 5, 0), textcoords="offset points", fontsize=7.5,
                    color=VERMILION, ha="right" if left else "left", va="center")  # fmt: skip
    ax.set_ylim(-limit, limit)
    ax.yaxis.set_major_locator(MultipleLocator(2))
    ax.set_ylabel(r"surprise [$\sigma$]", fontsize=9)
    return ax


def _by_wavelength(pivot: ArrayLike, *others: ArrayLike | None) -> tuple[NDArray[np.float64], ...]:
    """(n_band,) arrays in the order of the first; NaN for those that are not given."""
    pivot = np.asarray(pivot, dtype=float)
    made = [np.full(pivot.shape, np.nan) if a is None else np.asarray(a, dtype=float) for a in (pivot, *others)]
    if len({a.shape for a in made}) > 1 or pivot.ndim != 1:
        raise ValueError(f"bands need arrays of one length, not shapes {[a.shape for a in made]}")
    order = np.argsort(pivot, kind="stable")
    return tuple(a[order] for a in made)


__all__ = ["plot_information", "plot_surprise"]
