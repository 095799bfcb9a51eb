"""From a source of spectra and catalogues to the parts of a data set, for any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from hf_galaxy.data.features import observed_features
from hf_galaxy.data.observed_spectra.assembling import observe_readings
from hf_galaxy.data.observed_spectra.imaging import read_imaging
from hf_galaxy.data.observed_spectra.observing import SpectrumObserver
from hf_galaxy.data.observed_spectra.settings import SpectraSettings
from hf_galaxy.data.shards import Part
from hf_galaxy.data.spectra_sources import Piece, SpectrumSource
from hf_galaxy.data.value_added import LabelTable, read_labels
from hf_galaxy.data.value_added.galex import GalexTable, read_galex

BLOCK = 256  # spectra that are in memory at once


@dataclass(frozen=True)
class Recipe:
    """All that a process needs to make rows of spectra.

    Attributes:
        source: Where the spectra are.
        settings: What is done to them.
        labels: Catalogues of labels, ``PATH`` or ``KIND=PATH``, in the order of preference.
        galex: Table of GALEX photometry.
        galex_layer: Depth (AIS, MIS, DIS) of bands that are blank in it, which makes them undetected, not unobserved.
        imaging: Table of total magnitudes.
        imaging_system, imaging_unit: Of that table.
    """

    source: SpectrumSource
    settings: SpectraSettings
    labels: tuple[str, ...] = ()
    galex: str | None = None
    galex_layer: str | None = None
    imaging: str | None = None
    imaging_system: str = "sdss"
    imaging_unit: str | None = None

    def facts(self) -> dict[str, Any]:
        """In JSON types."""
        names = ("labels", "galex", "galex_layer", "imaging", "imaging_system", "imaging_unit")
        facts = {name: getattr(self, name) for name in names} | {"labels": list(self.labels)}
        return {"source": self.source.facts(), **facts, "settings": asdict(self.settings)}


@lru_cache(maxsize=1)
def tools(recipe: Recipe) -> tuple[SpectrumObserver, list[LabelTable], GalexTable | None]:
    """What is read once a process: templates, catalogues."""
    imaging = None
    if recipe.imaging is not None:
        imaging = read_imaging(recipe.imaging, recipe.imaging_system, recipe.imaging_unit)
    labels = []
    for text in recipe.labels:
        kind, equals, path = text.partition("=")
        labels.append(read_labels(path, kind) if equals else read_labels(text))
    galex = None if recipe.galex is None else read_galex(recipe.galex, recipe.galex_layer)
    return SpectrumObserver(recipe.settings, imaging=imaging), labels, galex


def spectra_parts(recipe: Recipe, piece: Piece) -> Iterator[Part]:
    """The rows of the spectra of one piece, a block at a time."""
    observer, labels, galex = tools(recipe)
    empty = observed_features().arrow_schema.empty_table()
    if piece.skipped:
        yield Part(empty, list(piece.skipped))
    readings, taken = recipe.source.read(piece), set()
    while block := list(islice(readings, BLOCK)):
        rows, skipped = observe_readings(block, observer, labels, galex, taken)
        yield Part(rows.table() if len(rows) else empty, skipped)


__all__ = ["Recipe", "spectra_parts", "tools"]
