"""A Hub on the loopback interface, in memory: create repositories, commit (LFS too), list, branch, tag, read back.

It refuses as the Hub does: a wrong token, what is private or gated to this login, a commit upon a commit that is not
the newest, a tag that exists, contents that are not what their hash says, headers of cards that are not valid.

The routes are those that huggingface_hub calls without Xet (``HF_HUB_DISABLE_XET=1``). A client must have its
environment (``FakeHub.environment``) before it imports huggingface_hub, so it is to run in a process of its own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml
from huggingface_hub import constants

Answer = tuple[int, dict[str, str], bytes]
Files = dict[str, bytes]
LFS = (".safetensors", ".parquet", ".png")
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
NOW = "2026-01-01T00:00:00.000Z"


def _json(value: object, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _missing(code: str) -> Answer:
    return 404, {"X-Error-Code": code, "X-Error-Message": code}, b"{}"


def _etag(path: str, data: bytes) -> str:
    """What git calls a file: the hash of its blob, or of its contents where LFS keeps it."""
    if path.endswith(LFS):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _entry(path: str, data: bytes) -> dict:
    entry = {"type": "file", "oid": _etag(path, data), "size": len(data), "path": path}
    lfs = {"oid": _etag(path, data), "size": len(data), "pointerSize": 130}
    return entry | ({"lfs": lfs} if path.endswith(LFS) else {})


def card_errors(kind: str, text: str) -> list[str]:
    """What the Hub has against the header of a README: those of its rules that our cards touch."""
    try:
        _, header, _ = text.split("---\n", 2)
        card = yaml.safe_load(header)
    except (ValueError, yaml.YAMLError) as error:
        return [f"no YAML header: {error}"]
    if not isinstance(card, dict):
        return ["the header must be a mapping"]
    errors = [] if isinstance(card.get("license", ""), (str, list)) else ['"license" must be a string']
    for model in card.get("model-index", []):
        for result in model["results"]:
            if not (result.get("task", {}).get("type") and {"type", "name"} <= result.get("dataset", {}).keys()):
                errors.append('"model-index" results need task.type, dataset.type and dataset.name')
            if not all(m.get("type") and isinstance(m.get("value"), (int, float)) for m in result["metrics"]):
                errors.append('"model-index" metrics need type and value')
    for config in card.get("configs", []):
        if not {"config_name", "data_files"} <= config.keys():
            errors.append('"configs" need config_name and data_files')
    if kind == "space":
        if card.get("sdk") not in ("gradio", "docker", "static"):
            errors.append('"sdk" must be one of gradio, docker, static')
        errors += [f'"{c}" must be a colour' for c in ("colorFrom", "colorTo") if card.get(c, "red") not in COLOURS]
        if len(card.get("short_description", "")) > 60:
            errors.append('"short_description" has at most 60 characters')
    return errors


class Repository:
    """The commits of one repository by branch, the newest last.

    Attributes:
        private, gated: Whether a reader must show the token, or has no access whatever it shows.
    """

    def __init__(self, private: bool = False) -> None:
        self.branches: dict[str, list[tuple[str, Files]]] = {"main": [("0" * 40, {})]}
        self.tags: dict[str, str] = {}
        self.private, self.gated = private, False

    @property
    def files(self) -> Files:
        """Of the newest commit of main."""
        return self.branches["main"][-1][1]

    def at(self, revision: str) -> tuple[str, Files] | None:
        """The commit that a branch, tag or hash names."""
        if revision in self.branches:
            return self.branches[revision][-1]
        commits = [commit for branch in self.branches.values() for commit in branch]
        return next((c for c in commits if c[0] == self.tags.get(revision, revision)), None)

    def commit(self, branch: str, files: Files) -> str:
        contents = sorted((path, _etag(path, data)) for path, data in files.items())
        sha = hashlib.sha1(repr((len(self.branches[branch]), contents)).encode()).hexdigest()
        self.branches[branch].append((sha, files))
        return sha


class FakeHub:
    """Repositories by kind and name; a context manager that serves them.

    Attributes:
        repositories: (kind, name): repository; kinds are model, dataset and space.
        endpoint: Address of the server.
        token: What a client must show to write.
        requests: (method, path) of those that were let in.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[tuple[str, str]] = []
        self.token = "hf_fake"
        self._blobs: Files = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> FakeHub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def files(self, kind: str, name: str) -> Files:
        """The files of the newest commit of a repository."""
        return self.repositories[kind, name].files

    def environment(self, home: Path) -> dict[str, str]:
        """What a client needs in its environment to take this for the Hub."""
        flags = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "0"}
        return {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(home), "HF_TOKEN": self.token, **flags}

    def answer_here(self, patch: pytest.MonkeyPatch, home: Path) -> None:
        """Be the Hub of this process too, whose huggingface_hub has read its environment already."""
        values = {"ENDPOINT": self.endpoint, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True}
        values["HUGGINGFACE_CO_URL_TEMPLATE"] = self.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        values |= {"HF_HUB_CACHE": str(home / "hub"), "HF_TOKEN_PATH": str(home / "token")}
        for name, value in values.items():
            patch.setattr(constants, name, value)
        patch.setenv("HF_TOKEN", self.token)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                pass

            def answer(self) -> None:
                url = urlsplit(self.path)
                parts = unquote(url.path).strip("/").split("/")
                status, headers, data = hub._answer(self.command, parts, url.query, self._body(), self.headers)
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

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

        return Handler

    def _answer(self, method: str, parts: list[str], query: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        shown = headers.get("Authorization")
        if shown not in (None, f"Bearer {self.token}"):
            return 401, {"X-Error-Message": "Invalid credentials in Authorization header"}, b"{}"
        writes = method in ("POST", "PUT", "DELETE") and parts[:2] != ["api", "validate-yaml"]
        if writes and parts[0] != "blobs" and "paths-info" not in parts and shown is None:
            return 401, {"X-Error-Message": "Invalid username or password."}, b"{}"
        self.requests.append((method, "/".join(parts)))
        if parts == ["api", "whoami-v2"]:
            if shown is None:
                return 401, {"X-Error-Message": "Invalid username or password."}, b"{}"
            return _json({"type": "user", "name": "tester", "orgs": [], "auth": {"accessToken": {"role": "write"}}})
        if parts == ["api", "repos", "create"]:
            return self._create(json.loads(body))
        if parts == ["api", "validate-yaml"]:
            card = json.loads(body)
            errors = card_errors(card["repoType"], card["content"])
            return _json({"errors": [{"message": e} for e in errors], "warnings": []}, 400 if errors else 200)
        if parts[0] == "blobs":
            if hashlib.sha256(body).hexdigest() != parts[1]:
                return 400, {"X-Error-Message": "contents are not what their hash says"}, b"{}"
            self._blobs[parts[1]] = body
            return 200, {}, b""
        if parts[-1] == "batch":
            return self._batch(json.loads(body))
        if parts[0] == "api" and parts[1] in KINDS:
            name = "/".join(parts[2:4])
            repository = self.repositories.get((KINDS[parts[1]], name))
            if refusal := self._no_access(repository, shown):
                return refusal
            return self._api(repository, parts[1], name, parts[4:], query, body)
        if "resolve" in parts:
            return self._resolve(parts, method, headers)
        return _missing("RepoNotFound")

    def _no_access(self, repository: Repository | None, shown: str | None) -> Answer | None:
        if repository is None or (repository.private and shown is None):
            return _missing("RepoNotFound")
        if repository.gated:
            return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this model is restricted."}, b"{}"
        return None

    def _create(self, wanted: dict) -> Answer:
        if wanted.get("organization") == "closed":  # to which this login does not belong
            return 403, {"X-Error-Message": "You don't have the rights to create a repository here."}, b"{}"
        kind, name = wanted.get("type") or "model", f"{wanted.get('organization') or 'tester'}/{wanted['name']}"
        status = 409 if (kind, name) in self.repositories else 200
        if kind == "space" and wanted.get("sdk") not in ("gradio", "docker", "static"):
            return 400, {"X-Error-Message": "a Space needs an sdk"}, b"{}"
        private = wanted.get("visibility") == "private" or wanted.get("private", False)
        self.repositories.setdefault((kind, name), Repository(private))
        folder = "" if kind == "model" else f"{kind}s/"
        return _json({"url": f"{self.endpoint}/{folder}{name}", "id": name, "name": name}, status)

    def _batch(self, wanted: dict) -> Answer:
        def upload(oid: str) -> dict:
            return {"actions": {"upload": {"href": f"{self.endpoint}/blobs/{oid}", "header": {}}}}

        objects = [
            {"oid": o["oid"], "size": o["size"], "authenticated": True} | upload(o["oid"]) for o in wanted["objects"]
        ]
        return _json({"transfer": "basic", "objects": objects})

    def _api(self, repository: Repository, kind: str, name: str, action: list[str], query: str, body: bytes) -> Answer:
        what = action[0] if action else "info"
        if what in ("info", "revision"):
            found = repository.at("/".join(action[1:]) or "main")
            return _json(self._info(name, repository, *found)) if found else _missing("RevisionNotFound")
        if what == "preupload":
            paths, (_, there) = [file["path"] for file in json.loads(body)["files"]], repository.at(action[1])
            oids = {p: _etag(p, there[p]) if p in there else None for p in paths}
            modes = [{"path": p, "uploadMode": "lfs" if p.endswith(LFS) else "regular"} for p in paths]
            return _json({"files": [{**mode, "shouldIgnore": False, "oid": oids[mode["path"]]} for mode in modes]})
        if what == "commit":
            return self._commit(repository, action[1], kind, name, body)
        if what == "tree":
            return self._tree(repository, action, query)
        if what == "paths-info":
            found = repository.at(action[1])
            wanted = json.loads(body)["paths"] if body[:1] == b"{" else parse_qs(body.decode()).get("paths", [])
            return _json([_entry(p, found[1][p]) for p in wanted if p in found[1]])
        if what == "refs":
            return _json(self._refs(repository))
        if what == "branch":
            start = json.loads(body or b"{}").get("startingPoint", "main")
            status = 409 if action[1] in repository.branches else 200
            repository.branches.setdefault(action[1], [repository.at(start)])
            return _json({}, status)
        if what == "tag":
            tag = json.loads(body)["tag"]
            status = 409 if tag in repository.tags else 200
            repository.tags.setdefault(tag, repository.at(action[1])[0])
            return _json({}, status)
        return _missing("EntryNotFound")

    def _refs(self, repository: Repository) -> dict:
        heads = {name: commits[-1][0] for name, commits in repository.branches.items()}
        branches = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": sha} for n, sha in heads.items()]
        tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": sha} for n, sha in repository.tags.items()]
        return {"branches": branches, "tags": tags, "converts": []}

    def _info(self, name: str, repository: Repository, sha: str, files: Files) -> dict:
        facts = {"_id": "x", "id": name, "modelId": name, "author": name.split("/")[0], "sha": sha, "lastModified": NOW}
        flags = {
            "private": repository.private,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
        }
        return {**facts, **flags, "createdAt": NOW, "siblings": [{"rfilename": path} for path in files]}

    def _commit(self, repository: Repository, branch: str, kind: str, name: str, body: bytes) -> Answer:
        if branch not in repository.branches:
            return _missing("RevisionNotFound")
        newest, files = repository.branches[branch][-1]
        files = dict(files)
        for entry in map(json.loads, body.decode().splitlines()):
            value = entry["value"]
            if entry["key"] == "header" and value.get("parentCommit", newest) != newest:
                return 412, {"X-Error-Message": "a commit has happened since"}, b"{}"
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self._blobs[value["oid"]]
            elif entry["key"] == "deletedFile":
                files.pop(value["path"])
        sha = repository.commit(branch, files)
        folder = "" if kind == "models" else f"{kind}/"
        address = f"{self.endpoint}/{folder}{name}/commit/{sha}"
        return _json({"success": True, "commitOid": sha, "commitUrl": address, "hookOutput": ""})

    def _tree(self, repository: Repository, action: list[str], query: str) -> Answer:
        found, folder = repository.at(action[1]), "/".join(action[2:])
        if found is None:
            return _missing("RevisionNotFound")
        inside = {p: d for p, d in found[1].items() if not folder or p.startswith(folder + "/")}
        if folder and not inside:
            return _missing("EntryNotFound")
        if parse_qs(query).get("recursive", ["false"])[0].lower() in ("true", "1"):
            return _json([_entry(p, d) for p, d in inside.items()])
        depth = folder.count("/") + 1 if folder else 0
        folders = sorted({"/".join(p.split("/")[: depth + 1]) for p in inside if p.count("/") > depth})
        here = [_entry(p, d) for p, d in inside.items() if p.count("/") == depth]
        return _json(here + [{"type": "directory", "oid": "0" * 40, "size": 0, "path": p} for p in folders])

    def _resolve(self, parts: list[str], method: str, headers: Mapping[str, str]) -> Answer:
        place = parts.index("resolve")
        kind = KINDS.get(parts[0], "model")
        repository = self.repositories.get((kind, "/".join(parts[place - 2 : place])))
        if refusal := self._no_access(repository, headers.get("Authorization")):
            return refusal
        found = repository.at(parts[place + 1])
        if found is None:
            return _missing("RevisionNotFound")
        (sha, files), path = found, "/".join(parts[place + 2 :])
        if path not in files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha}, b""
        data, etag = files[path], f'"{_etag(path, files[path])}"'
        head = {"ETag": etag, "X-Repo-Commit": sha, "Accept-Ranges": "bytes", "Content-Length": str(len(data))}
        head |= {"X-Linked-Size": str(len(data)), **({"X-Linked-Etag": etag} if path.endswith(LFS) else {})}
        if (wanted := headers.get("Range")) and method == "GET":
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last or len(data)), len(data) - 1)
            span = {"Content-Length": str(stop - start + 1), "Content-Range": f"bytes {start}-{stop}/{len(data)}"}
            return 206, head | span, data[start : stop + 1]
        return 200, head, data
