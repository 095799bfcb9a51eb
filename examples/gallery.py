"""Twelve random simulated galaxies beside twelve real ones, from data sets that ``load_dataset`` reads.

    python examples/gallery.py --simulated outputs/jpas_galex_sim --real outputs/jpas_galex_spectra -o gallery.png

Simulated galaxies are observed with the noise that training adds; real ones are shown with the errors of their
spectra, their extrapolated bands hollow.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset, load_dataset

from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.plotting.sed import plot_sed
from hf_galaxy.plotting.style import PAGE_WIDTH, new_figure, save_figure
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, default_variables

SHOWN, COLUMNS = 12, 6  # of each kind; galaxies in a row of the figure
FEWEST_BANDS = 20


class Panel(NamedTuple):
    """One galaxy: flux and error (62,) in nJy, NaN where not observed, which bands were measured, and a title."""

    flux: np.ndarray
    error: np.ndarray
    measured: np.ndarray
    redshift: float
    title: str


def simulated(data: Dataset, seed: int) -> list[Panel]:
    """Random galaxies of a simulated data set, observed."""
    rows = data[np.random.default_rng(seed).choice(len(data), SHOWN, replace=False)]
    noise = NoiseModel(NoiseSettings(window_share=0.0, broad_only_share=0.0), BANDS)
    seen = noise.observe(torch.tensor(rows["flux"]), torch.Generator().manual_seed(seed))
    return [
        panel(seen.flux[i].numpy(), seen.error[i].numpy(), seen.observed[i].numpy(), rows["properties"][i], "simulated")
        for i in range(SHOWN)
    ]


def real(data: Dataset, seed: int) -> list[Panel]:
    """Random galaxies of an observed data set, as many as there are, each as it was observed."""
    flux = np.array(data["flux"][:], dtype=float)
    good = (np.array(data["draw"][:]) == 0) & (np.isfinite(flux).sum(1) >= FEWEST_BANDS)
    places = np.random.default_rng(seed).permutation(np.flatnonzero(good))[:SHOWN]
    rows = data[places]
    return [
        panel(
            np.array(rows["flux"][i], dtype=float),
            np.array(rows["flux_error"][i], dtype=float),
            ~np.array(rows["extrapolated"][i]),
            rows["properties"][i],
            rows["id"][i],
        )
        for i in range(len(places))
    ]


def panel(flux: np.ndarray, error: np.ndarray, measured: np.ndarray, properties: list[float], name: str) -> Panel:
    """With a title that says redshift and EW(Hα)."""
    redshift, width = (properties[PROPERTIES.index(key)] for key in ("redshift", "ew_halpha"))
    known = rf", EW(H$\alpha$) {width:.0f} Å" if width is not None and np.isfinite(width) else ""
    return Panel(flux, error, measured, redshift, f"{name}\n$z$ = {redshift:.3f}{known}")


def draw(panels: list[Panel], path: Path) -> None:
    """A page: a panel for every galaxy, fluxes in µJy on linear axes."""
    bands = {v.name: v for v in default_variables() if v.kind == "flux"}
    pivot, width = (np.array([getattr(bands[name], key) for name in BANDS]) for key in ("pivot", "width"))
    height = -(-len(panels) // COLUMNS)
    figure, axes = new_figure(height, COLUMNS, width=2 * PAGE_WIDTH, height=2.1 * height)
    for i, galaxy in enumerate(panels):
        ax = axes.flat[i]
        seen = {"used": galaxy.measured, "redshift": galaxy.redshift, "scale": "linear", "wavelength_unit": "um"}
        plot_sed(ax, pivot, width, galaxy.flux, galaxy.error, **seen, lines={}, legend=False)
        ax.set_title(galaxy.title, fontsize=7.5)
        if i % COLUMNS:
            ax.set_ylabel("")
        if i < len(panels) - COLUMNS:
            ax.set_xlabel("")
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    save_figure(figure, path)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", required=True, help="folder of dataset_scripts.jpas_galex_sim")
    parser.add_argument("--real", help="folder of dataset_scripts.jpas_galex_spectra or minijpas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    panels = []
    for folder, choose in ((given.simulated, simulated), (given.real, real)):
        if folder:
            data = load_dataset(folder, split="train")
            print(f"{folder}: {len(data)} rows, columns {', '.join(data.column_names)}")
            panels += choose(data, given.seed)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    draw(panels, given.out)
    print(f"wrote {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
