"""SIGKILL in the middle of a run, and several processes: real processes, seen from outside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hf_galaxy.variables_galaxy import PROPERTIES
from tests.random_tables import random_table, write_table

from .conftest import history

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def start(config: Path, *flags: str, processes: int = 1, script: str = "train.py") -> subprocess.Popen:
    """``train.py`` as a user starts it, by torchrun where there are several processes."""
    command = [sys.executable, script]
    if processes > 1:
        torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", free_port()]
        command = [sys.executable, *torchrun, script]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(ROOT)}
    command += ["--config", str(config), *flags]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def wait_for(condition, process: subprocess.Popen, seconds: float = 150) -> None:
    """Until a condition holds, or the process ends."""
    deadline = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def written(mapping: dict, tmp_path: Path, **changes) -> Path:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(mapping | changes))
    return file


def states(out: Path) -> list[int]:
    return sorted(int(p.name[len("step-") :]) for p in (out / "state").glob("step-*"))


def test_killed_in_the_middle_and_resumed_the_losses_are_the_same(make, mapping, tmp_path):
    """Killed some steps after a save, so that the log is ahead of the state; test_checkpoint.py kills inside saves."""
    out, plan = Path(mapping["out"]), {"steps": 60, "valid_every": 20, "save_every_steps": 20}
    process = start(written(mapping, tmp_path, **plan))
    wait_for(lambda: states(out) and history(out)[-1]["step"] >= 23, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert states(out)[-1] in (20, 40), "killed in the middle"
    make(resume=True, **plan).run()
    make(**plan | {"out": str(tmp_path / "whole")}).run()
    assert history(out) == history(tmp_path / "whole")


def test_sigterm_saves_and_leaves_cleanly(mapping, tmp_path):
    out = Path(mapping["out"])
    process = start(written(mapping, tmp_path, steps=100_000))
    wait_for(lambda: (out / "history.jsonl").exists() and len(history(out)) > 2, process)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert states(out) == [history(out)[-1]["step"]]
    assert (out / "model.safetensors").exists()


@pytest.mark.slow
def test_two_processes_do_what_one_does_with_twice_the_batch(make, mapping, tmp_path):
    config = written(mapping, tmp_path, micro_batch=2)
    process = start(config, processes=2)
    _, error = process.communicate(timeout=170)
    assert process.returncode == 0, error
    make(out=str(tmp_path / "one"), micro_batch=2).run()
    two, one = history(mapping["out"]), history(tmp_path / "one")
    assert len(two) == len(one)
    for a, b in zip(two, one, strict=True):
        # float32 sums in another order, grown over twelve steps of AdamW
        assert a == pytest.approx(b, rel=2e-4)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_started_by_the_file_for_accelerate_do_the_same(make, mapping, tmp_path):
    config = written(mapping, tmp_path, micro_batch=2)
    launch = ["-m", "accelerate.commands.accelerate_cli", "launch", "--main_process_port", free_port(), "--config_file"]
    command = [sys.executable, *launch, "configs/accelerate/cpu_2_processes.yaml", "train.py", "--config", str(config)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=500)
    assert json.loads(Path(mapping["out"], "training.json").read_text())["processes"] == 2
    same_course(mapping["out"], one_process(make, tmp_path))


def one_process(make, tmp_path: Path, **changes) -> str:
    out = str(tmp_path / "one")
    make(out=out, micro_batch=2, **changes).run()
    return out


def same_course(a: str, b: str) -> None:
    for one, other in zip(history(a), history(b), strict=True):
        # float32 sums in another order, grown over twelve steps
        assert one == pytest.approx(other, rel=2e-4)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sharded_over_two_processes_the_run_is_the_same_and_may_go_on_whole_and_back(make, mapping, tmp_path):
    plan = {"micro_batch": 2, "save_every_steps": 6}
    config, sharded = written(mapping, tmp_path, **plan), "tests/training/fsdp_on_cpu.py"
    process = start(config, processes=2, script=sharded)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    one, out = one_process(make, tmp_path, **{k: v for k, v in plan.items() if k != "micro_batch"}), mapping["out"]
    same_course(out, one)
    weights = [load_file(Path(folder, "model.safetensors")) for folder in (out, one)]
    assert weights[0].keys() == weights[1].keys()
    for name, weight in weights[1].items():
        # twelve steps of at most 1.5e-3 each, of which Muon turns a part that bf16 does not settle
        torch.testing.assert_close(weights[0][name], weight, atol=3e-3, rtol=0)
    for folder in (out, one):
        shutil.rmtree(Path(folder, "state", "step-000000012"))
    make(**plan, resume=True).run()  # the sharded run goes on in one process
    same_course(out, one)
    process = start(written(mapping, tmp_path, **plan | {"out": one}), "--resume", processes=2, script=sharded)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    same_course(out, one)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_end_together_at_a_galaxy_without_finite_loss(mapping, tmp_path):
    table = random_table(64)
    table.properties[49, PROPERTIES.index("log_mstar")] = 1e30
    valid = write_table(random_table(20, 2), tmp_path / "valid")
    asking = {"num_questions": 100, "subset": 0.0, "given": 0.0, "properties": 0.0}
    data = {"data": str(write_table(table, tmp_path / "spoilt")), "valid_data": str(valid), "conditioning": asking}
    process = start(written(mapping, tmp_path, **data, micro_batch=4, save_every_steps=1), processes=2)
    _, error = process.communicate(timeout=500)
    assert process.returncode == 1
    said = [line for line in error.splitlines() if "train.py: error: step" in line]
    assert len(said) == 2, error  # of both processes, in one line each
    assert all("1 of 8 galaxies: " in line and "row 49 with log_mstar = 1e+30" in line for line in said)
    reached = int(said[0].split("step ")[1].split()[0])
    assert states(Path(mapping["out"]))[-1:] == ([reached - 1] if reached > 1 else [])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_ten_times_and_resumed_the_run_is_the_one_that_never_stopped(make, mapping, tmp_path):
    plan = {"steps": 120, "valid_every": 7, "save_every_steps": 3}
    out, whole = Path(mapping["out"]), tmp_path / "whole"
    config = written(mapping, tmp_path, **plan)
    command = [sys.executable, "-m", "tests.training.killing", str(config), str(out), "10", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=700)
    assert done.returncode == 0, done.stderr[-2000:]
    kills = json.loads(done.stdout)
    assert len(kills) == 10 and sum(kill["saving"] for kill in kills) >= 2, kills
    make(**plan, resume=True).run()
    make(**plan | {"out": str(whole)}).run()
    assert history(out) == history(whole)
    for name in ("model.safetensors", "best/model.safetensors", "variables.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name
    for name in ("weights.safetensors", "mean.safetensors", "optimizer.pt"):
        mine, other = (folder / "state" / "step-000000120" / name for folder in (out, whole))
        assert mine.read_bytes() == other.read_bytes(), name
