"""Results of one peer, kept in a file each, so that a killed run goes on and a peer that has not changed does not run.

The name of the file holds the peer, the size, the seed and a *version*: a digest of the code of the peer (without its
comments and docstrings), of its settings and of the galaxies. Other code, other data: another file.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparison.answers import Floats, Peer
from hf_galaxy.evaluation.report import to_plain

ROOT = "benchmarks."


@dataclass(frozen=True)
class Told:
    """What a peer said of the test galaxies under one noise.

    Attributes:
        point, quantiles, log_prob: name: (n,), (n, L), (n,); the last two only for properties that have them.
        seconds, processor_seconds: Of the answers.
    """

    point: dict[str, Floats]
    quantiles: dict[str, Floats]
    log_prob: dict[str, Floats]
    seconds: float
    processor_seconds: float


@dataclass(frozen=True)
class Outcome:
    """One peer's run.

    Attributes:
        facts: Name, parameters, seconds of training, seed and what the peer says of itself.
        told: By noise.
    """

    facts: dict[str, Any]
    told: dict[str, Told]


def version_of(peer: Peer, *others: Any) -> str:
    """Digest of a peer's code, of its settings and of whatever else decides its answers."""
    digest = hashlib.sha256()
    # What a new peer holds besides its name, what is said of it and folders.
    settings = {k: v for k, v in vars(peer).items() if k not in ("name", "facts") and not isinstance(v, Path)}
    digest.update(repr(sorted(settings.items())).encode())
    for name in sorted(_modules(type(peer).__module__)):
        digest.update(_code(name).encode())
    for other in others:
        digest.update(repr(other).encode())
    return digest.hexdigest()[:12]


def _modules(name: str, found: set[str] | None = None) -> set[str]:
    """A module of the benchmarks and all others of them that it imports."""
    found = set() if found is None else found
    if name in found or not name.startswith(ROOT) or not getattr(sys.modules.get(name), "__file__", None):
        return found
    found.add(name)
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for one in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                _modules(one, found)
    return found


def _tree(name: str) -> ast.Module:
    return ast.parse(Path(sys.modules[name].__file__).read_text(encoding="utf-8"))


def _code(name: str) -> str:
    tree = _tree(name)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            del body[0]
    return ast.dump(tree)


def write(path: Path, outcome: Outcome) -> None:
    """Write one file, whole or not at all."""
    arrays: dict[str, np.ndarray] = {}
    for noise, told in outcome.told.items():
        for kind in ("point", "quantiles", "log_prob"):
            arrays |= {f"{noise}/{kind}/{name}": values for name, values in getattr(told, kind).items()}
        arrays[f"{noise}/seconds"] = np.array([told.seconds, told.processor_seconds])
    arrays["facts"] = np.array(json.dumps(to_plain(outcome.facts)))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    part.replace(path)


def read(path: Path) -> Outcome:
    """Read one file back."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    facts = json.loads(str(arrays.pop("facts")))
    told = {}
    for noise in sorted({name.split("/")[0] for name in arrays}):
        seconds = arrays[f"{noise}/seconds"].tolist()
        told[noise] = Told(
            *(_group(arrays, f"{noise}/{kind}/") for kind in ("point", "quantiles", "log_prob")), *seconds
        )
    return Outcome(facts, told)


def _group(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, Floats]:
    return {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}


__all__ = ["Outcome", "Told", "read", "version_of", "write"]
