"""One door to all catalogues of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hf_galaxy.data.value_added import fastspecfit, gswlc, mpa_jhu, provabgs
from hf_galaxy.data.value_added.opening import Columns, listed, open_tables
from hf_galaxy.data.value_added.tables import LabelTable


class Catalogue(NamedTuple):
    """How one family of catalogues is told and read."""

    needs: str
    told: Callable[[Mapping[str, Columns]], bool]
    read: Callable[[Mapping[str, Columns]], LabelTable]


CATALOGUES = {
    "fastspecfit": Catalogue(fastspecfit.NEEDS, fastspecfit.is_fastspecfit, fastspecfit.read_fastspecfit),
    "mpa-jhu": Catalogue(mpa_jhu.NEEDS, mpa_jhu.is_mpa_jhu, mpa_jhu.read_mpa_jhu),
    "provabgs": Catalogue(provabgs.NEEDS, provabgs.is_provabgs, provabgs.read_provabgs),
    "gswlc": Catalogue(gswlc.NEEDS, gswlc.is_gswlc, gswlc.read_gswlc),
}


def read_labels(source: Any, kind: str | None = None) -> LabelTable:
    """The labels of a catalogue of other people.

    Args:
        source: A path (of MPA-JHU, of the folder of its files), or what ``data.table_io.as_table`` takes.
        kind: One of CATALOGUES; told by extensions and columns without it.

    Raises:
        ValueError: The kind is not known or cannot be told, or the catalogue cannot be read as it.
    """
    if kind is not None and kind not in CATALOGUES:
        raise ValueError(f"kind {kind!r} of catalogue is not one of {', '.join(CATALOGUES)}")
    with open_tables(source) as tables:
        return CATALOGUES[kind or _told(tables, source)].read(tables)


def _told(tables: Mapping[str, Columns], source: Any) -> str:
    kinds = [kind for kind, catalogue in CATALOGUES.items() if catalogue.told(tables)]
    if len(kinds) == 1:
        return kinds[0]
    seen = "; ".join(f"{name or 'columns'}: {listed(columns.names)}" for name, columns in tables.items())
    said = source if isinstance(source, str) or hasattr(source, "__fspath__") else "table"
    if kinds:
        raise ValueError(f"{said}: could be {' or '.join(kinds)}; give kind= (seen: {seen})")
    needed = "; ".join(f"{kind}: {catalogue.needs}" for kind, catalogue in CATALOGUES.items())
    raise ValueError(f"{said}: not a catalogue of labels that is known (seen: {seen}). Needed are, for {needed}")


__all__ = ["CATALOGUES", "read_labels"]
