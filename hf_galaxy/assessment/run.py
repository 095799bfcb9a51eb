"""One assessment from model and galaxies to figures of merit and pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from ..data.column_names import nearest
from ..evaluation.report import assemble_report, to_plain
from ..physics.noise import NoiseSettings
from ..posterior import GalaxyPosterior
from .answers import Answers, answer
from .draws import FEWEST, draw, joint_metrics
from .facts import machine_facts
from .held_out import NOISE, HeldOut
from .measure import answer_metrics
from .summary import summary

REPORT = "metrics.json"


@dataclass(frozen=True)
class AssessmentSettings:
    """What is done, besides asking.

    Attributes:
        names: Properties that are compared; all with truth if None.
        noise: Kind of noise added to noiseless galaxies: of the assumed depths (``nominal``), as in training
            (``survey``), or ``none``, fluxes as they are with the errors of the assumed depths.
        seed: Of noise, draws and reference points.
        joint: Galaxies of which joint draws are made; 0 makes none.
        draws: Joint draws of each.
    """

    names: Sequence[str] | None = None
    noise: str = "nominal"
    seed: int = 1
    joint: int = 1000
    draws: int = 100


class Assessment(NamedTuple):
    """Figures of merit as plain JSON types, and the arrays that the pages draw."""

    metrics: dict[str, Any]
    answers: Answers
    joint: dict[str, Any]


def noise_kinds(galaxies: HeldOut, asked: Sequence[str] | None) -> list[str]:
    """The kinds of noise to go through: those asked, or what suits the galaxies.

    Raises:
        ValueError: Noise is asked for galaxies that hold it already.
    """
    if galaxies.measured:
        if wrong := [kind for kind in asked or () if kind != "none"]:
            raise ValueError(
                f"{galaxies.facts['source']}: is measured already; --noise {wrong[0]} would add noise twice"
            )
        return ["none"]
    return list(dict.fromkeys(asked or NOISE[:1]))


def compared(galaxies: HeldOut, galaxy: GalaxyPosterior, names: Sequence[str] | None) -> list[str]:
    """The properties to compare.

    Raises:
        ValueError: One is unknown to the model, or has no truth.
    """
    known = [v.name for v in galaxy.variables if v.kind == "property"]
    for name in names or ():
        if name not in known:
            raise ValueError(f"{name}: the model knows no such property; the nearest is {nearest(name, known)}")
        if name not in galaxies.truth:
            raise ValueError(f"{galaxies.facts['source']}: has no truth of {name}; it has {', '.join(galaxies.truth)}")
    return [name for name in known if name in (names or galaxies.truth)]


def check_extras(joint: int, pages: bool) -> None:
    """Say before the work what is missing for its end."""
    wanted = {"tarp": ("joint coverage", joint > 0), "matplotlib": ("pages", pages)}
    for package, (what, needed) in wanted.items():
        if needed and find_spec(package) is None:
            remedy = " or give --joint 0" if package == "tarp" else ""
            raise ImportError(f'{what} need {package}: pip install "hf-galaxy[eval,plot]"{remedy}')


def assess(
    galaxy: GalaxyPosterior, galaxies: HeldOut, settings: AssessmentSettings, progress: bool = False
) -> Assessment:
    """Ask, draw, and measure."""
    s, names = settings, compared(galaxies, galaxy, settings.names)
    answers = answer(galaxy, galaxies, names, s.noise, s.seed, progress)
    metrics, arrays = answer_metrics(answers, galaxies), {}
    if s.joint:
        drawn = draw(galaxy, galaxies, names, s.noise, s.seed, s.joint, s.draws, progress)
        if drawn is None:
            metrics["joint_skipped"] = f"fewer than {FEWEST} galaxies with truth in two of the properties drawn"
        else:
            metrics["joint"], arrays = joint_metrics(drawn, s.seed)
    return Assessment(to_plain(metrics), answers, arrays)


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
    from .pages import pages, write_pages

    metrics = {}
    for kind in kinds:
        name = (names or {}).get(kind, kind)
        result = assess(galaxy, galaxies, replace(settings, noise=kind), progress=True)
        metrics[name] = result.metrics
        if tell:
            tell(f"== {len(galaxies)} galaxies, noise {name.replace('_', ' ')}\n{summary(result.metrics, targets)}")
        write_pages(pages(result, targets), f"{stem}{name}", formats)
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


__all__ = [
    "REPORT",
    "Assessment",
    "AssessmentSettings",
    "assess",
    "check_extras",
    "check_folder",
    "compared",
    "evaluate",
    "noise_facts",
    "noise_kinds",
]
