"""Put transformers' own common tests into ``build/hf_tests``: they come inside its source distribution.

Run by ``make conformance``; the files are Apache-2.0 and are not committed. The name of the folder must end in "tests",
because transformers looks for such a parent.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

TARGET = Path(__file__).resolve().parents[2] / "build" / "hf_tests"
# What the source distribution leaves out, although its tests import it; nothing of it applies to this model.
STUBS = {
    "__init__.py": "",
    "exporters/__init__.py": "",
    "exporters/test_export.py": "class ExportTesterMixin:\n    pass\n",
    "generation/__init__.py": "",
    "generation/test_utils.py": "class GenerationTesterMixin:\n    pass\n",
    "utils/__init__.py": "",
    "utils/test_configuration_utils.py": "config_common_kwargs = {}\n",
    "fixtures/sample_text.txt": "A galaxy is a set of tokens.\n",
}


def fetch(target: Path = TARGET) -> Path:
    """Download the tests of the installed version of transformers, unless they are there."""
    installed = version("transformers")
    stamp = target / "VERSION"
    if stamp.exists() and stamp.read_text() == installed:
        return target
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "transformers"]
        subprocess.run([*pip, "--dest", folder, f"transformers=={installed}"], check=True)
        archive = next(Path(folder).glob("transformers-*.tar.gz"))
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                parts = Path(member.name).parts
                if len(parts) == 3 and parts[1] == "tests" and parts[2].endswith(".py"):
                    (target / parts[2]).write_bytes(tar.extractfile(member).read())
    for name, text in STUBS.items():
        (target / name).parent.mkdir(exist_ok=True)
        (target / name).write_text(text)
    stamp.write_text(installed)
    return target


if __name__ == "__main__":
    print(fetch())
