"""One assessment, from model and galaxies to figures of merit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..data.column_names import nearest
from ..evaluation.report import to_plain
from ..posterior import GalaxyPosterior
from .answers import Answers, answer
from .draws import FEWEST, draw, joint_metrics
from .held_out import NOISE, HeldOut
from .measure import answer_metrics


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
    joint: int = 2000
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


__all__ = ["Assessment", "AssessmentSettings", "assess", "compared", "noise_kinds"]
