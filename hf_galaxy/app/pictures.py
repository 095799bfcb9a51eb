"""Figures of an answer as SVG for a page: crisp at any size, in colours that follow the page's light or dark."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Mapping
from types import MappingProxyType

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from hf_galaxy.app.answers import Marginal, Sed
from hf_galaxy.plotting.posterior import plot_density
from hf_galaxy.plotting.sed import plot_sed
from hf_galaxy.plotting.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, new_figure

# Colours of the figures to the page's own variables, which differ between light and dark.
INK: Mapping[str, str] = MappingProxyType(
    {
        BLACK: "ink",
        "#404040": "ink",
        "#ffffff": "card",
        GREY: "grey",
        BLUE: "blue",
        VERMILION: "vermilion",
        ORANGE: "orange",
        PURPLE: "purple",
        GREEN: "green",
        SKY: "sky",
    }
)
WIDE, NARROW = (8.6, 3.5), (4.1, 3.5)  # inches of the SED on a screen and on a phone
PHONE = 700  # pixels of the window below which it is one
PANEL, SMALL_PANEL = (2.75, 2.0), (1.95, 1.6)  # inches of a posterior on a screen and on a phone
PHONE_TICKS = (1500, 2500, 4000, 6000, 9000)  # Å
ALIVE = 1e-3  # of the peak; where a density is lower it is not shown

_drawing = threading.Lock()  # matplotlib's settings and fonts belong to the process: one figure at a time


def sed_svg(sed: Sed, window: float = 1280) -> str:
    """The bands of a galaxy over what the model predicts for each, for a window so many pixels wide."""
    width, height = WIDE if window >= PHONE else NARROW
    with _drawing:
        figure, axes = new_figure(width=width, height=height)
        plot_sed(
            axes[0, 0],
            sed.pivot,
            sed.width,
            sed.flux,
            sed.error,
            used=sed.used,
            predicted=sed.predicted,
            redshift=sed.lines and sed.lines.value,
            redshift_interval=sed.lines and sed.lines.interval,
            redshift_label=sed.lines.label if sed.lines else "",
        )
        if window < PHONE and axes[0, 0].get_xscale() == "log":
            axes[0, 0].xaxis.set_major_locator(FixedLocator(PHONE_TICKS))
        return _svg(figure, "Spectral energy distribution: bands observed, and what the model predicts", "sed")


def density_svg(
    name: str, now: Marginal, before: Marginal | None = None, truth: float | None = None, window: float = 1280
) -> str:
    """The posterior of one variable; that before as a ghost, a value to compare with as a dashed line."""
    low, median, high = now.quantiles[1:4]
    width, height = PANEL if window >= PHONE else SMALL_PANEL
    with _drawing:
        figure, axes = new_figure(width=width, height=height)
        ax = axes[0, 0]
        plot_density(
            ax,
            now.grid,
            now.pdf,
            truth=truth,
            interval=(low, high),
            median=median,
            label=name,
            window=_window(now, before, truth),
        )
        ax.set_yticks([])
        ax.set_ylabel("")
        ax.xaxis.get_major_locator().set_params(nbins=4 if window >= PHONE else 3)
        if before is not None:
            ax.plot(before.grid, before.pdf, color=GREY, linewidth=1.1, linestyle=(0, (3, 1.5)), zorder=2.5)
            ax.set_ylim(0, 1.12 * max(np.max(now.pdf), np.max(before.pdf)))
        return _svg(figure, f"Posterior density of {name}", name)


def _window(now: Marginal, before: Marginal | None, truth: float | None) -> tuple[float, float]:
    """The part of the axis with both densities and the value to compare with."""
    ends = [] if truth is None else [truth]
    for marginal in (now, before):
        if marginal is not None:
            ends += list(marginal.grid[marginal.pdf > ALIVE * np.max(marginal.pdf)][[0, -1]])
    margin = 0.04 * (max(ends) - min(ends)) or 0.5
    return min(ends) - margin, max(ends) + margin


def _svg(figure: Figure, title: str, prefix: str) -> str:
    """An ``<svg>`` element to stand in HTML: no colours of its own, ids that no other figure has."""
    out = io.StringIO()
    # Glyphs as paths: the fonts of the figures are not on the visitor's machine.
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": prefix}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\sid="', f' id="{prefix}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}-", text)
    for colour, name in INK.items():
        text = re.sub(re.escape(colour), f"var(--hg-{name})", text, flags=re.IGNORECASE)
    text = re.sub(r'\s(width|height)="[\d.]+pt"', "", text, count=2)
    return text.replace("<svg", f'<svg role="img" aria-label="{title}"', 1)


__all__ = ["density_svg", "sed_svg"]
