"""SIGKILL in the middle of a run, and several processes: real processes, seen from outside."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import history

ROOT = Path(__file__).resolve().parents[2]


def start(config: Path, *flags: str, processes: int = 1) -> subprocess.Popen:
    """``train.py`` as a user starts it, by torchrun where there are several processes."""
    command = [sys.executable, "train.py"]
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", str(port)]
        command = [sys.executable, *torchrun, "train.py"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
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
    config = written(mapping, tmp_path, micro_batch=4)
    process = start(config, processes=2)
    _, error = process.communicate(timeout=170)
    assert process.returncode == 0, error
    make(out=str(tmp_path / "one"), micro_batch=4).run()
    two, one = history(mapping["out"]), history(tmp_path / "one")
    assert len(two) == len(one)
    for a, b in zip(two, one, strict=True):
        # float32 sums in another order, grown over twelve steps of AdamW
        assert a == pytest.approx(b, rel=2e-4)
