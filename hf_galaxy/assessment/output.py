"""Assessments as they are published: a report, and pages of figures in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..evaluation.report import assemble_report
from ..physics.noise import NoiseSettings
from ..posterior import GalaxyPosterior
from .facts import machine_facts
from .held_out import NOISE, HeldOut
from .run import AssessmentSettings, assess
from .summary import summary

REPORT = "metrics.json"


def check_extras(joint: int, pages: bool) -> None:
    """Say before the work what is missing for its end."""
    wanted = {"tarp": ("joint coverage", joint > 0), "matplotlib": ("pages", pages)}
    for package, (what, needed) in wanted.items():
        if needed and find_spec(package) is None:
            remedy = " or give --joint 0" if package == "tarp" else ""
            raise ImportError(f'{what} need {package}: pip install "hf-galaxy[eval,plot]"{remedy}')


def evaluate(
    galaxy: GalaxyPosterior,
    galaxies: HeldOut,
    kinds: Sequence[str],
    settings: AssessmentSettings,
    *,
    model: Mapping[str, Any],
    stem: str,
    formats: Sequence[str] = ("png", "pdf"),
    names: Mapping[str, str] | None = None,
    targets: Mapping[str, float] | None = None,
    tell: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """The report of an assessment under each kind of noise; its pages are written on the way.

    Args:
        kinds: Of noise, see ``noise_kinds``.
        model: Facts of the model for the report.
        stem: Pages are ``<stem><kind>_<page>.<format>``.
        names: What to call a kind of noise, if not by its own name.
        targets: σ_NMAD wanted, by magnitude bin.
        tell: Is given a summary of each kind.
    """
    from .pages import FEWEST, pages, write_pages

    metrics = {}
    for kind in kinds:
        name = (names or {}).get(kind, kind)
        result = assess(galaxy, galaxies, replace(settings, noise=kind), progress=True)
        metrics[name] = result.metrics
        if tell:
            tell(f"== {len(galaxies)} galaxies, noise {name.replace('_', ' ')}\n{summary(result.metrics, targets)}")
        made = pages(result, targets)
        if tell and not made:
            tell(f"no pages: no property has a truth in {FEWEST} galaxies or more")
        write_pages(made, f"{stem}{name}", formats)
    data = {
        **galaxies.facts,
        "noise": {(names or {}).get(kind, kind): noise_facts(kind) for kind in kinds},
        "seed": settings.seed,
        "joint_galaxies": settings.joint,
        "joint_draws": settings.draws,
    }
    return assemble_report(model=model, data=data, machine=machine_facts(), metrics=metrics)


def noise_facts(kind: str) -> dict[str, Any] | str:
    """The settings of a kind of noise."""
    if kind == "none":
        return "none added"
    return asdict(NoiseSettings.survey() if kind == "survey" else NoiseSettings.nominal())


def check_folder(out: Path, overwrite: bool) -> None:
    """Refuse a folder of results that cannot or must not be written; with ``overwrite``, clear the old results.

    Raises:
        ValueError: It holds results, is a file, or its parent is missing.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out}: is a file; give a folder for the results")
    if not out.parent.is_dir():
        raise ValueError(f"{out}: there is no folder {out.parent}; make it first")
    old = sorted(path for kind in NOISE for path in out.glob(f"{kind}_*") if path.suffix in (".png", ".pdf"))
    old = [*old, *out.glob(REPORT)]
    if old and not overwrite:
        raise ValueError(f"{out}: holds {old[-1].name} of another evaluation; give another folder, or --overwrite")
    out.mkdir(exist_ok=True)
    for path in old:
        path.unlink()


__all__ = ["REPORT", "check_extras", "check_folder", "evaluate", "noise_facts"]
