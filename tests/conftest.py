"""What tests of several rooms share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real test data, ``HF_GALAXY_REAL_DATA``; the test is skipped without it."""
    folder = os.environ.get("HF_GALAXY_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HF_GALAXY_REAL_DATA does not name the folder of real test data")
    return Path(folder)


@pytest.fixture(scope="session")
def blank_model(tmp_path_factory) -> Path:
    """The folder of a tiny model that has learnt nothing."""
    import torch

    from hf_galaxy import GalaxyConfig, GalaxyModel, GalaxyTokenizer

    folder = tmp_path_factory.mktemp("blank_model")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        GalaxyModel(GalaxyConfig(num_hidden_layers=1, num_question_layers=1, **sizes)).save_pretrained(folder)
    GalaxyTokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def accelerate_anew():
    """Accelerate keeps the precision of the first run of a process for all later ones: every test begins without."""
    yield
    if state := sys.modules.get("accelerate.state"):
        for kept in (state.GradientState, state.AcceleratorState, state.PartialState):
            kept._reset_state()
