"""A file that somebody uploaded, as a catalogue; what could harm the machine of the page is refused before it is read.

A public page reads files of strangers. A small file can unpack to a large one, and a VOTable can name another file
or address that astropy would then open (``<STREAM href=…>``): such files are refused, with the command that takes them.
"""

from __future__ import annotations

import re
import secrets
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as parquet
from astropy.table import Table

from hf_galaxy.data.catalogues import Catalogue, read_catalogue
from hf_galaxy.data.table_io import KINDS
from hf_galaxy.variables_galaxy import Variable

MAX_BYTES = 30 * 1024**2
MAX_ROWS = 10_000
MAX_LINE = 200_000  # characters; a row of all bands and errors has some two thousand
HEADER_LINES = 2_000  # that the head of an ECSV file or comments may take besides the rows
ANY_SIZE = "`hf-galaxy predict` takes tables of any size"
LIMITS = f"{MAX_BYTES // 1024**2} MB and {MAX_ROWS:,} rows"
UNITS = ("nJy", "uJy", "mJy", "Jy", "mag(AB)", "nmgy", "mgy", "erg/s/cm2/Hz", "erg/s/cm2/AA")

_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK": "zip", b"\x28\xb5\x2f\xfd": "zstd"}
_IDENTITIES = ("id", "name", "object", "objid", "source_id", "object_id", "targetid", "specobjid", "number")


@dataclass(frozen=True)
class Loaded:
    """A table that the page holds.

    Attributes:
        catalogue: Its bands as evidence; rows that cannot be read have none, and the reason beside them.
        name: Of the file, for messages.
        unit: That columns without one were read in, or ``None``.
        variables: The table of variables that it was read with.
        key: Tells this table from one loaded before.
    """

    catalogue: Catalogue
    name: str
    unit: str | None
    variables: tuple[Variable, ...]
    key: str = field(default_factory=lambda: secrets.token_hex(4))

    def __len__(self) -> int:
        return len(self.catalogue)

    @property
    def table(self) -> Table:
        """The table as it was uploaded."""
        return self.catalogue.table

    @property
    def givable(self) -> list[str]:
        """Properties of which the table has a column, so that they can be evidence."""
        known = {v.name for v in self.variables}
        columns = dict.fromkeys("redshift" if c == "redshift_spec" else c for c in self.catalogue.report.not_given)
        return [name for name in columns if name in known]

    def given(self, names: Sequence[str]) -> Catalogue:
        """The catalogue with columns of properties as evidence too.

        Raises:
            ValueError: A column cannot be read; the message names file, column and row.
        """
        if not names:
            return self.catalogue
        try:
            return read_catalogue(self.table, self.unit, names, self.variables, skip=True)
        except ValueError as error:
            raise ValueError(re.sub(r"^table:", f"{self.name}:", str(error))) from None

    def labels(self) -> list[str]:
        """Row number and, where the table has one, identity of every galaxy."""
        identity = self._identity()
        if identity is None:
            return [str(i) for i in range(len(self))]
        return [f"{i} · {' '.join(str(item).split())[:60]}" for i, item in enumerate(self.table[identity])]

    def row(self, text: str | int | None) -> int:
        """The row that a label, a row number or an identity means.

        Raises:
            ValueError: There is none.
        """
        text = "0" if text is None else str(text).strip()
        number = re.fullmatch(r"(\d{1,9})( ·.*)?", text)
        if number:
            row = int(number[1])
        else:
            identity = self._identity()
            names = [] if identity is None else [str(item).strip() for item in self.table[identity]]
            row = names.index(text) if text in names else len(self)
        if row >= len(self):
            raise ValueError(f"{self.name}: there is no galaxy {text[:60]!r}; rows are 0 to {len(self) - 1}")
        return row

    def _identity(self) -> str | None:
        named = {column.casefold(): column for column in reversed(self.table.colnames)}
        return next((named[name] for name in _IDENTITIES if name in named), None)


def load_table(path: str | Path, unit: str | None, variables: Sequence[Variable], name: str | None = None) -> Loaded:
    """The table of a file.

    Args:
        path: The file.
        unit: Of flux columns without a unit.
        variables: The table of variables of the model.
        name: What to call the file in messages.

    Raises:
        ValueError: It is no table, too large, or has no single meaning; one line with the remedy.
    """
    path = Path(path)
    name = name or path.name
    try:
        _check(path)
        catalogue = read_catalogue(path, unit, (), variables, skip=True)
        if len(catalogue) > MAX_ROWS:
            raise ValueError(f"{path}: {len(catalogue):,} rows; this page takes {MAX_ROWS:,}, and {ANY_SIZE}")
        return Loaded(catalogue, name, unit, tuple(variables))
    except ValueError as error:
        message = str(error).replace(str(path), name)
        if "has no unit" in message:
            message = message.partition("; give")[0] + "; choose it at “Unit of flux columns without one”"
        raise ValueError(message) from None


def _check(path: Path) -> None:
    """Refuse a file that is too large, or that would become so when it is read."""
    if not path.is_file():
        raise ValueError(f"{path}: the file did not arrive; upload it again")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{path}: {size / 1024**2:,.0f} MB; this page takes {LIMITS}, and {ANY_SIZE}")
    with open(path, "rb") as stream:
        start = stream.read(4096)
    for magic, packed in _PACKED.items():
        if start.startswith(magic):
            raise ValueError(f"{path}: is packed ({packed}); unpack it, and upload the table itself ({KINDS})")
    if start.startswith(b"PAR1"):
        _check_parquet(path)
    elif _is_xml(start):
        _check_votable(path)
    elif not start.startswith(b"SIMPLE") and b"\0" not in start:
        _check_text(path)


def _check_parquet(path: Path) -> None:
    try:
        facts = parquet.read_metadata(path)
        unpacked = sum(facts.row_group(i).total_byte_size for i in range(facts.num_row_groups))
    except Exception as error:  # pyarrow raises classes of its own over bytes that are no Parquet
        reason = " ".join(str(error).split())[:120]
        raise ValueError(f"{path}: not a table that can be read ({KINDS}): {reason}") from None
    if facts.num_rows > MAX_ROWS or unpacked > 8 * MAX_BYTES:
        raise ValueError(
            f"{path}: {facts.num_rows:,} rows, {unpacked / 1024**2:,.0f} MB; this page takes {LIMITS}, and {ANY_SIZE}"
        )


def _is_xml(start: bytes) -> bool:
    """Whether the bytes can be XML in any of its encodings."""
    return (
        start.startswith((b"\xfe\xff", b"\xff\xfe"))
        or start.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"
    )


def _check_votable(path: Path) -> None:
    """Only a table that holds its own data: astropy would open whatever address a stream names."""
    try:
        for _, element in ElementTree.iterparse(path, events=("start",)):
            if any(name.rpartition("}")[2].casefold() == "href" for name in element.attrib):
                raise ValueError(f"{path}: its data are elsewhere (href); upload a VOTable that holds them")
            element.clear()
    except ElementTree.ParseError as error:
        raise ValueError(f"{path}: not a table that can be read ({KINDS}): {error}") from None


def _check_text(path: Path) -> None:
    lines = 0
    with open(path, "rb") as stream:
        while line := stream.readline(MAX_LINE + 1):
            lines += 1
            if len(line) > MAX_LINE:
                raise ValueError(f"{path}: line {lines} has more than {MAX_LINE:,} characters; that is no table")
            if lines > MAX_ROWS + HEADER_LINES:
                raise ValueError(f"{path}: more than {MAX_ROWS:,} rows; this page takes {LIMITS}, and {ANY_SIZE}")


__all__ = ["ANY_SIZE", "LIMITS", "MAX_BYTES", "MAX_ROWS", "UNITS", "Loaded", "load_table"]
