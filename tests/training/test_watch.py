"""Early warning: silent on a run that is well, heard before a run is lost, the same after a resume."""

from __future__ import annotations

import dataclasses
import math
import random

import pytest
import torch

from hf_galaxy.training import checkpoint
from hf_galaxy.training.progress import Progress
from hf_galaxy.training.watch import VALID_MARGIN, Watch

from .conftest import history


def run_of(steps: int, seed: int):
    """Losses that fall as those of a run do, with the scatter of batches that ask other things, and norms."""
    dice = random.Random(seed)
    for step in range(steps):
        loss = -0.4 + 2.0 / (1 + step / 50) + dice.gauss(0.0, 0.3)
        if dice.random() < 0.03:
            loss += 2.0  # nothing shown: the prior
        growth = 1 + 1.2 / (1 + math.exp((170 - step) / 20))  # as seen in a real run between its steps 100 and 220
        yield loss, growth * math.exp(dice.gauss(0.0, 0.25))


def test_a_run_that_is_well_is_not_warned():
    """100,000 steps; the limit is six times the scatter of the short mean, which normal scatter passes once in 1e9."""
    for seed in range(5):
        watch = Watch()
        assert not [said for loss, norm in run_of(20_000, seed) for said in watch.step(loss, norm)]


@pytest.mark.parametrize(("what", "message"), [("loss", "training loss rises"), ("norm", "gradient grows")])
def test_a_run_that_leaves_its_course_is_warned_of_once_and_soon(what, message):
    watch, heard = Watch(), []
    for step, (loss, norm) in enumerate(run_of(1100, 0)):
        late = max(0, step - 1000)
        loss, norm = (loss + 0.1 * late, norm) if what == "loss" else (loss, norm * 1.2**late)
        heard += [(step, said) for said in watch.step(loss, norm)]
    assert len(heard) == 1 and message in heard[0][1]
    assert 1000 < heard[0][0] <= 1025  # 1.2**25 is a hundred


def test_one_odd_batch_is_no_divergence_and_hides_none():
    watch, heard = Watch(), []
    for step, (loss, norm) in enumerate(run_of(800, 1)):
        loss += 1000.0 * (step == 500) + 0.1 * max(0, step - 700)
        heard += [step for _ in watch.step(loss, norm * (1e6 if step == 600 else 1.0))]
    assert len(heard) == 1 and 700 < heard[0] <= 720


def test_the_course_is_part_of_the_state():
    whole, numbers = Watch(), list(run_of(600, 2))
    progress = Progress()
    for k, (loss, norm) in enumerate(numbers):
        whole.step(loss, norm)
        progress.watch.step(loss, norm)
        if k % 100 == 50:
            progress = Progress(**progress.to_dict())
    assert progress.watch == whole and dataclasses.asdict(whole)["loss"]["count"] == 600


def test_a_validation_far_above_the_best_is_warned_of_once():
    watch = Watch()
    for step, loss in enumerate([1.0, 0.5, 0.5 + 0.9 * VALID_MARGIN]):
        assert not watch.validation(step, loss)
    said = watch.validation(3, 0.5 + 2 * VALID_MARGIN)
    assert len(said) == 1 and "its best, 0.500 at step 1" in said[0]
    assert not watch.validation(4, 0.8) and watch.worse and watch.unimproved == 3
    assert not watch.validation(5, 0.4) and not watch.worse and watch.best_step == 5
    assert watch.validation(6, float("nan")), "what is no number is worse than any"


def validating(loop, losses: list[float]):
    """Make a loop find these losses in its validations."""
    found, forward = iter(losses), loop.raw.forward

    def told(**inputs):
        output = forward(**inputs)
        if not loop.raw.training:
            output["loss"] = torch.tensor(next(found))
        return output

    loop.raw.forward = told
    return loop


def test_a_run_stops_when_validation_no_longer_improves_and_keeps_the_best(make, mapping):
    loop = validating(make(valid_every=1, patience=3, ema_decay=0.5), [3.0, 2.0, 2.5, 2.5, 2.4, 0.0])
    progress = loop.run()
    assert progress.stopped and progress.step == 5
    assert progress.reason == "no better validation in 3; the best, 2.0000 at step 2"
    best, last = (checkpoint.Path(mapping["out"], folder) for folder in ("best", "."))
    assert (best / "model.safetensors").read_bytes() != (last / "model.safetensors").read_bytes()
    assert '"steps": 2' in (best / "training.json").read_text()
    warned = [entry["warning"] for entry in history(mapping["out"]) if "warning" in entry]
    assert len(warned) == 1 and "far above its best" in warned[0]


def test_the_last_state_before_validation_went_wrong_is_kept(make, mapping):
    loop = validating(make(valid_every=1, save_every_steps=2), [1.0, 0.9, 0.8, 0.7] + [2.0] * 8)
    loop.run()
    states = sorted(folder.name for folder in checkpoint.Path(mapping["out"], "state").iterdir())
    assert states == ["step-000000004", "step-000000010", "step-000000012"]
