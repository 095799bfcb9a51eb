"""A loopback server that answers as the SPARCL archive does: versions, fields, find in JSON, spectra in pickle."""

from __future__ import annotations

import json
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

from hf_galaxy.physics.spectra.sparcl import FIELDS

RELEASES = ("SDSS-DR17", "DESI-DR1")
UNIT = "1e-17 erg cm-2 s-1 AA-1"


class Archive:
    """Records by sparcl_id, how many requests for spectra are to fail first, and what was asked."""

    def __init__(self, records: list[dict], failures: int = 0, unit: str = UNIT) -> None:
        self.records = {r["sparcl_id"]: r for r in records}
        self.failures, self.unit = failures, unit
        self.asked: list[tuple[str, object]] = []

    def __enter__(self) -> str:
        archive = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def do_GET(self):
                archive.answer(self, urlparse(self.path), None)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                archive.answer(self, urlparse(self.path), body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *error) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request, url, body) -> None:
        path = url.path.strip("/").removeprefix("api/")
        self.asked.append((path, body))
        if path == "version":
            return _send(request, b"14.2")
        if path == "datafields":
            names = [*FIELDS, "specprimary"]
            fields = [
                {"data_release": r, "origdp": n, "newdp": n, "storage": "C", "default": True, "all": True}
                for r in RELEASES
                for n in names
            ]
            return _send(request, json.dumps(fields).encode())
        if path == "find":
            return _send(request, json.dumps([self._header(), *self._found(body, url)]).encode())
        if self.failures:
            self.failures -= 1
            return _send(request, b'{"errorMessage": "overloaded", "errorCode": "UNKNOWN"}', 500)
        include = parse_qs(url.query)["include"][0].split(",")
        records = [self.records[i] for i in body if i in self.records]
        got = [{"_dr": r["data_release"], **{k: r[k] for k in include}} for r in records]
        return _send(request, pickle.dumps([self._header(), *got]))

    def _header(self) -> dict:
        return {
            "status": {"success": True, "info": [], "warnings": []},
            "UNITS": {r: {"flux": self.unit} for r in RELEASES},
        }

    def _found(self, body: dict, url) -> list[dict]:
        found = []
        for record in self.records.values():
            limits = {name: values for name, *values in body["search"]}
            low, high = limits["redshift"]
            if low <= record["redshift"] <= high and record["data_release"] in limits["data_release"]:
                found.append({"_dr": record["data_release"], "sparcl_id": record["sparcl_id"]})
        return found[: int(parse_qs(url.query)["limit"][0])]


def _send(request, content: bytes, status: int = 200) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
