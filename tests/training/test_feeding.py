"""From settings to galaxies: mixtures and streams train, stop and go on as one table does, and say what they were."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from hf_galaxy.data.shards import SETTINGS_FILE
from hf_galaxy.physics.noise import NoiseSettings
from hf_galaxy.training import feeding
from hf_galaxy.training.settings import TrainSettings
from hf_galaxy.training.sources import OnlineSource
from tests.random_tables import observed_table, random_table, write_table
from tests.training.conftest import history
from tests.training.test_loop import stop_at

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> str:
    """120 simulated galaxies in row groups of 20, and 30 to validate on."""
    folder = tmp_path_factory.mktemp("data") / "simulated"
    write_table(random_table(120), folder, "train-00000-of-00001.parquet", row_group_size=20)
    write_table(random_table(30, 1), folder, "validation-00000-of-00001.parquet")
    (folder / SETTINGS_FILE).write_text(json.dumps({"version": "2.0.0", "settings": {"i_max": 22.5}}))
    return str(folder)


@pytest.fixture(scope="module")
def observed(tmp_path_factory) -> str:
    """80 observed galaxies."""
    folder = write_table(observed_table(80), tmp_path_factory.mktemp("data") / "observed", row_group_size=20)
    (folder / SETTINGS_FILE).write_text(json.dumps({"version": "1.0.0", "sources": ["sdss"], "folder": "/home/x"}))
    return str(folder)


@pytest.mark.parametrize("stream", [False, True])
def test_a_mixture_that_was_stopped_is_the_mixture_that_never_stopped(make, simulated, observed, tmp_path, stream):
    settings = {"data": [simulated, f"{observed}:0.25"], "stream": stream}
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    make(**settings, out=whole).run()
    stop_at(make(**settings, out=parts), 5).run()
    make(**settings, out=parts, resume=True).run()
    assert history(parts) == history(whole)
    assert Path(parts, "model.safetensors").read_bytes() == Path(whole, "model.safetensors").read_bytes()
    with pytest.raises(ValueError, match=r"shares of --data were \[None, 0.25\] and cannot become \[None, 0.5\]"):
        make(data=[simulated, f"{observed}:0.5"], stream=stream, out=parts, resume=True)
    with pytest.raises(ValueError, match="stream was"):
        make(data=settings["data"], stream=not stream, out=parts, resume=True)


def test_the_model_tells_of_its_galaxies_and_their_noise(make, simulated, observed):
    loop = make(data=[simulated, f"{observed}:0.25"], noise={"depth_offset": 0.5}, steps=1)
    loop.run()
    config = AutoModel.from_pretrained(loop.settings.out).config
    folder = config.simulation["sources"][1].pop("folder")
    assert folder.startswith("x#"), "a path of this machine stays on it"
    assert config.simulation == {
        "sources": [
            {"version": "2.0.0", "settings": {"i_max": 22.5}},
            {"version": "1.0.0", "sources": ["sdss"], "share": 0.25},
        ]
    }
    noise = json.loads(json.dumps(asdict(NoiseSettings(depth_offset=0.5))))
    assert config.training["noise"] == noise and config.training["settings"]["data"] == ["simulated", "observed:0.25"]


def test_validation_has_every_source_in_its_share(simulated, observed):
    settings = TrainSettings(data=[simulated, f"{observed}:0.25"], valid_rows=12, batch_size=8, micro_batch=8)
    held_out = feeding.feed(settings, CPU).held_out
    assert (held_out.survey < 2).sum() == 9 and (held_out.survey >= 2).sum() == 3


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_held_out_is_not_trained_on(observed, stream):
    settings = TrainSettings(data=observed, valid_rows=4, batch_size=8, micro_batch=8, stream=stream)
    source, held_out, sample = feeding.feed(settings, CPU)
    assert len(held_out) == 4
    epoch = source.sequence.span(0, len(source.sequence)).flux.nan_to_num(-1)
    assert len(epoch) == (60 if stream else 76), "of a stream a whole row group is held out"
    assert not any((epoch == row).all(1).any() for row in held_out.flux.nan_to_num(-1))
    assert len(sample) == len(epoch)


def test_sources_without_a_share_come_by_their_size(simulated, observed):
    settings = TrainSettings(data=[observed, simulated], batch_size=40, micro_batch=40, valid_data=simulated)
    source, held_out, _ = feeding.feed(settings, CPU)
    unit = source.rows(0, 0)
    assert (unit.survey >= 2).sum() == 16, "80 of 200 galaxies are observed"
    assert len(held_out) == 30, "the split 'validation' of valid_data"


def test_real_galaxies_beside_the_simulator(observed, monkeypatch):
    monkeypatch.setattr(feeding, "simulator_of", lambda s, device: lambda seed, start, n: random_table(n, seed % 1000))
    settings = TrainSettings(data=f"{observed}:0.25", online=True, batch_size=16, micro_batch=8, valid_rows=8)
    source, held_out, _ = feeding.feed(settings, CPU)
    assert isinstance(source.main, OnlineSource)
    assert (source.rows(3, 1).survey >= 2).sum() == 2 and (held_out.survey >= 2).sum() == 2 and len(held_out) == 8


@pytest.mark.parametrize(
    ("write", "changes", "message"),
    [
        (lambda f: write_table(random_table(9), f), {"stream": True}, "a single row group, of which none can be held"),
        (lambda f: write_table(random_table(1), f), {}, "too few galaxies to train on"),
        (lambda f: None, {"stream": True}, "--stream reads Parquet files from a folder"),
        (lambda f: None, {}, "no such folder"),
    ],
)
def test_data_that_cannot_feed_are_named(tmp_path, write, changes, message):
    write(tmp_path / "x")
    with pytest.raises(ValueError, match=message):
        feeding.feed(TrainSettings(data=str(tmp_path / "x"), micro_batch=1, **changes), CPU)


def test_a_damaged_file_of_settings_is_named(tmp_path):
    write_table(random_table(3), tmp_path)
    (tmp_path / SETTINGS_FILE).write_text("{")
    with pytest.raises(ValueError, match=r"settings\.json: not valid JSON"):
        feeding.origin(TrainSettings(data=str(tmp_path)))
