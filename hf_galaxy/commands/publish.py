"""``hf-galaxy publish``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hf_galaxy.checkpoints import SHIPPED
from hf_galaxy.repositories.committing import MAIN, Manner


def add(subparsers: argparse._SubParsersAction) -> None:
    """Declare the arguments."""
    parser = subparsers.add_parser("publish", help="model with card, data set and page to the Hugging Face Hub")
    parser.add_argument(
        "model", nargs="?", type=Path, metavar="MODEL", help="folder; the shipped checkpoint by default"
    )
    parser.add_argument("--to", metavar="OWNER/NAME", help="the model on the Hub; it is made if need be")
    parser.add_argument("--metrics", type=Path, metavar="FILE", help="metrics.json of hf-galaxy evaluate for the card; "
                        "the one in the folder by default")  # fmt: skip
    parser.add_argument("--no-metrics", action="store_true", help="publish a model that was not evaluated")
    parser.add_argument("--card", type=Path, metavar="FILE", help="template of the card; model_card.md by default")
    parser.add_argument("--notes", type=Path, metavar="FILE", help="Markdown for the card: how the model was made")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="finished data set: Parquet and README.md")
    parser.add_argument("--data-to", metavar="OWNER/NAME", help="the data set on the Hub")
    parser.add_argument("--space", metavar="OWNER/NAME", help="a page that loads the model; always on main")
    parser.add_argument("--private", action="store_true", help="what is made is private")
    parser.add_argument("--branch", "--revision", default=MAIN, metavar="B", help="branch of the commit (%(default)s)")
    parser.add_argument("--tag", metavar="T", help="tag of the commit, given when it has proved good")
    parser.add_argument("--message", metavar="M", help="message of the commit")
    parser.add_argument("--replace", action="store_true", help="remove what a repository holds besides, in the commit")
    parser.add_argument("--dry-run", action="store_true", help="check, list files and card; send nothing")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Publish, telling on the error stream what is done; the commits on stdout."""
    # Here, because the library of data sets takes a second to load, which every other command would wait for.
    from hf_galaxy.publishing.model import ModelSource
    from hf_galaxy.publishing.publish import Job, publish

    if arguments.metrics and arguments.no_metrics:
        raise ValueError("--metrics and --no-metrics exclude each other; give one")
    if arguments.model and not arguments.to:
        raise ValueError(f"--to OWNER/NAME is missing: where is {arguments.model} to go?")
    model = None
    if arguments.to:
        folder = arguments.model or SHIPPED
        model = ModelSource(folder, arguments.metrics, not arguments.no_metrics, arguments.card, arguments.notes)
    message = {"message": arguments.message} if arguments.message else {}
    manner = Manner(arguments.private, arguments.branch, arguments.tag, replace=arguments.replace, **message)
    job = Job(model, arguments.to, arguments.data, arguments.data_to, arguments.space, manner)
    out = sys.stdout if arguments.dry_run else sys.stderr
    for name, commit in publish(job, lambda line: print(line, file=out), arguments.dry_run).items():
        print(f"{name} {commit}")
