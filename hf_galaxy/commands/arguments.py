"""What arguments of the command line mean: names, levels, counts; and the options that several subcommands have."""

from __future__ import annotations

import argparse
from pathlib import Path


def names(text: str) -> list[str]:
    """Names separated by commas."""
    given = [name.strip() for name in text.split(",") if name.strip()]
    if not given:
        raise argparse.ArgumentTypeError("no name given; separate names by commas")
    return given


def levels(text: str) -> list[float]:
    """Quantile levels separated by commas."""
    try:
        given = [float(level) for level in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 0.16,0.5,0.84") from None
    if not all(0 < level < 1 for level in given):
        raise argparse.ArgumentTypeError(f"{text}: quantiles are between 0 and 1, both excluded")
    return given


def count(text: str) -> int:
    """A positive whole number."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def index(text: str) -> int:
    """A whole number from zero."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a row, counted from 0")
    return int(text)


def scale(text: str) -> tuple[str, float]:
    """A band and a magnitude, as ``rSDSS=20``."""
    band, _, magnitude = text.partition("=")
    try:
        if not -50 < float(magnitude) < 50:
            raise ValueError
        return band.strip(), float(magnitude)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a band and a magnitude such as rSDSS=20") from None


def add_output(parser: argparse.ArgumentParser, what: str) -> None:
    """``--output`` and ``--overwrite``."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=what)
    parser.add_argument("--overwrite", action="store_true", help="replace the output if it exists")


def add_evidence(parser: argparse.ArgumentParser) -> None:
    """A catalogue, the model, and how to read the one for the other."""
    parser.add_argument("catalogue", type=Path, metavar="CATALOGUE", help="FITS, ECSV, VOTable, Parquet or CSV")
    parser.add_argument("--model", metavar="M", help="folder or Hub id; the shipped checkpoint by default")
    parser.add_argument("--revision", metavar="R", help="revision of a Hub id")
    parser.add_argument("--unit", help="unit of flux columns without one: nJy, uJy, mag, nmgy, erg/s/cm2/AA, ...")
    parser.add_argument(
        "--given", type=names, default=[], metavar="A,B", help="properties of the catalogue that are evidence too"
    )
    parser.add_argument(
        "--survey", metavar="NAME", help="survey of the catalogue, that the model was adapted to: its zero points apply"
    )
