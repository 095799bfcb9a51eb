"""Data sets of Hugging Face: in memory, saved to a folder, or by the id of a repository of the Hub."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .arrow import to_table, units_of
from .base import Block, RowSource

if TYPE_CHECKING:
    from datasets import Dataset

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_SAVED = ("dataset_dict.json", "state.json")


class DatasetSource(RowSource):
    """A ``datasets.Dataset``; what is on disk is mapped into memory, and the system takes pages back as it needs."""

    def __init__(self, dataset: Dataset, source: str = "table") -> None:
        self.source, self._dataset = source, dataset.with_format("arrow")
        self.names, self.rows = list(dataset.column_names), len(dataset)
        self._units = units_of(dataset.features.arrow_schema)

    def blocks(self, bounds: Iterable[slice]) -> Iterator[Block]:
        """Slices of the data set."""
        for rows in bounds:
            yield Block(rows.start, to_table(pa.table(self._dataset[rows.start : rows.stop]), self._units))

    @property
    def facts(self) -> dict[str, Any]:
        """Its own fingerprint."""
        return {"name": Path(self.source).name, "rows": self.rows, "fingerprint": self._dataset._fingerprint}


def is_saved(folder: Path) -> bool:
    """Whether ``save_to_disk`` of ``datasets`` wrote a folder."""
    return any((folder / name).is_file() for name in _SAVED)


def open_saved(folder: Path) -> DatasetSource:
    """A folder that ``save_to_disk`` wrote.

    Raises:
        ValueError: It is damaged, or holds several splits.
    """
    from datasets import load_from_disk

    try:
        return DatasetSource(_one_split(load_from_disk(str(folder)), str(folder)), str(folder))
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise ValueError(f"{folder}: not a data set that can be read: {_first(error)}") from None


def open_repository(repository: str, split: str | None = None) -> DatasetSource:
    """A data set of the Hub, from the cache of ``datasets``.

    Raises:
        ValueError: There is none of that name, the Hub is out of reach, or it holds several splits and none is chosen.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    try:
        return DatasetSource(_one_split(load_dataset(repository, split=split), repository), repository)
    except DatasetNotFoundError:
        raise ValueError(
            f"{repository}: there is no such file, and no such data set on the Hub, or it is not yours to read "
            "(hf auth login)"
        ) from None
    except (OSError, RuntimeError, pa.ArrowInvalid) as error:
        raise ValueError(f"{repository}: cannot be read from the Hub: {_first(error)}") from None


def _one_split(loaded: Any, source: str) -> Any:
    if hasattr(loaded, "column_names") and not isinstance(loaded, dict):
        return loaded
    if len(loaded) == 1:
        return next(iter(loaded.values()))
    raise ValueError(f"{source}: holds the splits {', '.join(loaded)}; choose one (--split)")


def _first(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


__all__ = ["HUB_ID", "DatasetSource", "is_saved", "open_repository", "open_saved"]
