"""``hf-galaxy evaluate``."""

from __future__ import annotations

import argparse
from pathlib import Path

from hf_galaxy.assessment.facts import model_facts
from hf_galaxy.assessment.held_out import NOISE, held_out
from hf_galaxy.assessment.output import REPORT, check_extras, check_folder
from hf_galaxy.assessment.output import evaluate as evaluate_kinds
from hf_galaxy.assessment.run import AssessmentSettings, compared, noise_kinds
from hf_galaxy.commands.arguments import count, index, names
from hf_galaxy.commands.pieces import load
from hf_galaxy.evaluation.report import write_report


def add(subparsers: argparse._SubParsersAction) -> None:
    """Declare the arguments."""
    parser = subparsers.add_parser("evaluate", help="a model against galaxies whose truth is known")
    parser.add_argument("--model", metavar="M", help="folder or Hub id; the shipped checkpoint by default")
    parser.add_argument("--revision", metavar="R", help="revision of a Hub id")
    parser.add_argument(
        "--data", metavar="D", help="Parquet folder or Hub id of galaxies, or a catalogue with columns true_<name> or "
        "<name>_spec; simulated galaxies by default",
    )  # fmt: skip
    parser.add_argument("--unit", help="unit of flux columns of a catalogue that have none")
    parser.add_argument("--survey", metavar="NAME", help="survey of the galaxies, that the model was adapted to")
    parser.add_argument("--n", type=count, default=20_000, metavar="N", help="galaxies at most (%(default)s)")
    parser.add_argument("--ask", type=names, metavar="A,B", help="properties compared; all with truth by default")
    parser.add_argument("--noise", nargs="+", choices=NOISE, help="added to noiseless galaxies: of the assumed depths "
                        "(nominal, the default), as in training (survey), or none")  # fmt: skip
    parser.add_argument("--seed", type=index, default=1, help="of noise and draws (%(default)s)")
    parser.add_argument("--joint", type=index, default=2000, metavar="N", help="galaxies drawn jointly (%(default)s)")
    parser.add_argument("--draws", type=count, default=100, metavar="S", help="draws of each (%(default)s)")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER", help="metrics.json and pages")
    parser.add_argument("--overwrite", action="store_true", help="replace the results in the folder")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """A model against galaxies whose truth is known: metrics.json and pages of figures."""
    check_extras(arguments.joint, pages=True)
    galaxy = load(arguments)
    galaxies = held_out(arguments.data, arguments.n, arguments.seed, galaxy.variables, arguments.unit)
    kinds = noise_kinds(galaxies, arguments.noise)
    compared(galaxies, galaxy, arguments.ask)
    settings = AssessmentSettings(arguments.ask, kinds[0], arguments.seed, arguments.joint, arguments.draws)
    check_folder(arguments.out, arguments.overwrite)
    facts = model_facts(galaxy, arguments.model)
    report = evaluate_kinds(galaxy, galaxies, kinds, settings, model=facts, stem=f"{arguments.out}/", tell=print)
    write_report(arguments.out / REPORT, report)
