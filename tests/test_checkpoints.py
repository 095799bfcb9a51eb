"""Checkpoint folders: what loads, and one line that names the file for everything that does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.checkpoints import NEEDED, load_pretrained
from hf_galaxy.variables_galaxy import Variable
from tests.tiny_model import tiny_model


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "model"
    GalaxyPosterior(tiny_model(), GalaxyTokenizer()).save_pretrained(str(folder))
    return folder


@pytest.fixture
def folder(sound, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(sound, tmp_path / "model"))


def refused(folder: Path | str) -> str:
    with pytest.raises(ValueError) as error:
        load_pretrained(folder)
    message = str(error.value)
    assert "\n" not in message and str(folder) in message
    return message


def test_a_folder_loads_as_it_was_saved(sound):
    model, tokenizer = load_pretrained(sound)
    for (name, mine), theirs in zip(model.state_dict().items(), tiny_model().state_dict().values(), strict=True):
        assert torch.equal(mine, theirs), name
    facts, expected = model.embeddings.facts, tiny_model().embeddings.facts
    for name, buffer in expected.named_buffers():
        # These are not in the file: they follow from the table of variables.
        assert torch.equal(getattr(facts, name), buffer), name
    assert tokenizer.variables == GalaxyTokenizer().variables


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    assert f"{name} missing" in refused(folder)


@pytest.mark.parametrize("name", [n for n in NEEDED if n.endswith(".json")])
@pytest.mark.parametrize("text", ['{"hidden_size": 3', "null", ""])
def test_damaged_json(folder, name, text):
    (folder / name).write_text(text)
    assert f"{name}: damaged" in refused(folder)


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_truncated_weights(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    assert "model.safetensors: damaged or truncated" in refused(folder)


def test_weights_that_lack_a_tensor_or_have_one_too_many(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    save_file({k: v for k, v in weights.items() if k != "head.bias"}, path, {"format": "pt"})
    assert "model.safetensors" in refused(folder) and "head.bias" in refused(folder)
    save_file({**weights, "head.extra": torch.zeros(1)}, path, {"format": "pt"})
    assert "head.extra" in refused(folder)


def test_weights_of_another_size(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 60}))
    assert "model.safetensors" in refused(folder)


@pytest.mark.parametrize("wrong", [{"hidden_size": "wide"}, {"num_attention_heads": 7}, {"variables": [{"nome": "x"}]}])
def test_a_configuration_that_makes_no_sense(folder, wrong):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **wrong}))
    refused(folder)


def test_a_table_of_variables_that_is_not_that_of_the_model(folder):
    table = json.loads((folder / "variables.json").read_text())
    (folder / "variables.json").write_text(json.dumps(table[::-1]))
    assert "variables.json is not usable: its variables are not those of config.json" in refused(folder)
    (folder / "variables.json").write_text(json.dumps([{"name": "x", "colour": "red"}]))
    assert "variables.json" in refused(folder)
    (folder / "variables.json").write_text(json.dumps([Variable("x").to_dict()]))
    refused(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "optimizer.PT", "weights.dat", "model.safetensors"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_folder_with_a_pickle_is_refused_whatever_it_is_called(folder, name, zipped):
    torch.save({"a": torch.ones(3)}, folder / name, _use_new_zipfile_serialization=zipped)
    message = refused(folder)
    assert f"refused for {name}: a pickle can run any program" in message and "remove it" in message


def test_the_states_of_a_training_below_the_folder_are_nobodys_business(folder):
    (folder / "state").mkdir()
    torch.save({}, folder / "state" / "optimizer.pt")
    load_pretrained(folder)


@pytest.mark.parametrize("name", ["nowhere", "a/b/c", "/a/b", "./a", "../a"])
def test_no_such_folder(name):
    assert "there is no such folder" in refused(name)


def test_a_file_is_no_folder(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "weights").touch()
    monkeypatch.chdir(tmp_path)
    assert "there is no such folder" in refused("a/weights")


def test_a_folder_has_no_revisions(sound):
    with pytest.raises(ValueError, match="revision v1: .* is a folder; revisions are of a Hub id"):
        load_pretrained(sound, "v1")
    with pytest.raises(ValueError, match="is a folder"):
        load_pretrained(revision="v1")


def test_a_model_of_another_kind(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    assert "is a model of type 'bert', not 'hf_galaxy'" in refused(folder)


def test_neither_folder_nor_repository(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "is not in the cache, and HF_HUB_OFFLINE forbids to fetch it" in refused("nobody/nothing-of-version-1.0")


def test_what_is_no_hub_id():
    assert "is no Hub id, owner/name" in refused("some body/nothing")
