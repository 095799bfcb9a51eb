"""Finding and loading a checkpoint: the shipped one, a folder, or a repository of the Hub."""

from __future__ import annotations

import json
from pathlib import Path

from .configuration_galaxy import GalaxyConfig
from .modeling_galaxy import GalaxyModel
from .tokenization_galaxy import GalaxyTokenizer

SHIPPED = Path(__file__).parent / "checkpoint"
NEEDED = ("config.json", "model.safetensors", "variables.json", "tokenizer_config.json")


def load_pretrained(
    source: str | Path | None = None, revision: str | None = None
) -> tuple[GalaxyModel, GalaxyTokenizer]:
    """Model and tokenizer from a folder, a Hub id, or (by default) the checkpoint inside the package.

    Raises:
        ValueError: A file of the folder is missing or damaged, or there is no such folder and no such repository.
    """
    place = SHIPPED if source is None else Path(source)
    if place.is_dir():
        _check(place)
    elif source is not None and (place.suffix or len(place.parts) > 2 or place.is_absolute()):
        raise ValueError(f"{source}: there is no such folder; give one that a training wrote, or a Hub id, owner/name")
    where = str(place) if place.is_dir() else str(source)
    try:
        config = GalaxyConfig.from_pretrained(where, revision=revision)
        model, loading = GalaxyModel.from_pretrained(
            where, revision=revision, config=config, output_loading_info=True
        )
        _check_weights(loading)
        tokenizer = GalaxyTokenizer.from_pretrained(where, revision=revision)
    except Exception as error:
        # Every loader below has its own exceptions; to the user they all mean that these files are no checkpoint.
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(f"{where}: not a usable checkpoint: {reason}") from error
    return model, tokenizer


def _check_weights(loading: dict) -> None:
    """Refuse weights that do not fit: a missing one would be random, and its answers look like any other."""
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if wrong := list(loading.get(kind, ())):
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise ValueError(f"model.safetensors does not fit config.json: {kind.replace('_', ' ')}: {wrong[0]}{more}")


def _check(folder: Path) -> None:
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder}: {', '.join(missing)} missing; a checkpoint folder has {', '.join(NEEDED)}")
    for name in NEEDED:
        if not name.endswith(".json"):
            continue
        try:
            json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise ValueError(f"{folder / name}: damaged, not JSON; restore the file") from None


__all__ = ["SHIPPED", "load_pretrained"]
