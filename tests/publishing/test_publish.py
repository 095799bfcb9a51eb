"""What is asked for is complete, and nothing is sent when a check fails."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from hf_galaxy.cli import main
from hf_galaxy.publishing.publish import Job, publish
from hf_galaxy.repositories.committing import Manner
from tests.fake_hub import FakeHub, Repository
from tests.small_dataset import write_small_dataset


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with FakeHub() as served:
        served.answer_here(monkeypatch, tmp_path / "home")
        yield served


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_small_dataset(tmp_path_factory.mktemp("data"))


def refused(capsys, *arguments: str) -> str:
    assert main(["publish", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("hf-galaxy: error: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "nothing to publish"),
        (["M"], "--to OWNER/NAME is missing: where is M to go?"),
        (["--data", "D"], "a data set needs both --data FOLDER and --data-to"),
        (["--data-to", "tester/d"], "a data set needs both"),
        (["--data", "D", "--data-to", "tester/d", "--space", "tester/s"], "--space needs --to"),
        (["--to", "tester/a", "--metrics", "x", "--no-metrics"], "exclude each other"),
        (["nowhere", "--to", "tester/a"], "nowhere: there is no such folder"),
        (["--to", "tester/a"], "has no metrics.json; give --metrics FILE"),
        (["--to", "tester/a", "--no-metrics", "--card", "nowhere.md"], "nowhere.md: cannot be read as Markdown"),
    ],
)
def test_what_is_missing_is_told(capsys, tmp_path, monkeypatch, arguments, why):
    monkeypatch.chdir(tmp_path)
    assert why in refused(capsys, *arguments)


def test_a_pickle_or_a_wrong_evaluation_ends_before_the_data_set_that_was_good_is_sent(
    hub, capsys, data, blank_model, blank_metrics, tmp_path
):
    folder = Path(shutil.copytree(blank_model, tmp_path / "model"))
    both = [str(folder), "--to", "tester/a", "--data", str(data), "--data-to", "tester/d"]
    torch.save({}, folder / "optimizer.pt")
    assert "refused for optimizer.pt: a pickle" in refused(capsys, *both, "--metrics", str(blank_metrics))
    (folder / "optimizer.pt").unlink()
    report = json.loads(blank_metrics.read_text())
    (folder / "metrics.json").write_text(json.dumps({**report, "model": {"parameters": 1}}))
    assert "is of another model: parameters 1" in refused(capsys, *both)
    assert hub.requests == [] and hub.repositories == {}


def test_a_dry_run_shows_files_and_card_and_asks_the_hub_nothing(hub, capsys, data):
    assert main(["publish", "--data", str(data), "--data-to", "tester/d", "--dry-run"]) == 0
    told = capsys.readouterr().out
    shard = data / "train-00000-of-00001.parquet"
    assert f"{shard.stat().st_size:,}  {shard.name}" in told and 'load_dataset("tester/d"' in told
    assert told.splitlines()[-1] == "dry run: nothing was sent, and the Hub was not asked"
    assert hub.requests == [] and hub.repositories == {}


def test_a_data_set_alone_and_a_new_version_of_it(hub, data, tmp_path):
    told: list[str] = []
    first = publish(Job(data=data, data_to="tester/d", manner=Manner(tag="v1")), told.append)["tester/d"]
    other = Path(shutil.copytree(data, tmp_path / "other"))
    (other / "train-00000-of-00001.parquet").rename(other / "train-00000-of-00002.parquet")
    with pytest.raises(ValueError, match=r"holds 1 files besides, such as train-00000-of-00001\.parquet"):
        publish(Job(data=other, data_to="tester/d", manner=Manner(tag="v2")), told.append)
    second = publish(Job(data=other, data_to="tester/d", manner=Manner(tag="v2", replace=True)), told.append)
    repository = hub.repositories["dataset", "tester/d"]
    assert repository.tags == {"v1": first, "v2": second["tester/d"]}
    assert set(repository.files) == {p.name for p in other.iterdir() if not p.name.startswith(".")}
    assert "1 old files removed" in told[-2] and told[-1] == "tester/d: tagged v2"


@pytest.mark.slow  # a fresh process for the check at home
@pytest.mark.timeout(600)
def test_a_tag_that_the_model_has_ends_before_the_data_set_is_sent(hub, capsys, data, blank_model):
    hub.repositories["model", "tester/a"] = Repository()
    hub.repositories["model", "tester/a"].tags["v1"] = "0" * 40
    both = [str(blank_model), "--to", "tester/a", "--no-metrics", "--data", str(data), "--data-to", "tester/d"]
    assert main(["publish", *both, "--tag", "v1"]) == 2
    assert "tester/a: has a tag v1 already" in capsys.readouterr().err
    assert set(hub.repositories) == {("model", "tester/a")}
