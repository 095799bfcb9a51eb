"""``MultimodalUniverse/sdss`` and ``/desi``: Parquet files here, or data sets of the Hub, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hf_galaxy.data.spectra_sources.reading import Piece, Reading, identifier, one_line
from hf_galaxy.physics.spectra.multimodal import SPECTRUM_COLUMNS, clean_identifier, multimodal_spectrum

ROWS_AT_ONCE = 64  # a spectrum with its mask and widths is about 150 kB


@dataclass(frozen=True)
class MultimodalUniverse:
    """Spectra of the Multimodal Universe.

    Attributes:
        name: A Parquet file, a folder of them, or the id of a data set on the Hub, such as ``MultimodalUniverse/sdss``.
        split: Of a Hub data set.
        config: Of a Hub data set; its default if not given.
        revision: Of a Hub data set: a commit, so that the same settings give the same galaxies.
        files: Read only the first so many files.
    """

    name: str
    split: str = "train"
    config: str | None = None
    revision: str | None = None
    files: int | None = None

    def pieces(self, size: int) -> list[Piece]:
        """Row groups of local files in pieces of about ``size`` rows; of a Hub data set, one piece a file.

        Raises:
            ValueError: No Parquet in the folder, a file that is no Parquet or lacks columns.
        """
        if not _is_here(self.name):
            count = _stream(self).num_shards
            return [Piece((i, count)) for i in range(count)][: self.files]
        path = Path(self.name)
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not files:
            raise ValueError(f"{path}: no Parquet file in it")
        groups = [(str(f), g, n) for f in files[: self.files] for g, n in enumerate(_row_groups(f))]
        pieces: list[Piece] = []
        for group in groups:
            if not pieces or pieces[-1].count + group[2] > size:
                pieces.append(Piece((), 0))
            pieces[-1] = Piece((*pieces[-1].items, group[:2]), pieces[-1].count + group[2])
        return pieces

    def read(self, piece: Piece) -> Iterator[Reading]:
        for table in self._tables(piece):
            for i in range(len(table)):
                yield _read_row(table, i)

    def _tables(self, piece: Piece) -> Iterator[pa.Table]:
        if _is_here(self.name):
            for path, group in piece.items:
                with pq.ParquetFile(path) as file:
                    for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=[group]):
                        yield pa.Table.from_batches([batch])
            return
        index, count = piece.items
        yield from _stream(self).shard(count, index).with_format("arrow").iter(ROWS_AT_ONCE)

    def facts(self) -> dict[str, Any]:
        return {
            "kind": "multimodal",
            "name": self.name,
            "split": self.split,
            "config": self.config,
            "revision": self.revision,
            "files": self.files,
        }


def _is_here(name: str) -> bool:
    return Path(name).exists()


def _stream(source: MultimodalUniverse) -> Any:
    import datasets

    try:
        return datasets.load_dataset(
            source.name, source.config, split=source.split, revision=source.revision, streaming=True
        )
    except (ValueError, OSError, ConnectionError) as error:
        raise ValueError(f"{source.name}: no Parquet file or folder here, nor on the Hub ({one_line(error)})") from None


def _row_groups(path: Path) -> list[int]:
    """Rows of every row group of a file that has the columns."""
    try:
        with pq.ParquetFile(path) as file:
            names = set(file.schema_arrow.names)
            missing = [name for name in ("object_id", "spectrum", "Z") if name not in names]
            if missing:
                raise ValueError(f"no column {missing[0]}; the columns are {', '.join(sorted(names))}")
            return [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    except (pa.ArrowInvalid, ValueError, OSError) as error:
        raise ValueError(f"{path}: {one_line(error)}; Parquet of MultimodalUniverse/sdss or /desi is needed") from None


def _read_row(table: pa.Table, i: int) -> Reading:
    row = {name: table[name][i].as_py() for name in table.column_names if name != "spectrum"}
    name = str(row.get("object_id", f"row {i}"))
    try:
        row["spectrum"] = _lists(table["spectrum"][i])
        name = str(clean_identifier(row["object_id"]))
        spectrum = multimodal_spectrum(row, f"object {name}")
    except (ValueError, TypeError, KeyError) as error:
        return Reading(name, None, one_line(error))
    return Reading(identifier(spectrum), spectrum)


def _lists(value: pa.StructScalar | pa.ListScalar) -> dict[str, np.ndarray]:
    """The lists of one spectrum, held as a struct of lists or as a list of structs, without a detour through Python."""
    if isinstance(value, pa.StructScalar):
        fields = {name: value[name].values for name in SPECTRUM_COLUMNS if name in value}
    else:
        structs = value.values
        fields = {name: structs.field(name) for name in SPECTRUM_COLUMNS if structs.type.get_field_index(name) >= 0}
    flat = {k: v.flatten() if pa.types.is_list(v.type) else v for k, v in fields.items() if v is not None}
    return {name: values.to_numpy(zero_copy_only=False) for name, values in flat.items()}


__all__ = ["MultimodalUniverse"]
