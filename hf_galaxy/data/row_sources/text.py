"""CSV, some megabytes at a time.

The file is gone through once before anything is answered: for the number of its rows, and for which columns hold whole
numbers, numbers or texts from the first row to the last, so that no block reads a column otherwise than another. A row
with a wrong number of cells keeps its place, as a problem.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from .arrow import cut, to_table
from .base import Block, RowSource, Stamp, columns_twice

BYTES_AT_ONCE = 1 << 22
_PROBLEM = "\0problem"
_KINDS = ("int64", "float64", "string")  # the first that holds every cell of a column


class CsvSource(RowSource):
    """One file of values separated by commas, names in the first line, comments after ``#``.

    Raises:
        ValueError: It is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.source, self._path, self._stamp = str(path), path, Stamp.of(path)
        self.rows, self._kinds = 0, {}
        try:
            with open(path, "rb") as stream:
                first = next(_lines(stream), b"").decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not text in UTF-8 ({error.reason} at byte {error.start})") from None
        self.names = [name.strip() for name in next(csv.reader([first]), [])]
        if not columns_twice(self.names):
            self._go_through()

    def _go_through(self) -> None:
        kinds = dict.fromkeys(self.names, 0)
        for batch in self._batches():
            self.rows += len(batch)
            for name in self.names:
                kinds[name] = _kind(batch[name], kinds[name])
        self._stamp.check()
        self._kinds = {name: _KINDS[kind] for name, kind in kinds.items()}

    def blocks(self, bounds: Iterable[slice]) -> Iterator[Block]:
        """From the top of the file on: lines have no places."""
        bounds = list(bounds)
        if not bounds or columns_twice(self.names):
            return
        schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in self._kinds.items()])
        self._stamp.check()
        for rows, piece in cut(self._batches(), bounds):
            self._stamp.check()
            said = piece[_PROBLEM].to_pylist()
            problems = {i: text for i, text in enumerate(said) if text}
            yield Block(rows.start, to_table(piece.select(self.names).cast(schema), {}), problems)

    def _batches(self) -> Iterator[pa.Table]:
        """Columns of texts without blanks around, null where empty, and the column of problems."""
        wrong: dict[int, str] = {}

        def note(row: pacsv.InvalidRow) -> str:
            wrong[row.number - 2] = f"{row.actual_columns} cells where {row.expected_columns} are wanted"
            return "skip"

        options = {
            "read_options": pacsv.ReadOptions(
                use_threads=False, block_size=BYTES_AT_ONCE, column_names=self.names, skip_rows=1
            ),
            "parse_options": pacsv.ParseOptions(invalid_row_handler=note),
            "convert_options": pacsv.ConvertOptions(
                column_types=dict.fromkeys(self.names, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        }
        row = 0
        try:
            with open(self._path, "rb") as stream, pacsv.open_csv(_Filtered(stream), **options) as reader:
                for batch in reader:
                    table = _trimmed(pa.table(batch))
                    table, row = _with_problems(table, row, wrong), row + len(table)
                    row += sum(1 for said in table[_PROBLEM] if said.is_valid)
                    yield table
        except pa.ArrowInvalid as error:
            if "Empty CSV" not in str(error):
                raise ValueError(f"{self._path}: not a table that can be read: {str(error).splitlines()[0]}") from None
        except OSError:
            self._stamp.check()
            raise
        if wrong:  # after the last good row
            blank = pa.table({name: pa.nulls(0, pa.string()) for name in self.names})
            yield _with_problems(blank, row, wrong)

    @property
    def facts(self) -> dict[str, Any]:
        """Name, size and date."""
        return self._stamp.facts


def _lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Lines that are neither empty nor a comment, without the mark that Excel puts first."""
    for i, line in enumerate(stream):
        if i == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip() and not line.startswith(b"#"):
            yield line


class _Filtered(io.RawIOBase):
    """The same lines as a stream: numbers of lines are numbers of rows."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._source, self._rest = _lines(stream), b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, length = [self._rest], len(self._rest)
        for line in self._source if length < size or size < 0 else ():
            parts.append(line)
            length += len(line)
            if 0 <= size <= length:
                break
        whole = b"".join(parts)
        self._rest = whole[size:] if size >= 0 else b""
        return whole[:size] if size >= 0 else whole


def _kind(column: pa.ChunkedArray, kind: int) -> int:
    """The first of ``_KINDS`` from ``kind`` on that holds every cell."""
    while kind < len(_KINDS) - 1:
        try:
            column.cast(_KINDS[kind])
            return kind
        except pa.ArrowInvalid:
            kind += 1
    return kind


def _trimmed(table: pa.Table) -> pa.Table:
    columns = []
    for column in table.columns:
        text = pc.utf8_trim_whitespace(column)
        columns.append(pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text))
    return pa.table(columns, names=table.column_names)


def _with_problems(table: pa.Table, row: int, wrong: dict[int, str]) -> pa.Table:
    """The rows from ``row`` on, those that could not be parsed put back as blanks with the reason beside them."""
    places, said, taken = [], [], 0
    for bad in sorted(wrong):
        if bad - row - len(said) > len(table) - taken:
            break
        good = bad - row - len(said)
        places += [*range(taken, taken + good), None]
        said += [*[None] * good, wrong.pop(bad)]
        taken += good
    places += range(taken, len(table))
    said += [None] * (len(table) - taken)
    if any(said):
        table = table.take(pa.array(places, pa.int64()))
    return table.append_column(_PROBLEM, pa.array(said, pa.string()))


__all__ = ["CsvSource"]
