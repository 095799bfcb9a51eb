"""``hf-galaxy photometry``."""

from __future__ import annotations

import argparse
from pathlib import Path

from hf_galaxy.commands.arguments import add_output, scale
from hf_galaxy.commands.pieces import check_table_output
from hf_galaxy.data.spectra_table import photometry_table
from hf_galaxy.data.table_io import write_table
from hf_galaxy.physics.filters import FilterSet


def add(subparsers: argparse._SubParsersAction) -> None:
    """Declare the arguments."""
    parser = subparsers.add_parser("photometry", help="spectra to a photometric table")
    parser.add_argument(
        "spectra", nargs="+", type=Path, metavar="SPECTRUM", help="SDSS spec, DESI coadd, or two columns"
    )
    parser.add_argument(
        "--redshift", type=float, metavar="Z", help="redshift of the spectra, in place of the files' own"
    )
    parser.add_argument("--scale-to", type=scale, metavar="BAND=MAG", help="AB magnitude to scale relative fluxes to")
    parser.add_argument(
        "--filters", type=Path, metavar="DIR", help="folder of transmission curves; built in by default"
    )
    parser.add_argument(
        "--error-floor", type=float, default=0.02, help="relative error added to each flux (%(default)s)"
    )
    parser.add_argument("--air", action="store_true", help="wavelengths of two-column spectra are in air")
    parser.add_argument("--redrock", type=Path, metavar="FILE", help="redshifts of a DESI coadd, if not beside it")
    add_output(parser, "table to write")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Spectra to a table of synthetic photometry."""
    check_table_output(arguments)
    table = photometry_table(
        arguments.spectra,
        FilterSet.from_folder(arguments.filters) if arguments.filters else None,
        arguments.redshift,
        arguments.error_floor,
        arguments.scale_to,
        air=arguments.air,
        redrock=arguments.redrock,
    )
    write_table(table, arguments.output, arguments.overwrite)
