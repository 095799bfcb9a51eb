"""A data set on the Hub is the folder, byte by byte but for its name in the card; refusals are one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hf_galaxy.data.dataset_upload import dataset_upload
from hf_galaxy.data.shards import LOCK_FILE
from tests.fake_hub import FakeHub
from tests.small_dataset import write_small_dataset

# One process for all: most of its time goes into importing.
CLIENT = """
import sys
from hf_galaxy.data.dataset_upload import upload_dataset
print(upload_dataset(sys.argv[1], "tester/galaxies"))
try:
    upload_dataset(sys.argv[1], "closed/galaxies")
except ValueError as error:
    print(error)
from datasets import load_dataset
print(load_dataset("tester/galaxies")["train"].num_rows)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_small_dataset(tmp_path_factory.mktemp("set"))


def test_the_hub_gets_the_folder_and_gives_it_back_and_a_refusal_is_one_line(folder, tmp_path):
    with FakeHub() as hub:
        environment = {**os.environ, **hub.environment(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-c", CLIENT, str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    address, refusal, rows = done.stdout.splitlines()
    assert address == f"{hub.endpoint}/datasets/tester/galaxies" and rows == "5"
    assert refusal.startswith("closed/galaxies: this login may not do that (You don't have the rights")
    visible = [p for p in folder.iterdir() if not p.name.startswith(".")]
    there = dict(hub.files("dataset", "tester/galaxies"))
    card, original = there.pop("README.md").decode(), (folder / "README.md").read_text()
    assert 'load_dataset("tester/galaxies", split="train")' in card
    assert card.replace("tester/galaxies", "FOLDER_OR_ORG/NAME") == original
    assert there == {p.name: p.read_bytes() for p in visible if p.name != "README.md"}
    assert (folder / LOCK_FILE).exists() and len(visible) == 4


def test_a_folder_that_is_no_finished_data_set_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"no finished data set \(README\.md and Parquet shards\); build it first"):
        dataset_upload(tmp_path, "tester/galaxies")
    assert list(dataset_upload(folder, "tester/galaxies").files) == [
        "README.md",
        "settings.json",
        "skipped.csv",
        "train-00000-of-00001.parquet",
    ]


def test_a_damaged_a_strange_or_an_unfinished_shard_is_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "set")
    shard = copy / "train-00000-of-00001.parquet"
    pq.write_table(pq.read_table(shard).drop_columns("flux"), copy / "train-00001-of-00002.parquet")
    with pytest.raises(ValueError, match=r"train-00001-of-00002\.parquet: has other columns than train-00000"):
        dataset_upload(copy, "tester/galaxies")
    (copy / "train-00001-of-00002.parquet").write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"train-00001-of-00002\.parquet: damaged, no Parquet"):
        dataset_upload(copy, "tester/galaxies")
    (copy / "train-00001-of-00002.parquet").rename(copy / ".train-00001-of-00002.parquet.x.part")
    with pytest.raises(ValueError, match="is of a build that was killed; run the build again"):
        dataset_upload(copy, "tester/galaxies")
