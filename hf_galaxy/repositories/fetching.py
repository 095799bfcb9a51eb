"""A model of the Hub as a folder of one commit: only the files that are needed, and none of a repository of pickles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HTTPError

from .pickles import pickle_names, refuse_pickles
from .refusals import in_one_line


def fetch_model(name: str, revision: str | None, files: Sequence[str]) -> Path:
    """Folder in the cache with some files of one commit of a model; its name is the hash of the commit.

    Without a connection this is what the cache has of the revision.

    Args:
        name: Hub id, owner/name.
        revision: Branch, tag or commit; the newest of ``main`` by default.
        files: Names wanted; those that the repository lacks are missing from the folder.

    Raises:
        ValueError: No such repository or revision, no right to read it, no connection, or it holds pickles.
    """
    with in_one_line(name, "model", revision):
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(files)))
    try:
        there = HfApi().list_repo_files(name, revision=folder.name)
    except (HTTPError, ConnectionError):  # out of reach: the cache has these files alone, and they are no pickles
        there = []
    refuse_pickles(name, pickle_names(there))
    return folder


__all__ = ["fetch_model"]
