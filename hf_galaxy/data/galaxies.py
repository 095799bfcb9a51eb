"""A set of galaxies in memory: noiseless fluxes, properties and the survey, as tensors.

Fluxes are AB flux densities in nJy in the order ``BANDS``, properties in the units and the order of ``PROPERTIES``.
NaN means *not known*. The table is read from Parquet as Arrow buffers; no row ever becomes a Python object.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from ..variables_galaxy import BANDS, PROPERTIES, SURVEYS

COLUMNS = ("flux", "properties", "survey")
_SPLIT = re.compile(r"(?:^|[-_.])(train|validation|valid|test)(?:[-_.]|$)")


_SHARDS = re.compile(r"-of-(\d+)$")


@dataclass(frozen=True)
class GalaxyTable:
    """Galaxies as tensors.

    Attributes:
        flux: (N, 62) float32, noiseless AB flux density in nJy.
        properties: (N, P) float32, physical units.
        survey: (N,) int64, index into ``SURVEYS``.
    """

    flux: torch.Tensor
    properties: torch.Tensor
    survey: torch.Tensor

    def __post_init__(self) -> None:
        n = len(self.flux)
        wanted = {"flux": (n, len(BANDS)), "properties": (n, len(PROPERTIES)), "survey": (n,)}
        for name, shape in wanted.items():
            if tuple(getattr(self, name).shape) != shape:
                raise ValueError(f"{name} has the shape {tuple(getattr(self, name).shape)}; {shape} is wanted")

    def __len__(self) -> int:
        return len(self.flux)

    def __getitem__(self, index: torch.Tensor | slice) -> GalaxyTable:
        """The galaxies of an index tensor (or slice), in its order."""
        return GalaxyTable(self.flux[index], self.properties[index], self.survey[index])

    def to(self, device: torch.device | str) -> GalaxyTable:
        """The same galaxies on another device."""
        return GalaxyTable(self.flux.to(device), self.properties.to(device), self.survey.to(device))

    @classmethod
    def load(cls, path_or_hub_id: str | Path, split: str | None = None) -> GalaxyTable:
        """Read a folder of Parquet files, or a data set of the Hub.

        Args:
            path_or_hub_id: Folder (searched with its subfolders), one Parquet file, or ``organisation/name``.
            split: ``"train"``, ``"validation"`` or ``"test"``: only the files of that split. May be left out where
                there is but one.

        Raises:
            ValueError: nothing there, an unknown split, or columns that are missing or of the wrong kind.
        """
        path = Path(path_or_hub_id)
        if path.exists():
            return _from_files(_complete(_files_of_split(path, split)))
        if re.fullmatch(r"[\w.-]+/[\w.-]+", str(path_or_hub_id)):
            return _from_hub(str(path_or_hub_id), split)
        raise ValueError(f"{path_or_hub_id}: no such folder, and not the name of a data set (organisation/name) either")


def splits(path: str | Path) -> list[str]:
    """Names of the splits that the Parquet files of a folder carry in their names; empty if they carry none."""
    return sorted({s for s in map(_split_of, _parquet_files(Path(path))) if s})


def _split_of(file: Path) -> str | None:
    match = _SPLIT.search(file.stem) or _SPLIT.search(file.parent.name)
    return match and {"valid": "validation"}.get(match.group(1), match.group(1))


def _parquet_files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.parquet"))


def _files_of_split(path: Path, split: str | None) -> list[Path]:
    files = _parquet_files(path)
    if not files:
        raise ValueError(f"{path}: no Parquet file in this folder; python -m dataset_scripts.jpas_galex_sim makes some")
    present = {_split_of(f) for f in files}
    if split is None:
        if len(present) > 1:
            raise ValueError(f"{path} holds several splits ({', '.join(sorted(map(str, present)))}): choose one")
        return files
    chosen = [f for f in files if _split_of(f) == split]
    if not chosen and present != {None}:
        raise ValueError(f"{path} has no split {split!r}; it has {', '.join(sorted(map(str, present)))}")
    return chosen or files


def _complete(files: list[Path]) -> list[Path]:
    """The same files, with a warning where their names promise more of them (``-of-00020``)."""
    promised = {int(match.group(1)) for f in files if (match := _SHARDS.search(f.stem))}
    if len(promised) == 1 and len(files) < max(promised):
        warnings.warn(f"{files[0].parent}: {len(files)} of {max(promised)} shards are there; reading these")
    return files


def _from_files(files: Sequence[Path]) -> GalaxyTable:
    """Fill one set of tensors file by file, so that memory never holds the set twice."""
    parquet = [_open(f) for f in files]
    n = sum(p.metadata.num_rows for p in parquet)
    if n == 0:
        raise ValueError(f"{files[0]}: no galaxy in it")
    flux, properties = torch.empty(n, len(BANDS)), torch.empty(n, len(PROPERTIES))
    survey = torch.empty(n, dtype=torch.int64)
    start = 0
    for file, source in zip(files, parquet, strict=True):
        for group in range(source.num_row_groups):
            part = _from_arrow(source.read_row_group(group, columns=list(COLUMNS)), str(file))
            rows = slice(start, start := start + len(part))
            flux[rows], properties[rows], survey[rows] = part.flux, part.properties, part.survey
    return GalaxyTable(flux, properties, survey)


def _open(file: Path) -> pq.ParquetFile:
    try:
        parquet = pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{file}: not a readable Parquet file ({str(error).splitlines()[0]})") from None
    _require_columns(parquet.schema_arrow.names, str(file))
    return parquet


def _from_hub(hub_id: str, split: str | None) -> GalaxyTable:
    import datasets  # half a second, and only needed here

    try:
        data = datasets.load_dataset(hub_id, split=split or "train")
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{hub_id}: neither a folder here nor a data set that can be loaded ({reason})") from None
    return _from_arrow(data.with_format("arrow")[:], hub_id)


def _require_columns(names: Sequence[str], where: str) -> None:
    missing = [c for c in COLUMNS if c not in names]
    if missing:
        raise ValueError(f"{where}: column {', '.join(missing)} is missing; columns are {', '.join(names)}")


def _from_arrow(table: pa.Table, where: str) -> GalaxyTable:
    _require_columns(table.column_names, where)
    return GalaxyTable(
        _matrix(table["flux"], len(BANDS), "flux", where),
        _matrix(table["properties"], len(PROPERTIES), "properties", where),
        _survey(table["survey"], _class_names(table.schema), where),
    )


def _matrix(column: pa.ChunkedArray, width: int, name: str, where: str) -> torch.Tensor:
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


def _survey(column: pa.ChunkedArray, names: list[str] | None, where: str) -> torch.Tensor:
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
