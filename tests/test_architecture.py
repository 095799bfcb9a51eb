"""The shape of the house: imports run one way, Hub files stand alone, importing does nothing."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "hf_galaxy"
SOURCES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
HUB_FILES = [name for name in SOURCES if name.endswith("_galaxy") and "." in name]
# huggingface_hub is what transformers itself builds its configurations with.
HUB_THIRD_PARTY = {"torch", "transformers", "numpy", "huggingface_hub"}
FORBIDDEN_AT_IMPORT = {"environ", "getenv", "open", "print", "basicConfig", "mkdir", "write_text", "filterwarnings"}

# What each room may import from the package, besides itself.
POSTERIOR = {"hub", "data", "checkpoints", "evidence", "inference", "survey_system", "twin", "posterior"}
EVERYTHING = POSTERIOR | {"repositories", "physics", "training", "evaluation", "plotting", "assessment", "publishing"}
MAY_IMPORT = {
    "hub": set(),
    "repositories": set(),
    "physics": set(),
    "data": {"hub", "physics", "repositories"},
    "evaluation": {"variables"},
    "plotting": {"variables"},
    "checkpoints": {"hub", "repositories"},
    "twin": {"hub"},
    "evidence": {"hub", "data"},
    "inference": {"hub", "evidence"},
    "survey_system": {"hub", "data", "evidence"},
    "posterior": POSTERIOR | {"physics", "evaluation"},
    "catalogues": POSTERIOR,
    "assessment": POSTERIOR | {"physics", "evaluation", "plotting"},
    "training": {"hub", "physics", "data", "evaluation", "checkpoints"},
    "publishing": EVERYTHING,
    "information": POSTERIOR,
    "figures": POSTERIOR | {"plotting", "information"},
    "app": POSTERIOR | {"catalogues", "plotting", "figures"},
    "commands": EVERYTHING | {"catalogues", "figures"},
    "cli": {"commands"},
    "hf_galaxy": EVERYTHING,
}


def room(module: str) -> str:
    """The room of a module: ``hub``, or the first name below ``hf_galaxy``."""
    parts = module.split(".")
    return "hf_galaxy" if len(parts) == 1 else "hub" if parts[1].endswith("_galaxy") else parts[1]


def imported(module: str) -> list[str]:
    """Absolute dotted names that a module imports, inside functions too; ``from a import b`` gives ``a.b``."""
    package = module if SOURCES[module].name == "__init__.py" else module.rpartition(".")[0]
    names = []
    for node in ast.walk(ast.parse(SOURCES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


def own(module: str) -> set[str]:
    """Modules of this package that a module imports."""
    found = set()
    for name in imported(module):
        candidates = [name, name.rpartition(".")[0]]
        found |= {next(c for c in candidates if c in SOURCES)} if set(candidates) & set(SOURCES) else set()
    return found - {module}


@pytest.mark.parametrize("module", SOURCES)
def test_imports_run_one_way(module):
    here = room(module)
    assert here in MAY_IMPORT, f"{module}: a new room; say in MAY_IMPORT what it may import"
    allowed = MAY_IMPORT[here] | {here}
    for other in own(module):
        if "variables" in allowed and other == "hf_galaxy.variables_galaxy":
            continue
        assert room(other) in allowed, f"{module} must not import {other}"


def test_no_import_cycles():
    remaining = {module: own(module) for module in SOURCES}
    while free := [module for module, needs in remaining.items() if not needs & remaining.keys()]:
        for module in free:
            del remaining[module]
    assert not remaining, f"these modules import each other in a circle, or from one: {sorted(remaining)}"


@pytest.mark.parametrize("module", HUB_FILES)
def test_hub_files_stand_alone(module):
    """The Hub's copier follows ``from .name import ...`` alone, and its scan demands every library named anywhere."""
    for node in ast.walk(ast.parse(SOURCES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1 and node.module and "." not in node.module, f"{module}: line {node.lineno}"
            assert f"hf_galaxy.{node.module}" in HUB_FILES, f"{module}: {node.module} is no Hub file"
    for name in imported(module):
        top = name.partition(".")[0]
        assert top in HUB_THIRD_PARTY | sys.stdlib_module_names | {"hf_galaxy"}, f"{module} must not import {name}"


def executed_at_import(tree: ast.Module) -> list[ast.AST]:
    """Nodes outside of function bodies."""
    nodes, stack = [], list(tree.body)
    while stack:
        node = stack.pop()
        nodes.append(node)
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            stack += list(ast.iter_child_nodes(node))
    return nodes


@pytest.mark.parametrize("module", SOURCES)
def test_no_environment_files_or_output_at_import(module):
    for node in executed_at_import(ast.parse(SOURCES[module].read_text(encoding="utf-8"))):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
        assert name not in FORBIDDEN_AT_IMPORT, f"{module}: line {node.lineno} uses {name} when imported"


def test_importing_every_module_writes_nothing(tmp_path):
    home = {"HOME": str(tmp_path), "HF_HOME": str(tmp_path / "hf"), "MPLCONFIGDIR": str(tmp_path / "mpl")}
    environment = {**os.environ, **home, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    # matplotlib, Gradio and astropy make their own caches when imported; they are not ours to forbid.
    ours = [m for m in SOURCES if room(m) not in ("plotting", "figures", "app")]
    code = "import importlib\n" + "\n".join(f"importlib.import_module({m!r})" for m in ours)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert [p for p in tmp_path.rglob("*") if p.is_file() and "mpl" not in p.parts] == []
