"""Settings: strict, typed, flags above the file."""

from __future__ import annotations

import json

import pytest

from hf_galaxy.training.settings import TrainSettings, parse_settings


def test_size_sets_the_rates_together():
    tiny, small = TrainSettings(data="x"), TrainSettings(data="x", size="small")
    assert tiny.lr > small.lr and tiny.batch_size < small.batch_size
    assert TrainSettings(data="x", lr=0.5).lr == 0.5


def test_flags_override_the_file(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("data: somewhere\nlr: 1e-4\nsteps: 7\nmodel: {hidden_size: 64}\n")
    settings = parse_settings(["--config", str(file), "--lr", "0.002", "--galaxies", "1000", "--batch-size", "100"])
    assert (settings.lr, settings.data, settings.total_steps) == (0.002, "somewhere", 10)
    assert settings.model == {"hidden_size": 64}
    assert parse_settings(["--config", str(file)]).lr == 1e-4


def test_json_is_read_too(tmp_path):
    file = tmp_path / "run.json"
    file.write_text(json.dumps({"online": True, "seed": 3}))
    assert parse_settings(["--config", str(file)]).seed == 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rte": 1.0}, "unknown setting 'learning_rte'"),
        ({"batchsize": 1}, "did you mean 'batch_size'"),
        ({"batch_size": 1.5}, "batch_size: 1.5 is a float; int or nothing is wanted"),
        ({"resume": 1}, "resume: 1 is a int; bool is wanted"),
        ({"lr": -1.0}, "lr: -1.0 must be above zero"),
        ({"ema_decay": 1.0}, "ema_decay: 1.0 must lie between 0 and 1"),
        ({"size": "huge"}, "'huge' is not one of tiny, small, base"),
        ({"stage": "adapt"}, "--stage adapt starts from a model: give its folder or Hub id as --init-from"),
        ({"steps": 1, "galaxies": 1}, "give one"),
        ({"online": True}, "either as --data"),
        ({"data": None}, "either as --data"),
        ({"batch_size": 10, "micro_batch": 4}, "not a multiple of micro_batch 4"),
        ({"warmup": -1}, "warmup: -1 must not be negative"),
        ({"save_every": 0}, "save_every: 0.0 must be above zero"),
    ],
)
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        TrainSettings.from_mapping({"data": "x"} | given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "a mapping of settings is wanted"),
        ("a: [", "not valid YAML"),
        ("dta: x\n", r"run\.yaml: unknown setting 'dta'"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, message):
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        parse_settings(["--config", str(file)])
    with pytest.raises(ValueError, match="cannot be read"):
        parse_settings(["--config", str(tmp_path / "none.yaml")])


def test_settings_survive_json():
    settings = TrainSettings(data="x", noise={"depth_offset": 0.5})
    assert TrainSettings.from_mapping(json.loads(json.dumps(settings.to_dict()))) == settings


def test_shares_of_several_sources():
    one = TrainSettings(data=["a"])
    assert one.data == "a" and one.sources == [("a", None)]
    assert TrainSettings(data=["a", "b/c:0.2"]).sources == [("a", None), ("b/c", 0.2)]
    assert TrainSettings(data=["a:0.3", "b:0.7"]).sources == [("a", 0.3), ("b", None)]
    assert TrainSettings(data="real:0.1", online=True).sources == [("real", 0.1)]
    assert parse_settings(["--data", "a", "--data", "b:.5"]).sources == [("a", None), ("b", 0.5)]


def test_a_folder_with_a_colon_is_a_folder(tmp_path):
    (tmp_path / "a:0.5").mkdir()
    assert TrainSettings(data=str(tmp_path / "a:0.5")).sources == [(str(tmp_path / "a:0.5"), None)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": "a:0.5"}, "give the galaxies either as --data"),
        ({"data": "a", "online": True}, "give the galaxies either as --data"),
        ({"data": ["a", "b:0"]}, "shares 0.0 of --data must be above zero"),
        ({"data": ["a", "b:0.6", "c:0.4"]}, "shares 0.6, 0.4 of --data must be above zero and sum to less than one"),
        ({"data": ["a", 3]}, "must be names of folders"),
        ({"online": True, "stream": True}, "--stream reads the files of --data"),
    ],
)
def test_shares_that_do_not_fit_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        TrainSettings(**given)
