"""Spectral energy distribution of one galaxy: its bands, what the posterior predicts for them, and the residuals.

Flux densities enter in nJy (AB), wavelengths in Å; the axes show µJy or AB magnitudes, Å or µm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import ArrayLike, NDArray

from hf_galaxy.plotting.style import BLACK, BLUE, GREY, ORANGE, PURPLE, dress, styled
from hf_galaxy.plotting.wavelength import LINE_MARKS, NARROW_LIMIT, ULTRAVIOLET_LIMIT, mark_lines, wavelength_axis

PREDICTED_LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)  # columns of ``predicted``
DETECTION = 2.0  # a flux below that many errors is an upper limit where the axis cannot show negative flux
RESIDUAL_LIMIT = 5.0  # sigma; residuals beyond are drawn as arrows at the edge
LOG_RANGE = 25.0  # dynamic range of the detected fluxes beyond which the axis becomes logarithmic


class _Bands(NamedTuple):
    """Bands of one galaxy: Å, Å, nJy, nJy, shown to the model or not, quantiles in nJy or ``None``."""

    pivot: NDArray[np.float64]
    width: NDArray[np.float64]
    flux: NDArray[np.float64]
    error: NDArray[np.float64]
    used: NDArray[np.bool_]
    predicted: NDArray[np.float64] | None


@styled
def plot_sed(
    ax: Axes,
    pivot: ArrayLike,
    width: ArrayLike,
    flux: ArrayLike,
    error: ArrayLike,
    *,
    used: ArrayLike | None = None,
    predicted: ArrayLike | None = None,
    redshift: float | None = None,
    redshift_interval: tuple[float, float] | None = None,
    redshift_label: str = "lines",
    unit: str = "uJy",
    wavelength_unit: str = "angstrom",
    scale: str = "auto",
    residual_ax: Axes | None = None,
    below: Sequence[Axes] = (),
    lines: Mapping[str, tuple[float, str]] = LINE_MARKS,
    legend: bool = True,
) -> Axes:
    """Observed fluxes over the posterior predictive.

    Args:
        pivot, width: (n_band,) pivot wavelength and full width at half maximum in Å.
        flux, error: (n_band,) in nJy; NaN is not observed.
        used: (n_band,) False for bands hidden from the model, drawn hollow.
        predicted: (n_band, 5) quantiles of the noiseless flux in nJy at ``PREDICTED_LEVELS``; NaN where not asked.
        redshift: Where to mark emission lines.
        redshift_interval: Redshifts between which the lines may be, if that is not known better.
        redshift_label: What the redshift is, for the legend.
        unit: ``"uJy"`` or ``"AB"``.
        wavelength_unit: ``"angstrom"`` or ``"um"``.
        scale: ``"linear"``, ``"log"`` or ``"auto"`` (by the dynamic range); of the flux axis in µJy.
        residual_ax: A panel below for (observed - predicted median) / sigma, sigma holding both uncertainties.
        below: Further panels that share the wavelength axis; the lowest has its label.
        lines: Rest wavelength in Å and side of the label, by name.

    Raises:
        ValueError: Shapes that do not fit, no observed band, or an unknown unit or scale.
    """
    bands = _checked(pivot, width, flux, error, used, predicted)
    for name, value, allowed in (
        ("unit", unit, ("uJy", "AB")),
        ("wavelength_unit", wavelength_unit, ("angstrom", "um")),
        ("scale", scale, ("auto", "linear", "log")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} {value!r} is not one of {', '.join(allowed)}")
    if scale == "auto":
        scale = "log" if _dynamic_range(bands) > LOG_RANGE else "linear"
    factor = 1e-4 if wavelength_unit == "um" else 1.0
    bands = bands._replace(pivot=bands.pivot * factor, width=bands.width * factor)

    for panel in (ax,) if residual_ax is None else (ax, residual_ax):
        dress(panel)
    _flux_axis(ax, bands, unit, scale)
    if bands.predicted is not None:
        _draw_predicted(ax, bands, unit, factor)
    _draw_observed(ax, bands, unit, scale, factor)
    panels = [ax, *([] if residual_ax is None else [residual_ax]), *below]
    for panel in panels:
        wavelength_axis(panel, *_limits_of(bands, factor), wavelength_unit, labelled=panel is panels[-1])
    marked = redshift is not None and mark_lines(
        panels, redshift, interval=redshift_interval, lines=lines, factor=factor
    )
    if residual_ax is not None:
        _draw_residuals(residual_ax, bands, factor)
    if legend:
        handles, labels = _legend(ax, bands, _is_limit(bands, unit, scale), factor)
        if marked:
            handles += ax.plot([], [], color=GREY, linewidth=0.6, linestyle=(0, (1, 2)))
            labels.append(redshift_label)
        ax.legend(handles, labels, loc="best")
    return ax


def _checked(
    pivot: ArrayLike,
    width: ArrayLike,
    flux: ArrayLike,
    error: ArrayLike,
    used: ArrayLike | None,
    predicted: ArrayLike | None,
) -> _Bands:
    pivot, width, flux, error = (np.asarray(a, dtype=float) for a in (pivot, width, flux, error))
    used = np.ones(pivot.shape, dtype=bool) if used is None else np.asarray(used, dtype=bool)
    shapes = {a.shape for a in (pivot, width, flux, error, used)}
    if len(shapes) != 1 or pivot.ndim != 1:
        raise ValueError(f"bands need pivot, width, flux, error and used of one length, not shapes {sorted(shapes)}")
    if not np.any(np.isfinite(flux)):
        raise ValueError("no band of this galaxy has a flux: nothing to draw")
    if predicted is not None:
        predicted = np.asarray(predicted, dtype=float)
        if predicted.shape != (pivot.size, len(PREDICTED_LEVELS)):
            raise ValueError(
                f"predicted has shape {predicted.shape}, not {(pivot.size, len(PREDICTED_LEVELS))}: "
                f"give the quantiles {PREDICTED_LEVELS} of every band"
            )
    order = np.argsort(pivot)
    return _Bands(
        *(a[order] for a in (pivot, width, flux, error, used)), None if predicted is None else predicted[order]
    )


def _convert(flux: ArrayLike, unit: str) -> NDArray[np.float64]:
    """nJy to µJy or AB magnitudes; no magnitude (NaN) of flux that is not positive."""
    flux = np.asarray(flux, dtype=float)
    if unit == "uJy":
        return flux / 1000.0
    return 31.4 - 2.5 * np.log10(np.where(flux > 0, flux, np.nan))


def _dynamic_range(bands: _Bands) -> float:
    good = bands.flux[np.isfinite(bands.flux) & (bands.flux > DETECTION * bands.error)]
    return float(good.max() / good.min()) if good.size else 1.0


def _flux_axis(ax: Axes, bands: _Bands, unit: str, scale: str) -> None:
    """Limits that hold every detection and the predictions, without following the ill-determined ones down."""
    ax.set_ylabel(r"$f_\nu$ [$\mu$Jy]" if unit == "uJy" else r"$m_\mathrm{AB}$")
    detected = np.isfinite(bands.flux) & (bands.flux > DETECTION * bands.error)
    tops = [bands.flux + bands.error]
    bottom = (bands.flux - bands.error)[detected]
    if bands.predicted is not None:
        tops.append(bands.predicted[:, 3])
        low = bands.predicted[:, 1]
        bottom = np.concatenate([bottom, low[low > bottom.min(initial=np.inf) / 6]])
    top = np.nanmax(np.concatenate(tops))
    if unit == "uJy" and scale == "linear":
        floor = min(0.0, np.nanmin(bands.flux - bands.error))
        ax.set_ylim(_convert(floor - 0.04 * (top - floor), unit), _convert(floor + 1.12 * (top - floor), unit))
        return
    floor = max(bottom.min() / 1.8, top * 1e-4) if bottom.size else top * 1e-2
    if unit == "uJy":
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(_convert(floor, unit), _convert(top * 1.5, unit))


def _limits_of(bands: _Bands, factor: float) -> tuple[float, float]:
    """Å between which there is something to show."""
    shown = np.isfinite(bands.flux)
    if bands.predicted is not None:
        shown |= np.isfinite(bands.predicted[:, 2])
    low, high = (bands.pivot + side * 0.5 * bands.width for side in (-1, 1))
    return float(np.min(low[shown])) / factor, float(np.max(high[shown])) / factor


def _draw_predicted(ax: Axes, bands: _Bands, unit: str, factor: float) -> None:
    """Ribbons through the narrow bands, boxes of their own width for the broad ones."""
    # a logarithmic axis has no place for zero: what falls below it is drawn to its lower edge
    floor = -np.inf if unit == "uJy" and ax.get_yscale() == "linear" else 1e-6 * np.nanmax(bands.predicted)
    quantiles = _convert(np.maximum(bands.predicted, floor), unit)
    narrow = (bands.width < NARROW_LIMIT * factor) & (bands.pivot > ULTRAVIOLET_LIMIT * factor)
    for run in _runs(bands.pivot, narrow & np.isfinite(quantiles[:, 2]), gap=NARROW_LIMIT * factor):
        wave, q = bands.pivot[run], quantiles[run]
        ax.fill_between(wave, q[:, 0], q[:, 4], color=BLUE, alpha=0.16, linewidth=0, zorder=1)
        ax.fill_between(wave, q[:, 1], q[:, 3], color=BLUE, alpha=0.34, linewidth=0, zorder=1)
        ax.plot(wave, q[:, 2], color=BLUE, linewidth=1.0, zorder=2, solid_joinstyle="round")
    for i in np.flatnonzero(~narrow & np.isfinite(quantiles[:, 2])):
        ends = bands.pivot[i] + np.array([-0.5, 0.5]) * bands.width[i]
        ax.fill_between(ends, *quantiles[i, [0, 4]], color=BLUE, alpha=0.14, linewidth=0, zorder=1)
        ax.fill_between(ends, *quantiles[i, [1, 3]], color=BLUE, alpha=0.28, linewidth=0, zorder=1)
        ax.hlines(quantiles[i, 2], *ends, color=BLUE, linewidth=1.0, zorder=2)


def _runs(wave: np.ndarray, mask: np.ndarray, gap: float) -> list[np.ndarray]:
    """Indices of the stretches of bands without a hole: no ribbon across what was not asked."""
    index = np.flatnonzero(mask)
    return [run for run in np.split(index, np.flatnonzero(np.diff(wave[index]) > gap) + 1) if run.size]


def _kinds(bands: _Bands, factor: float) -> list[tuple[str, np.ndarray, str, str, float]]:
    """Name, mask, colour, marker and its size of the three kinds of bands."""
    narrow = bands.width < NARROW_LIMIT * factor
    ultraviolet = bands.pivot < ULTRAVIOLET_LIMIT * factor
    return [
        ("narrow bands", narrow & ~ultraviolet, BLACK, "o", 3.0),
        ("broad bands", ~narrow & ~ultraviolet, ORANGE, "s", 5.0),
        ("GALEX", ultraviolet, PURPLE, "D", 4.5),
    ]


def _draw_observed(ax: Axes, bands: _Bands, unit: str, scale: str, factor: float) -> None:
    limit = _is_limit(bands, unit, scale)
    for _, kind, color, marker, size in _kinds(bands, factor):
        for used in (True, False):
            mask = kind & (bands.used == used) & np.isfinite(bands.flux)
            style = _marker_style(color, used) | {"marker": marker, "markersize": size}
            _points(ax, bands, mask & ~limit, unit, style, wide=marker != "o")
            _limits(ax, bands, mask & limit, unit, style | ({"color": GREY} if color == BLACK else {}))


def _is_limit(bands: _Bands, unit: str, scale: str) -> NDArray[np.bool_]:
    """Which bands can only be drawn as upper limits: faint ones on an axis that has no place for negative flux."""
    if unit == "uJy" and scale == "linear":
        return np.zeros(bands.flux.shape, dtype=bool)
    return np.isfinite(bands.flux) & ~(bands.flux > DETECTION * bands.error)


def _marker_style(color: str, used: bool) -> dict:
    return {
        "color": color,
        "markerfacecolor": color if used else "white",
        "markeredgecolor": BLACK if used and color != BLACK else color,
        "markeredgewidth": 0.4 if used else 0.9,
    }


def _points(ax: Axes, bands: _Bands, mask: np.ndarray, unit: str, style: dict, wide: bool) -> None:
    if not mask.any():
        return
    flux, error = bands.flux[mask], bands.error[mask]
    value = _convert(flux, unit)
    least = flux - error if unit == "uJy" else np.maximum(flux - error, 0.05 * flux)  # a magnitude needs a flux
    ends = np.abs([_convert(least, unit) - value, _convert(flux + error, unit) - value])
    span = ends if unit == "uJy" else ends[::-1]  # the brighter end is the smaller magnitude
    half = 0.5 * bands.width[mask] if wide else None
    ax.errorbar(bands.pivot[mask], value, yerr=span, xerr=half, linestyle="none", elinewidth=0.8, zorder=4, **style)


def _limits(ax: Axes, bands: _Bands, mask: np.ndarray, unit: str, style: dict) -> None:
    """Upper limits at ``DETECTION`` errors above the measurement, or above zero if that is negative."""
    if not mask.any():
        return
    value = _convert(np.maximum(bands.flux[mask], 0.0) + DETECTION * bands.error[mask], unit)
    length = 0.35 if unit == "AB" else 0.28 * value
    ax.errorbar(
        bands.pivot[mask], value, yerr=length, uplims=unit == "uJy", lolims=unit == "AB", linestyle="none",
        elinewidth=0.8, zorder=4, **(style | {"marker": "_", "markersize": 6})
    )  # fmt: skip


def _draw_residuals(ax: Axes, bands: _Bands, factor: float) -> None:
    if bands.predicted is None:
        raise ValueError("residuals need the predicted quantiles")
    spread = 0.5 * (bands.predicted[:, 3] - bands.predicted[:, 1])
    residual = (bands.flux - bands.predicted[:, 2]) / np.hypot(bands.error, spread)
    ax.axhspan(-1, 1, color=BLUE, alpha=0.12, linewidth=0)
    ax.axhline(0, color=BLUE, linewidth=0.8)
    for _, kind, color, marker, size in _kinds(bands, factor):
        for used in (True, False):
            mask = kind & (bands.used == used) & np.isfinite(residual)
            style = _marker_style(color, used) | {"linestyle": "none", "zorder": 4, "clip_on": False}
            shown = np.clip(residual, -RESIDUAL_LIMIT, RESIDUAL_LIMIT)
            above, below = residual > RESIDUAL_LIMIT, residual < -RESIDUAL_LIMIT
            for marks, symbol, points in ((~above & ~below, marker, 0.9 * size), (above, "^", 4), (below, "v", 4)):
                chosen = mask & marks
                if chosen.any():  # an empty unclipped line would claim the corner of the figure in its layout
                    ax.plot(bands.pivot[chosen], shown[chosen], marker=symbol, markersize=points, **style)
    ax.set_ylim(-RESIDUAL_LIMIT, RESIDUAL_LIMIT)
    ax.set_yticks([-4, -2, 0, 2, 4])
    ax.set_ylabel(r"$\Delta f_\nu/\sigma$")


def _legend(ax: Axes, bands: _Bands, limit: np.ndarray, factor: float) -> tuple[list, list[str]]:
    """One entry for each kind of mark that is there."""
    handles, labels = [], []
    for name, kind, color, marker, size in _kinds(bands, factor):
        if np.any(kind & np.isfinite(bands.flux)):
            style = _marker_style(color, True) | {"linestyle": "none", "marker": marker, "markersize": size}
            handles += ax.plot([], [], **style)
            labels.append(name)
    if np.any(~bands.used & np.isfinite(bands.flux)):
        style = _marker_style(BLACK, False) | {"linestyle": "none", "marker": "o", "markersize": 3.5}
        handles += ax.plot([], [], **style)
        labels.append("hidden from the model")
    if np.any(limit):
        handles += ax.plot([], [], color=GREY, linestyle="none", marker=r"$\downarrow$", markersize=7)
        labels.append(rf"{DETECTION:g}$\sigma$ upper limit")
    if bands.predicted is not None:
        handles.append((Patch(color=BLUE, alpha=0.34, linewidth=0), ax.plot([], [], color=BLUE, linewidth=1.0)[0]))
        labels.append("posterior predictive, 68 and 95 %")
    return handles, labels
