"""What all benchmarks share: which model, which machine, where results go. Nothing is measured here."""

from __future__ import annotations

import argparse
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from astropy import units as u
from astropy.table import QTable

from hf_galaxy.variables_galaxy import BANDS

RESULTS = Path(__file__).resolve().parent / "results"
REAL_DATA = "HF_GALAXY_REAL_DATA"


def parser(description: str, result: str) -> argparse.ArgumentParser:
    """Arguments that every benchmark of a model has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--model", help="checkpoint folder or Hub id; the shipped checkpoint by default")
    made.add_argument("--out", type=Path, default=RESULTS / result, help="result as JSON; figures beside it")
    return made


def machine_facts() -> dict[str, Any]:
    """The machine that a number was measured on."""
    facts = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "transformers", "numpy")},
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def model_facts(galaxy: Any, asked: str | None) -> dict[str, Any]:
    """What a number belongs to: the checkpoint and its size."""
    path = Path(asked) if asked else None
    name = "shipped checkpoint" if asked is None else path.name if path.exists() else asked
    return {"checkpoint": name, "parameters": sum(p.numel() for p in galaxy.model.parameters())}


def flux_table(flux: torch.Tensor, error: torch.Tensor) -> QTable:
    """Observed fluxes of shape (n, 62) in nJy as a catalogue; NaN is not observed."""
    table = QTable()
    for i, band in enumerate(BANDS):
        table[band] = np.asarray(flux[:, i], dtype=np.float64) * u.nJy
        table[f"{band}_err"] = np.asarray(error[:, i], dtype=np.float64) * u.nJy
    return table


def real_data(folder: str) -> Path | None:
    """A folder of the real test data, or ``None`` with a message if it is not here."""
    root = os.environ.get(REAL_DATA)
    path = Path(root) / folder if root else None
    if path is None or not path.is_dir():
        print(f"skipped: set {REAL_DATA} to the folder that holds {folder}/")
        return None
    return path


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
