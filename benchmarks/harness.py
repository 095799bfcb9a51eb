"""What all benchmarks share: which model, which machine, where results go. Nothing is measured here."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from astropy import units as u
from astropy.table import QTable

from hf_galaxy.assessment.facts import machine_facts, model_facts
from hf_galaxy.variables_galaxy import BANDS

__all__ = ["REAL_DATA", "RESULTS", "flux_table", "machine_facts", "model_facts", "parser", "real_data"]

RESULTS = Path(__file__).resolve().parent / "results"
REAL_DATA = "HF_GALAXY_REAL_DATA"


def parser(description: str, result: str) -> argparse.ArgumentParser:
    """Arguments that every benchmark of a model has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--model", help="checkpoint folder or Hub id; the shipped checkpoint by default")
    made.add_argument("--out", type=Path, default=RESULTS / result, help="result as JSON; figures beside it")
    return made


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
