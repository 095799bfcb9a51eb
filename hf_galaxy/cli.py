"""The command line ``hf-galaxy``: tables and spectra in, tables and figures out.

It wires the rooms together and nothing else. What a user got wrong ends in one line on stderr and exit status 2, and
no output is ever half written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn

from transformers import logging

from hf_galaxy import commands
from hf_galaxy.assessment.held_out import NOISE

USER_ERROR = 2
INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"{self.prog}: error: {message} (try {self.prog} --help)\n")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("no name given; separate names by commas")
    return names


def _levels(text: str) -> list[float]:
    try:
        levels = [float(level) for level in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 0.16,0.5,0.84") from None
    if not all(0 < level < 1 for level in levels):
        raise argparse.ArgumentTypeError(f"{text}: quantiles are between 0 and 1, both excluded")
    return levels


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def _index(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a row, counted from 0")
    return int(text)


def _scale(text: str) -> tuple[str, float]:
    band, _, magnitude = text.partition("=")
    try:
        if not -50 < float(magnitude) < 50:
            raise ValueError
        return band.strip(), float(magnitude)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a band and a magnitude such as rSDSS=20") from None


def build_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands; ``run`` of its result is the function to call."""
    parser = _Parser(prog="hf-galaxy", description="Posteriors of galaxy properties from photometry.")
    parser.add_argument("--version", action="version", version=_version())
    parser.add_argument("--traceback", action="store_true", help="show the whole traceback of an error")
    commands_of = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)
    for add in (_add_photometry, _add_predict, _add_simulate, _add_plot, _add_evaluate, _add_info):
        add(commands_of)
    return parser


def _version() -> str:
    try:
        return f"hf-galaxy {version('hf-galaxy')}"
    except PackageNotFoundError:
        return "hf-galaxy (not installed)"


def _add_output(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=what)
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")


def _add_evidence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("catalogue", type=Path, metavar="CATALOGUE", help="FITS, ECSV, VOTable, Parquet or CSV")
    parser.add_argument("--model", metavar="M", help="folder or Hub id; the shipped checkpoint by default")
    parser.add_argument("--revision", metavar="R", help="revision of a Hub id")
    parser.add_argument("--unit", help="unit of flux columns without one: nJy, uJy, mag, nmgy, erg/s/cm2/AA, ...")
    parser.add_argument(
        "--given", type=_names, default=[], metavar="A,B", help="properties of the catalogue that are evidence too"
    )
    parser.add_argument(
        "--survey", metavar="NAME", help="survey of the catalogue, that the model was adapted to: its zero points apply"
    )


def _add_photometry(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("photometry", help="spectra to a photometric table")
    parser.add_argument(
        "spectra", nargs="+", type=Path, metavar="SPECTRUM", help="SDSS spec, DESI coadd, or two columns"
    )
    parser.add_argument(
        "--redshift", type=float, metavar="Z", help="redshift of the spectra, in place of the files' own"
    )
    parser.add_argument("--scale-to", type=_scale, metavar="BAND=MAG", help="AB magnitude to scale relative fluxes to")
    parser.add_argument(
        "--filters", type=Path, metavar="DIR", help="folder of transmission curves; built in by default"
    )
    parser.add_argument(
        "--error-floor", type=float, default=0.02, help="relative error added to each flux (%(default)s)"
    )
    parser.add_argument("--air", action="store_true", help="wavelengths of two-column spectra are in air")
    parser.add_argument("--redrock", type=Path, metavar="FILE", help="redshifts of a DESI coadd, if not beside it")
    _add_output(parser, "table to write")
    parser.set_defaults(run=commands.photometry)


def _add_predict(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("predict", help="a photometric table to posteriors of properties")
    _add_evidence(parser)
    parser.add_argument(
        "--ask", type=_names, metavar="A,B", help="properties or bands asked for; every property by default"
    )
    parser.add_argument(
        "--quantiles", type=_levels, default=[0.16, 0.5, 0.84], metavar="P,P", help="0.16,0.5,0.84 by default"
    )
    parser.add_argument("--samples", type=_count, metavar="N", help="also N joint draws, as columns <name>_samples")
    parser.add_argument("--seed", type=_index, default=0, help="seed of the draws (%(default)s)")
    _add_output(parser, "table to write, rows in the order of the catalogue")
    parser.set_defaults(run=commands.predict)


def _add_simulate(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("simulate", help="a simulated catalogue with its truth")
    parser.add_argument("n", type=_count, metavar="N", help="number of galaxies")
    parser.add_argument("--population", choices=["survey", "broad", "mixed"], default="survey")
    parser.add_argument("--noise", choices=["nominal", "varied"], default="nominal",
                        help="the assumed depths, or depths, calibration and gaps as varied in training")  # fmt: skip
    parser.add_argument("--seed", type=_index, default=0, help="(%(default)s)")
    _add_output(parser, "table to write: <band>, <band>_err, true_<name>")
    parser.set_defaults(run=commands.simulate)


def _add_plot(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("plot", help="one galaxy: its bands, what the posterior predicts, and p(property)")
    _add_evidence(parser)
    parser.add_argument(
        "--index", type=_index, default=0, metavar="I", help="row of the catalogue, from 0 (%(default)s)"
    )
    parser.add_argument("--ask", type=_names, default=["redshift"], metavar="A,B", help="properties drawn (redshift)")
    _add_output(parser, "figure to write: PNG, PDF or SVG")
    parser.set_defaults(run=commands.plot)


def _add_evaluate(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("evaluate", help="a model against galaxies whose truth is known")
    parser.add_argument("--model", metavar="M", help="folder or Hub id; the shipped checkpoint by default")
    parser.add_argument("--revision", metavar="R", help="revision of a Hub id")
    parser.add_argument(
        "--data", metavar="D", help="Parquet folder or Hub id of galaxies, or a catalogue with columns true_<name> or "
        "<name>_spec; simulated galaxies by default",
    )  # fmt: skip
    parser.add_argument("--unit", help="unit of flux columns of a catalogue that have none")
    parser.add_argument("--n", type=_count, default=20_000, metavar="N", help="galaxies at most (%(default)s)")
    parser.add_argument("--ask", type=_names, metavar="A,B", help="properties compared; all with truth by default")
    parser.add_argument("--noise", nargs="+", choices=NOISE, help="added to noiseless galaxies: of the assumed depths "
                        "(nominal, the default), as in training (survey), or none")  # fmt: skip
    parser.add_argument("--seed", type=_index, default=1, help="of noise and draws (%(default)s)")
    parser.add_argument("--joint", type=_index, default=2000, metavar="N", help="galaxies drawn jointly (%(default)s)")
    parser.add_argument("--draws", type=_count, default=100, metavar="S", help="draws of each (%(default)s)")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FOLDER", help="metrics.json and pages")
    parser.add_argument("--overwrite", action="store_true", help="replace the results in the folder")
    parser.set_defaults(run=commands.evaluate)


def _add_info(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("info", help="what a model is, knows, and was trained on")
    parser.add_argument("--model", metavar="M", help="folder or Hub id; the shipped checkpoint by default")
    parser.add_argument("--revision", metavar="R", help="revision of a Hub id")
    parser.set_defaults(run=commands.info)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status: 0 done, 2 wrong input, 130 interrupted."""
    try:
        arguments = build_parser().parse_args(argv)
    except SystemExit as stop:  # argparse has said why, or shown the help
        return int(stop.code or 0)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        arguments.run(arguments)
    except KeyboardInterrupt:
        print("hf-galaxy: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, OSError, ImportError) as error:
        if arguments.traceback:
            raise
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"hf-galaxy: error: {message}", file=sys.stderr)
        return USER_ERROR
    return 0


if __name__ == "__main__":
    sys.exit(main())
