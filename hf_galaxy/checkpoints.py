"""Finding and loading a checkpoint: the shipped one, a folder, or a repository of the Hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open

from .configuration_galaxy import GalaxyConfig
from .modeling_galaxy import GalaxyModel
from .tokenization_galaxy import GalaxyTokenizer

SHIPPED = Path(__file__).parent / "checkpoint"
JSON_FILES = {"config.json": dict, "variables.json": list, "tokenizer_config.json": dict}
WEIGHTS = "model.safetensors"
NEEDED = (*JSON_FILES, WEIGHTS)
# What the loaders of transformers and ours raise over files that are no checkpoint.
LOADING_ERRORS = (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError, StrictDataclassError)


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
    with _in_one_line(where, "config.json"):
        config = GalaxyConfig.from_pretrained(where, revision=revision)
    with _in_one_line(where, WEIGHTS):
        model, loading = GalaxyModel.from_pretrained(where, revision=revision, config=config, output_loading_info=True)
        _check_weights(loading)
    with _in_one_line(where, "variables.json"):
        tokenizer = GalaxyTokenizer.from_pretrained(where, revision=revision)
        if tokenizer.variables != tuple(config.variable_table().values()):
            raise ValueError("its variables are not those of config.json")
    return model, tokenizer


@contextmanager
def _in_one_line(where: str, file: str) -> Iterator[None]:
    """Turn whatever a loader raises into one line that names the file."""
    try:
        yield
    except LOADING_ERRORS as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = " ".join(lines[:2]) if lines else type(error).__name__
        raise ValueError(f"{where}: {file} is not usable: {reason}") from error


def _check_weights(loading: dict) -> None:
    """Refuse weights that do not fit: a missing one would be random, and its answers look like any other."""
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if wrong := list(loading.get(kind, ())):
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise ValueError(f"it does not fit config.json: {kind.replace('_', ' ')}: {wrong[0]}{more}")


def _check(folder: Path) -> None:
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder}: {', '.join(missing)} missing; a checkpoint folder has {', '.join(NEEDED)}")
    for name, kind in JSON_FILES.items():
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise ValueError(f"{folder / name}: damaged, not JSON; restore the file") from None
        if not isinstance(content, kind):
            raise ValueError(f"{folder / name}: damaged, a JSON {kind.__name__} is expected; restore the file")
    try:
        with safe_open(folder / WEIGHTS, framework="pt"):
            pass
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{folder / WEIGHTS}: damaged or truncated ({error}); restore the file") from None


__all__ = ["SHIPPED", "load_pretrained"]
