"""Residuals of one property over a catalogue with truth: against truth and magnitude, outliers, calibration."""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..evaluation.photoz import (
    OUTLIER_NARROW,
    photoz_by_bin,
    photoz_statistics,
    residual_statistics,
    residuals_by_bin,
    scaled_error,
    sigma_nmad,
)
from ..plotting.calibration import plot_coverage, plot_photoz, plot_pit, plot_recovery, plot_residual
from ..plotting.evaluation import plot_by_bin
from ..plotting.style import PAGE_WIDTH, SYMBOLS, new_figure, styled, symbol
from ..posterior import GalaxyPosterior
from .answers import Answer, answer
from .held_out import HeldOut, held_out
from .pages import BEYOND, SIGMA
from .run import compared

FEWEST = 5  # galaxies in a bin that is drawn
WIDEST = 6.0  # scatters that the axis of residuals reaches to each side
ALL = sys.maxsize


class _Residual(NamedTuple):
    """What is drawn of a property: (n,) residuals and magnitudes, the limit of the axis, and its label."""

    value: NDArray[np.float64]
    magnitude: NDArray[np.float64]
    bound: float
    label: str


def residuals_figure(galaxy: GalaxyPosterior, source: str, name: str = "redshift", unit: str | None = None) -> Figure:
    """Estimates of a property of all galaxies of a catalogue against ``true_<name>`` or ``<name>_spec``.

    Args:
        galaxy: The model.
        source: Path of the catalogue.
        name: The property; of the redshift the residual is Δz/(1+z).
        unit: Unit of flux columns that have none.

    Raises:
        ValueError: The catalogue has no truth, or none of this property.
    """
    galaxies = held_out(source, ALL, 0, galaxy.variables, unit)
    compared(galaxies, galaxy, [name])
    found = answer(galaxy, galaxies, [name], "none", 0, progress=True).of[name]
    column = galaxies.facts.get("truth", {}).get(name, f"true_{name}")
    return residuals_page(name, found, galaxies, truth_label="spectroscopic" if column.endswith("_spec") else "true")


@styled
def residuals_page(name: str, found: Answer, galaxies: HeldOut, truth_label: str = "true") -> Figure:
    """The page of one property; panels by magnitude are left out where no magnitude is known."""
    residual = _residual(name, found, galaxies)
    figure, axes = new_figure(2, 3, width=PAGE_WIDTH, height=4.4, height_ratios=[1.6, 1])
    _estimates(axes[:, 0], name, found, residual, truth_label)
    known = np.isfinite(residual.magnitude)
    if known.sum() > 1:
        _by_magnitude(axes[:, 1], name, found, residual, known, str(galaxies.facts.get("magnitude", "")))
    else:
        for ax in axes[:, 1]:
            ax.set_axis_off()
    plot_pit(axes[:1, 2], {name: found.pit}, bins=10 if len(found.pit) < 500 else 20)
    axes[0, 2].set_xlabel("probability integral transform")
    axes[0, 2].set_ylabel("density")
    plot_coverage(axes[1, 2], {name: found.pit}, difference=True)
    axes[1, 2].set_xlabel("credibility")
    axes[1, 2].get_legend().remove()
    return figure


def _residual(name: str, found: Answer, galaxies: HeldOut) -> _Residual:
    """Residuals, and an axis that holds the scatter and the limits of outliers, if not every outlier."""
    if name == "redshift":
        value, label, least = scaled_error(found.median, found.truth), r"$\Delta z/(1+z)$", 1.5 * OUTLIER_NARROW
    else:
        unit = "dex" if name.startswith("log_") else SYMBOLS.get(name, ("", "", ""))[2]
        label = rf"$\Delta$ {symbol(name)}" + (f" [{unit}]" if unit else "")
        value, least = found.median - found.truth, 0.0
    bound = min(float(np.max(np.abs(value))) * 1.1, WIDEST * max(sigma_nmad(value), np.std(value) / 3))
    return _Residual(value, galaxies.magnitude[found.rows], max(bound, least) or 1.0, label)


def _estimates(axes: NDArray, name: str, found: Answer, residual: _Residual, truth_label: str) -> None:
    """Estimates and residuals against the truth."""
    interval = found.low, found.high
    if name == "redshift":
        truth = rf"$z_\mathrm{{{'spec' if truth_label == 'spectroscopic' else 'true'}}}$"
        statistics = photoz_statistics(found.median, found.truth)
        plot_photoz(axes[0], found.truth, found.median, interval=interval, statistics=statistics, residual_ax=axes[1],
                    residual_limit=residual.bound, truth_label=truth)  # fmt: skip
        return
    merit = residual_statistics(found.median, found.truth)
    note = f"$N = {merit.n}$\n{SIGMA[:-1]} = {merit.sigma_nmad:.3g}$\nbias $= {merit.bias:.2g}$"
    scale = "asinh" if name.startswith("ew_") else "linear"
    plot_recovery(axes[0], found.truth, found.median, interval=interval, label=name, note=note, scale=scale)
    axes[0].set_xlabel("")
    axes[0].tick_params(labelbottom=False)
    plot_residual(axes[1], found.truth, residual.value, bound=residual.bound)
    axes[1].set_xscale(axes[0].get_xscale(), **({"linear_width": 2.0} if scale == "asinh" else {}))
    axes[1].set_xlim(axes[0].get_xlim())
    axes[1].set_xlabel(f"{truth_label} {symbol(name)}")
    axes[1].set_ylabel(residual.label)


def _by_magnitude(
    axes: NDArray, name: str, found: Answer, residual: _Residual, known: NDArray[np.bool_], band: str
) -> None:
    """Residuals against magnitude, and the shares of outliers (of the redshift) or the scatter in bins of it."""
    magnitude = residual.magnitude[known]
    edges = (-OUTLIER_NARROW, OUTLIER_NARROW) if name == "redshift" else ()
    plot_residual(axes[0], magnitude, residual.value[known], bound=residual.bound, edges=edges)
    axes[0].set_ylabel(residual.label)
    label = f"{band.partition(',')[0]} [mag]" if band else "magnitude"
    bins = np.arange(np.floor(magnitude.min()), np.floor(magnitude.max()) + 2)
    by_bin = photoz_by_bin if name == "redshift" else residuals_by_bin
    binned = by_bin(found.median[known], found.truth[known], magnitude, bins)
    drawn = {f"{one.lower:g}-{one.upper:g}": one.statistics for one in binned if one.statistics.n >= FEWEST}
    axes[0].set_xlabel(label)
    if not drawn:
        axes[1].set_axis_off()
        return
    if name == "redshift":
        shares = {t: {b: getattr(one, field) for b, one in drawn.items()} for t, field in BEYOND.items()}
        plot_by_bin(axes[1], shares, factor=100, log=False)
        axes[1].set_ylabel("outliers [%]")
        axes[1].set_ylim(bottom=0)
        axes[1].legend(loc="upper left")
    else:
        plot_by_bin(axes[1], {SIGMA: {b: one.sigma_nmad for b, one in drawn.items()}}, log=False)
        axes[1].set_ylabel(SIGMA)
        axes[1].set_ylim(bottom=0)
    axes[1].set_xlabel(label)
    axes[1].tick_params(axis="x", labelsize=7.5, labelrotation=30 if len(drawn) > 4 else 0)


__all__ = ["residuals_figure", "residuals_page"]
