"""The command line ``hf-galaxy``: tables and spectra in, tables and figures out.

It wires the rooms together and nothing else. What a user got wrong ends in one line on stderr and exit status 2, and
no output is ever half written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

from transformers import logging

from hf_galaxy.commands import evaluate, info, photometry, plot, predict, publish, simulate

USER_ERROR = 2
INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"{self.prog}: error: {message} (try {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands; ``run`` of its result is the function to call."""
    parser = _Parser(prog="hf-galaxy", description="Posteriors of galaxy properties from photometry.")
    parser.add_argument("--version", action="version", version=_version())
    parser.add_argument("--traceback", action="store_true", help="show the whole traceback of an error")
    commands_of = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)
    for command in (photometry, predict, simulate, plot, evaluate, publish, info):
        command.add(commands_of)
    return parser


def _version() -> str:
    try:
        return f"hf-galaxy {version('hf-galaxy')}"
    except PackageNotFoundError:
        return "hf-galaxy (not installed)"


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
