"""Tables of galaxies: Parquet in, tensors out, and a plain word about what does not fit."""

from __future__ import annotations

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hf_galaxy.data.galaxies import GalaxyTable, splits
from hf_galaxy.variables_galaxy import BANDS, SURVEYS
from tests.random_tables import arrow_table, random_table, write_table


def same(a: GalaxyTable, b: GalaxyTable) -> bool:
    return all(
        torch.equal(getattr(a, k).nan_to_num(-7), getattr(b, k).nan_to_num(-7))
        for k in ("flux", "properties", "survey")
    )


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
