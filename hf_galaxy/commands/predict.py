"""``hf-galaxy predict``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.table import Table, hstack, vstack

from hf_galaxy.commands.arguments import add_evidence, add_output, count, index, levels, names
from hf_galaxy.commands.pieces import asked_variables, check_table_output, chunks, evidence, load, tell
from hf_galaxy.data.catalogues import Catalogue
from hf_galaxy.data.column_names import ERROR_SUFFIX
from hf_galaxy.data.table_io import write_table
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.variables_galaxy import Variable


def add(subparsers: argparse._SubParsersAction) -> None:
    """Declare the arguments."""
    parser = subparsers.add_parser("predict", help="a photometric table to posteriors of properties")
    add_evidence(parser)
    parser.add_argument(
        "--ask", type=names, metavar="A,B", help="properties or bands asked for; every property by default"
    )
    parser.add_argument(
        "--quantiles", type=levels, default=[0.16, 0.5, 0.84], metavar="P,P", help="0.16,0.5,0.84 by default"
    )
    parser.add_argument("--samples", type=count, metavar="N", help="also N joint draws, as columns <name>_samples")
    parser.add_argument("--seed", type=index, default=0, help="seed of the draws (%(default)s)")
    add_output(parser, "table to write, rows in the order of the catalogue")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """A catalogue to a table of posterior quantiles."""
    check_table_output(arguments)
    if Path(arguments.output).resolve() == Path(arguments.catalogue).resolve():
        raise ValueError(f"{arguments.output}: is the catalogue itself; answers would replace it, give another output")
    galaxy = load(arguments)
    asked = asked_variables(arguments.ask, galaxy)
    catalogue = evidence(arguments, galaxy)
    tell(catalogue)
    parts = []
    for rows in chunks(len(catalogue), "predict"):
        parts.append(_answers(galaxy.condition(catalogue[rows]), asked, arguments, arguments.seed + rows.start))
    answers = vstack(parts, metadata_conflicts="silent")
    if beyond := int((answers["n_extrapolated"] > 0).sum()):
        text = "rows with evidence beyond the range of the training (n_extrapolated); are the units right?"
        print(f"hf-galaxy: {catalogue.source}: {text}: {beyond}", file=sys.stderr)
    kept = _identity(catalogue, galaxy, answers.colnames)
    write_table(hstack([kept, answers]) if kept.colnames else answers, arguments.output, arguments.overwrite)


def _answers(posterior: GalaxyPosterior, asked: Sequence[Variable], arguments: argparse.Namespace, seed: int) -> Table:
    """What `predict` writes of some galaxies."""
    wanted = [v.name for v in asked]
    table = posterior.summary(wanted, arguments.quantiles)
    table["log_prob_photometry"] = posterior.log_prob_photometry()
    if arguments.samples:
        draws = posterior.sample(arguments.samples, wanted, seed)
        for variable in asked:
            table[f"{variable.name}_samples"] = u.Quantity(draws[variable.name], variable.unit, dtype=np.float32)
    return Table(table)


def _identity(catalogue: Catalogue, galaxy: GalaxyPosterior, taken: Sequence[str]) -> Table:
    """Columns of the user's table other than bands: identities, positions, values to compare with."""
    bands = {form for v in galaxy.variables if v.kind == "flux" for form in (v.name, v.name + ERROR_SUFFIX)}
    kept = [c for c in catalogue.table.colnames if c not in bands and c not in taken]
    return Table(catalogue.table[kept]) if kept else Table()  # astropy: table[[]] has every column and no row
