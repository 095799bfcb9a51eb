"""Finished parts to the output, one part in memory at a time.

Parquet, FITS, ECSV and CSV grow by a part; a folder is given the parts as they are. VOTable has its library write it
whole, and so needs memory for all rows.
"""

from __future__ import annotations

import io
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from astropy.io import fits
from astropy.table import Table, vstack
from astropy.utils.exceptions import AstropyWarning

from ..data.table_io import table_format, write_table
from .columns import LENGTH, empty, to_astropy
from .parts import COUNTS, Parts

JOINED = "joined"
CARD_BLOCK = 2880
_NO_INTEGER = {f"int{bits}": -(2 ** (bits - 1)) for bits in (16, 32, 64)} | {"uint8": 255}


def join(parts: Parts, folder: bool) -> None:
    """Write the output in place of the parts.

    Args:
        parts: All of them finished.
        folder: Whether the output is a folder of the parts.

    Raises:
        ValueError: The format cannot hold the columns.
        OSError: The disk is full; the parts are kept.
    """
    if folder:
        _move(parts)
        return
    schema, temporary = _schema(parts), parts.folder / JOINED
    kind = table_format(parts.output)
    try:
        if kind == "votable":
            temporary = temporary.with_suffix(".vot")
            temporary.unlink(missing_ok=True)
            write_table(vstack([to_astropy(t) for t in _tables(parts, schema)]), temporary)
        else:
            with open(temporary, "wb") as stream:
                _WRITERS[kind](stream, schema, parts)
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(temporary, parts.output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise parts.no_room(error) from None
    shutil.rmtree(parts.folder)


def _move(parts: Parts) -> None:
    """The parts into the folder of the output; the name of each says how many there are."""
    parts.output.mkdir(exist_ok=True)
    new = {path.name for path in parts.paths}
    for path in parts.output.glob("part-*-of-*.parquet"):
        if path.name not in new:  # of an earlier run, of more rows or fewer
            path.unlink()
    for path in parts.paths:
        if path.exists():
            os.replace(path, parts.output / path.name)
    shutil.rmtree(parts.folder)


def _schema(parts: Parts) -> pa.Schema:
    """That of all parts, with texts as wide as the widest."""
    schemas = [pq.read_schema(path) for path in parts.paths]
    metadata = dict(schemas[0].metadata)
    metadata.pop(COUNTS, None)
    for key in [key for key in metadata if key.startswith(LENGTH.encode())]:
        metadata[key] = str(max(int(schema.metadata.get(key, b"1")) for schema in schemas)).encode()
    return schemas[0].with_metadata(metadata)


def _tables(parts: Parts, schema: pa.Schema) -> Iterator[pa.Table]:
    for path in parts.paths:
        table = pq.read_table(path)
        try:
            yield table.select(schema.names).cast(schema)
        except (KeyError, pa.ArrowInvalid) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{parts.output}: {path.name} has other columns than the first part: {reason}") from None


def _parquet(stream: BinaryIO, schema: pa.Schema, parts: Parts) -> None:
    with pq.ParquetWriter(stream, schema, compression="zstd", use_dictionary=False) as writer:
        for table in _tables(parts, schema):
            writer.write_table(table)


def _csv(stream: BinaryIO, schema: pa.Schema, parts: Parts) -> None:
    names = [f'"{name}"' if set(name) & set(',"\n') else name for name in schema.names]
    stream.write((",".join(names) + "\n").encode())
    options = pacsv.WriteOptions(include_header=False, quoting_style="needed")
    with pacsv.CSVWriter(stream, schema.remove_metadata(), write_options=options) as writer:
        for table in _tables(parts, schema):
            writer.write_table(table.replace_schema_metadata(None).cast(schema.remove_metadata()))


def _ecsv(stream: BinaryIO, schema: pa.Schema, parts: Parts) -> None:
    for i, table in enumerate(_tables(parts, schema)):
        text = io.StringIO()
        to_astropy(table).write(text, format="ascii.ecsv")
        lines = text.getvalue().splitlines(keepends=True)
        header = next(n for n, line in enumerate(lines) if not line.startswith("#")) + 1
        stream.write("".join(lines[header if i else 0 :]).encode())


def _fits(stream: BinaryIO, schema: pa.Schema, parts: Parts) -> None:
    """A primary header, the header of the table with the number of all rows, and the rows of part after part."""
    blanks = _blanks(schema, parts)
    widths = {name: int(schema.metadata[(LENGTH + name).encode()]) for name in schema.names
              if (LENGTH + name).encode() in schema.metadata}  # fmt: skip
    head, hdu = io.BytesIO(), _hdu(empty(schema), widths)
    hdu.header["NAXIS2"] = parts.rows
    for i, name in enumerate(schema.names, 1):
        if name in blanks:
            hdu.header[f"TNULL{i}"] = blanks[name]
    fits.PrimaryHDU().writeto(head)
    stream.write(head.getvalue())
    stream.write(hdu.header.tostring().encode("ascii"))
    written = 0
    for table in _tables(parts, schema):
        data = _bytes(_hdu(to_astropy(table, blanks), widths))
        stream.write(data)
        written += len(data)
    stream.write(b"\0" * (-written % CARD_BLOCK))


def _blanks(schema: pa.Schema, parts: Parts) -> dict[str, int]:
    """Columns of whole numbers that have nulls to the number that stands for them."""
    found = {}
    for table in _tables(parts, schema):
        for name in table.column_names:
            if table[name].null_count and pa.types.is_integer(table[name].type):
                found[name] = _NO_INTEGER.get(str(table[name].type), 0)
    return found


def _hdu(table: Table, widths: dict[str, int]) -> fits.BinTableHDU:
    for name, width in widths.items():
        texts = np.char.encode(np.asarray(table[name], dtype=str), "ascii", "replace")  # FITS knows no other letters
        unit, description = table[name].unit, table[name].description
        table[name] = texts.astype(f"S{width}")
        table[name].unit, table[name].description = unit, description
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        return fits.table_to_hdu(table)


def _bytes(hdu: fits.BinTableHDU) -> bytes:
    whole = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(whole)
    start = CARD_BLOCK + len(hdu.header.tostring())
    return whole.getvalue()[start : start + hdu.header["NAXIS1"] * hdu.header["NAXIS2"]]


_WRITERS: dict[str, Callable[[BinaryIO, pa.Schema, Parts], None]] = {
    "parquet": _parquet,
    "ascii.csv": _csv,
    "ascii.ecsv": _ecsv,
    "fits": _fits,
}


def check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that parts cannot go to.

    Raises:
        ValueError: It is a file, or holds what no run wrote, or parts that are not to be replaced.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder}: is a file; give the name of a folder")
    files = list(folder.iterdir())
    if files and not overwrite:
        raise ValueError(f"{folder}: exists; give another name, or --overwrite")
    if strange := [path.name for path in files if not _is_ours(path)]:
        raise ValueError(f"{folder}: holds {strange[0]}, which no run of predict wrote; give another folder")


def _is_ours(path: Path) -> bool:
    return path.match("part-*-of-*.parquet") or path.match("pdf_*.hdf5")


__all__ = ["check_folder", "join"]
