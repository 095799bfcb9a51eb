"""A base model that has learnt a little from random galaxies, and a survey of others, with and without labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hf_galaxy.training.building import build
from hf_galaxy.training.loop import Loop
from hf_galaxy.training.settings import TrainSettings
from hf_galaxy.training.stages import build_stage
from tests.random_tables import observed_table, random_table, write_table
from tests.training.conftest import MODEL

RUN = {
    "batch_size": 16,
    "valid_rows": 20,
    "log_every": 1,
    "tracker": "none",
    "mixed_precision": "no",
    "num_threads": 1,
    "warmup": 2,
}


def survey_table(n: int, labelled: int = 0, seed: int = 1):
    """Galaxies of a survey without labels, but for the first so many."""
    table = observed_table(n, seed, noisy=True)
    properties, errors = table.properties.clone(), table.property_error.clone()
    properties[labelled:], errors[labelled:] = torch.nan, torch.nan
    return replace(table, properties=properties, property_error=errors)


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    """``simulated``, ``survey`` (no label), ``labelled`` (30 of 200 galaxies) and ``base``, a trained model."""
    place = tmp_path_factory.mktemp("adaptation")
    threads = torch.get_num_threads()
    made = {
        "simulated": write_table(random_table(300), place / "simulated"),
        "survey": write_table(survey_table(200), place / "survey"),
        "labelled": write_table(survey_table(200, 30), place / "labelled"),
        "base": place / "base",
    }
    run = {**RUN, "steps": 60, "lr": 5e-3, "batch_size": 32}
    build(TrainSettings(data=str(made["simulated"]), out=str(made["base"]), model=MODEL, **run)).run()
    torch.set_num_threads(threads)
    return made


@pytest.fixture
def adapt(folders, tmp_path):
    """A function from changes of the settings to the loop of an adaptation, half of whose galaxies are simulated."""

    def make(data: str = "survey", replay: bool = True, **changes) -> Loop:
        names = [str(folders.get(data, data))] + ([f"{folders['simulated']}:0.5"] if replay else [])
        settings = {"stage": "adapt", "init_from": str(folders["base"]), "data": names, "steps": 4, **RUN}
        settings |= {"out": str(tmp_path / "out"), "adaptation": {"survey": "mine"}}
        return build_stage(TrainSettings.from_mapping(settings | changes))

    return make
