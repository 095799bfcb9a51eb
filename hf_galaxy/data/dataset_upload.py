"""A finished data set from a folder to the Hub, file by file as it is: the same bytes, the same card."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

from .dataset_card import CARD_FILE


def files_to_upload(folder: str | Path) -> list[Path]:
    """Card, settings, list of rows left out and shards, without what is hidden.

    Raises:
        ValueError: the folder has no card or no shard.
    """
    folder = Path(folder)
    files = sorted(p for p in folder.glob("*") if p.is_file() and not p.name.startswith("."))
    if not any(p.name == CARD_FILE for p in files) or not any(p.suffix == ".parquet" for p in files):
        raise ValueError(f"{folder}: no finished data set ({CARD_FILE} and Parquet shards); build it first")
    return files


def upload_dataset(folder: str | Path, name: str, private: bool = False) -> str:
    """Create the data set ``ORGANISATION/NAME`` on the Hub if need be, and upload the folder; returns its address.

    Raises:
        ValueError: nothing to upload, a name or a login that the Hub refuses, or no connection.
    """
    files = files_to_upload(folder)
    api = HfApi()
    try:
        url = api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
        allowed = [path.name for path in files]
        api.upload_folder(repo_id=name, repo_type="dataset", folder_path=folder, allow_patterns=allowed)
    except (HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{name}: cannot be uploaded ({reason}); hf auth login, and see the name") from None
    return str(url)


__all__ = ["files_to_upload", "upload_dataset"]
