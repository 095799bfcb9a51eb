"""An evaluation of the blank model: the figures of another, since none is looked at, and a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_galaxy.checkpoints import load_pretrained

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


@pytest.fixture(scope="session")
def blank_metrics(blank_model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    report = json.loads((RESULTS / "accuracy.json").read_text(encoding="utf-8"))
    parameters = sum(p.numel() for p in load_pretrained(blank_model)[0].parameters())
    report["model"] = {"checkpoint": "blank", "parameters": parameters}
    (folder / "metrics.json").write_text(json.dumps(report))
    (folder / "nominal_pit.png").write_bytes((RESULTS / "accuracy_nominal_pit.png").read_bytes())
    return folder / "metrics.json"
