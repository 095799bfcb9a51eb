"""The page as a Space: an app of a few lines, the package beside it, and a README that tells the Hub how to run it.

The package is not expected on an index: its own files go along, without the shipped weights, so that the Space runs
what was published and nothing else, private or not. What it needs comes by requirements.txt.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from huggingface_hub import RepoCard, SpaceCardData, constants
from packaging.requirements import Requirement

from ..repositories.committing import CARD, Upload

PACKAGE = Path(__file__).parents[1]
CLONE = PACKAGE.parent
EXAMPLE = "examples/sdss_galaxies.ecsv"
LEFT_OUT = ("checkpoint", "__pycache__")
SUFFIXES = (".py", ".csv", ".ecsv", ".json", ".typed")
EXTRAS = ("app", "plot")
SDK = "gradio"
APP = '''"""The page of hf_galaxy, with the model {model} of commit {commit}."""

import os
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from hf_galaxy import GalaxyPosterior
from hf_galaxy.app.page import build, launch

EXAMPLE = Path(__file__).parent / "{example}"

if __name__ == "__main__":
    galaxy = GalaxyPosterior.from_pretrained("{model}", revision="{commit}")
    launch(build(galaxy, EXAMPLE if EXAMPLE.is_file() else None))
'''
README = """
# {title}

Posteriors of galaxies from their photometry, by the model [{model}]({hub}/{model}), commit
`{commit}`. Upload a table or pick an example, choose what is given and what is asked.

`hf_galaxy/` holds the files of hf_galaxy {version} that this page runs; `requirements.txt` what they need.
"""
TRIED = """
import sys
sys.path.insert(0, sys.argv[1])
import hf_galaxy
assert hf_galaxy.__file__.startswith(sys.argv[1]), hf_galaxy.__file__
import app
"""


def space_upload(name: str, model: str, commit: str) -> Upload:
    """The repository of a Space.

    Args:
        name: Hub id of the Space.
        model, commit: Hub id and commit of the model that it loads.

    Raises:
        ValueError: Gradio is not installed, or nothing tells what the package needs.
    """
    facts = {"model": model, "commit": commit, "version": _version("hf-galaxy"), "title": name.split("/")[1]}
    facts["hub"] = constants.ENDPOINT
    header = SpaceCardData(
        title=name.split("/")[1],
        emoji="🌌",
        colorFrom="indigo",
        colorTo="purple",
        sdk=SDK,
        sdk_version=_version(SDK),
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
        app_file="app.py",
        license="apache-2.0",
        models=[model],
        short_description="Posteriors of galaxies from photometry",
    )
    readme = str(RepoCard(f"---\n{header.to_yaml()}\n---\n{README.format(**facts)}"))
    files: dict[str, Path | bytes] = {
        CARD: readme.encode(),
        "app.py": APP.format(**facts, example=EXAMPLE).encode(),
        "requirements.txt": "".join(f"{line}\n" for line in needed()).encode(),
    }
    for path in sorted(PACKAGE.rglob("*")):
        inside = path.relative_to(PACKAGE)
        # Files without contents, which the Hub does not keep a size of, are markers that a Space can do without.
        if path.suffix in SUFFIXES and not set(inside.parts) & set(LEFT_OUT) and path.stat().st_size:
            files[f"{PACKAGE.name}/{inside.as_posix()}"] = path
    if (CLONE / EXAMPLE).is_file():
        files[EXAMPLE] = CLONE / EXAMPLE
    return Upload("space", name, files)


def try_space(upload: Upload, folder: Path) -> None:
    """Import the app, from files of the Space alone, in a fresh process; nothing is served.

    Args:
        folder: Empty folder, to lay the files out in.

    Raises:
        ValueError: It cannot be imported.
    """
    for path, content in upload.files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    command = [sys.executable, "-I", "-c", TRIED, str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        reason = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no reason given")
        raise ValueError(f"{upload.name}: the page does not load from the files of the Space: {reason.strip()}")


def needed() -> list[str]:
    """Requirements of the page: those of the package and of its extras, without Gradio, which the Space brings."""
    project = CLONE / "pyproject.toml"
    if project.is_file():
        told = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        lines = told["dependencies"] + [r for e in EXTRAS for r in told["optional-dependencies"].get(e, [])]
        found = [Requirement(line) for line in lines]
    else:
        found = [Requirement(line) for line in requires("hf-galaxy") or []]
        places = [{"extra": extra} for extra in ("", *EXTRAS)]
        found = [r for r in found if r.marker is None or any(map(r.marker.evaluate, places))]
    known = {r.name.lower(): f"{r.name}{r.specifier}" for r in found}
    return sorted(line for name, line in known.items() if name not in (SDK, "hf-galaxy"))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        raise ValueError(f'a Space needs to know the version of {package}: pip install "hf-galaxy[app]"') from None


__all__ = ["space_upload", "try_space"]
