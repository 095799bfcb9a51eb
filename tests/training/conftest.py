"""A model of a thousand parameters and a table of random galaxies, for runs of seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from hf_galaxy.training.building import build
from hf_galaxy.training.loop import Loop
from hf_galaxy.training.settings import TrainSettings
from tests.random_tables import random_table, write_table

MODEL = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_question_layers": 1,
    "num_attention_heads": 2,
    "value_hidden_size": 8,
    "num_components": 8,
}


@pytest.fixture(scope="session")
def folder_of_galaxies(tmp_path_factory) -> Path:
    """200 random galaxies as Parquet."""
    return write_table(random_table(200), tmp_path_factory.mktemp("galaxies"))


@pytest.fixture
def mapping(folder_of_galaxies, tmp_path) -> dict:
    """Settings of a run of twelve steps that logs every step."""
    return {
        "data": str(folder_of_galaxies),
        "out": str(tmp_path / "out"),
        "steps": 12,
        "batch_size": 8,
        "warmup": 2,
        "valid_rows": 10,
        "valid_every": 5,
        "log_every": 1,
        "tracker": "none",
        "mixed_precision": "no",
        # Sums of several threads differ in the last digit from those of one, and tests compare bits.
        "num_threads": 1,
        "model": MODEL,
    }


@pytest.fixture(autouse=True)
def threads_as_before():
    """A run sets the threads of torch for its process, which goes on to other tests."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make(mapping):
    """A function from changes of the settings to a loop."""

    def make_loop(**changes) -> Loop:
        return build(TrainSettings.from_mapping(mapping | changes))

    return make_loop


def history(out: str | Path) -> list[dict]:
    """Entries of a run, without the clock."""
    lines = (Path(out) / "history.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "galaxies_per_second"} for line in lines]
