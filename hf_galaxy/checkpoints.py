"""Finding, loading and saving a checkpoint: the shipped one, a folder, or a repository of the Hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from transformers.utils import logging

from .configuration_galaxy import GalaxyConfig
from .modeling_galaxy import GalaxyModel
from .pipeline_galaxy import GalaxyInferencePipeline
from .repositories.fetching import fetch_model
from .repositories.pickles import is_pickle, refuse_pickles
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

    Classes of this package are used; code that a repository carries is neither fetched nor run.

    Args:
        source: Folder, or Hub id (owner/name).
        revision: Branch, tag or commit of a Hub id. All files are of the one commit that it names, whose hash is
            ``model.config._commit_hash``.

    Raises:
        ValueError: A file is missing, damaged or a pickle; there is no such folder, repository or revision; or the Hub
            cannot be reached, or gives no right to read it.
    """
    where = str(SHIPPED if source is None else source)
    folder = _folder(source, revision)
    _check(folder, where)
    with _in_one_line(where, "config.json"):
        config = GalaxyConfig.from_pretrained(folder)
    with _in_one_line(where, WEIGHTS), _no_progress_bars():
        model, loading = GalaxyModel.from_pretrained(folder, config=config, output_loading_info=True)
        _check_weights(loading)
        _check_finite(model)
    with _in_one_line(where, "variables.json"):
        tokenizer = GalaxyTokenizer.from_pretrained(folder)
        if tokenizer.variables != tuple(config.variable_table().values()):
            raise ValueError("its variables are not those of config.json")
    if source is not None and not Path(source).is_dir():
        model.config._commit_hash, model.config._name_or_path, model.name_or_path = folder.name, where, where
    return model, tokenizer


def _folder(source: str | Path | None, revision: str | None) -> Path:
    """Where the files are; those of a Hub id are fetched."""
    place = SHIPPED if source is None else Path(source)
    if place.is_dir():
        if revision is not None:
            raise ValueError(f"revision {revision}: {place} is a folder; revisions are of a Hub id, owner/name")
        return place
    if len(place.parts) != 2 or place.is_absolute() or place.exists() or place.parts[0] in (".", ".."):
        raise ValueError(f"{source}: there is no such folder; give one that a training wrote, or a Hub id, owner/name")
    return fetch_model(str(source), revision, NEEDED)


def save_pretrained(model: GalaxyModel, tokenizer: GalaxyTokenizer, folder: str | Path) -> None:
    """Write weights, tokenizer and code: what `AutoModel`, `AutoTokenizer` and `pipeline` need, hf_galaxy or not."""
    with _no_progress_bars():
        GalaxyInferencePipeline(model=model, tokenizer=tokenizer).save_pretrained(folder)


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Five megabytes load at once; transformers would draw a bar into every script and command."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


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


def _check_finite(model: GalaxyModel) -> None:
    """Refuse weights with a NaN or an infinity: every answer would be NaN, and the command would succeed."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"{name} is not finite; restore the file")


def _check(folder: Path, where: str) -> None:
    # Of what lies below, such as the states of a training, nothing is read.
    refuse_pickles(where, sorted(p.name for p in folder.iterdir() if p.is_file() and is_pickle(p)))
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{where}: {', '.join(missing)} missing; a checkpoint folder has {', '.join(NEEDED)}")
    for name, kind in JSON_FILES.items():
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise ValueError(f"{where}/{name}: damaged, not JSON; restore the file") from None
        if not isinstance(content, kind):
            raise ValueError(f"{where}/{name}: damaged, a JSON {kind.__name__} is expected; restore the file")
        if name == "config.json" and content.get("model_type", GalaxyConfig.model_type) != GalaxyConfig.model_type:
            raise ValueError(f"{where}: is a model of type {content['model_type']!r}, not {GalaxyConfig.model_type!r}")
        if name == "config.json" and not {"model_type", "variables"} <= content.keys():
            raise ValueError(f"{where}/{name}: damaged, it lacks model_type or variables; restore the file")
    try:
        with safe_open(folder / WEIGHTS, framework="pt"):
            pass
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{where}/{WEIGHTS}: damaged or truncated ({error}); restore the file") from None


__all__ = ["SHIPPED", "load_pretrained", "save_pretrained"]
