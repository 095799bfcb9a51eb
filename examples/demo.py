"""Posteriors of ten real SDSS galaxies as J-PAS would see them, and their red half predicted from the blue one.

    python examples/demo.py [--out FOLDER] [--model FOLDER_OR_HUB_ID] [--index I]

The table beside this file holds synthetic J-PAS photometry of public SDSS spectra. Redshifts and equivalent widths of
the SDSS pipeline are printed for comparison; the model does not see them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from astropy.table import Table

from hf_galaxy import GalaxyPosterior
from hf_galaxy.data.catalogues import Catalogue, read_catalogue
from hf_galaxy.figures import density, draw_sed
from hf_galaxy.plotting.posterior import plot_density
from hf_galaxy.plotting.style import new_figure, save_figure

TABLE = Path(__file__).with_name("sdss_galaxies.ecsv")
SPLIT = 6300.0  # Å; bands that reach beyond are the red half
SHOWN = ("log_mstar", "log_sfr", "av", "dn4000")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("outputs/demo"), help="folder of the two figures")
    parser.add_argument("--model", default=None, help="folder or Hub id; the shipped checkpoint by default")
    parser.add_argument("--index", type=int, default=4, help="the galaxy of the figures")
    arguments = parser.parse_args()
    galaxy = GalaxyPosterior.from_pretrained(arguments.model)
    catalogue = read_catalogue(TABLE)
    print_properties(galaxy.condition(catalogue), catalogue.table)
    hidden = red_bands(galaxy, catalogue)
    print_red_half(galaxy, catalogue, hidden)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, figure in figures(galaxy, catalogue[[arguments.index]], hidden).items():
        save_figure(figure, arguments.out / name)
        print(f"wrote {arguments.out / name}")


def print_properties(posterior: GalaxyPosterior, table: Table) -> None:
    """A line a galaxy: median and 68 % interval, beside the catalogue where it has a value."""
    print("Median and 68 % interval from 50-odd bands; in brackets the SDSS pipeline, which the model does not see.\n")
    print(f"{'galaxy':18s} {'redshift':>24s} {'EW(Hα)/Å':>24s}" + "".join(f"{name:>19s}" for name in SHOWN))
    names = ("redshift", "ew_halpha", *SHOWN)
    columns = dict(zip(names, posterior.quantiles_of(names, [0.16, 0.5, 0.84]).transpose(1, 0, 2), strict=True))
    for i, identity in enumerate(table["id"]):
        z, ew, *rest = (interval(columns[name][i], 3 if name == "redshift" else 2) for name in columns)
        z_spec, ew_spec = (np.ma.filled(table[f"{name}_spec"][i], np.nan) for name in ("redshift", "ew_halpha"))
        ew = interval(columns["ew_halpha"][i], 1)
        line = f"{identity!s:18s} {z + f' ({float(z_spec):.3f})':>24s} {ew + f' ({float(ew_spec):.1f})':>24s}"
        print(line + "".join(f"{text:>19s}" for text in rest))


def interval(quantiles: np.ndarray, digits: int) -> str:
    """``median -below +above``."""
    low, median, high = quantiles
    return f"{median:.{digits}f} -{median - low:.{digits}f} +{high - median:.{digits}f}"


def red_bands(galaxy: GalaxyPosterior, catalogue: Catalogue) -> list[str]:
    """Observed bands that reach beyond the split."""
    bands = [v for v in galaxy.variables if v.kind == "flux" and v.name in catalogue.names]
    return [v.name for v in bands if v.pivot + v.width / 2 > SPLIT]


def print_red_half(galaxy: GalaxyPosterior, catalogue: Catalogue, hidden: list[str]) -> None:
    """How well the hidden red bands are predicted from the blue ones."""
    blue = read_catalogue(Table({c: catalogue.table[c] for c in catalogue.table.colnames if band_of(c) not in hidden}))
    posterior = galaxy.condition(blue)
    off, inside = [], []
    for name in hidden:
        column = catalogue.names.index(name)
        flux, error = catalogue.values[:, column], catalogue.errors[:, column]
        low, median, high = posterior.quantiles(name, [0.16, 0.5, 0.84], error=float(np.nanmedian(error))).T
        seen = np.isfinite(flux)
        off.append((median / flux - 1)[seen])
        inside.append(((flux > low) & (flux < high))[seen])
    off, inside = np.concatenate(off), np.concatenate(inside)
    print(
        f"\nRed half (beyond {SPLIT:.0f} Å, {len(hidden)} bands) predicted from the blue half: median offset "
        f"{np.median(off):+.1%}, scatter {1.4826 * np.median(np.abs(off - np.median(off))):.1%}, "
        f"{np.mean(inside):.0%} of the fluxes inside the 68 % interval.\n"
    )


def band_of(column: str) -> str:
    """``J0660`` of ``J0660`` and of ``J0660_err``."""
    return column.removesuffix("_err")


def figures(galaxy: GalaxyPosterior, row: Catalogue, hidden: list[str]) -> dict:
    """The two figures of one galaxy."""
    sed, axes = new_figure(1, 1, width=7.1, height=3.8)
    draw_sed(axes[0, 0], galaxy, row, hidden)
    axes[0, 0].set_title(f"{row.table['id'][0]}: the red half predicted from the blue half", pad=18)
    redshift, axes = new_figure(1, 1, width=3.5, height=2.6)
    posterior = galaxy.condition(row)
    lower, median, upper = posterior.quantiles("redshift", [0.16, 0.5, 0.84])[0]
    plot_density(
        axes[0, 0],
        *density(posterior, "redshift"),
        truth=float(row.table["redshift_spec"][0]),
        interval=(lower, upper),
        median=median,
        label="redshift",
        truth_label="SDSS redshift",
    )
    return {"sed.png": sed, "redshift.png": redshift}


if __name__ == "__main__":
    main()
