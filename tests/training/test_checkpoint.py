"""States and model folders survive a kill between any two operations on files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch

from hf_galaxy.training import checkpoint
from hf_galaxy.training.optimization import WeightAverage, make_optimizer


class Killed(BaseException):
    """Stands for SIGKILL: nothing may catch it."""


def parts(value: float) -> tuple[torch.nn.Module, WeightAverage, torch.optim.Optimizer]:
    model = torch.nn.Linear(4, 3)
    torch.nn.init.constant_(model.weight, value)
    optimizer = make_optimizer(model, 0.1, 0.0, (0.9, 0.99))
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    return model, WeightAverage(model.parameters(), 0.9), optimizer


def save(out: Path, step: int) -> None:
    checkpoint.save_state(out, *parts(float(step)), {"step": step})

    def write(folder: Path, record: dict) -> None:
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_text(f"weights of {step}")

    checkpoint.export(out, write, {"steps": step})


def test_a_state_comes_back_bit_for_bit(tmp_path):
    model, average, optimizer = parts(2.0)
    state = checkpoint.save_state(tmp_path, model, average, optimizer, {"step": 3})
    other, other_average, other_optimizer = parts(5.0)
    checkpoint.load_state(state, other, other_average, other_optimizer)
    assert checkpoint.read_counters(state) == {"step": 3}
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(optimizer.state[a]["exp_avg"], other_optimizer.state[b]["exp_avg"])
        assert torch.equal(optimizer.state[a]["step"], other_optimizer.state[b]["step"])
    assert all(torch.equal(a, b) for a, b in zip(average.mean, other_average.mean, strict=True))


def test_the_newest_two_states_are_kept(tmp_path):
    for step in (1, 20, 100):
        save(tmp_path, step)
    assert sorted(p.name for p in (tmp_path / "state").iterdir()) == ["step-000000020", "step-000000100"]
    assert checkpoint.latest(tmp_path).name == "step-000000100"
    assert checkpoint.latest(tmp_path / "nothing") is None


def test_a_kill_at_any_operation_on_files_leaves_whole_states_and_a_whole_model(tmp_path, monkeypatch):
    """Save twice, then die at the k-th system call of the third save, for every k until it goes through."""
    base = tmp_path / "base"
    for step in (1, 2):
        save(base, step)
    real = {name: getattr(os, name) for name in ("rename", "replace", "fsync", "unlink", "rmdir", "mkdir")}
    died = 0
    for k in range(1000):
        out = tmp_path / f"out{k}"
        shutil.copytree(base, out)
        calls = iter(range(k))

        def dying(name, calls=calls):
            def call(*args, **kwargs):
                if next(calls, None) is None:
                    raise Killed
                return real[name](*args, **kwargs)

            return call

        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, dying(name))
            try:
                save(out, 3)
                finished = True
            except Killed:
                finished, died = False, died + 1
        state = checkpoint.latest(out)
        checkpoint.load_state(state, *parts(0.0))
        step = checkpoint.read_counters(state)["step"]
        assert step in (2, 3)
        assert (out / "model.safetensors").read_text() in ("weights of 2", "weights of 3")
        save(out, 4)
        assert checkpoint.read_counters(checkpoint.latest(out))["step"] == 4
        assert not list(out.rglob(".part-*")), "the next save clears away what a kill left"
        shutil.rmtree(out)
        if finished:
            break
    assert finished and died > 8


@pytest.mark.parametrize("name", ["weights.safetensors", "mean.safetensors", "optimizer.pt"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_state_is_named(tmp_path, name, damage):
    save(tmp_path, 1)
    file = checkpoint.latest(tmp_path) / name
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:40])
    else:
        file.unlink()
    with pytest.raises(ValueError, match="step-000000001: damaged"):
        checkpoint.load_state(checkpoint.latest(tmp_path), *parts(0.0))


def test_damaged_counters_are_named(tmp_path):
    save(tmp_path, 1)
    (checkpoint.latest(tmp_path) / "state.json").write_text("{")
    with pytest.raises(ValueError, match=r"state\.json: damaged"):
        checkpoint.read_counters(checkpoint.latest(tmp_path))
