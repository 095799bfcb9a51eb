"""Tables of the archive by TAP, in pieces small enough to be answered, kept in a folder so that a stop costs one piece.

Each piece is a range of NUMBER in one TILE_ID. Its file holds the VOTable as the service sent it; it is there whole or
not at all. A piece that the service cuts is halved. In the end every tile must have as many rows as the service counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from hf_galaxy.data.shards import whole_file

from .columns import Columns
from .photometry import TABLES
from .tap import TapClient

MINIJPAS_URL = "https://archive.cefca.es/catalogues/vo/tap/minijpas-pdr201912"
ROW_LIMIT = 10_000  # of a synchronous query of the archive
REQUEST_FILE, TILES_FILE, FILTERS_FILE = "request.json", "tiles.vot", "filters.vot"
EXTINCTION, STARS = "MWExtinction", "StarGalClass"
# Columns that are asked for; of other tables all.
COLUMNS = {
    "xmatch_sdss_dr12": "TILE_ID, NUMBER, zsp, e_zsp, f_zsp, spCl, angdist",
    "xmatch_deep2_spec": "TILE_ID, NUMBER, z, e_z, angdist",
}


@dataclass(frozen=True)
class Request:
    """What to ask a TAP service for.

    Attributes:
        url: Of the service, without ``/sync``.
        schema: ``minijpas``, ``jpas``, ….
        layout: One of ``photometry.LAYOUTS``.
        aperture: Such as ``PSFCOR``.
        beside: Other tables, joined by TILE_ID and NUMBER.
        tiles: TILE_IDs; empty is all.
        where: A further condition in ADQL on the photometric table.
        rows: Width of a piece in NUMBER.
        row_limit: Rows that the service sends at most.
    """

    url: str = MINIJPAS_URL
    schema: str = "minijpas"
    layout: str = "fnu"
    aperture: str = "PSFCOR"
    beside: tuple[str, ...] = (EXTINCTION, "xmatch_sdss_dr12", "xmatch_deep2_spec")
    tiles: tuple[int, ...] = ()
    where: str = ""
    rows: int = 5_000
    row_limit: int = ROW_LIMIT

    def facts(self) -> dict[str, Any]:
        """What decides the rows that come; into how many pieces they are cut does not."""
        return {key: value for key, value in asdict(self).items() if key not in ("rows", "row_limit")}

    @property
    def table(self) -> str:
        """The photometric table."""
        return TABLES[self.layout]

    @property
    def columns(self) -> str:
        """The columns of it."""
        stem, error = ("MAG", "MAG_ERR") if self.layout == "mag" else ("FLUX", "FLUX_RELERR")
        values = f"{stem}_{self.aperture.upper()}, {error}_{self.aperture.upper()}"
        return f"TILE_ID, NUMBER, ALPHA_J2000, DELTA_J2000, {values}, FLAGS, MASK_FLAGS"


@dataclass(frozen=True)
class Piece:
    """Some rows of one tile.

    Attributes:
        path: File of the photometry.
        beside: Name of another table to the files that hold the same rows of it.
    """

    path: Path
    beside: dict[str, tuple[Path, ...]] = field(default_factory=dict)


def download(request: Request, folder: str | Path, client: TapClient | None = None) -> list[Piece]:
    """Fetch what a folder lacks; returns all pieces in order.

    Args:
        request: What to ask for.
        folder: Where the pieces are kept; made if need be.
        client: Asks; one of the URL by default.

    Raises:
        ValueError: The service refuses a query or contradicts itself, or the folder is of another request.
        ConnectionError: The service does not answer.
    """
    folder, client = Path(folder), client or TapClient(request.url)
    if request.rows < 1 or request.rows >= request.row_limit:
        raise ValueError(f"pieces of {request.rows} rows: they must be below the limit of {request.row_limit} rows")
    _claim(folder, request)
    fetcher = _Fetcher(client, request, folder)
    fetcher.keep(FILTERS_FILE, f"SELECT * FROM {request.schema}.Filter")
    pieces = []
    tiles = list(fetcher.tiles())
    with tqdm(total=sum(n for *_, n in tiles), unit=" galaxy", desc=request.table, unit_scale=True) as progress:
        for tile, first, last, expected in tiles:
            found = list(fetcher.tile(tile, first, last, progress.update))
            rows = sum(n for _, n in found)
            if rows != expected:
                fetcher.forget(tile)
                raise ValueError(
                    f"{request.url}: tile {tile} has {expected} rows of {request.table} by count, and {rows} came; "
                    "what came is removed: run this again, or ask for fewer rows at once (--rows-per-query)"
                )
            pieces += [piece for piece, n in found if n]
    return pieces


def _claim(folder: Path, request: Request) -> None:
    """Write what is asked for, or check that the folder is of the same."""
    folder.mkdir(parents=True, exist_ok=True)
    path, wanted = folder / REQUEST_FILE, json.loads(json.dumps(request.facts()))
    if not path.exists():
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    different = next((k for k in {**found, **wanted} if found.get(k) != wanted.get(k)), None)
    if different is not None:
        raise ValueError(
            f"{folder}: holds tables with {different} = {found.get(different)!r}, not {wanted.get(different)!r}; "
            "choose another folder (--cache)"
        )


class _Fetcher:
    """Files of one request."""

    def __init__(self, client: TapClient, request: Request, folder: Path) -> None:
        self.client, self.request, self.folder = client, request, folder

    def keep(self, name: str, adql: str) -> Columns:
        """A whole table in one file.

        Raises:
            ValueError: The service cuts it.
        """
        path = self.folder / name
        if not path.exists():
            answer = self.client.query(adql, self.request.row_limit)
            if answer.cut:
                raise ValueError(f"{self.client.url}: {len(answer.table)} rows is not all of: {adql}; narrow the query")
            _write(path, answer.body)
        return Columns(str(path))

    def tiles(self) -> Iterator[tuple[int, int, int, int]]:
        """TILE_ID, first and last NUMBER, and number of rows of every tile."""
        r = self.request
        conditions = [f"TILE_ID IN ({', '.join(map(str, r.tiles))})"] if r.tiles else []
        conditions += [f"({r.where})"] if r.where else []
        adql = (
            "SELECT TILE_ID, MIN(NUMBER) AS first_number, MAX(NUMBER) AS last_number, COUNT(NUMBER) AS n_rows "
            f"FROM {r.schema}.{r.table}{' WHERE ' if conditions else ''}{' AND '.join(conditions)} GROUP BY TILE_ID"
        )
        columns = self.keep(TILES_FILE, adql)
        values = [columns.scalars(name) for name in ("tile_id", "first_number", "last_number", "n_rows")]
        if not len(columns) or not np.isfinite(values).all():
            asked = f" of the tiles {', '.join(map(str, r.tiles))}" if r.tiles else ""
            raise ValueError(
                f"{self.client.url}: no rows{asked} in {r.schema}.{r.table}{r.where and f' with {r.where}'}"
            )
        absent = set(r.tiles) - set(values[0].astype(int).tolist())
        if absent:
            raise ValueError(f"{self.client.url}: tile {min(absent)} has no rows in {r.schema}.{r.table}")
        yield from sorted(zip(*(v.astype(int).tolist() for v in values), strict=True))

    def tile(self, tile: int, first: int, last: int, done: Callable[[int], object]) -> Iterator[tuple[Piece, int]]:
        """All pieces of a tile and their numbers of rows."""
        for start in range(first, last + 1, self.request.rows):
            stop = min(start + self.request.rows - 1, last)
            for path, a, b, n in self.piece(self.request.table, self.request.columns, tile, start, stop):
                beside = {
                    name: tuple(p for p, *_, m in self.piece(name, COLUMNS.get(name, "*"), tile, a, b) if m)
                    for name in (self.request.beside if n else ())
                }
                done(n)
                yield Piece(path, beside), n

    def forget(self, tile: int) -> None:
        """Remove the pieces of a tile."""
        for path in self.folder.glob(f"*-{tile}-*-*.vot"):
            path.unlink()

    def piece(self, table: str, columns: str, tile: int, first: int, last: int) -> Iterable[tuple[Path, int, int, int]]:
        """File, first and last NUMBER, and number of rows of a range, of its halves if the service cuts it."""
        path = self.folder / f"{table}-{tile}-{first:07d}-{last:07d}.vot"
        if not path.exists():
            extra = f" AND ({self.request.where})" if self.request.where and table == self.request.table else ""
            adql = (
                f"SELECT {columns} FROM {self.request.schema}.{table} "
                f"WHERE TILE_ID = {tile} AND NUMBER BETWEEN {first} AND {last}{extra}"
            )
            answer = self.client.query(adql, self.request.row_limit)
            if answer.cut and first == last:
                raise ValueError(f"{self.client.url}: more than {len(answer.table)} rows of {table} for {tile}-{first}")
            if answer.cut:
                middle = (first + last) // 2
                return [
                    *self.piece(table, columns, tile, first, middle),
                    *self.piece(table, columns, tile, middle + 1, last),
                ]
            self._check(Columns(answer.table, f"{self.client.url} ({table})"), tile, first, last)
            _write(path, answer.body)
            return [(path, first, last, len(answer.table))]
        return [(path, first, last, len(Columns(str(path))))]

    def _check(self, columns: Columns, tile: int, first: int, last: int) -> None:
        """Refuse rows that were not asked for: a service that leaves out the condition."""
        tiles, numbers = columns.scalars("tile_id"), columns.scalars("number")
        strange = ~((tiles == tile) & (numbers >= first) & (numbers <= last))
        if strange.any():
            row = int(strange.argmax())
            raise ValueError(
                f"{columns.source}: asked for {first} to {last} of tile {tile}, and {columns.ids()[row]} came"
            )


def _write(path: Path, body: bytes) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(body)


__all__ = ["EXTINCTION", "FILTERS_FILE", "MINIJPAS_URL", "STARS", "Piece", "Request", "download"]
