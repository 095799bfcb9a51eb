"""metrics.json and its pages of figures, as they are published with the model that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..assessment.facts import weights_digest
from ..evaluation.report import SECTIONS, read_report
from ..modeling_galaxy import GalaxyModel

PAGE_NAMES = ("photoz", "properties", "pit", "coverage", "joint", "lines")
FOLDER = "plots"


class Page(NamedTuple):
    """A page of figures: the kind of noise, its name, the file."""

    kind: str
    name: str
    file: Path


@dataclass(frozen=True)
class Metrics:
    """An evaluation.

    Attributes:
        file: metrics.json.
        report: Its contents.
        pages: Path in the repository: page.
    """

    file: Path
    report: Mapping[str, Any]
    pages: Mapping[str, Page]


def read_metrics(file: str | Path, model: GalaxyModel) -> Metrics:
    """The evaluation of a model, from metrics.json and the PNG beside it.

    Args:
        file: Of ``hf-galaxy evaluate``. Its pages are ``<kind>_<page>.png`` beside it, or
            ``<stem of the file>_<kind>_<page>.png``.
        model: That it is to be of.

    Raises:
        ValueError: It is no report, lacks a section, or is of another model.
    """
    file = Path(file)
    if not file.is_file():
        raise ValueError(
            f"{file}: there is no such file; hf-galaxy evaluate --model MODEL -o FOLDER writes metrics.json"
        )
    report = read_report(file)
    if missing := [name for name in SECTIONS if not report.get(name)]:
        raise ValueError(f"{file}: lacks {missing[0]}; hf-galaxy evaluate writes it")
    own = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "galaxies_seen": (model.config.training or {}).get("galaxies_seen"),
        "weights": weights_digest(model),
    }
    for name, value in own.items():
        told = report["model"].get(name)
        if told != value and not (name == "weights" and told is None):  # which older evaluations do not tell
            raise ValueError(
                f"{file}: is of another model: {name} {told}, and this one has {value}; evaluate this one "
                "(hf-galaxy evaluate), or --no-metrics"
            )
    return Metrics(file, report, _pages(file, report["metrics"]))


def _pages(file: Path, kinds: Mapping[str, Any]) -> dict[str, Page]:
    found = {}
    for kind in kinds:
        for name in PAGE_NAMES:
            for stem in (f"{kind}_{name}", f"{file.stem}_{kind}_{name}"):
                if (path := file.with_name(f"{stem}.png")).is_file():
                    found[f"{FOLDER}/{kind}_{name}.png"] = Page(kind, name, path)
    return found


__all__ = ["Metrics", "Page", "read_metrics"]
