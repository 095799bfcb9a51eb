"""What all sources of spectra have in common: pieces of work, and what is read of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hf_galaxy.physics.spectra import Spectrum


class Reading(NamedTuple):
    """One spectrum, or why there is none.

    Attributes:
        id: Name of the galaxy; unique in a source but for the duplicates that it reports.
        spectrum: What was read, or None.
        reason: Why it was not.
    """

    id: str
    spectrum: Spectrum | None
    reason: str = ""


@dataclass(frozen=True)
class Piece:
    """Spectra that one shard is made of; picklable and small.

    Attributes:
        items: What the source needs to find them.
        count: How many there are; None if it is not known before.
        skipped: (id, reason) of those found not to be read at all.
    """

    items: tuple[Any, ...]
    count: int | None = None
    skipped: tuple[tuple[str, str], ...] = ()


class SpectrumSource(Protocol):
    """A place with spectra. Picklable: other processes read pieces of it."""

    def pieces(self, size: int) -> list[Piece]:
        """The spectra in pieces of about ``size``, always in the same order."""
        ...

    def read(self, piece: Piece) -> Iterator[Reading]:
        """The spectra of a piece; what cannot be read comes with a reason."""
        ...

    def facts(self) -> dict[str, Any]:
        """What the settings of a data set say of it, in JSON types."""
        ...


def keys(spectrum: Spectrum) -> dict[str, str]:
    """Ids by their kind, as label tables know them (``value_added.identifiers.KINDS``)."""
    facts = spectrum.facts
    found = {}
    if "targetid" in facts:
        found["targetid"] = str(facts["targetid"])
    if {"plate", "mjd", "fiberid"} <= facts.keys():
        found["plate-mjd-fiber"] = "-".join(str(int(facts[k])) for k in ("plate", "mjd", "fiberid"))
    if "specobjid" in facts:
        found["specobjid"] = str(facts["specobjid"])
    return found


def identifier(spectrum: Spectrum) -> str:
    """The id of a spectrum: TARGETID, or plate-mjd-fiber, or the stem of its file."""
    known = keys(spectrum)
    return known.get("targetid") or known.get("plate-mjd-fiber") or Path(spectrum.name.split("[")[0]).stem


def cut(items: Sequence[Any], size: int, skipped: Iterable[tuple[str, str]] = ()) -> list[Piece]:
    """Pieces of at most ``size`` items; what was skipped goes with the first."""
    pieces = [Piece(tuple(items[i : i + size]), len(items[i : i + size])) for i in range(0, len(items), size)]
    skipped = tuple(skipped)
    if skipped:
        first = pieces[0] if pieces else Piece((), 0)
        pieces[:1] = [Piece(first.items, first.count + len(skipped), skipped)]
    return pieces


def one_line(error: BaseException) -> str:
    """The first line of an error's message, for a reason."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


__all__ = ["Piece", "Reading", "SpectrumSource", "cut", "identifier", "keys", "one_line"]
