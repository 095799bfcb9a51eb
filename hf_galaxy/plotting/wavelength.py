"""The axis of observed wavelength, which panels of one galaxy share, and emission lines on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from matplotlib.axes import Axes
from matplotlib.ticker import AutoMinorLocator, FixedLocator, FuncFormatter, NullFormatter

from hf_galaxy.plotting.style import GREY

NARROW_LIMIT = 300.0  # Å; a wider band is drawn with its width
ULTRAVIOLET_LIMIT = 3000.0  # Å; bands below are GALEX's

# rest-frame vacuum wavelength in Å and side of the label, so that close lines do not write over each other
LINE_MARKS: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        r"Ly$\alpha$": (1215.7, "center"),
        "[O II]": (3728.5, "center"),
        r"H$\beta$": (4862.7, "right"),
        "[O III]": (5008.2, "left"),
        r"H$\alpha$": (6564.6, "right"),
        "[S II]": (6725.5, "left"),
    }
)
_TICKS = (1000, 1500, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 10000, 15000, 20000, 30000, 50000, 100000, 200000)
_NARROWEST_LINE = 0.0015  # of the axis; a line of a redshift that is better known is drawn as a line


def wavelength_axis(ax: Axes, low: float, high: float, unit: str = "angstrom", labelled: bool = True) -> None:
    """Limits, ticks and label of an axis from ``low`` to ``high`` (Å): logarithmic where the ultraviolet is shown.

    Args:
        unit: ``"angstrom"`` or ``"um"``, of the axis.
        labelled: Whether this panel has the numbers and the label.
    """
    factor = 1e-4 if unit == "um" else 1.0
    if low < ULTRAVIOLET_LIMIT:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(FixedLocator([tick * factor for tick in _TICKS]))
        ax.xaxis.set_minor_locator(FixedLocator([tick * factor for tick in range(1000, 20000, 500)]))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.set_xlim(low / 1.06 * factor, high * 1.06 * factor)
    else:
        margin = 0.03 * (high - low)
        ax.set_xlim((low - margin) * factor, (high + margin) * factor)
        ax.xaxis.set_minor_locator(AutoMinorLocator())
    ax.tick_params(labelbottom=labelled)
    ax.set_xlabel(f"observed wavelength [{'Å' if unit == 'angstrom' else 'µm'}]" if labelled else "")


def mark_lines(
    axes: Sequence[Axes],
    redshift: float,
    *,
    interval: tuple[float, float] | None = None,
    lines: Mapping[str, tuple[float, str]] = LINE_MARKS,
    factor: float = 1.0,
) -> bool:
    """Emission lines at a redshift through all panels, named above the first; whether any is in view.

    Args:
        axes: Panels with limits set, the upper one first.
        interval: Redshifts between which the line may be, shaded where that is wider than a line.
        lines: Rest wavelength in Å and side of the label, by name.
        factor: Of the unit of the axis over an Å.
    """
    low, high = axes[0].get_xlim()
    found = False
    for name, (rest, side) in lines.items():
        wave = rest * (1.0 + redshift) * factor
        if not low < wave < high:
            continue
        found = True
        ends = [rest * (1.0 + z) * factor for z in interval] if interval is not None else [wave, wave]
        for ax in axes:
            ax.axvline(wave, color=GREY, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)
            if ends[1] - ends[0] > _NARROWEST_LINE * (high - low):
                ax.axvspan(*ends, color=GREY, alpha=0.13, linewidth=0, zorder=0)
        axes[0].annotate(
            name, (wave, 1.0), (0, 2), xycoords=("data", "axes fraction"), textcoords="offset points",
            ha=side, va="bottom", fontsize=8, color="#404040", annotation_clip=False
        )  # fmt: skip
    return found


__all__ = ["LINE_MARKS", "NARROW_LIMIT", "ULTRAVIOLET_LIMIT", "mark_lines", "wavelength_axis"]
