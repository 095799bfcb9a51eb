"""A finished data set from a folder to the Hub, file by file as it is; its card then names the data set."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import HfApi, constants

from ..repositories.committing import Manner, Upload, check_upload, commit_files, confirm, look
from .dataset_card import CARD_FILE, PLACEHOLDER
from .shards import TEMPORARY


def dataset_upload(folder: str | Path, name: str) -> Upload:
    """Card, settings, list of rows left out and shards, without what is hidden.

    Args:
        folder: Of a builder.
        name: Hub id, owner/name; takes the place of the folder in the code of the card.

    Raises:
        ValueError: the folder has no card or no shard, a build is not finished, or a shard is damaged or of other
            columns than the first.
    """
    folder = Path(folder)
    files = {p.name: p for p in sorted(folder.glob("*")) if p.is_file() and not p.name.startswith(".")}
    shards = [path for path in files.values() if path.suffix == ".parquet"]
    if CARD_FILE not in files or not shards:
        raise ValueError(f"{folder}: no finished data set ({CARD_FILE} and Parquet shards); build it first")
    if unfinished := sorted(folder.glob(f".*{TEMPORARY}")):
        raise ValueError(f"{folder}: {unfinished[0].name} is of a build that was killed; run the build again")
    schema = None
    for path in shards:
        try:
            found = pq.read_schema(path)
        except (OSError, pa.ArrowInvalid) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path}: damaged, no Parquet ({reason}); delete it and run the build again") from None
        if not found.equals(schema := schema or found):
            raise ValueError(f"{path}: has other columns than {shards[0].name}; build the data set again")
    card = files[CARD_FILE].read_text(encoding="utf-8").replace(PLACEHOLDER, name)
    return Upload("dataset", name, {**files, CARD_FILE: card.encode()})


def upload_dataset(folder: str | Path, name: str, private: bool = False) -> str:
    """Create the data set ``OWNER/NAME`` on the Hub if need be, and upload the folder in one commit; its address.

    Raises:
        ValueError: nothing to upload, a name or a login that the Hub refuses, files on the Hub that the folder lacks,
            or no connection.
    """
    upload, manner, api = dataset_upload(folder, name), Manner(private, message="Upload data set"), HfApi()
    check_upload(upload)
    commit = commit_files(api, upload, manner, look(api, upload, manner))
    confirm(api, upload, commit)
    return f"{constants.ENDPOINT}/datasets/{name}"


__all__ = ["dataset_upload", "upload_dataset"]
