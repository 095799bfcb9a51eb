"""What tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real test data, ``HF_GALAXY_REAL_DATA``; the test is skipped without it."""
    folder = os.environ.get("HF_GALAXY_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HF_GALAXY_REAL_DATA does not name the folder of real test data")
    return Path(folder)
