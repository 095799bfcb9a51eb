"""A run that comes to a bad end says why, names what is to blame, and leaves its last save whole."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

import train
from hf_galaxy.training import checkpoint
from hf_galaxy.training.batches import absurd_values
from hf_galaxy.training.trouble import DivergedError, OutOfMemoryError, SaveError
from hf_galaxy.variables_galaxy import PROPERTIES
from tests.random_tables import random_table, write_table

from .conftest import history

MASS = PROPERTIES.index("log_mstar")


def spoil(loop, *steps: int):
    """Make the loss of some steps NaN."""

    def hook(module, args, output):
        if loop.progress.step in steps:
            output["loss"] = output["loss"] * torch.nan
        return output

    loop.model.register_forward_hook(hook)
    return loop


@pytest.fixture
def spoilt_folder(tmp_path) -> Path:
    """Two files of galaxies; in the second one galaxy has a mass that no galaxy has."""
    folder = write_table(random_table(100), tmp_path / "spoilt", "a.parquet", row_group_size=40)
    table = random_table(100, 1)
    table.properties[57, MASS] = 1e30
    return write_table(table, folder, "b.parquet", row_group_size=40)


@pytest.mark.parametrize("stream", [False, True])
def test_a_galaxy_without_finite_loss_is_named_with_its_file_row_and_value(make, spoilt_folder, stream):
    # 100 questions ask all variables, so that the step that meets the galaxy asks its mass, unless it is shown.
    asking = {"num_questions": 100, "subset": 0.0, "given": 0.0, "properties": 0.0}
    valid = str(write_table(random_table(20, 2), spoilt_folder.parent / "valid"))
    loop = make(
        data=str(spoilt_folder), valid_data=valid, stream=stream, steps=30, save_every_steps=1, conditioning=asking
    )
    with pytest.raises(DivergedError, match=r"1 of 8 galaxies: b\.parquet row 57 with log_mstar = 1e\+30") as caught:
        loop.run()
    assert "the last save is whole" in str(caught.value) or loop.progress.step == 0
    told = history(loop.settings.out)[-1]["galaxies"]
    assert [(galaxy["place"], galaxy["values"]) for galaxy in told] == [
        ("b.parquet row 57", {"log_mstar": pytest.approx(1e30)})
    ]


def test_the_first_step_without_finite_loss_ends_the_run_and_moves_nothing(make):
    loop = spoil(make(save_every_steps=3), 4)
    with pytest.raises(DivergedError, match="step 5 is not finite .*the last save is whole: .*step-000000003"):
        loop.run()
    assert all(torch.isfinite(p).all() for p in loop.raw.parameters())
    again = make(resume=True)
    assert again.progress.step == 3 and again.run().step == 12


def test_a_few_such_steps_can_be_passed_over(make):
    loop = spoil(make(max_skipped=2), 4, 7, 8)
    progress = loop.run()
    assert progress.skipped == 3 and progress.step == 12
    warned = [entry["step"] for entry in history(loop.settings.out) if "warning" in entry]
    assert warned == [5, 8, 9]
    with pytest.raises(DivergedError, match="3 such steps in a row"):
        spoil(make(max_skipped=2, out=loop.settings.out + "2"), 4, 5, 6).run()


def test_weights_that_are_not_finite_are_told_from_galaxies(make):
    loop = make(save_every_steps=2)
    batches = loop.batches

    def poisoned(step: int, unit: int):
        if step == 3:
            loop.raw.head.weight.data.fill_(torch.nan)
        return batches(step, unit)

    loop.batches = poisoned
    with pytest.raises(DivergedError, match="8 of 8 galaxies have no finite loss, so that the weights are to blame"):
        loop.run()
    assert make(resume=True).run().step == 12


def test_absurd_values_are_those_that_no_galaxy_has():
    table = random_table(3)
    table.flux[1, 4] = 1e30
    table.properties[2, MASS] = -999.0
    table.properties[2, 0] = torch.nan
    found = absurd_values(table)
    assert found[0] == {} and list(found[1].values()) == [pytest.approx(1e30)]
    assert found[2] == {"log_mstar": -999.0}


def test_out_of_memory_says_how_many_galaxies_fit(make):
    """A machine that holds at most three galaxies at a time, from step 5 on."""
    loop = make(save_every_steps=2, micro_batch=8)
    forward = loop.raw.forward

    def limited(input_ids, **inputs):
        if loop.progress.step >= 5 and len(input_ids) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore words.")
        return forward(input_ids=input_ids, **inputs)

    loop.raw.forward = limited
    with pytest.raises(OutOfMemoryError, match=r"in step 6 with 8 galaxies at a time \(CUDA out of memory") as caught:
        loop.run()
    assert "2 fit: --micro-batch 2 (a step keeps its 8 galaxies); the last save is whole" in str(caught.value)
    again = make(resume=True, micro_batch=2)
    assert again.progress.step == 4 and len(again.units) == 4 and again.run().step == 12


def test_out_of_memory_with_a_single_galaxy_says_so(make):
    loop = make()

    def full(**inputs):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory")

    loop.raw.forward = full
    with pytest.raises(OutOfMemoryError, match="not even one fits: use a smaller --size; nothing was saved yet"):
        loop.run()


@pytest.fixture
def small_disk():
    """No file may grow beyond a limit: a full disk, for a process that is not root's only user."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("what", ["weights.safetensors", "optimizer.pt", "model.safetensors", "history.jsonl"])
def test_a_full_disk_ends_the_run_with_a_word_and_a_whole_save(make, mapping, small_disk, capfd, what):
    make(steps=6).run()
    out = Path(mapping["out"])
    weights, log = checkpoint.latest(out) / "weights.safetensors", out / "history.jsonl"
    sizes = {
        "weights.safetensors": weights.stat().st_size - 1000,
        "optimizer.pt": weights.stat().st_size + 2000,
        "history.jsonl": log.stat().st_size + 30,
    }
    loop = make(resume=True)
    if what == "model.safetensors":
        save = loop.save

        def late(folder, record):
            small_disk(1000)
            save(folder, record)

        loop.save = late
    else:
        small_disk(sizes[what])
    with pytest.raises(SaveError, match="(cannot be written to|out: File too large).*the last save is whole"):
        loop.run()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    assert not list(out.rglob(".part-*")), "what was half written gives its room back"
    assert make(resume=True).progress.step in (6, 12)
    assert AutoModel.from_pretrained(out).config.training["steps"] in (6, 12)


def test_the_command_says_it_in_one_line_with_status_one(mapping, tmp_path, capsys, small_disk):
    file = tmp_path / "run.json"
    file.write_text(json.dumps(mapping))
    small_disk(20_000)  # the table of variables is smaller, the weights are larger
    assert train.main(["--config", str(file)]) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(error) == 1 and "File too large" in error[0] and "nothing was saved yet" in error[0]


def test_a_place_that_is_no_folder_and_a_disk_that_is_too_small_are_refused_first(make, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="file is not a folder that can be written to"):
        make(out=str(tmp_path / "file"))
    monkeypatch.setattr("shutil.disk_usage", lambda path: os.terminal_size((0, 0)) and type("Usage", (), {"free": 9}))
    with pytest.raises(ValueError, match="the states of the run need .* bytes, and 9.0e"):
        make()
