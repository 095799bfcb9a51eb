"""``hf-galaxy predict``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from hf_galaxy.catalogues.answers import PdfGrid, Question
from hf_galaxy.catalogues.request import Request
from hf_galaxy.catalogues.run import predict
from hf_galaxy.catalogues.team import Team
from hf_galaxy.commands.arguments import add_evidence, count, grid, index, levels, names
from hf_galaxy.commands.pieces import asked_variables, layout_settings, load
from hf_galaxy.posterior import GalaxyPosterior

PDF_GRID = (0.0, 1.5, 751)  # of the redshift


def add(subparsers: argparse._SubParsersAction) -> None:
    """Declare the arguments."""
    parser = subparsers.add_parser("predict", help="a photometric table to posteriors of properties")
    add_evidence(parser)
    parser.add_argument("--split", metavar="S", help="of a data set that has several")
    parser.add_argument(
        "--ask", type=names, metavar="A,B", help="properties or bands asked for; every property by default"
    )
    parser.add_argument(
        "--quantiles", type=levels, default=[0.16, 0.5, 0.84], metavar="P,P", help="0.16,0.5,0.84 by default"
    )
    parser.add_argument("--samples", type=count, default=0, metavar="N", help="also N joint draws, <name>_samples")
    parser.add_argument("--pdf", metavar="NAME", help="also a density on a grid, in a file of its own (qp, HDF5)")
    parser.add_argument(
        "--pdf-grid", type=grid, metavar="LO:HI:N", help="points of the grid; 0:1.5:751 of the redshift by default"
    )
    parser.add_argument("--no-log-prob", action="store_true",
                        help="leave log_prob_photometry out, which takes about half of the time")  # fmt: skip
    parser.add_argument("--seed", type=index, default=0, help="seed of the draws (%(default)s)")
    parser.add_argument("--strict", action="store_true", help="stop at a row that cannot be read, do not skip it")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was interrupted")
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FILE",
        help="Parquet, FITS, ECSV, CSV or VOTable, rows in the order of the catalogue; FOLDER/ for Parquet parts",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """A catalogue to a table of posterior quantiles, by all processes that were launched for it."""
    team = Team()
    try:
        galaxy = load(arguments, team.device)
        output = Path(arguments.output)
        request = Request(
            catalogue=arguments.catalogue,
            output=output,
            folder=output.is_dir() or arguments.output.endswith(("/", os.sep)),
            question=_question(arguments, galaxy),
            layout=layout_settings(arguments),
            split=arguments.split,
            strict=arguments.strict,
            resume=arguments.resume,
            overwrite=arguments.overwrite,
        )
        predict(request, galaxy, team)
    finally:
        team.leave()


def _question(arguments: argparse.Namespace, galaxy: GalaxyPosterior) -> Question:
    asked = tuple(asked_variables(arguments.ask, galaxy))
    grid_of = _pdf(arguments, galaxy)
    levels_of = tuple(arguments.quantiles)
    return Question(asked, levels_of, arguments.samples, arguments.seed, grid_of, not arguments.no_log_prob)


def _pdf(arguments: argparse.Namespace, galaxy: GalaxyPosterior) -> PdfGrid | None:
    name, points = arguments.pdf, arguments.pdf_grid
    if name is None:
        if points is not None:
            raise ValueError("--pdf-grid is of no use without --pdf NAME")
        return None
    (variable,) = asked_variables([name], galaxy)
    if variable.kind != "property":
        raise ValueError(f"--pdf {name}: is a band; a density on a grid is of a property")
    if name in arguments.given:
        raise ValueError(f"--pdf {name}: is given; what is known has no density on a grid")
    if points is None and name != "redshift":
        raise ValueError(f"--pdf {name}: give its grid too, as --pdf-grid 8:12:401")
    return PdfGrid(name, np.linspace(*(points or PDF_GRID)))
