"""metrics.json: the one file that the numbers of a model card and of a benchmark come from.

The caller supplies every fact (machine, data, model, time); nothing is looked up here, so that the same facts always
give the same bytes.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 1
SECTIONS = ("model", "data", "machine", "metrics")


def assemble_report(
    *, model: Mapping[str, Any], data: Mapping[str, Any], machine: Mapping[str, Any], metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """One plain dictionary of JSON types; typed results become dictionaries, NaN and infinities become null.

    Args:
        model: Name, size, checkpoint, number of galaxies seen.
        data: Name or settings of the set, selection, number of galaxies, seed of the noise.
        machine: Processor, number of cores, versions.
        metrics: Results by name, nested as deep as wished.

    Raises:
        ValueError: A section is empty: a number without its origin is not a result.
    """
    sections = {"model": model, "data": data, "machine": machine, "metrics": metrics}
    for name, section in sections.items():
        if not section:
            raise ValueError(f"section {name!r} of the report is empty: state what the numbers belong to")
    return {"format": FORMAT, **{name: to_plain(section) for name, section in sections.items()}}


def write_report(path: str | os.PathLike, report: Mapping[str, Any]) -> Path:
    """Write the report as indented JSON, whole or not at all.

    Raises:
        ValueError: The report lacks a section.
    """
    missing = [name for name in SECTIONS if name not in report]
    if missing:
        raise ValueError(f"report lacks {', '.join(missing)}: make it with assemble_report")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(json.dumps(to_plain(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    temporary.replace(path)
    return path


def read_report(path: str | os.PathLike) -> dict[str, Any]:
    """Read a report back.

    Raises:
        ValueError: The file is not JSON, or of another format.
    """
    try:
        report = json.loads(Path(path).read_text("utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: not a JSON report ({error})") from error
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise ValueError(f"{path}: not a report of format {FORMAT}: write it with write_report")
    return report


def to_plain(value: Any) -> Any:
    """JSON types of nested mappings, sequences, NamedTuples, dataclasses, arrays and numbers.

    Raises:
        ValueError: A value has no JSON form.
    """
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if hasattr(value, "_asdict"):
        return to_plain(value._asdict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_plain(dataclasses.asdict(value))
    if isinstance(value, np.ndarray | np.generic):
        return to_plain(value.tolist())
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise ValueError(f"a {type(value).__name__} has no place in a report: give numbers, text, lists or dictionaries")
