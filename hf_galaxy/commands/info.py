"""``hf-galaxy info``."""

from __future__ import annotations

import argparse

from hf_galaxy.commands.pieces import load


def add(subparsers: argparse._SubParsersAction) -> None:
    """Declare the arguments."""
    parser = subparsers.add_parser("info", help="what a model is, knows, and was trained on")
    parser.add_argument("--model", metavar="M", help="folder or Hub id; the shipped checkpoint by default")
    parser.add_argument("--revision", metavar="R", help="revision of a Hub id")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """What a model is, on stdout."""
    for name, text in load(arguments).facts().items():
        print(f"{name:24s} {text}")
