"""A model folder as a repository: saved anew, so that nothing else of the folder goes along, with card and metrics."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from ..checkpoints import SHIPPED, WEIGHTS, load_pretrained, save_pretrained
from ..modeling_galaxy import GalaxyModel
from ..repositories.committing import CARD, Upload
from ..repositories.pickles import is_pickle, is_safetensors, refuse_pickles
from .card import CardFacts, fill_card
from .report import Metrics, read_metrics
from .trial import Answers, answers_elsewhere, answers_here, same

TEMPLATE = "model_card.md"
METRICS = "metrics.json"


@dataclass(frozen=True)
class ModelSource:
    """What a model is published from.

    Attributes:
        folder: With config.json, variables.json, tokenizer_config.json, model.safetensors.
        metrics: Of ``hf-galaxy evaluate``; ``metrics.json`` of the folder by default.
        evaluated: False publishes it without metrics.
        card: Template; ``model_card.md`` of the folder, or of the clone, by default.
        notes: Markdown about how it was made.
        datasets: Hub ids of what it was trained on.
    """

    folder: Path
    metrics: Path | None = None
    evaluated: bool = True
    card: Path | None = None
    notes: Path | None = None
    datasets: tuple[str, ...] = field(default=())


def model_upload(source: ModelSource, name: str, revision: str | None, staging: Path) -> tuple[Upload, Answers, str]:
    """The repository of a model, what it answers here, and how a fresh process agrees that has the new folder alone.

    Args:
        name: Hub id.
        revision: Tag or branch that the card tells readers to load.
        staging: Empty folder, to save into; the files of the result lie there.

    Raises:
        ValueError: The folder does not load or holds a pickle, there is no card or no metrics of this model, or the
            saved folder does not load, or answers otherwise, in a fresh process.
    """
    template = _template(source)
    model, tokenizer = load_pretrained(source.folder)
    metrics = _metrics(source, model)
    save_pretrained(model, tokenizer, staging)
    files = {path.name: path for path in sorted(staging.iterdir())}
    refuse_pickles(name, [path for path, file in files.items() if is_pickle(file)])
    if not is_safetensors(files[WEIGHTS]):
        raise ValueError(f"{source.folder}: {WEIGHTS} was not saved as safetensors; save the model anew")
    facts = CardFacts(
        name=name,
        revision=revision,
        config=model.config,
        parameters=sum(p.numel() for p in model.parameters()),
        size=files[WEIGHTS].stat().st_size,
        metrics=metrics,
        shipped=_digest(source.folder / WEIGHTS) == _digest(SHIPPED / WEIGHTS),
        notes=_text(source.notes),
        datasets=source.datasets,
    )
    card = fill_card(template, facts).encode()
    figures = {path: page.file for path, page in metrics.pages.items()} | {METRICS: metrics.file} if metrics else {}
    here = answers_here(model, tokenizer)
    agreement = same(here, answers_elsewhere(staging), str(source.folder))
    return Upload("model", name, {CARD: card, **files, **figures}), here, agreement


def _template(source: ModelSource) -> str:
    """The text of the template."""
    if source.card is not None:
        return _text(source.card)
    for place in (source.folder / TEMPLATE, Path(__file__).parents[2] / TEMPLATE):
        if place.is_file():
            return _text(place)
    raise ValueError(f"{source.folder}: has no {TEMPLATE}, nor is hf_galaxy run from a clone: give --card FILE")


def _metrics(source: ModelSource, model: GalaxyModel) -> Metrics | None:
    if not source.evaluated:
        return None
    file = source.metrics or source.folder / METRICS
    if source.metrics is None and not file.exists():
        raise ValueError(
            f"{source.folder}: has no {METRICS}; give --metrics FILE (hf-galaxy evaluate --model {source.folder} -o "
            "FOLDER writes one), or --no-metrics to publish a model that nobody has measured"
        )
    return read_metrics(file, model)


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read as Markdown ({error}); give another file") from None


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["ModelSource", "model_upload"]
