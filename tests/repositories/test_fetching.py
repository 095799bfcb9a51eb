"""Models of the Hub: one commit, only what is needed, and one line for everything that cannot be loaded."""

from __future__ import annotations

import json

import pytest
import torch
from huggingface_hub import constants

from hf_galaxy import GalaxyPosterior
from hf_galaxy.checkpoints import NEEDED, load_pretrained
from tests.fake_hub import Repository

NAME = "tester/galaxy-1.0"


@pytest.fixture
def repository(hub, blank_model) -> Repository:
    """A model, and code that must not run."""
    files = {name: (blank_model / name).read_bytes() for name in NEEDED}
    hub.repositories["model", NAME] = Repository()
    hub.repositories["model", NAME].commit("main", {**files, "modeling_galaxy.py": b"raise SystemExit('run!')"})
    return hub.repositories["model", NAME]


def refused(name: str = NAME, revision: str | None = None) -> str:
    with pytest.raises(ValueError) as error:
        load_pretrained(name, revision)
    message = str(error.value)
    assert "\n" not in message and message.startswith(f"{name}: ")
    return message.removeprefix(f"{name}: ")


def test_a_model_of_the_hub_is_that_of_the_folder_and_its_code_stays_there(hub, repository, blank_model, tmp_path):
    model, tokenizer = load_pretrained(NAME)
    here = load_pretrained(blank_model)[0]
    for mine, theirs in zip(model.state_dict().values(), here.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    assert model.config._commit_hash == repository.at("main")[0] and model.name_or_path == NAME
    assert not any("modeling" in path for method, path in hub.requests)
    GalaxyPosterior(model, tokenizer).save_pretrained(tmp_path / "again")
    assert NAME not in (tmp_path / "again" / "config.json").read_text()


def test_a_revision_is_pinned(repository):
    first, files = repository.at("main")
    config = json.loads(files["config.json"])
    config["training"] = {"galaxies_seen": 7}
    second = repository.commit("main", {**files, "config.json": json.dumps(config).encode()})
    repository.tags["v1"] = first
    seen = {rev: load_pretrained(NAME, rev)[0].config.training for rev in (None, "main", "v1", first, second)}
    assert seen["v1"] == seen[first] == load_pretrained(NAME, "v1")[0].config.training
    assert seen[None] == seen["main"] == seen[second] == {"galaxies_seen": 7} != seen["v1"]


def test_without_a_connection_the_cache_answers(repository, monkeypatch):
    load_pretrained(NAME)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    load_pretrained(NAME)
    assert refused("tester/other").startswith("is not in the cache, and HF_HUB_OFFLINE forbids to fetch it")
    assert "is not in the cache" in refused(NAME, "v2")


def test_no_connection(hub):
    hub.__exit__()
    assert "cannot be reached and the cache does not have it; see the connection" in refused()


def test_no_such_repository_or_revision(repository):
    assert refused("tester/none").startswith(f"no such model on {constants.ENDPOINT}, nor a folder of that name, or a")
    assert "has no revision 'v9'; see" in refused(NAME, "v9")


def test_private_gated_and_a_wrong_token(repository, monkeypatch):
    repository.private = True
    load_pretrained(NAME)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert refused("tester/x").startswith("the Hub does not accept the token (Invalid credentials in Authorization")
    monkeypatch.delenv("HF_TOKEN")
    assert "if private, hf auth login" in refused("tester/x")
    repository.private, repository.gated = False, True
    monkeypatch.setattr(constants, "HF_HUB_CACHE", constants.HF_HUB_CACHE + "2")
    assert f"is gated; ask for access at {constants.ENDPOINT}/{NAME}, then hf auth login" in refused()


def test_a_repository_with_a_pickle_is_refused(repository):
    repository.commit("main", {**repository.files, "optimizer.pt": b"\x80\x02"})
    assert refused().startswith("refused for optimizer.pt: a pickle can run any program")


def test_missing_and_damaged_files_are_told_by_the_name_of_the_repository(repository):
    files = repository.files
    repository.commit("main", {k: v for k, v in files.items() if k != "variables.json"})
    assert refused().startswith("variables.json missing")
    repository.commit("main", {**files, "config.json": b"{"})
    with pytest.raises(ValueError, match=f"^{NAME}/config.json: damaged, not JSON"):
        load_pretrained(NAME)
    repository.commit("main", {**files, "config.json": b'{"model_type": "bert"}'})
    assert refused() == "is a model of type 'bert', not 'hf_galaxy'"
