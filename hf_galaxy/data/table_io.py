"""Tables of users: read from what astropy reads and from what Python holds, written without leaving halves."""

from __future__ import annotations

import gzip
import os
import secrets
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.units import UnitsWarning
from astropy.utils.data import get_readable_fileobj
from astropy.utils.exceptions import AstropyWarning

KINDS = "FITS, ECSV, VOTable, Parquet or CSV"
_FORMATS = {
    ".fits": "fits",
    ".fit": "fits",
    ".ecsv": "ascii.ecsv",
    ".csv": "ascii.csv",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".parquet": "parquet",
}


def as_table(source: Any) -> tuple[Table, list[str], str]:
    """A table, the names of its columns as they stand in the source, and what to call the source in messages.

    Args:
        source: A path, an astropy table, a pandas ``DataFrame``, a ``datasets.Dataset``, a structured array, or a
            mapping from column names to arrays or quantities.

    Raises:
        ValueError: The source is none of these, or a file that is not a table.
    """
    if isinstance(source, (str, os.PathLike)):
        return *read_table(source), str(source)
    if isinstance(source, Table):
        return source, list(source.colnames), "table"
    if isinstance(source, Mapping):
        return _from_mapping(source), [str(name) for name in source], "table"
    if hasattr(source, "to_pandas") and hasattr(source, "column_names"):
        return as_table(source.to_pandas())
    if hasattr(source, "iloc") and hasattr(source, "columns"):
        return _from_pandas(source)
    if isinstance(source, np.ndarray) and source.dtype.names:
        return Table(source), list(source.dtype.names), "table"
    kind = type(source).__name__
    raise ValueError(
        f"a catalogue is a path, an astropy table, a DataFrame, a Dataset or a dict of arrays, not a {kind}"
    )


def _from_mapping(source: Mapping) -> Table:
    columns = {str(name): _at_least_1d(column) for name, column in source.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        short, long = min(lengths, key=lengths.get), max(lengths, key=lengths.get)
        raise ValueError(f"table: column {short} has {lengths[short]} rows and {long} {lengths[long]}; make them equal")
    return Table(columns)


def _at_least_1d(column: Any) -> Any:
    if hasattr(column, "detach"):  # a torch tensor
        column = column.detach().cpu().numpy()
    return column if np.ndim(column) else np.atleast_1d(column)


def _from_pandas(frame: Any) -> tuple[Table, list[str], str]:
    names = [str(name) for name in frame.columns]
    unique = frame.loc[:, ~frame.columns.duplicated()]
    return Table.from_pandas(unique.rename(columns=str)), names, "table"


def read_table(path: str | os.PathLike) -> tuple[Table, list[str]]:
    """A table from a file of any of ``KINDS``, by its content, with the names of the columns as they stand in it.

    Raises:
        ValueError: There is no such file, or it is not a table.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: {'is a folder, not a table' if path.is_dir() else 'no such file'}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # units are judged later, column by column
            warnings.simplefilter("ignore", UnitsWarning)
            return _READERS[content_of(path)](path)
    except Exception as error:  # the readers raise their own classes, and classes of three libraries
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: not a table that can be read ({KINDS}): {_shorten(reason)}") from None


def _shorten(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def content_of(path: Path) -> str:
    """What a file holds, by its first bytes: ``fits``, ``votable``, ``parquet``, ``ecsv`` or ``text``.

    Raises:
        ValueError: Nothing, or nothing known.
    """
    with open(path, "rb") as stream:
        start = stream.read(4096)
    if start[:2] == b"\x1f\x8b":
        with gzip.open(path) as stream:
            start = stream.read(4096)
    if not start:
        raise ValueError("the file is empty")
    if start.startswith(b"SIMPLE"):
        return "fits"
    if start.startswith(b"PAR1"):
        return "parquet"
    if b"\0" in start:
        raise ValueError("the file is neither text nor of a known format")
    if start.lstrip().startswith(b"<"):
        return "votable"
    return "ecsv" if start.startswith(b"# %ECSV") else "text"


def _read_fits(path: Path) -> tuple[Table, list[str]]:
    with fits.open(path) as hdus:
        tables = [hdu for hdu in hdus if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU))]
        if not tables:
            raise ValueError("no extension of this FITS file is a table")
        header = tables[0].header
        names = [str(header.get(f"TTYPE{i + 1}", f"col{i + 1}")).strip() for i in range(header["TFIELDS"])]
        index = hdus.index_of(tables[0])
    if len(set(names)) < len(names):
        return _unreadable(names)
    return Table.read(path, format="fits", hdu=index, unit_parse_strict="silent"), names


def _read_votable(path: Path) -> tuple[Table, list[str]]:
    from astropy.io.votable import parse

    table = parse(str(path)).get_first_table()
    return table.to_table(use_names_over_ids=True), [field.name for field in table.fields]


def _read_parquet(path: Path) -> tuple[Table, list[str]]:
    import pyarrow.parquet as parquet

    names = list(parquet.read_schema(path).names)
    if len(set(names)) < len(names):
        return _unreadable(names)
    return Table.read(path, format="parquet"), names


def _unreadable(names: list[str]) -> tuple[Table, list[str]]:
    """No rows: a name that stands twice stops these readers, and is to be told by whoever asked for the names."""
    return Table(names=list(dict.fromkeys(names))), names


def _read_ecsv(path: Path) -> tuple[Table, list[str]]:
    table = Table.read(path, format="ascii.ecsv")
    return table, _header(path, "," if table.meta.get("delimiter") == "," else None)


def _read_text(path: Path) -> tuple[Table, list[str]]:
    first = first_line(path)
    if "," in first:
        table = Table.read(path, format="ascii.csv", comment="#")
        if table.colnames[0].startswith("\ufeff"):  # the mark that Excel puts before a CSV
            table.rename_column(table.colnames[0], table.colnames[0].lstrip("\ufeff").strip("\"'"))
        return table, _header(path, ",")
    table = Table.read(path, format="ascii")
    return table, list(table.colnames)


def first_line(path: Path) -> str:
    """The first line that is no comment."""
    with get_readable_fileobj(str(path), encoding="utf-8") as stream:
        return next((line for line in stream if line.strip() and not line.startswith("#")), "")


def _header(path: Path, delimiter: str | None) -> list[str]:
    first = first_line(path).lstrip("\ufeff")
    delimiter = delimiter or ("," if "," in first else None)
    return [name.strip().strip("\"'") for name in first.split(delimiter)]


_READERS = {
    "fits": _read_fits,
    "votable": _read_votable,
    "parquet": _read_parquet,
    "ecsv": _read_ecsv,
    "text": _read_text,
}


def table_format(path: str | os.PathLike) -> str:
    """astropy's name of the format that the ending of a path means.

    Raises:
        ValueError: The ending means none.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise ValueError(f"{path}: the ending {suffix!r} means no format of tables; use one of {', '.join(_FORMATS)}")
    return _FORMATS[suffix]


def check_output(path: str | os.PathLike, overwrite: bool) -> None:
    """Refuse an output that cannot or must not be written, before any work is done.

    Raises:
        ValueError: The folder is missing, or the file exists and ``overwrite`` is false.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; give the name of a file")
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path}: the folder {path.parent} cannot be written to; give another")
    if path.exists() and not overwrite:
        raise ValueError(f"{path}: exists; give another name, or --overwrite")


def write_table(table: Table, path: str | os.PathLike, overwrite: bool = False) -> None:
    """Write a table in the format of its ending, complete or not at all.

    Raises:
        ValueError: As ``check_output`` and ``table_format``, or the format cannot hold the table.
    """
    path, kind = Path(path), table_format(path)
    check_output(path, overwrite)
    partial = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            table.write(partial, format=kind)
        os.replace(partial, path)
    except (OSError, TypeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: cannot be written: {_shorten(reason)}") from None
    finally:
        partial.unlink(missing_ok=True)
