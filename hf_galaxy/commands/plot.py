"""``hf-galaxy plot``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hf_galaxy.commands.arguments import add_evidence, add_output, count, index, names, rows
from hf_galaxy.commands.pieces import asked_variables, evidence, load, tell
from hf_galaxy.data.catalogues import Catalogue
from hf_galaxy.data.column_names import nearest
from hf_galaxy.data.table_io import check_output
from hf_galaxy.posterior import GalaxyPosterior

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Kind of figure: what it shows, and the properties that it asks by default.
KINDS = {
    "galaxy": ("the bands over their prediction, and densities", ["redshift"]),
    "pz": ("p(z), or the density of another property", ["redshift"]),
    "corner": ("joint draws", ["redshift", "log_mstar", "log_age", "log_sfr", "av"]),
    "information": ("what each band said", ["redshift", "log_mstar"]),
    "residuals": ("all galaxies against their truth", ["redshift"]),
}
MOST_GALAXIES = 30  # of a page of p(z)


def add(subparsers: argparse._SubParsersAction) -> None:
    """Declare the arguments."""
    parser = subparsers.add_parser("plot", help="a galaxy, its posterior and what it rests on; or residuals of all")
    add_evidence(parser)
    kinds = "; ".join(f"{kind}: {shows}" for kind, (shows, _) in KINDS.items())
    parser.add_argument("--kind", type=kind_of, default="galaxy", metavar="KIND", help=f"{kinds} (%(default)s)")
    parser.add_argument(
        "--index", type=rows, metavar="I", help="row of the catalogue, from 0 (0); for pz several, as 0,3,7"
    )
    parser.add_argument("--ask", type=names, metavar="A,B", help="properties drawn; by default what suits the kind")
    parser.add_argument(
        "--hide", type=names, default=[], metavar="A,B", help="bands kept from the model, predicted and drawn hollow"
    )
    parser.add_argument("--draws", type=count, default=5000, metavar="S", help="joint draws of corner (%(default)s)")
    parser.add_argument("--seed", type=index, default=0, help="of the draws (%(default)s)")
    add_output(parser, "figure to write: PNG, PDF or SVG")
    parser.set_defaults(run=run)


def kind_of(text: str) -> str:
    """A kind of figure."""
    if text not in KINDS:
        known = ", ".join(KINDS)
        raise argparse.ArgumentTypeError(f"no kind {text!r}; the nearest is {nearest(text, list(KINDS))}, of {known}")
    return text


def run(arguments: argparse.Namespace) -> None:
    """One figure of one galaxy, of some, or of all."""
    check_output(arguments.output, arguments.overwrite)
    _check_options(arguments)
    if find_spec("matplotlib") is None:
        raise ImportError('figures need matplotlib: pip install "hf-galaxy[plot]"')
    from hf_galaxy.plotting.style import check_ending, save_figure

    check_ending(arguments.output)
    galaxy = load(arguments)
    asked = [v.name for v in asked_variables(arguments.ask or _default(arguments), galaxy)]
    if arguments.kind == "residuals":
        figure = _residuals(arguments, galaxy, asked)
    else:
        catalogue = evidence(arguments, galaxy)
        chosen = _chosen(catalogue, arguments.index or [0])
        tell(catalogue)
        figure = _of_galaxies(arguments, galaxy, chosen, asked)
    save_figure(figure, arguments.output)


def _default(arguments: argparse.Namespace) -> list[str]:
    """What suits the kind of figure, but for what is given, if something else is left."""
    usual = KINDS[arguments.kind][1]
    return [name for name in usual if name not in arguments.given] or usual


def _check_options(arguments: argparse.Namespace) -> None:
    """Refuse options that the kind of figure would not heed.

    Raises:
        ValueError: There is one; the message names it.
    """
    kind, chosen = arguments.kind, arguments.index
    if kind == "residuals":
        for option, value in (("--index", chosen), ("--given", arguments.given)):
            if value:
                raise ValueError(f"{option}: residuals are of all galaxies, from their bands alone; leave {option} out")
        if arguments.ask and len(arguments.ask) > 1:
            raise ValueError(f"--ask {','.join(arguments.ask)}: residuals are of one property; name one")
    elif chosen and len(chosen) > 1 and kind != "pz":
        shown = ",".join(map(str, chosen))
        raise ValueError(f"--index {shown}: {kind} draws one galaxy; give one row, or --kind pz for several")
    elif chosen and len(chosen) > MOST_GALAXIES:
        raise ValueError(f"--index: {len(chosen)} rows; {MOST_GALAXIES} galaxies are the most of a page")
    if arguments.hide and kind not in ("galaxy",):
        raise ValueError(f"--hide: hidden bands are drawn by --kind galaxy, not by {kind}")


def _chosen(catalogue: Catalogue, index: Sequence[int]) -> Catalogue:
    """The rows that are drawn."""
    for row in index:
        if row >= len(catalogue):
            raise ValueError(f"{catalogue.source}: there is no row {row}; rows are 0 to {len(catalogue) - 1}")
    return catalogue[list(index)]


def _of_galaxies(
    arguments: argparse.Namespace, galaxy: GalaxyPosterior, rows: Catalogue, asked: Sequence[str]
) -> Figure:
    from hf_galaxy.figures import corner_figure, density_figure, galaxy_figure, information_figure

    if arguments.kind == "pz":
        return density_figure(galaxy, rows, asked)
    if arguments.kind == "corner":
        return corner_figure(galaxy, rows, asked, arguments.draws, arguments.seed)
    if arguments.kind == "information":
        return information_figure(galaxy, rows, asked)
    observed = [name for name, there in zip(rows.names, rows.observed[0], strict=True) if there]
    for name in arguments.hide:
        if name not in observed:
            raise ValueError(f"--hide {name}: not observed; the nearest that is observed is {nearest(name, observed)}")
    return galaxy_figure(galaxy, rows, asked, arguments.hide)


def _residuals(arguments: argparse.Namespace, galaxy: GalaxyPosterior, asked: Sequence[str]) -> Figure:
    from hf_galaxy.assessment.residuals import residuals_figure

    return residuals_figure(galaxy, str(arguments.catalogue), asked[0], arguments.unit)
