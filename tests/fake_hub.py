"""A Hub on the loopback interface, in memory: enough to create data sets, upload files and read them back.

The routes are those that huggingface_hub calls without Xet (``HF_HUB_DISABLE_XET=1``). A client must have its
environment (``FakeHub.environment``) before it imports huggingface_hub, so it is to run in a process of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

Answer = tuple[int, dict[str, str], bytes]


def _json(value: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _missing(code: str) -> Answer:
    return 404, {"X-Error-Code": code, "X-Error-Message": code}, b"{}"


class FakeHub:
    """Data sets by name, each a mapping of file to bytes; a context manager that serves them.

    Attributes:
        datasets: name: {file: contents}.
        endpoint: Address of the server.
    """

    def __init__(self) -> None:
        self.datasets: dict[str, dict[str, bytes]] = {}
        self._blobs: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeHub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: Path) -> dict[str, str]:
        """What a client needs in its environment to take this for the Hub."""
        flags = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "0"}
        return {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(home), "HF_TOKEN": "hf_fake", **flags}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                pass

            def answer(self) -> None:
                status, headers, data = hub._answer(self.command, unquote(urlsplit(self.path).path), self._body())
                self.send_response(status)
                for key, value in ({"Content-Length": str(len(data))} | headers).items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def _body(self) -> bytes:
                if "chunked" not in (self.headers.get("Transfer-Encoding") or ""):
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = b""
                while size := int(self.rfile.readline().strip() or b"0", 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            do_GET = do_HEAD = do_POST = do_PUT = answer

        return Handler

    def _answer(self, method: str, path: str, body: bytes) -> Answer:
        parts = path.strip("/").split("/")
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if path == "/api/validate-yaml":
            return _json({"errors": [], "warnings": []})
        if parts[0] == "blobs":
            self._blobs[parts[1]] = body
            return 200, {}, b""
        if parts[-1] == "batch":
            return self._batch(json.loads(body))
        if parts[:2] == ["api", "datasets"] and "/".join(parts[2:4]) in self.datasets:
            return self._api("/".join(parts[2:4]), parts[4:] or ["info"], body)
        if "resolve" in parts and "/".join(parts[1:3]) in self.datasets:
            return self._file(self.datasets["/".join(parts[1:3])], "/".join(parts[5:]))
        return _missing("RepoNotFound")

    def _create(self, wanted: dict) -> Answer:
        if wanted.get("organization") == "closed":  # as without a login
            return 401, {"X-Error-Message": "Invalid username or password."}, b"{}"
        name = f"{wanted.get('organization') or 'tester'}/{wanted['name']}"
        status = 409 if name in self.datasets else 200
        self.datasets.setdefault(name, {})
        return _json({"url": f"{self.endpoint}/datasets/{name}", "id": name, "name": name}, status)

    def _batch(self, wanted: dict) -> Answer:
        def upload(oid: str) -> dict:
            return {"actions": {"upload": {"href": f"{self.endpoint}/blobs/{oid}", "header": {}}}}

        objects = [
            {"oid": o["oid"], "size": o["size"], "authenticated": True} | upload(o["oid"]) for o in wanted["objects"]
        ]
        return _json({"transfer": "basic", "objects": objects})

    def _api(self, name: str, action: list[str], body: bytes) -> Answer:
        files = self.datasets[name]
        sha = hashlib.sha1(repr(sorted(files)).encode()).hexdigest()
        if action[0] in ("info", "revision"):
            siblings = [{"rfilename": path} for path in files]
            return _json({"_id": "x", "id": name, "sha": sha, "private": False, "tags": [], "siblings": siblings})
        if action[0] == "preupload":
            modes = [
                {"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(".parquet") else "regular"}
                for f in json.loads(body)["files"]
            ]
            return _json({"files": [{**mode, "shouldIgnore": False, "oid": None} for mode in modes]})
        if action[0] == "commit":
            for entry in map(json.loads, body.decode().splitlines()):
                value = entry["value"]
                if entry["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "lfsFile":
                    files[value["path"]] = self._blobs[value["oid"]]
            address = f"{self.endpoint}/datasets/{name}/commit/{sha}"
            return _json({"success": True, "commitOid": sha, "commitUrl": address, "hookOutput": ""})
        if action[0] == "tree" and len(action) == 2:
            return _json(
                [
                    {"type": "file", "oid": hashlib.sha1(d).hexdigest(), "size": len(d), "path": p}
                    for p, d in files.items()
                ]
            )
        return _missing("EntryNotFound")

    def _file(self, files: dict[str, bytes], path: str) -> Answer:
        if path not in files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": "0" * 40}, b""
        data = files[path]
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": "0" * 40}
        return 200, headers | {"Content-Length": str(len(data))}, data
