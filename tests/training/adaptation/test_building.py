"""A run of ``--stage adapt``: what it moves, what it keeps, what it leaves behind, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from astropy.table import Table
from transformers import AutoModel, AutoTokenizer

import train
from hf_galaxy.cli import main as command
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.training.batches import validation_batches
from hf_galaxy.training.settings import TrainSettings
from tests.random_tables import observed_table, random_table, write_table
from tests.training.adaptation.conftest import survey_table
from tests.training.conftest import history


@pytest.mark.parametrize("weights", ["full", "lora", "none"])
def test_what_is_left_behind_loads_with_transformers_alone_and_gives_the_same_answers(adapt, folders, weights):
    if weights == "lora":
        pytest.importorskip("peft", reason='low-rank additions need peft: pip install "hf-galaxy[lora]"')
    loop = adapt(adaptation={"survey": "mine", "weights": weights}, lr=1e-2)
    loop.run()
    out, inputs = loop.settings.out, loop.validation[0]
    model, tokenizer = AutoModel.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    given = {k: v for k, v in inputs.items() if k != "of_survey"}
    with torch.no_grad(), loop.average:
        mine = loop.raw.model(**given)
        # Low-rank additions are multiplied out before they are saved: the last digits of float32.
        torch.testing.assert_close(model(**given).logits, mine.logits, rtol=1e-4, atol=1e-5)
    before, after = AutoModel.from_pretrained(folders["base"]).state_dict(), model.state_dict()
    moved = {name for name in before if before[name].shape == after[name].shape and (before[name] != after[name]).any()}
    assert bool(moved) == (weights != "none")
    assert weights == "full" or all("layers." in name for name in moved)
    assert "mine" in tokenizer.variables[-1].categories
    learnt = model.config.calibration["mine"]
    assert set(learnt) == {"zero_points", "error_scale"} and any(abs(z) > 1e-4 for z in learnt["zero_points"].values())
    assert sum(learnt["zero_points"].values()) == pytest.approx(0.0, abs=1e-3)  # sixty numbers rounded to 1e-5
    assert GalaxyPosterior.from_pretrained(out).facts()["adapted to"] == "mine"


def test_the_record_says_what_was_adapted_and_no_path(adapt, folders):
    loop = adapt("labelled")
    loop.run()
    config = json.loads((Path(loop.settings.out) / "config.json").read_text())
    assert config["training"]["adapted"] == {"survey": "mine", "galaxies": 190, "labelled": 30}  # 5 % are held out
    assert config["training"]["before"]["galaxies_seen"] == 60 * 32
    assert str(folders["base"].parent) not in json.dumps(config)
    low, high = json.loads((folders["base"] / "config.json").read_text())["training"]["ranges"]["rSDSS"]
    now = config["training"]["ranges"]["rSDSS"]
    assert now[0] <= low and now[1] >= high, "evidence that the model knew before is no extrapolation now"


def test_a_stopped_adaptation_goes_on_to_the_same_weights(adapt, tmp_path):
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    chosen = {"schedule": "cosine", "steps": 4, "adaptation": {"survey": "mine", "weights": "full"}}
    adapt(out=whole, **chosen).run()
    first = adapt(out=parts, **chosen, save_every_steps=2)
    batches, first.batches = first.batches, lambda step, unit: batches(step, unit) if step < 3 else 1 / 0
    with pytest.raises(ZeroDivisionError):  # killed after the state of step 2
        first.run()
    adapt(out=parts, resume=True, **chosen).run()
    assert [e for e in history(parts) if e["step"] == 4] == [e for e in history(whole) if e["step"] == 4]
    for name in ("model.safetensors", "config.json"):
        if name.endswith("json"):
            mine, other = (json.loads((Path(f) / name).read_text())["calibration"] for f in (parts, whole))
            assert mine == other
        else:
            assert (Path(parts) / name).read_bytes() == (Path(whole) / name).read_bytes()


def test_replay_keeps_what_the_model_knew(adapt, folders, tmp_path):
    """Adapted hard to galaxies of another kind: without replay the old questions are answered worse."""
    strange = survey_table(200)
    strange = replace(strange, flux=strange.flux.flip(1), flux_error=strange.flux_error.flip(1))
    data = str(write_table(strange, tmp_path / "strange"))

    def loss(loop) -> float:
        batcher = loop.batches
        old = validation_batches(random_table(200, seed=5), batcher.observe, batcher.draw, 0, "cpu")
        with torch.no_grad(), loop.average:
            return sum(float(loop.raw.eval().model(**inputs).loss) for inputs in old) / len(old)

    whole = {"survey": "mine", "weights": "full"}
    start = adapt(data)
    before = loss(start)
    with pytest.warns(UserWarning, match="without replay"):
        alone = adapt(data, adaptation=whole, replay=False, out=str(tmp_path / "alone"), steps=40, lr=4e-3)
    alone.run()
    beside = adapt(data, adaptation=whole, out=str(tmp_path / "beside"), steps=40, lr=4e-3)
    beside.run()
    worse_alone, worse_beside = loss(alone) - before, loss(beside) - before
    assert worse_alone > 0.3 and worse_beside < 0.1, (worse_alone, worse_beside)


def test_half_of_a_batch_is_replay_and_few_labels_come_often(adapt):
    loop = adapt("labelled", adaptation={"survey": "mine", "labelled": 0.5})
    batches = [loop.batches(step, 0) for step in range(40)]
    assert all(int(b["of_survey"].sum()) == 8 for b in batches)
    rows = [loop.batches.source.rows(step, 0) for step in range(40)]
    ours = [r[r.noisy] for r in rows]
    labelled = sum(int(torch.isfinite(r.properties).any(1).sum()) for r in ours)
    # 160 drawn on purpose and 15 % of the other 160; five standard deviations of the latter.
    assert 160 + 24 - 23 < labelled < 160 + 24 + 23
    again = loop.batches(7, 0)
    assert all(torch.equal(again[k], batches[7][k]) or again[k].dtype.is_floating_point for k in again)


def test_the_data_may_name_the_survey(adapt, tmp_path):
    table = survey_table(100)
    data = str(write_table(replace(table, survey=torch.full_like(table.survey, 4)), tmp_path / "named"))
    loop = adapt(data, adaptation={})
    loop.run()
    config = AutoModel.from_pretrained(loop.settings.out).config
    assert list(config.calibration) == ["minijpas"]
    assert "mine" not in config.variables[-1]["categories"]


def test_a_second_survey_is_added_to_the_first(adapt, tmp_path):
    first = adapt()
    first.run()
    second = adapt(init_from=first.settings.out, out=str(tmp_path / "second"), adaptation={"survey": "jpas"})
    second.run()
    config = AutoModel.from_pretrained(second.settings.out).config
    assert set(config.calibration) == {"mine", "jpas"}
    assert config.calibration["mine"] == AutoModel.from_pretrained(first.settings.out).config.calibration["mine"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"adaptation": {"survey": "my survey"}}, "survey 'my survey' must be one word"),
        ({"adaptation": {"wieghts": "lora"}}, "adaptation: unknown setting 'wieghts'; did you mean 'weights'"),
        ({"adaptation": {"weights": "some"}}, "weights 'some' is not one of full, lora, none"),
        ({"adaptation": {"zero_point_prior": 0.0}}, "zero_point_prior 0.0 must be above zero"),
        ({"adaptation": {"shown": 1.5}}, "shown 1.5 must lie between 0 and 1"),
        ({"adaptation": {"weights": "none", "zero_points": False, "error_scales": False}}, "nothing to learn"),
        ({"adaptation": {"survey": "mine", "zero_point_bands": ["J9999"]}}, "the survey has no J9999"),
        ({"init_from": None}, "--stage adapt starts from a model"),
        ({"init_from": "/nowhere/at/all"}, "--init-from /nowhere/at/all"),
    ],
)
def test_settings_that_make_no_sense_are_refused(adapt, change, message):
    with pytest.raises(ValueError, match=message):
        adapt(**change)


def test_data_without_errors_of_a_survey_are_refused(adapt, folders, tmp_path):
    with pytest.raises(ValueError, match="no galaxy of --data has the errors of a survey"):
        adapt("simulated", replay=False)
    spectra = write_table(observed_table(60, noisy=False), tmp_path / "spectra")
    with pytest.raises(ValueError, match="no galaxy of --data has the errors of a survey"):
        adapt(str(spectra))


def test_galaxies_without_any_band_are_refused_or_told(adapt, tmp_path):
    table = survey_table(100, labelled=100)
    blank = replace(table, flux=table.flux * torch.nan, flux_error=table.flux_error * torch.nan)
    with pytest.raises(ValueError, match="have no flux in any band; nothing can be learnt"):
        adapt(str(write_table(blank, tmp_path / "blank")))
    some = torch.arange(100).unsqueeze(1) < 20
    half = replace(table, **{k: getattr(table, k).masked_fill(some, torch.nan) for k in ("flux", "flux_error")})
    with pytest.warns(UserWarning, match="20 of 95 galaxies of the survey have no flux in any band"):
        adapt(str(write_table(half, tmp_path / "half")), out=str(tmp_path / "other"))


def test_galaxies_of_several_surveys_need_a_name(adapt, folders):
    with pytest.raises(ValueError, match="surveys desi, sdss; name the survey"):
        adapt(adaptation={})


def test_train_py_ends_with_status_two_and_one_line(folders, capsys, tmp_path):
    arguments = ["--stage", "adapt", "--data", str(folders["simulated"]), "--out", str(tmp_path / "out")]
    assert train.main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert "give its folder or Hub id as --init-from" in error and "\n" not in error


def test_rates_are_small_unless_given():
    settings = {"data": "x", "init_from": "y", "stage": "adapt"}
    assert TrainSettings(**settings).lr < TrainSettings(data="x").lr / 5
    assert TrainSettings(**settings).total_steps < 1000 and TrainSettings(**settings, lr=0.5).lr == 0.5
    assert TrainSettings(**settings, galaxies=1280).total_steps == 10


def test_the_command_corrects_the_fluxes_of_a_survey_that_it_knows(adapt, tmp_path, capsys):
    loop = adapt(steps=2)
    loop.run()
    table = Table({"rSDSS": [5e3, 6e3], "rSDSS_err": [50.0, 60.0], "J0660": [5e3, 4e3], "J0660_err": [90.0, 80.0]})
    for name in table.colnames:
        table[name].unit = "nJy"
    table.write(tmp_path / "in.ecsv")
    common = ["predict", str(tmp_path / "in.ecsv"), "--model", loop.settings.out, "--ask", "redshift"]
    assert command([*common, "--survey", "mine", "-o", str(tmp_path / "out.ecsv")]) == 0
    galaxy = GalaxyPosterior.from_pretrained(loop.settings.out)
    expected = galaxy.condition(table, survey="mine").quantiles("redshift", [0.5])[:, 0]
    assert Table.read(tmp_path / "out.ecsv")["redshift_p50"] == pytest.approx(expected, rel=1e-5)
    assert command([*common, "--survey", "sdss", "-o", str(tmp_path / "b.ecsv")]) == 2
    assert "not adapted to that survey; it has been to mine" in capsys.readouterr().err
