"""A Space has all that its page needs, and says which commit of which model it loads."""

from __future__ import annotations

import ast
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hf_galaxy.publishing.space import space_upload, try_space
from hf_galaxy.repositories.committing import Upload, check_upload
from tests.fake_hub import card_errors

PACKAGE = Path(__file__).parents[2] / "hf_galaxy"
COMMIT = "a" * 40

pytestmark = pytest.mark.skipif(find_spec("gradio") is None, reason='no Gradio: pip install "hf-galaxy[app]"')


@pytest.fixture(scope="module")
def upload() -> Upload:
    return space_upload("tester/page", "tester/galaxy", COMMIT)


def test_the_header_is_valid_and_the_app_loads_the_commit(upload):
    check_upload(upload)
    readme, app = upload.files["README.md"].decode(), upload.files["app.py"].decode()
    assert card_errors("space", readme) == [] and COMMIT in readme
    assert f'GalaxyPosterior.from_pretrained("tester/galaxy", revision="{COMMIT}")' in app
    for node in ast.walk(ast.parse(app)):
        if isinstance(node, ast.ImportFrom) and node.module == "hf_galaxy.app.page":
            defined = ast.parse((PACKAGE / "app" / "page.py").read_text(encoding="utf-8")).body
            assert {a.name for a in node.names} <= {d.name for d in defined if hasattr(d, "name")}


def test_the_package_goes_along_without_the_shipped_weights(upload):
    carried = {path for path in upload.files if path.startswith("hf_galaxy/")}
    sources = {f"hf_galaxy/{p.relative_to(PACKAGE).as_posix()}" for p in PACKAGE.rglob("*.py") if p.stat().st_size}
    assert sources <= carried
    assert not [p for p in carried if "checkpoint/" in p or "__pycache__" in p or p.endswith(".safetensors")]
    assert "examples/sdss_galaxies.ecsv" in upload.files


def test_every_library_that_the_package_imports_is_required(upload):
    required = {Requirement(line).name.lower() for line in upload.files["requirements.txt"].decode().splitlines()}
    assert {"torch", "transformers", "astropy", "matplotlib"} <= required and not {"gradio", "hf-galaxy"} & required


@pytest.mark.slow  # a fresh process that loads Gradio
@pytest.mark.timeout(600)
def test_the_page_loads_from_the_files_of_the_space_alone(upload, tmp_path):
    try_space(upload, tmp_path / "whole")
    lacking = {path: file for path, file in upload.files.items() if path != "hf_galaxy/posterior/__init__.py"}
    with pytest.raises(ValueError, match="tester/page: the page does not load from the files of the Space"):
        try_space(Upload("space", "tester/page", lacking), tmp_path / "lacking")
    assert "app" not in sys.modules
