"""Catalogue files as named columns: FITS by EXTNAME, Parquet and HDF5 a column at a time, the rest through table_io.

Value-added catalogues have a thousand columns and millions of rows; the readers want thirty of them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from hf_galaxy.data.table_io import as_table

GALSPEC = ("galspecinfo", "galspecline", "galspecindx", "galspecextra")


class Columns:
    """The columns of one table. Names compare without case, because releases of one catalogue differ in it.

    Attributes:
        source: What to call the table in messages.
        names: Names as they stand in it.
        rows: Number of rows.
    """

    def __init__(
        self,
        source: str,
        names: Sequence[str],
        rows: int,
        read: Callable[[str], Any],
        unit: Callable[[str], str] = lambda name: "",
    ) -> None:
        self.source, self.names, self.rows = source, tuple(names), rows
        self._read, self._unit = read, unit
        self._spelled: dict[str, str] = {}
        self._twice: set[str] = set()
        for name in names:
            if name.lower() in self._spelled:
                self._twice.add(name.lower())
            self._spelled[name.lower()] = name

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._spelled

    def first(self, *names: str) -> str | None:
        """The first of these names that is a column, or ``None``."""
        return next((name for name in names if name in self), None)

    def need(self, *names: str) -> str:
        """The first of these names that is a column.

        Raises:
            ValueError: None is.
        """
        found = self.first(*names)
        if found is None:
            raise ValueError(f"{self.source}: no column {' or '.join(names)}; the columns are {listed(self.names)}")
        return found

    def spelled(self, name: str) -> str:
        """The name of a column as it stands in the table."""
        return self._spelled[name.lower()]

    def unit(self, name: str) -> str:
        """The unit of a column as its header spells it; empty where there is none."""
        return str(self._unit(self._spelled[name.lower()]) or "").strip()

    def raw(self, name: str) -> np.ndarray:
        """A column as it stands, masked where it is.

        Raises:
            ValueError: There is none, or two whose names differ in case alone.
        """
        key = self.need(name).lower()
        if key in self._twice:
            raise ValueError(f"{self.source}: column {name} stands twice; keep one")
        return self._read(self._spelled[key])

    def number(self, name: str) -> np.ndarray:
        """A column as float64; NaN where it is masked or blank.

        Raises:
            ValueError: It is not of numbers.
        """
        values = np.ma.asanyarray(self.raw(name))
        if values.dtype.kind == "O":
            values = np.ma.masked_array(_of_objects(values.tolist(), f"{self.source}: column {name}"))
        if values.dtype.kind in "SU":
            text = np.char.strip(values.filled("").astype(str))
            values = np.ma.masked_array(np.where(text == "", "nan", text))
        try:
            return values.astype(np.float64).filled(np.nan)
        except (TypeError, ValueError):
            raise ValueError(f"{self.source}: column {name} is not of numbers ({values.dtype})") from None

    def text(self, name: str) -> np.ndarray:
        """A column as stripped strings; empty where it is masked."""
        values = np.ma.asanyarray(self.raw(name))
        filled = values.filled(b"" if values.dtype.kind == "S" else "") if values.dtype.kind in "SU" else values.data
        if filled.dtype.kind == "S":
            filled = np.char.decode(filled, "utf-8", "replace")
        return np.char.strip(np.array(["" if v is None else v for v in filled.tolist()], dtype=str))


def _of_objects(values: list, said: str) -> np.ndarray:
    """Numbers, or nested lists of them of one length (as pandas holds them)."""
    if any(isinstance(value, (list, tuple, np.ndarray)) for value in values):
        try:
            return np.stack([_of_objects(list(value), said) for value in values])
        except (TypeError, ValueError):
            raise ValueError(f"{said} holds lists of different lengths, or rows without one") from None
    return np.array([np.nan if value is None or value is np.ma.masked else value for value in values])


def listed(names: Sequence[str], limit: int = 8) -> str:
    """Names for a message, the first few of many."""
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


@contextmanager
def open_tables(source: Any) -> Iterator[dict[str, Columns]]:
    """The tables of a catalogue by EXTNAME (upper case); a source of one table has the name "".

    Args:
        source: What ``as_table`` takes, or the path of a FITS file of any number of tables, of an HDF5 file, or of a
            folder with the files of galSpec (whose names are then those of the files).

    Raises:
        ValueError: It cannot be read.
    """
    if isinstance(source, (str, os.PathLike)) and Path(source).is_dir():
        with ExitStack() as stack:
            yield {k: v for path in _galspec(Path(source)) for k, v in _renamed(stack, path).items()}
        return
    start = b""
    if isinstance(source, (str, os.PathLike)) and Path(source).is_file():
        with open(source, "rb") as stream:
            start = stream.read(8)
    gzipped_fits = start[:2] == b"\x1f\x8b" and ".fit" in Path(source).name.lower()
    if start.startswith(b"SIMPLE") or gzipped_fits:
        yield from _fits(Path(source))
    elif start.startswith(b"PAR1"):
        yield {"": _parquet(Path(source))}
    elif start.startswith(b"\x89HDF"):
        yield from _hdf5(Path(source))
    else:
        table, names, said = as_table(source)
        units = {name: str(table[name].unit or "") for name in table.colnames}
        yield {"": Columns(said, names, len(table), lambda name: np.ma.asanyarray(table[name]), units.__getitem__)}


def _galspec(folder: Path) -> list[Path]:
    """The files of galSpec in a folder, one of each kind."""
    found = []
    for kind in GALSPEC:
        files = sorted(path for path in folder.iterdir() if path.is_file() and kind in path.name.lower())
        if len(files) > 1:
            raise ValueError(f"{folder}: {' and '.join(path.name for path in files)} are both {kind}; keep one")
        found += files
    if not found:
        raise ValueError(f"{folder}: is a folder without files named {', '.join(GALSPEC)}; give the path of a table")
    return found


def _renamed(stack: ExitStack, path: Path) -> dict[str, Columns]:
    tables = stack.enter_context(open_tables(path))
    if len(tables) != 1:
        raise ValueError(f"{path}: has {len(tables)} tables; one is needed")
    return {path.name: next(iter(tables.values()))}


def _fits(path: Path) -> Iterator[dict[str, Columns]]:
    try:
        with warnings.catch_warnings():
            # a file that was cut: astropy warns, and leaves out the extensions behind the cut
            warnings.filterwarnings("error", message="Error validating header|File may have been truncated")
            hdus = fits.open(path, memmap=path.suffix != ".gz")
            tables = [hdu for hdu in hdus if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU))]
            rows = [hdu.header["NAXIS2"] for hdu in tables]
            for hdu in tables:
                hdu.data  # noqa: B018 - or it is told here
    except (OSError, TypeError, ValueError, KeyError, IndexError, AstropyWarning) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: not a FITS file that can be read: {reason}") from None
    with hdus:
        found: dict[str, Columns] = {}
        for hdu, n in zip(tables, rows, strict=True):
            name = "" if len(tables) == 1 and not hdu.name else hdu.name.upper() or f"HDU {hdus.index_of(hdu)}"
            if name in found:
                raise ValueError(f"{path}: extension {name} stands twice; keep one")
            found[name] = _fits_columns(f"{path}[{name}]" if name else str(path), hdu, n)
        yield found


def _fits_columns(said: str, hdu: fits.BinTableHDU, rows: int) -> Columns:
    described = {column.name: column for column in hdu.columns}

    def read(name: str) -> np.ndarray:
        values = np.asarray(hdu.data[name])
        null = described[name].null
        return values if null in (None, "") else np.ma.masked_equal(values, null)

    return Columns(said, list(hdu.columns.names), rows, read, lambda name: described[name].unit)


def _parquet(path: Path) -> Columns:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        file = parquet.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path}: not a Parquet file that can be read: {' '.join(str(error).split())}") from None

    def read(name: str) -> np.ndarray:
        column = parquet.read_table(path, columns=[name]).column(name).combine_chunks()
        return _arrow_values(column, f"{path}: column {name}")

    return Columns(str(path), file.schema_arrow.names, file.metadata.num_rows, read)


def _arrow_values(column: Any, said: str) -> np.ndarray:
    """Numbers or texts of an Arrow column; lists of one length become further axes."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_nested(column.type):
        if not hasattr(column, "flatten") or pa.types.is_struct(column.type):
            raise ValueError(f"{said} holds {column.type}, not numbers")
        if column.null_count:
            raise ValueError(f"{said} has {column.null_count} rows without a list; fill them with NaN")
        inner = _arrow_values(column.flatten(), said)
        if len(column) == 0 or len(inner) % len(column) or len({len(item) for item in column[:1000]}) > 1:
            raise ValueError(f"{said} holds lists of different lengths")
        return inner.reshape(len(column), -1, *inner.shape[1:])
    values = column.to_numpy(zero_copy_only=False)
    if pa.types.is_integer(column.type) and column.null_count:  # as floats, 64-bit ids would lose their last digits
        missing = np.asarray(column.is_null())
        return np.ma.masked_array(column.fill_null(0).to_numpy(zero_copy_only=False), missing)
    return values


def _hdf5(path: Path) -> Iterator[dict[str, Columns]]:
    try:
        import h5py
    except ImportError:
        raise ValueError(f"{path}: reading HDF5 needs h5py; pip install h5py, or convert the file to FITS") from None
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path}: not an HDF5 file that can be read: {error}") from None
    with file:
        compound = [item for item in file.values() if isinstance(item, h5py.Dataset) and item.dtype.names]
        if len(compound) == 1:
            data = compound[0]
            yield {"": Columns(str(path), data.dtype.names, len(data), lambda name: data[name])}
            return
        columns = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset) and item.ndim}
        lengths = {name: len(item) for name, item in columns.items()}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"{path}: its columns have different lengths ({lengths})" if lengths else f"{path}: empty")
        yield {"": Columns(str(path), list(columns), next(iter(lengths.values())), lambda name: columns[name][()])}


__all__ = ["Columns", "listed", "open_tables"]
