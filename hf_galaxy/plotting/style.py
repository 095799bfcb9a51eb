"""One look for every figure: colours that colour-blind readers tell apart, journal fonts, and labels with units.

Colours are those of Okabe & Ito (2008). Figures are made without pyplot, so nothing depends on a display or on
global state: ``new_figure`` and every plotting function apply the style themselves and leave matplotlib as it was.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from hf_galaxy.variables_galaxy import BANDS

BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#6E6E6E"
PALETTE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK, GREY)

COLUMN_WIDTH = 3.5  # inches, one column of A&A, MNRAS and ApJ
PAGE_WIDTH = 7.1  # inches, both columns

RC: Mapping[str, Any] = MappingProxyType(
    {
        "font.family": "STIXGeneral",
        "mathtext.fontset": "stix",
        "font.size": 9.0,
        "axes.labelsize": 10.0,
        "axes.titlesize": 10.0,
        "axes.linewidth": 0.7,
        "axes.axisbelow": False,
        "axes.formatter.use_mathtext": True,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "xtick.direction": "in",
        "ytick.direction": "in",
        "xtick.top": True,
        "ytick.right": True,
        "xtick.minor.visible": True,
        "ytick.minor.visible": True,
        "xtick.major.size": 4.0,
        "ytick.major.size": 4.0,
        "xtick.minor.size": 2.0,
        "ytick.minor.size": 2.0,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.minor.width": 0.5,
        "ytick.minor.width": 0.5,
        "legend.fontsize": 8.0,
        "legend.frameon": False,
        "legend.handlelength": 1.6,
        "lines.linewidth": 1.1,
        "savefig.dpi": 200,
        "pdf.fonttype": 42,
    }
)

_LINE_NAMES = {
    "halpha": r"\mathrm{H}\alpha",
    "hbeta": r"\mathrm{H}\beta",
    "oiii_5007": r"[\mathrm{O\,III}]\,5007",
    "nii_6584": r"[\mathrm{N\,II}]\,6584",
    "oii_3727": r"[\mathrm{O\,II}]\,3727",
    "sii_6717_6731": r"[\mathrm{S\,II}]\,6717{+}31",
}
# name: (short symbol, symbol of the axis, unit); a logarithm divides by its unit, so that its argument is a number
SYMBOLS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "redshift": ("$z$", "$z$", ""),
        "log_mstar": (r"$\log\,M_\star$", r"$\log_{10}(M_\star/M_\odot)$", ""),
        "log_zstar": (r"$\log\,Z_\star$", r"$\log_{10}(Z_\star/Z_\odot)$", ""),
        "av": ("$A_V$", "$A_V$", "mag"),
        "log_age": (r"$\log\,\mathrm{age}$", r"$\log_{10}(\mathrm{age}/\mathrm{yr})$", ""),
        "log_sfr": (r"$\log\,\mathrm{SFR}$", r"$\log_{10}(\mathrm{SFR}/M_\odot\,\mathrm{yr}^{-1})$", ""),
        "dn4000": (r"$D_n4000$", r"$D_n4000$", ""),
        **{f"ew_{key}": (*[rf"$\mathrm{{EW}}({name})$"] * 2, "Å") for key, name in _LINE_NAMES.items()},
        **{f"flux_{key}": (*[rf"$F({name})$"] * 2, r"erg s$^{-1}$ cm$^{-2}$") for key, name in _LINE_NAMES.items()},
        **{band: (band, rf"$f_\nu(\mathrm{{{band}}})$", "nJy") for band in BANDS},
    }
)

P = ParamSpec("P")
R = TypeVar("R")


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Draw under the style of the package, and restore matplotlib's settings afterwards."""

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(dict(RC)):
            return function(*args, **kwargs)

    return wrapper


@styled
def new_figure(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = COLUMN_WIDTH,
    height: float = 2.6,
    **gridspec: Any,
) -> tuple[Figure, np.ndarray]:
    """A figure of ``width`` × ``height`` inches and its axes, an array of shape (rows, columns).

    Further arguments go to ``Figure.subplots`` (``sharex``, ``height_ratios``, …).
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **gridspec)


def dress(ax: Axes) -> None:
    """Give the ticks and the frame of axes made elsewhere the look of the package."""
    for axis in "xy":
        for which in ("major", "minor"):
            size, width = RC[f"{axis}tick.{which}.size"], RC[f"{axis}tick.{which}.width"]
            ax.tick_params(axis=axis, which=which, direction="in", length=size, width=width, top=True, right=True)
        ax.tick_params(axis=axis, labelsize=RC[f"{axis}tick.labelsize"], labelfontfamily=RC["font.family"])
        label = getattr(ax, f"{axis}axis").label
        label.set(fontsize=RC["axes.labelsize"], fontfamily=RC["font.family"], math_fontfamily=RC["mathtext.fontset"])
    for spine in ax.spines.values():
        spine.set_linewidth(RC["axes.linewidth"])
    ax.minorticks_on()


def check_ending(path: str | os.PathLike) -> str:
    """What the ending of a path means, such as ``png``.

    Raises:
        ValueError: The ending is none that matplotlib writes.
    """
    kind, known = Path(path).suffix.lstrip(".").lower(), FigureCanvasAgg.get_supported_filetypes()
    if kind not in known:
        raise ValueError(
            f"{Path(path).name}: figures are written as {', '.join(sorted(known))}, not {kind or 'without ending'!r}"
        )
    return kind


@styled
def save_figure(figure: Figure, path: str | os.PathLike) -> Path:
    """Write PNG, PDF or SVG by the ending of ``path``, whole or not at all; without a date, so bytes repeat.

    Raises:
        ValueError: The ending is none that matplotlib writes.
    """
    path, kind = Path(path), check_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    stamp = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
    figure.savefig(temporary, format=kind, metadata=stamp)
    if kind == "png":
        _to_palette(temporary)
    temporary.replace(path)
    return path


def _to_palette(path: Path) -> None:
    """A PNG of 256 colours, which figures of lines and shades do not exceed to the eye: a third of the size."""
    with Image.open(path) as image:
        small, dpi = image.convert("RGB").quantize(256, dither=Image.Dither.NONE), image.info.get("dpi")
    small.save(path, format="png", optimize=True, dpi=dpi)


def axis_label(name: str, power: int = 0) -> str:
    """Symbol with its unit in brackets, times a power of ten; an unknown name is written as it is."""
    _, text, unit = SYMBOLS.get(name, (name, name, ""))
    inside = " ".join(part for part in (rf"$10^{{{power}}}$" if power else "", unit) if part)
    return f"{text} [{inside}]" if inside else text


def symbol(name: str) -> str:
    """Short symbol without a unit; an unknown name is written as it is."""
    return SYMBOLS.get(name, (name, name, ""))[0]


@styled
def label_page(figure: Figure, x: str, y: str) -> Figure:
    """One label below and one beside all panels of a figure."""
    figure.supxlabel(x, fontsize=RC["axes.labelsize"])
    figure.supylabel(y, fontsize=RC["axes.labelsize"])
    return figure
