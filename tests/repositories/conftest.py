"""A Hub of this process."""

from __future__ import annotations

import pytest

from tests.fake_hub import FakeHub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with FakeHub() as served:
        served.answer_here(monkeypatch, tmp_path / "home")
        yield served
