"""What a visitor asks: which galaxy, what is given, which bands are used, which variables are asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hf_galaxy.data.column_names import nearest
from hf_galaxy.variables_galaxy import Variable

ASKED = ("redshift", "log_mstar", "log_sfr", "av", "dn4000", "ew_halpha")  # at first
MAX_ASKED = 12
NARROW = 300.0  # Å; a band of a greater width is a broad one
ULTRAVIOLET = 3000.0  # Å
BLUE_ENDS = 6000.0  # Å, where the narrow bands are parted in two
GROUPS = ("GALEX", "blue narrow bands", "red narrow bands", "broad bands")

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_VALUE = re.compile(rf"\s*(\w+)\s*=\s*({_NUMBER})\s*(?:(?:±|\+/-|\+-)\s*({_NUMBER}))?\s*")


@dataclass(frozen=True)
class Question:
    """One question to the model.

    Attributes:
        row: Row of the table.
        asked: Names of variables.
        given: Properties whose column is evidence.
        typed: Properties that are given a value by hand: name, value, error.
        hidden: Bands that the model is not shown.
    """

    row: int
    asked: tuple[str, ...]
    given: tuple[str, ...] = ()
    typed: tuple[tuple[str, float, float], ...] = ()
    hidden: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        """Properties that are evidence."""
        return (*self.given, *(name for name, _, _ in self.typed if name not in self.given))

    def same_evidence(self, other: Question) -> bool:
        """Whether both show the model the same."""
        mine, theirs = ((set(q.given), set(q.typed), set(q.hidden)) for q in (self, other))
        return self.row == other.row and mine == theirs


def parse_typed(text: str | None, variables: Sequence[Variable]) -> tuple[tuple[str, float, float], ...]:
    """Values given by hand, as ``redshift = 0.31 ± 0.002, log_mstar = 10.5``; a value without an error is exact.

    Raises:
        ValueError: A piece is no such assignment, or there is no such property.
    """
    known = {v.name: v for v in variables if v.kind == "property"}
    found = {}
    for piece in re.split(r"[,;\n]", text or ""):
        if not piece.strip():
            continue
        match = _VALUE.fullmatch(piece)
        if not match:
            shown = " ".join(piece.split())[:60]
            raise ValueError(f"known values: {shown!r} is not like redshift = 0.31 ± 0.002; separate them by commas")
        name, value, error = match[1], float(match[2]), float(match[3] or 0.0)
        if name not in known:
            close = nearest(name, list(known))
            raise ValueError(f"known values: {name[:60]!r} is no property; the nearest is {close}")
        if name in found:
            raise ValueError(f"known values: {name} stands twice; give it once")
        found[name] = (name, value, error)
    return tuple(found.values())


def group_of(band: Variable) -> str:
    """The group that a band is ticked with."""
    if band.pivot < ULTRAVIOLET:
        return GROUPS[0]
    if band.width >= NARROW:
        return GROUPS[3]
    return GROUPS[1] if band.pivot < BLUE_ENDS else GROUPS[2]


def groups(bands: Sequence[Variable]) -> dict[str, list[str]]:
    """Group to the names of its bands, without empty groups."""
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    for band in bands:
        found[group_of(band)].append(band.name)
    return {group: names for group, names in found.items() if names}


def whole_groups(ticked: Sequence[str], bands: Sequence[Variable]) -> list[str]:
    """Groups of which every band is ticked."""
    return [group for group, names in groups(bands).items() if set(names) <= set(ticked)]


def tick_groups(chosen: Sequence[str], ticked: Sequence[str], bands: Sequence[Variable]) -> list[str]:
    """The bands that are ticked after the ticks of the groups have become ``chosen``, in the order of ``bands``.

    A group that was whole and is not chosen loses all its bands; one that was not and is chosen gets all; another
    keeps what it has.
    """
    before, kept = set(whole_groups(ticked, bands)), set(ticked)
    for group, names in groups(bands).items():
        if group in before and group not in chosen:
            kept -= set(names)
        elif group in chosen and group not in before:
            kept |= set(names)
    return [band.name for band in bands if band.name in kept]


__all__ = [
    "ASKED",
    "GROUPS",
    "MAX_ASKED",
    "ULTRAVIOLET",
    "Question",
    "groups",
    "parse_typed",
    "tick_groups",
    "whole_groups",
]
