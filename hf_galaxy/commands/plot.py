"""``hf-galaxy plot``."""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from hf_galaxy.commands.arguments import add_evidence, add_output, index, names
from hf_galaxy.commands.pieces import asked_variables, evidence, load, tell
from hf_galaxy.data.table_io import check_output


def add(subparsers: argparse._SubParsersAction) -> None:
    """Declare the arguments."""
    parser = subparsers.add_parser("plot", help="one galaxy: its bands, what the posterior predicts, and p(property)")
    add_evidence(parser)
    parser.add_argument(
        "--index", type=index, default=0, metavar="I", help="row of the catalogue, from 0 (%(default)s)"
    )
    parser.add_argument("--ask", type=names, default=["redshift"], metavar="A,B", help="properties drawn (redshift)")
    add_output(parser, "figure to write: PNG, PDF or SVG")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """One galaxy: its bands over what the posterior predicts for each from the others, and densities of properties."""
    check_output(arguments.output, arguments.overwrite)
    if find_spec("matplotlib") is None:
        raise ImportError('figures need matplotlib: pip install "hf-galaxy[plot]"')
    from hf_galaxy.figures import galaxy_figure
    from hf_galaxy.plotting.style import save_figure

    galaxy = load(arguments)
    asked = asked_variables(arguments.ask, galaxy)
    catalogue = evidence(arguments, galaxy)
    if arguments.index >= len(catalogue):
        raise ValueError(f"{catalogue.source}: there is no row {arguments.index}; rows are 0 to {len(catalogue) - 1}")
    tell(catalogue)
    figure = galaxy_figure(galaxy, catalogue[[arguments.index]], [v.name for v in asked])
    save_figure(figure, arguments.output)
