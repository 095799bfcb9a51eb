"""Parquet of the documented schema, as files and as a data set that is streamed."""

from __future__ import annotations

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hf_galaxy.data.spectra_sources import MultimodalUniverse
from hf_galaxy.data.spectra_sources import multimodal as module
from tests.spectra_files import multimodal_row


def write(path, kind="sdss", n=5, rows_per_group=2, first=0, nested=False):
    """Rows with the types of the Hub: spectrum a struct of lists of float32 and bool, or a list of structs."""
    identifiers = [((2674 + first + i) << 50) + (1 << 38) + ((54097 - 50000) << 24) for i in range(n)]
    rows = [multimodal_row(kind, padding=i % 3, identifier=name) for i, name in enumerate(identifiers)]
    for row in rows:
        lists = {k: v.tolist() for k, v in row["spectrum"].items()}
        row["spectrum"] = (
            [dict(zip(lists, x, strict=True)) for x in zip(*lists.values(), strict=True)] if nested else lists
        )
    kinds = [(k, pa.bool_() if k == "mask" else pa.float32()) for k in ("flux", "ivar", "lsf_sigma", "lambda", "mask")]
    spectrum = pa.list_(pa.struct(kinds)) if nested else pa.struct([(k, pa.list_(t)) for k, t in kinds])
    table = pa.table({k: pa.array([r[k] for r in rows], spectrum if k == "spectrum" else None) for k in rows[0]})
    pq.write_table(table, path, row_group_size=rows_per_group)


def test_local_files_are_read_by_row_groups(tmp_path):
    write(tmp_path / "train-00000.parquet", first=0)
    write(tmp_path / "train-00001.parquet", first=5)
    source = MultimodalUniverse(str(tmp_path))
    pieces = source.pieces(4)
    assert [p.count for p in pieces] == [4, 3, 3]
    assert [p.count for p in MultimodalUniverse(str(tmp_path), files=1).pieces(4)] == [4, 1]
    read = [r for p in pieces for r in source.read(p)]
    assert [r.id for r in read] == [f"{2674 + i}-54097-1" for i in range(10)]
    assert all(r.spectrum.wavelength.size == 50 for r in read)  # the padding is gone
    np.testing.assert_allclose(read[7].spectrum.flux, 2e-17, rtol=1e-6)


def test_lists_of_structs_are_the_same(tmp_path):
    write(tmp_path / "a.parquet", "desi", n=2)
    write(tmp_path / "b.parquet", "desi", n=2, nested=True)
    one, two = (
        [r.spectrum for p in s.pieces(9) for r in s.read(p)]
        for s in (MultimodalUniverse(str(tmp_path / f"{x}.parquet")) for x in "ab")
    )
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.flux, b.flux)
        np.testing.assert_array_equal(a.wavelength, b.wavelength)
        assert a.facts == b.facts


def test_a_data_set_is_streamed_shard_by_shard(tmp_path, monkeypatch):
    """What the Hub does, from a folder: ``load_dataset`` cannot tell."""
    write(tmp_path / "train-00000.parquet", first=0)
    write(tmp_path / "train-00001.parquet", first=5, n=3)
    local = [
        r.id for p in MultimodalUniverse(str(tmp_path)).pieces(99) for r in MultimodalUniverse(str(tmp_path)).read(p)
    ]
    monkeypatch.setattr(module, "_is_here", lambda name: False)
    source = MultimodalUniverse(str(tmp_path))
    pieces = source.pieces(4)
    assert [p.items for p in pieces] == [(0, 2), (1, 2)]
    assert [[r.id for r in source.read(p)] for p in pieces] == [local[:5], local[5:]]
    assert MultimodalUniverse(str(tmp_path), files=1).pieces(4) == pieces[:1]


def test_a_row_that_is_wrong_is_told_and_the_others_stay(tmp_path):
    write(tmp_path / "a.parquet", n=3)
    table = pq.read_table(tmp_path / "a.parquet")
    ids = table["object_id"].to_pylist()
    table = table.set_column(table.column_names.index("object_id"), "object_id", pa.array([ids[0], "nobody", ids[2]]))
    pq.write_table(table, tmp_path / "a.parquet")
    source = MultimodalUniverse(str(tmp_path / "a.parquet"))
    read = list(source.read(source.pieces(9)[0]))
    assert [r.spectrum is not None for r in read] == [True, False, True]
    assert read[1].id == "nobody" and "is not a number" in read[1].reason


def test_parquet_of_something_else(tmp_path):
    pq.write_table(pa.table({"object_id": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet: no column spectrum; the columns are object_id"):
        MultimodalUniverse(str(tmp_path)).pieces(9)
    (tmp_path / "a.parquet").write_bytes(b"not this")
    with pytest.raises(ValueError, match=r"a\.parquet: .*Parquet"):
        MultimodalUniverse(str(tmp_path)).pieces(9)
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(ValueError, match="no Parquet file in it"):
        MultimodalUniverse(str(tmp_path)).pieces(9)


def test_a_name_that_is_neither_here_nor_on_the_hub(monkeypatch):
    def nobody(*arguments, **options):
        raise datasets.exceptions.DatasetNotFoundError("Dataset 'nobody/nothing' doesn't exist on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", nobody)
    with pytest.raises(
        ValueError, match="nobody/nothing: no Parquet file or folder here, nor on the Hub .*doesn't exist"
    ):
        MultimodalUniverse("nobody/nothing").pieces(9)
