"""FITS tables, by plain reads of the rows that are wanted.

Not mapped into memory: a mapped file that is cut short ends the process, and its pages count as memory in use.
"""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from .base import Block, RowSource, Stamp, columns_twice

CARD_BLOCK = 2880


class FitsSource(RowSource):
    """The first table of a FITS file.

    Raises:
        ValueError: There is none, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.source, self._path, self._stamp = str(path), path, Stamp.of(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            try:
                self._inspect()
            except (OSError, KeyError, TypeError, IndexError) as error:
                raise ValueError(f"{path}: not a FITS file that can be read: {error}") from None

    def _inspect(self) -> None:
        with fits.open(self._path, memmap=False, lazy_load_hdus=True) as hdus:
            table = next((hdu for hdu in hdus if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU))), None)
            if table is None:
                raise ValueError(f"{self._path}: no extension of this FITS file is a table")
            self._kind, self._header, self._at = type(table), table.header, table.fileinfo()["datLoc"]
        header = self._header
        self.rows, self._row_bytes = header["NAXIS2"], header["NAXIS1"]
        self.names = [str(header.get(f"TTYPE{i + 1}", f"col{i + 1}")).strip() for i in range(header["TFIELDS"])]
        if self._stamp.bytes < self._at + self.rows * self._row_bytes:
            raise ValueError(f"{self._path}: damaged: the file ends before its {self.rows} rows do")

    @staticmethod
    def can_read(path: Path) -> bool:
        """Whether rows can be read apart: not from compressed files, nor arrays of varying length (kept elsewhere)."""
        with open(path, "rb") as stream:
            if stream.read(2) == b"\x1f\x8b":
                return False
        try:
            with fits.open(path, memmap=False, lazy_load_hdus=True) as hdus:
                table = next((hdu for hdu in hdus if isinstance(hdu, (fits.BinTableHDU, fits.TableHDU))), None)
                return (
                    table is not None and not table.header.get("PCOUNT", 0) and "CompImage" not in type(table).__name__
                )
        except (OSError, gzip.BadGzipFile):
            return False

    def blocks(self, bounds: Iterable[slice]) -> Iterator[Block]:
        """One read a block."""
        if columns_twice(self.names):
            return
        for rows in bounds:
            self._stamp.check()
            count = rows.stop - rows.start
            with open(self._path, "rb") as stream:
                stream.seek(self._at + rows.start * self._row_bytes)
                data = stream.read(count * self._row_bytes)
            if len(data) < count * self._row_bytes:
                self._stamp.check()
                raise ValueError(f"{self._path}: damaged: the file ends before row {rows.stop - 1}")
            yield Block(rows.start, self._table(data, count))

    def _table(self, data: bytes, count: int) -> Table:
        header = self._header.copy()
        header["NAXIS2"] = count
        padding = b"\0" * (-len(data) % CARD_BLOCK)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            hdu = self._kind.fromstring(header.tostring().encode("ascii") + data + padding)
            return Table.read(hdu, format="fits", unit_parse_strict="silent", mask_invalid=False)

    @property
    def facts(self) -> dict[str, Any]:
        """Name, size and date."""
        return self._stamp.facts


__all__ = ["FitsSource"]
