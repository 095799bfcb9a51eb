"""The card of a model: the template ``model_card.md``, its places filled from the model and its metrics.json.

A place is what lies between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``. What was written by hand about the
shipped weights stands in places too, so that the card of another model does not say it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCard

from ..configuration_galaxy import GalaxyConfig
from ..evaluation.tables import NOISE, contents, filled, joint_table, markers, property_table, redshift_table
from .report import Metrics

HAND_WRITTEN = {
    "history": "How it was made is not told beyond these settings.",
    "real-galaxies": "No evaluation on real galaxies was published with this model.",
}
TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "accuracy": redshift_table,
    "properties": property_table,
    "joint": joint_table,
}
PLACES = ("title", "size", "use", "training", "evaluated", "pages", *TABLES, *HAND_WRITTEN)
PAGES = {
    "photoz": "redshift against truth",
    "properties": "properties against truth",
    "pit": "PIT of every property",
    "coverage": "coverage of intervals",
    "joint": "joint draws",
    "lines": "emission lines of joint draws",
}
SETTINGS = ("stage", "size", "data", "init_from", "galaxies", "batch_size", "lr", "weight_decay", "optimizer", "seed")
SHOWN = ("J0660", "iSDSS")  # bands of the example
NOT_EVALUATED = "Not evaluated."


@dataclass(frozen=True)
class CardFacts:
    """What a card tells.

    Attributes:
        name: Hub id of the model.
        revision: Tag or branch that readers are to load; None for ``main``.
        config: Of the model.
        parameters, size: Number of weights, and bytes of their file.
        metrics: Of this model; None if it was not evaluated.
        shipped: Whether these are the weights that the hand-written places of the template are about.
        notes: Markdown in place of the hand-written history.
        datasets: Hub ids of the data sets it was trained on.
    """

    name: str
    revision: str | None
    config: GalaxyConfig
    parameters: int
    size: int
    metrics: Metrics | None = None
    shipped: bool = False
    notes: str | None = None
    datasets: Sequence[str] = ()


def fill_card(template: str, facts: CardFacts) -> str:
    """The card, its header with a model-index of the metrics.

    Raises:
        ValueError: The template has a place that nothing fills, or no valid header.
    """
    where = "model_card.md"
    held = contents(template)
    if unknown := [place for place in markers(template, where) if place not in PLACES]:
        raise ValueError(f"{where}: nothing fills the place {unknown[0]}; there are {', '.join(PLACES)}")
    made = {
        "title": f"# {facts.name.split('/')[1]}",
        "size": size_text(facts.config, facts.parameters, facts.size),
        "use": _use(facts),
        "training": training_text(facts.config),
        "evaluated": _evaluated(facts.metrics),
        "pages": _pages(facts.metrics),
        **{place: _table(facts.metrics, render) for place, render in TABLES.items()},
        **{place: held.get(place, "") if facts.shipped else text for place, text in HAND_WRITTEN.items()},
    }
    if facts.notes:
        made["history"] = facts.notes
    try:
        card = ModelCard(filled(template, made, where))
    except Exception as error:  # whatever the reader of YAML raises
        raise ValueError(f"{where}: its header is not valid ({' '.join(str(error).split())})") from None
    card.data.model_name = facts.name.split("/")[1]
    if facts.datasets:
        card.data.datasets = list(facts.datasets)
    if facts.metrics:
        card.data.eval_results = results(facts.metrics)
    return str(card)


def size_text(config: GalaxyConfig, parameters: int, size: int) -> str:
    """How large it is, and what it knows."""
    kinds = [v.kind for v in config.variable_table().values()]
    return (
        f"{parameters:,} parameters, {size / 1e6:.1f} MB. It knows {kinds.count('flux')} bands and "
        f"{kinds.count('property')} properties."
    )


def training_text(config: GalaxyConfig) -> str:
    """The run that made it, as far as config.json tells."""
    training = config.training or {}
    settings = training.get("settings", {})
    if not training:
        return "`config.json` tells nothing of its training."
    told = [f"{key} {settings[key]}" for key in SETTINGS if settings.get(key) is not None]
    seen = f"{training['galaxies_seen']:,} galaxies seen" if "galaxies_seen" in training else ""
    steps = f"{training['steps']:,} steps" if "steps" in training else ""
    loss = f"validation loss {training['valid_loss']:.3f}" if training.get("valid_loss") is not None else ""
    unfinished = "" if training.get("finished", True) else "the run was not finished"
    facts = ", ".join(filter(None, (seen, steps, loss, unfinished)))
    return f"{facts[:1].upper()}{facts[1:]}. Settings: {', '.join(told) or 'not recorded'}."


def results(metrics: Metrics) -> list[EvalResult]:
    """Entries of the model-index: redshift and mean likelihood, scatter of every property, by kind of noise."""
    entries = []
    for kind, one in metrics.report["metrics"].items():
        numbers = {}
        if "redshift" in one:
            for key, label in (("sigma_nmad", "σ_NMAD"), ("outliers_015", "share beyond 0.15"), ("bias", "bias")):
                numbers[f"redshift_{key}"] = (f"redshift, {label}", one["redshift"]["all"][key])
        numbers["mean_nll"] = ("mean negative log density", one.get("mean_nll"))
        for name, row in one.get("properties", {}).items():
            numbers[f"{name}_crps"] = (f"{name}, CRPS in the token coordinate", row.get("crps_coordinate"))
            numbers[f"{name}_coverage_68"] = (f"{name}, share inside 68 % intervals", row.get("coverage_68"))
        entries += [_result(metrics, kind, key, *pair) for key, pair in numbers.items() if pair[1] is not None]
    return entries


def _result(metrics: Metrics, kind: str, key: str, label: str, value: float) -> EvalResult:
    source = str(metrics.report["data"].get("source", "galaxies"))
    return EvalResult(
        task_type="tabular-regression",
        dataset_type=re.sub(r"[^\w./-]+", "-", source),
        dataset_name=f"{source}, noise {kind.replace('_', ' ')}",
        dataset_config=kind,
        metric_type=key,
        metric_name=label,
        metric_value=round(value, 6),
    )


def _use(facts: CardFacts) -> str:
    which = f'"{facts.name}"' + (f', revision="{facts.revision}"' if facts.revision else "")
    table = facts.config.variable_table().values()
    fluxes = [v.name for v in table if v.kind == "flux"]
    bands = [name for name in SHOWN if name in fluxes] or fluxes[:2]
    asked = [v.name for v in table if v.kind == "property"][:2] or fluxes[-1:]
    record = ", ".join(f'"{band}": (52000.0, 900.0)' for band in bands)
    pinned = "" if facts.revision else ', such as `revision="HASH_OF_A_COMMIT"`'
    return (
        "With `transformers` alone. `trust_remote_code=True` runs the code files of this repository: read them, and "
        f"pin what you have read{pinned}.\n\n"
        "```python\nfrom transformers import pipeline\n\n"
        f'pipe = pipeline("galaxy-inference", model={which}, trust_remote_code=True)\n'
        f"pipe({{{record}}}, ask={asked!r})  # value and error, in nJy\n```\n\n"
        "With `hf_galaxy`, which runs no code of the repository:\n\n"
        "```python\nfrom hf_galaxy import GalaxyPosterior\n\n"
        f"galaxy = GalaxyPosterior.from_pretrained({which})\n"
        f'posterior = galaxy.condition("catalogue.fits")\nposterior.quantiles("{asked[0]}", [0.16, 0.5, 0.84])\n```'
    )


def _evaluated(metrics: Metrics | None) -> str:
    if metrics is None:
        return "This model was published without an evaluation."
    data, kinds = metrics.report["data"], metrics.report["metrics"]
    number = data.get("galaxies")
    told = "; ".join(NOISE.get(kind, f"noise {kind}") for kind in kinds)
    machine = metrics.report["machine"].get("processor", "a machine not named")
    return (
        f"{f'{number:,}' if isinstance(number, int) else 'Some'} galaxies of `{data.get('source')}` ({told}), "
        f"measured on {machine}. All figures are in `metrics.json`."
    )


def _table(metrics: Metrics | None, render: Callable[[Mapping[str, Any]], str]) -> str:
    if metrics is None:
        return NOT_EVALUATED
    try:
        return render(metrics.report)
    except KeyError as error:
        return f"Not evaluated: the evaluation has no {error.args[0]}."
    except (TypeError, StopIteration):  # a null where a number would be: too few galaxies
        return "Not evaluated: too few galaxies."


def _pages(metrics: Metrics | None) -> str:
    if metrics is None or not metrics.pages:
        return "No pages of figures were published."
    return "\n\n".join(
        f"![{PAGES.get(page, page)}, noise {kind.replace('_', ' ')}]({path})"
        for path, (kind, page, _) in metrics.pages.items()
    )


__all__ = ["PLACES", "CardFacts", "fill_card", "results", "size_text", "training_text"]
