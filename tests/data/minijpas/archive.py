"""A small archive like that of CEFCA: simulated tables of the documented layouts, and a TAP service on loopback."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import parse_qs

import numpy as np
from astropy.io.votable import from_table, tree
from astropy.table import Table

from hf_galaxy.variables_galaxy import BANDS, default_variables

# Order of FILTER_ID in miniJPAS: written here on its own, so that the package's table is tested against it.
NARROW = [f"J{n:04d}" for n in (378, *range(390, 911, 10))]
ORDER = ["uJAVA", *NARROW, "J1007", "uJPAS", "gSDSS", "rSDSS", "iSDSS"]
PIVOT = {v.name: v.pivot for v in default_variables() if v.kind == "flux"}
LIGHT = 2.99792458e18  # Å/s
TILES = (2241, 2243)


@dataclass
class Sky:
    """Galaxies that are known exactly.

    Attributes:
        tile, number, ra, dec: (n,).
        flux, error: (n, 60) nJy in the order of ``order``; as observed, reddened by ``ebv``.
        ebv, redshift: (n,).
        order: Filters.
    """

    tile: np.ndarray
    number: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    ebv: np.ndarray
    redshift: np.ndarray
    order: list[str]

    def __len__(self) -> int:
        return len(self.tile)

    @property
    def ids(self) -> list[str]:
        return [f"{t}-{n}" for t, n in zip(self.tile, self.number, strict=True)]

    def in_bands(self, values: np.ndarray) -> np.ndarray:
        """(n, 60) to (n, 62): order of BANDS."""
        result = np.full((len(values), len(BANDS)), np.nan)
        for i, name in enumerate(self.order):
            result[:, BANDS.index(name)] = values[:, i]
        return result

    def keys(self) -> dict[str, np.ndarray]:
        return {"TILE_ID": self.tile, "NUMBER": self.number, "ALPHA_J2000": self.ra, "DELTA_J2000": self.dec}

    def flags(self) -> dict[str, np.ndarray]:
        nothing = np.zeros(self.flux.shape, dtype=np.int32)
        return {"FLAGS": nothing, "MASK_FLAGS": nothing.copy()}

    def fnu(self, aperture: str = "PSFCOR") -> Table:
        """FNuDualObj: 1e-30 erg/s/cm²/Hz, which is 100 nJy."""
        relative = self.error / self.flux
        columns = {f"FLUX_{aperture}": self.flux / 100, f"FLUX_RELERR_{aperture}": relative}
        return Table({**self.keys(), **columns, **self.flags()})

    def flambda(self, aperture: str = "PSFCOR") -> Table:
        """FLambdaDualObj: 1e-19 erg/s/cm²/Å; 1 nJy is 1e-32 erg/s/cm²/Hz."""
        pivot = np.array([PIVOT[name] for name in self.order])
        values = self.flux * 1e-32 * LIGHT / pivot**2 / 1e-19
        columns = {f"FLUX_{aperture}": values, f"FLUX_RELERR_{aperture}": self.error / self.flux}
        return Table({**self.keys(), **columns, **self.flags()})

    def mag(self, aperture: str = "PSFCOR") -> Table:
        """MagABDualObj: 99 where the flux is not positive."""
        seen = self.flux > 0
        positive = np.where(seen, self.flux, 1.0)
        values = np.where(seen, 31.4 - 2.5 * np.log10(positive), 99.0)
        errors = np.where(seen, 2.5 / np.log(10) * self.error / positive, 99.0)
        columns = {f"MAG_{aperture}": values, f"MAG_ERR_{aperture}": errors}
        return Table({**self.keys(), **columns, **self.flags()})

    def filters(self) -> Table:
        """Filter, in an order of rows that means nothing."""
        ids = np.arange(1, len(self.order) + 1)
        rows = np.random.default_rng(9).permutation(len(ids))
        kx = [2.0 + 0.01 * i for i in range(len(ids))]
        table = Table({"FILTER_ID": ids, "name": self.order, "kx": kx})
        return table[rows]

    def extinction(self) -> Table:
        """MWExtinction."""
        kx = 2.0 + 0.01 * np.arange(len(self.order))
        return Table({"TILE_ID": self.tile, "NUMBER": self.number, "EBV": self.ebv, "AX": self.ebv[:, None] * kx})

    def sdss(self) -> Table:
        """xmatch_sdss_dr12: every third galaxy."""
        some = slice(0, None, 3)
        n = len(self.tile[some])
        keys = {"TILE_ID": self.tile[some], "NUMBER": self.number[some]}
        values = {"zsp": self.redshift[some], "e_zsp": np.full(n, 3e-5), "f_zsp": np.zeros(n, dtype=int)}
        return Table({**keys, **values, "spCl": ["GALAXY"] * n, "angdist": np.full(n, 0.1)})

    def deep2(self) -> Table:
        """xmatch_deep2_spec: every fifth galaxy."""
        some = slice(0, None, 5)
        n = len(self.tile[some])
        keys = {"TILE_ID": self.tile[some], "NUMBER": self.number[some]}
        return Table({**keys, "z": self.redshift[some], "e_z": np.full(n, 2e-4), "angdist": np.full(n, 0.2)})

    def stars(self) -> Table:
        """StarGalClass: number 7 is a star."""
        p = np.where(self.number == 7, 0.97, 0.02)
        return Table({"TILE_ID": self.tile, "NUMBER": self.number, "total_prob_star": p})

    def tables(self) -> dict[str, Table]:
        """All tables by their name in lower case."""
        photometry = {"fnudualobj": self.fnu(), "flambdadualobj": self.flambda(), "magabdualobj": self.mag()}
        others = {"filter": self.filters(), "mwextinction": self.extinction(), "stargalclass": self.stars()}
        return {**photometry, **others, "xmatch_sdss_dr12": self.sdss(), "xmatch_deep2_spec": self.deep2()}


def make_sky(n: int = 40, seed: int = 1, order: list[str] | None = None) -> Sky:
    """Galaxies with fluxes of both signs."""
    rng = np.random.default_rng(seed)
    order = order or ORDER
    flux = rng.lognormal(7.5, 0.6, (n, 1)) * rng.uniform(0.5, 1.5, (n, len(order)))
    flux[::4, 5] = -rng.uniform(1, 80, len(flux[::4]))
    tile = np.where(np.arange(n) < n // 2, *TILES)
    number = np.concatenate([np.arange(1, n // 2 + 1), np.arange(1, n - n // 2 + 1)])
    ra, dec = 214 + 0.01 * np.arange(n), 52.5 + 0.002 * np.arange(n)
    error = rng.uniform(20, 60, flux.shape)
    return Sky(tile, number, ra, dec, flux, error, rng.uniform(0.005, 0.02, n), rng.uniform(0.05, 0.9, n), order)


class TapServer:
    """A TAP service of some tables; use it in a ``with`` statement.

    Attributes:
        limit: Rows an answer holds at most; more gives QUERY_STATUS = OVERFLOW.
        faults: What happens to the next requests, one each: ``None``, ``503``, ``error``, ``truncate``, ``slow``,
            ``drop``, ``html``, ``silent`` (cut without saying so), ``everything`` (the condition left out).
        quirks: Answers look as those of the archive do: names after the schema, scalars and arrays of any length.
        queries: What was asked.
    """

    def __init__(self, tables: dict[str, Table], limit: int = 10_000, schema: str = "minijpas") -> None:
        self.tables, self.limit, self.schema = tables, limit, schema
        self.faults: deque[str | None] = deque()
        self.queries: list[str] = []
        self.slow = 3.0  # s
        self.quirks = False

    def __enter__(self) -> TapServer:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/tap"

    def answer(self, adql: str, maxrec: int | None, fault: str | None) -> tuple[int, bytes]:
        """Status and VOTable of a query."""
        found = re.fullmatch(r"SELECT (.+?) FROM (\w+)\.(\w+)(?: WHERE (.+?))?( GROUP BY TILE_ID)?", adql.strip())
        if fault == "error" or not found:
            return 400, votable(None, "ERROR", "Incorrect ADQL query: 1 unresolved identifiers")
        columns, schema, name, where, group = found.groups()
        table = self.tables.get(name.lower()) if schema == self.schema else None
        if table is None:
            return 400, votable(None, "ERROR", f"Unknown table {schema}.{name}")
        if where and fault != "everything":
            table = table[condition(table, where)]
        if group:
            return 200, votable(counted(table), "OK")
        wanted = table.colnames if columns == "*" else columns.split(", ")
        if strange := set(wanted) - set(table.colnames):
            return 400, votable(None, "ERROR", f"Unknown column {strange.pop()}")
        table = table[wanted]
        most = self.limit if "NUMBER" in table.colnames else len(table)
        limit = min(most, maxrec or most)
        if fault == "silent":
            return 200, votable(table[: len(table) // 2], "OK")
        sent = as_objects(table[:limit]) if self.quirks else table[:limit]
        return 200, votable(sent, "OVERFLOW" if len(table) > limit else "OK")

    def _handler(server: TapServer) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.reply(self.path.partition("?")[2])

            def do_POST(self) -> None:
                self.reply(self.rfile.read(int(self.headers["Content-Length"])).decode())

            def reply(self, form: str) -> None:
                fields = {key.upper(): values[0] for key, values in parse_qs(form).items()}
                fault = server.faults.popleft() if server.faults else None
                server.queries.append(fields.get("QUERY", ""))
                if not self.path.startswith("/tap/sync"):
                    return self.send(404, b"<html>no such page</html>")
                if fault == "drop":
                    return self.connection.close()
                if fault == "503":
                    return self.send(503, b"<html><h1>Service Unavailable</h1></html>", {"Retry-After": "7"})
                if fault == "html":
                    return self.send(200, b"<html><body>Under maintenance<br></body></html>")
                if fault == "slow":
                    time.sleep(server.slow)
                maxrec = int(fields["MAXREC"]) if "MAXREC" in fields else None
                status, body = server.answer(fields.get("QUERY", ""), maxrec, fault)
                self.send(status, body, cut=fault == "truncate")

            def send(self, status: int, body: bytes, headers: dict | None = None, cut: bool = False) -> None:
                self.send_response(status)
                for key, value in {"Content-Type": "application/x-votable+xml", **(headers or {})}.items():
                    self.send_header(key, value)
                if not cut:  # without a length the end of the connection is the end of the body
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if cut else body)
                self.close_connection = True

        return Handler


def as_objects(table: Table) -> Table:
    """Names after the schema, scalars with the shape (n, 1), arrays as columns of objects."""
    result = Table()
    for name in table.colnames:
        column = table[name]
        if column.ndim > 1:
            cells = np.empty(len(table), dtype=object)
            cells[:] = [np.asarray(row) for row in column]
            result[f"minijpas.{name}"] = cells
        else:
            text = column.dtype.kind in "US"  # an array of texts is not in the standard
            result[f"minijpas.{name}"] = column if text else np.asarray(column)[:, None]
    return result


def condition(table: Table, where: str) -> np.ndarray:
    """Rows that a conjunction of the three forms that the client uses selects, and ``(NUMBER < n)``."""
    keep = np.ones(len(table), dtype=bool)
    for part in re.split(r" AND (?!\d)", where):
        part = part.strip("() ") if not part.startswith("TILE_ID IN") else part
        if match := re.fullmatch(r"TILE_ID = (\d+)", part):
            keep &= table["TILE_ID"] == int(match[1])
        elif match := re.fullmatch(r"TILE_ID IN \(([\d, ]+)\)", part):
            keep &= np.isin(table["TILE_ID"], [int(x) for x in match[1].split(",")])
        elif match := re.fullmatch(r"NUMBER BETWEEN (\d+) AND (\d+)", part):
            keep &= (table["NUMBER"] >= int(match[1])) & (table["NUMBER"] <= int(match[2]))
        elif match := re.fullmatch(r"NUMBER < (\d+)", part):
            keep &= table["NUMBER"] < int(match[1])
        else:
            raise AssertionError(f"the server of the tests does not know {part!r}")
    return keep


def counted(table: Table) -> Table:
    """First, last and number of NUMBER by TILE_ID."""
    rows = [(t, *(f(table["NUMBER"][table["TILE_ID"] == t]) for f in (min, max, len))) for t in set(table["TILE_ID"])]
    names = ["TILE_ID", "first_number", "last_number", "n_rows"]
    return Table(rows=rows, names=names) if rows else Table(names=names, dtype=[int] * 4)


def votable(table: Table | None, status: str, message: str = "") -> bytes:
    """A VOTable as the archive sends it: OVERFLOW is told after the rows."""
    document = tree.VOTableFile() if table is None else from_table(table)
    if table is None:
        document.resources.append(tree.Resource(type="results"))
    document.resources[0].type = "results"
    first = tree.Info(name="QUERY_STATUS", value="OK" if status == "OVERFLOW" else status)
    first.content = message
    document.resources[0].infos.append(first)
    stream = BytesIO()
    document.to_xml(stream)
    body = stream.getvalue()
    if status == "OVERFLOW":
        body = body.replace(b"</TABLE>", b'</TABLE><INFO name="QUERY_STATUS" value="OVERFLOW"/>')
    return body
