"""Tables of galaxies: Parquet in, tensors out, and a plain word about what does not fit."""

from __future__ import annotations

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hf_galaxy.data.features import ObservedGalaxies
from hf_galaxy.data.galaxies import GalaxyTable, splits
from hf_galaxy.variables_galaxy import BANDS, SURVEYS
from tests.random_tables import arrow_table, observed_table, random_table, write_table

ALL = ("flux", "properties", "survey", "flux_error", "property_error", "noisy")


def same(a: GalaxyTable, b: GalaxyTable) -> bool:
    pairs = [(getattr(a, k), getattr(b, k)) for k in ALL]
    return all((x is y is None) or torch.equal(x.nan_to_num(-7), y.nan_to_num(-7)) for x, y in pairs)


@pytest.mark.parametrize("fixed", [True, False])
@pytest.mark.parametrize("names", [True, False])
def test_parquet_comes_back_bit_for_bit(tmp_path, fixed, names):
    table = random_table(50)
    table.properties[3, 2] = torch.nan
    pq.write_table(arrow_table(table, fixed, names), tmp_path / "a.parquet", row_group_size=7)
    assert same(GalaxyTable.load(tmp_path), table)


def test_files_are_read_in_the_order_of_their_names(tmp_path):
    table = random_table(30)
    for i in (2, 0, 1):
        write_table(table[slice(10 * i, 10 * i + 10)], tmp_path, f"train-0000{i}-of-00003.parquet")
    assert same(GalaxyTable.load(tmp_path, "train"), table)


def test_class_labels_written_by_datasets_keep_their_meaning(tmp_path):
    own_order = datasets.Features(
        flux=datasets.List(datasets.Value("float32"), len(BANDS)),
        properties=datasets.List(datasets.Value("float32")),
        survey=datasets.ClassLabel(names=["desi", "sdss"]),
    )
    table = random_table(4)
    rows = {
        "flux": table.flux.tolist(),
        "properties": table.properties.tolist(),
        "survey": ["sdss", "desi", "desi", "sdss"],
    }
    datasets.Dataset.from_dict(rows, features=own_order).to_parquet(str(tmp_path / "a.parquet"))
    loaded = GalaxyTable.load(tmp_path)
    assert [SURVEYS[i] for i in loaded.survey] == rows["survey"]
    assert torch.equal(loaded.flux, table.flux)


def test_splits_are_told_apart_by_file_names(tmp_path):
    a, b = random_table(20, 1), random_table(10, 2)
    write_table(a, tmp_path, "galaxies-train.parquet")
    write_table(b, tmp_path, "galaxies-test-00000-of-00001.parquet")
    assert splits(tmp_path) == ["test", "train"]
    assert same(GalaxyTable.load(tmp_path, "test"), b)
    with pytest.raises(ValueError, match=r"several splits \(test, train\)"):
        GalaxyTable.load(tmp_path)
    with pytest.raises(ValueError, match="no split 'validation'"):
        GalaxyTable.load(tmp_path, "validation")


def test_indexing_by_tensor_keeps_rows_together():
    table = random_table(20)
    index = torch.tensor([7, 3, 3])
    part = table[index]
    assert len(part) == 3
    assert torch.equal(part.flux, table.flux[index]) and torch.equal(part.survey, table.survey[index])


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        GalaxyTable.load(str(tmp_path / "nowhere"))


def test_a_folder_without_parquet_is_named(tmp_path):
    with pytest.raises(ValueError, match="no Parquet file in this folder"):
        GalaxyTable.load(tmp_path)


def test_a_file_that_is_not_parquet_is_named(tmp_path):
    (tmp_path / "a.parquet").write_text("hello")
    with pytest.raises(ValueError, match=r"a\.parquet: not a readable Parquet file"):
        GalaxyTable.load(tmp_path)


def broken(change) -> pa.Table:
    table = arrow_table(random_table(5), fixed=False, names=True)
    return change(table)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns("properties"), "column properties is missing; columns are row, flux, survey"),
        (
            lambda t: t.set_column(1, "flux", pa.array([[1.0] * 60] * 5)),
            "column flux has lists of length .*60.*, not 62",
        ),
        (lambda t: t.set_column(1, "flux", pa.array([1.0] * 5)), "column flux is of type double; lists of 62"),
        (
            lambda t: t.set_column(1, "flux", pa.array([[1.0] * 62] * 4 + [[float("inf")] * 62])),
            "flux, row 4: infinite",
        ),
        (lambda t: t.set_column(3, "survey", pa.array(["hubble"] * 5)), "'hubble' is not one of sim_survey"),
        (lambda t: t.set_column(3, "survey", pa.array([99] * 5)), "survey runs from 99 to 99; 0 to 6"),
        (lambda t: t.set_column(3, "survey", pa.array([1, 2, 3, 4, None])), "survey has 1 nulls"),
        (lambda t: t.slice(0, 0), "no galaxy in it"),
    ],
)
def test_columns_that_do_not_fit_are_refused(tmp_path, change, message):
    pq.write_table(broken(change), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=message):
        GalaxyTable.load(tmp_path)


def test_missing_shards_are_told(tmp_path):
    write_table(random_table(3), tmp_path, "train-00000-of-00002.parquet")
    with pytest.warns(UserWarning, match="1 of 2 shards"):
        assert len(GalaxyTable.load(tmp_path)) == 3


def observed_arrow(table: GalaxyTable) -> pa.Table:
    """The galaxies in the schema of ``observed_features``, as the builders of real data write it."""
    n = len(table)
    names = np.array([SURVEYS[i] for i in table.survey])
    columns = {k: getattr(table, k).numpy() for k in ("flux", "flux_error", "properties", "property_error", "noisy")}
    return ObservedGalaxies(
        id=np.array([f"g{i}" for i in range(n)]),
        draw=np.zeros(n, int),
        ra=np.zeros(n),
        dec=np.zeros(n),
        extrapolated=np.zeros((n, len(BANDS)), bool),
        survey=names,
        source=np.array(["test"] * n),
        **columns,
    ).table()


def test_observed_galaxies_come_back_bit_for_bit(tmp_path):
    table = observed_table(20)
    pq.write_table(observed_arrow(table), tmp_path / "a.parquet", row_group_size=7)
    loaded = GalaxyTable.load(tmp_path)
    assert loaded.has_errors and same(loaded, table)
    part = loaded[torch.tensor([3, 1])]
    assert same(part, table[torch.tensor([3, 1])]) and len(part.noisy) == 2


def test_simulated_and_observed_files_of_one_folder_go_together(tmp_path):
    simulated, observed = random_table(6), observed_table(5)
    pq.write_table(observed_arrow(observed), tmp_path / "a.parquet")
    write_table(simulated, tmp_path, "b.parquet")
    loaded = GalaxyTable.load(tmp_path)
    assert same(loaded, GalaxyTable.join([observed, simulated])) and same(loaded[slice(0, 5)], observed)
    assert (loaded.flux_error[5:] == 0).all() and (loaded.property_error[5:] == 0).all() and not loaded.noisy[5:].any()


def test_tables_without_errors_join_without():
    joined = GalaxyTable.join([random_table(3), random_table(2, 1)])
    assert len(joined) == 5 and not joined.has_errors


def test_errors_come_all_together():
    table = random_table(3)
    with pytest.raises(ValueError, match=r"property_error is missing; \(3, 19\) is wanted"):
        GalaxyTable(table.flux, table.properties, table.survey, flux_error=table.flux)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns("noisy"), "column noisy is missing"),
        (lambda t: t.set_column(t.schema.names.index("noisy"), "noisy", pa.array([1] * 5)), "noisy is int64"),
        (lambda t: t.set_column(t.schema.names.index("noisy"), "noisy", pa.array([True] * 4 + [None])), "1 nulls"),
        (
            lambda t: _with(t, "flux_error", 2, -1.0),
            "row 2: flux and flux_error must be known together, and errors not",
        ),
        (lambda t: _with(t, "property_error", 1, float("nan")), "row 1: properties and property_error must be known"),
    ],
)
def test_errors_that_do_not_fit_are_refused(tmp_path, change, message):
    table = observed_table(5)
    table.flux[:], table.flux_error[:], table.properties[:], table.property_error[:] = 1.0, 1.0, 1.0, 1.0
    pq.write_table(change(arrow_table(table, fixed=False)), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=message):
        GalaxyTable.load(tmp_path)


def _with(table: pa.Table, column: str, row: int, value: float) -> pa.Table:
    rows = table[column].to_pylist()
    rows[row][0] = value
    return table.set_column(table.schema.names.index(column), column, pa.array(rows))
