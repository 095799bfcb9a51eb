"""What arguments of the command line mean: names, levels, counts; and the options that several subcommands have."""

from __future__ import annotations

import argparse
from pathlib import Path

from hf_galaxy.data.minijpas.photometry import LAYOUTS, PREFERRED


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


def grid(text: str) -> tuple[float, float, int]:
    """Ends and number of points of a grid, as ``0:1.5:751``."""
    try:
        low, high, points = text.split(":")
        made = float(low), float(high), int(points)
        if not (made[0] < made[1] and 2 <= made[2] <= 100_000):
            raise ValueError
        return made
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a grid such as 0:1.5:751, of two points or more") from None


def rows(text: str) -> list[int]:
    """Rows separated by commas, each once."""
    return list(dict.fromkeys(index(row.strip()) for row in text.split(",")))


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
    parser.add_argument(
        "catalogue",
        type=Path,
        metavar="CATALOGUE",
        help="FITS, ECSV, VOTable, Parquet or CSV; a folder of Parquet or FITS; a data set, saved or of the Hub",
    )
    parser.add_argument("--model", metavar="M", help="folder or Hub id; the shipped checkpoint by default")
    parser.add_argument("--revision", metavar="R", help="revision of a Hub id")
    parser.add_argument("--unit", help="unit of flux columns without one: nJy, uJy, mag, nmgy, erg/s/cm2/AA, ...")
    parser.add_argument(
        "--given", type=names, default=[], metavar="A,B", help="properties of the catalogue that are evidence too"
    )
    parser.add_argument(
        "--survey", metavar="NAME", help="survey of the catalogue, that the model was adapted to: its zero points apply"
    )
    layout = parser.add_argument_group(
        "columns of other surveys", "miniJPAS and J-PAS, GALEX, SDSS and Legacy Surveys are recognised"
    )
    layout.add_argument("--columns", type=Path, metavar="MAP", help="YAML: which column is which variable (README)")
    layout.add_argument("--layout", choices=LAYOUTS, help="of FLUX and MAG columns of J-PAS, if nothing there says it")
    layout.add_argument(
        "--aperture",
        metavar="A",
        help=f"of J-PAS, as APER_3_0; by default the first there is of {', '.join(PREFERRED).upper()}",
    )
    layout.add_argument(
        "--filters", type=Path, metavar="FILE", help="table Filter of a J-PAS release, for arrays in another order"
    )
    layout.add_argument(
        "--ebv", metavar="COLUMN", help="column of E(B-V), to take the dust of the Milky Way out; none by default"
    )
