"""Parquet files of galaxies: which belong to a split, and their columns as tensors, a group of rows at a time.

Both schemas of ``features`` are read: simulated galaxies, and observed ones, whose fluxes and properties have errors.
Arrow buffers become tensors; no row ever becomes a Python object.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from ..variables_galaxy import BANDS, PROPERTIES, SURVEYS

COLUMNS = ("flux", "properties", "survey")
ERROR_COLUMNS = ("flux_error", "property_error", "noisy")
WIDTHS = {
    "flux": len(BANDS),
    "flux_error": len(BANDS),
    "properties": len(PROPERTIES),
    "property_error": len(PROPERTIES),
}
_SPLIT = re.compile(r"(?:^|[-_.])(train|validation|valid|test)(?:[-_.]|$)")
_SHARDS = re.compile(r"-of-(\d+)$")


class GalaxyFiles:
    """Row groups of some Parquet files, in order, read when asked for.

    Args:
        files: All of them are opened once, to see that they are what they should be.

    Attributes:
        groups: (file, number within it, rows) of every group that holds rows.
        has_errors: Whether any file holds observed galaxies.

    Raises:
        ValueError: a file that is not Parquet, columns that are missing, or no galaxy at all.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.groups: list[tuple[Path, int, int]] = []
        self.has_errors = False
        for file in files:
            parquet = _open(file)
            self.has_errors |= _holds_errors(parquet.schema_arrow.names, str(file))
            sizes = [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)]
            self.groups += [(file, i, n) for i, n in enumerate(sizes) if n]
        if not self.groups:
            raise ValueError(f"{files[0]}: no galaxy in it")

    def __len__(self) -> int:
        return sum(n for _, _, n in self.groups)

    def read(self, group: int) -> dict[str, Tensor]:
        """The columns of one group; with errors in all groups if there are any in one."""
        file, number, _ = self.groups[group]
        parquet = _open(file)
        names = [c for c in (*COLUMNS, *ERROR_COLUMNS) if c in parquet.schema_arrow.names]
        where = str(file) if parquet.num_row_groups == 1 else f"{file}, row group {number}"
        return tensors(parquet.read_row_group(number, columns=names), where, self.has_errors)

    def read_all(self, groups: Sequence[int]) -> dict[str, Tensor]:
        """The columns of some groups, one after the other, filled in so that memory never holds them twice."""
        n, filled, start = sum(self.groups[g][2] for g in groups), {}, 0
        for group in groups:
            part = self.read(group)
            rows = slice(start, start := start + len(part["flux"]))
            for name, column in part.items():
                filled.setdefault(name, column.new_empty(n, *column.shape[1:]))[rows] = column
        return filled


@lru_cache(maxsize=8)
def _opened(file: Path, changed: int) -> pq.ParquetFile:
    return pq.ParquetFile(file)


def _open(file: Path) -> pq.ParquetFile:
    try:
        return _opened(file, file.stat().st_mtime_ns)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{file}: not a readable Parquet file ({str(error).splitlines()[0]})") from None


def splits(path: str | Path) -> list[str]:
    """Names of the splits that the Parquet files of a folder carry in their names; empty if they carry none."""
    return sorted({s for s in map(_split_of, _parquet_files(Path(path))) if s})


def _split_of(file: Path) -> str | None:
    match = _SPLIT.search(file.stem) or _SPLIT.search(file.parent.name)
    return match and {"valid": "validation"}.get(match.group(1), match.group(1))


def _parquet_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(f for f in path.rglob("*.parquet") if not f.name.startswith("."))


def files_of_split(path: Path, split: str | None) -> list[Path]:
    """The Parquet files of a split, with a warning where their names promise more of them (``-of-00020``).

    Raises:
        ValueError: nothing there, an unknown split, or several splits and none chosen.
    """
    files = _parquet_files(path)
    if not files:
        raise ValueError(f"{path}: no Parquet file in this folder; python -m dataset_scripts.jpas_galex_sim makes some")
    present = {_split_of(f) for f in files}
    if split is None:
        if len(present) > 1:
            raise ValueError(f"{path} holds several splits ({', '.join(sorted(map(str, present)))}): choose one")
        return _complete(files)
    chosen = [f for f in files if _split_of(f) == split]
    if not chosen and present != {None}:
        raise ValueError(f"{path} has no split {split!r}; it has {', '.join(sorted(map(str, present)))}")
    return _complete(chosen or files)


def _complete(files: list[Path]) -> list[Path]:
    promised = {int(match.group(1)) for f in files if (match := _SHARDS.search(f.stem))}
    if len(promised) == 1 and len(files) < max(promised):
        warnings.warn(f"{files[0].parent}: {len(files)} of {max(promised)} shards are there; reading these")
    return files


def tensors(table: pa.Table, where: str, errors: bool) -> dict[str, Tensor]:
    """Columns of an Arrow table as tensors, checked.

    Args:
        table: Rows of either schema.
        where: What to call them in a message.
        errors: Give errors too: zeros, and ``noisy`` false, where the table holds none.

    Raises:
        ValueError: a column that is missing or of the wrong kind, an infinite value, a value without its error.
    """
    held = _holds_errors(table.column_names, where)
    names = [c for c in (*COLUMNS, *(ERROR_COLUMNS if held else ())) if c in WIDTHS]
    columns = {name: _matrix(table[name], WIDTHS[name], name, where) for name in names}
    columns["survey"] = _survey(table["survey"], _class_names(table.schema), where)
    if held:
        columns["noisy"] = _flags(table["noisy"], where)
        _check_errors(columns, where)
    elif errors:
        n = len(columns["survey"])
        columns |= {name: torch.zeros(n, WIDTHS[name]) for name in ERROR_COLUMNS if name in WIDTHS}
        columns["noisy"] = torch.zeros(n, dtype=torch.bool)
    return columns


def _holds_errors(names: Sequence[str], where: str) -> bool:
    """Whether the columns are those of observed galaxies; all that are needed are there."""
    held = any(c in names for c in ERROR_COLUMNS)
    missing = [c for c in (*COLUMNS, *(ERROR_COLUMNS if held else ())) if c not in names]
    if missing:
        raise ValueError(f"{where}: column {', '.join(missing)} is missing; columns are {', '.join(names)}")
    return held


def _check_errors(columns: dict[str, Tensor], where: str) -> None:
    """A value and its error are known together, and no error is negative."""
    for value, error in (("flux", "flux_error"), ("properties", "property_error")):
        v, e = columns[value], columns[error]
        wrong = ((torch.isfinite(v) != torch.isfinite(e)) | (e < 0)).any(1)
        if wrong.any():
            raise ValueError(
                f"{where}: row {int(wrong.nonzero()[0])}: {value} and {error} must be known together, and errors not "
                "negative; use NaN in both for what is not known"
            )


def _flags(column: pa.ChunkedArray, where: str) -> Tensor:
    if not pa.types.is_boolean(column.type) or column.null_count:
        raise ValueError(f"{where}: column noisy is {column.type} with {column.null_count} nulls; booleans are wanted")
    return torch.from_numpy(column.to_numpy().copy())


def _matrix(column: pa.ChunkedArray, width: int, name: str, where: str) -> Tensor:
    """(N, width) float32 from a column of lists; null becomes NaN."""
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise ValueError(f"{where}: column {name} is of type {kind}; lists of {width} numbers are wanted")
    lengths = pc.value_counts(pc.list_value_length(column)).field("values").to_pylist()
    if set(lengths) - {width}:
        raise ValueError(f"{where}: column {name} has lists of length {sorted(map(str, set(lengths)))}, not {width}")
    values = pc.cast(pc.list_flatten(column), pa.float32()).to_numpy()
    out = torch.from_numpy(values.copy()).reshape(-1, width)
    if torch.isinf(out).any():
        row = int(torch.isinf(out).any(1).nonzero()[0])
        raise ValueError(f"{where}: column {name}, row {row}: infinite value; use NaN for what is not known")
    return out


def _class_names(schema: pa.Schema) -> list[str] | None:
    """Names of the ClassLabel that ``datasets`` wrote into the metadata of the file, if it did."""
    info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    return info.get("info", {}).get("features", {}).get("survey", {}).get("names")


def _survey(column: pa.ChunkedArray, names: list[str] | None, where: str) -> Tensor:
    """(N,) index into ``SURVEYS`` from names, or from numbers that index ``names`` (default ``SURVEYS``)."""
    if column.null_count:
        raise ValueError(f"{where}: column survey has {column.null_count} nulls; use 'other' for an unknown survey")
    if not pa.types.is_integer(column.type):
        encoded = pc.dictionary_encode(pc.cast(column, pa.string())).combine_chunks()
        encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
        names, column = encoded.dictionary.to_pylist(), encoded.indices
    names = list(names or SURVEYS)
    unknown = [n for n in names if n not in SURVEYS]
    if unknown:
        raise ValueError(f"{where}: column survey: {unknown[0]!r} is not one of {', '.join(SURVEYS)}")
    index = torch.from_numpy(pc.cast(column, pa.int64()).to_numpy().copy())
    low, high = (int(index.min()), int(index.max())) if len(index) else (0, 0)
    if low < 0 or high >= len(names):
        raise ValueError(f"{where}: column survey runs from {low} to {high}; 0 to {len(names) - 1} is allowed")
    return torch.tensor([SURVEYS.index(n) for n in names])[index]


__all__ = ["GalaxyFiles", "files_of_split", "splits", "tensors"]
