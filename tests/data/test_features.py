from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from hf_galaxy.data.features import galaxy_features, galaxy_table
from hf_galaxy.physics.labels import PROPERTY_NAMES
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, SURVEYS

N = 5


def table(**given):
    rng = np.random.default_rng(0)
    columns = {
        "row": np.arange(10, 10 + N),
        "flux": rng.random((N, len(BANDS))),
        "properties": rng.random((N, len(PROPERTIES))),
        "survey": np.array(["sim_survey", "sim_broad"] * 3)[:N],
    }
    return columns | given, galaxy_table(**columns | given)


def test_simulated_properties_are_those_of_the_variables():
    """The physics never imports the Hub files: this binds them."""
    assert PROPERTY_NAMES == PROPERTIES


def test_what_is_written_is_read(tmp_path, monkeypatch):
    columns, made = table()
    pq.write_table(made, tmp_path / "train-00000-of-00001.parquet")
    read = load_dataset(str(tmp_path), cache_dir=str(tmp_path / "cache"))["train"].with_format("numpy")
    assert read.features == galaxy_features()
    np.testing.assert_array_equal(read["row"][:], columns["row"])
    np.testing.assert_array_equal(read["flux"][:], columns["flux"].astype("float32"))
    np.testing.assert_array_equal(read["properties"][:], columns["properties"].astype("float32"))
    assert [SURVEYS[i] for i in read["survey"][:]] == list(columns["survey"])


def test_wrong_width_and_unknown_survey_are_refused():
    with pytest.raises(ValueError, match=r"flux \(5, 3\)"):
        table(flux=np.zeros((N, 3)))
    with pytest.raises(ValueError, match="survey 'nowhere' is not one of"):
        table(survey=np.array(["nowhere"] * N))
