from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table

from hf_galaxy.data.row_sources.opening import open_rows

N = 23
BOUNDS = [slice(0, 4), slice(4, 8), slice(12, 20), slice(20, 23)]  # a gap, as another process leaves it


def table() -> Table:
    """Numbers, whole numbers with gaps, texts and an array."""
    rng = np.random.default_rng(0)
    made = Table({"x": rng.normal(size=N), "n": MaskedColumn(np.arange(N), mask=np.arange(N) % 5 == 0)})
    made["name"] = [f"galaxy {i}" for i in range(N)]
    made["flux"] = rng.normal(size=(N, 3)).astype("f4")
    made["x"].unit = "nJy"
    return made


def flat() -> Table:
    made = table()
    made.remove_column("flux")
    return made


def pandas_parquet(folder):
    frame = flat().to_pandas()
    pq.write_table(pa.Table.from_pandas(frame), folder / "t.parquet", row_group_size=6)
    return folder / "t.parquet"


def written(folder, name, made):
    made.write(folder / name, format="votable" if name.endswith(".vot") else None)
    return folder / name


def shards(folder, suffix):
    (folder / "shards").mkdir()
    for i, rows in enumerate((slice(0, 5), slice(5, 6), slice(6, N))):
        table()[rows].write(folder / "shards" / f"part-{i}.{suffix}")
    return folder / "shards"


def saved(folder):
    import datasets

    datasets.Dataset.from_pandas(flat().to_pandas()).save_to_disk(folder / "saved")
    return folder / "saved"


SOURCES = {
    "astropy parquet": lambda f: written(f, "t.parquet", table()["x", "name", "flux"]),
    "masked parquet": lambda f: written(f, "t.parquet", table()),
    "row groups": pandas_parquet,
    "fits": lambda f: written(f, "t.fits", table()),
    "ecsv": lambda f: written(f, "t.ecsv", table()),
    "votable": lambda f: written(f, "t.vot", table()),
    "csv": lambda f: written(f, "t.csv", flat()),
    "folder of fits": lambda f: shards(f, "fits"),
    "saved data set": saved,
    "in memory": lambda f: table(),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_rows_that_are_asked_for(tmp_path, kind):
    rows = open_rows(SOURCES[kind](tmp_path))
    assert rows.rows == N
    blocks = list(rows.blocks(BOUNDS))
    assert [block.start for block in blocks] == [b.start for b in BOUNDS]
    for bounds, block in zip(BOUNDS, blocks, strict=True):
        wanted = table()[bounds]
        np.testing.assert_allclose(block.table["x"], wanted["x"], rtol=1e-15)  # decimals of text
        assert [str(name) for name in block.table["name"]] == list(wanted["name"])
        if "n" in block.table.colnames:
            found = np.ma.filled(np.ma.masked_invalid(np.ma.asarray(block.table["n"], dtype=float)), -1)
            np.testing.assert_array_equal(found, wanted["n"].filled(-1))
        if "flux" in block.table.colnames:
            np.testing.assert_array_equal(block.table["flux"], wanted["flux"])


@pytest.mark.parametrize("kind", ["astropy parquet", "masked parquet", "fits", "ecsv", "votable", "folder of fits"])
def test_units_come_with_the_columns(tmp_path, kind):
    assert str(next(iter(open_rows(SOURCES[kind](tmp_path)).blocks(BOUNDS))).table["x"].unit) == "nJy"


def test_a_row_of_csv_with_too_few_or_too_many_cells_keeps_its_place(tmp_path):
    lines = ["# a comment", "x,y,id", "1,2,a", "3,4", "# another", "5,6,b", "", "7,8,c,9", "10,11,d", "12"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    rows = open_rows(tmp_path / "t.csv")
    assert (rows.rows, rows.names) == (6, ["x", "y", "id"])
    for size in (1, 2, 6):
        bounds = [slice(i, min(i + size, 6)) for i in range(0, 6, size)]
        blocks = list(rows.blocks(bounds))
        x = np.concatenate([np.ma.filled(np.ma.asarray(b.table["x"], dtype=float), -1) for b in blocks])
        np.testing.assert_array_equal(x, [1, -1, 5, -1, 10, -1])
        problems = {b.start + row: why for b in blocks for row, why in b.problems.items()}
        assert problems == {
            1: "2 cells where 3 are wanted",
            3: "4 cells where 3 are wanted",
            5: "1 cells where 3 are wanted",
        }


def test_every_block_of_csv_has_the_types_of_the_whole_file(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c\n1,1,1\n2,2,2\n3,2.5,x\n")
    blocks = list(open_rows(tmp_path / "t.csv").blocks([slice(0, 1), slice(1, 3)]))
    assert [b.table[name].dtype.kind for b in blocks for name in "abc"] == ["i", "f", "U"] * 2


@pytest.mark.parametrize("change", ["grows", "vanishes", "is written anew"])
@pytest.mark.parametrize("kind", ["astropy parquet", "fits", "csv"])
def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path, kind, change):
    path = SOURCES[kind](tmp_path)
    blocks = open_rows(path).blocks(BOUNDS)
    next(blocks)
    if change == "vanishes":
        path.unlink()
    elif change == "grows":
        with open(path, "ab") as stream:
            stream.write(b"1,1,galaxy\n" * 500)
    else:
        os.utime(path, ns=(1, 1))
    with pytest.raises(ValueError, match="vanished while|changed while") as caught:
        list(blocks)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


REFUSED = {
    "absent": (lambda f: f / "absent.fits", "no such file"),
    "empty folder": (lambda f: f, "no Parquet and no FITS file"),
    "cut fits": (lambda f: cut(long_fits(f)), "the file ends before its 500 rows do"),
    "cut parquet": (lambda f: cut(SOURCES["row groups"](f)), "not a readable Parquet file"),
    "binary": (lambda f: binary(f), "neither text nor of a known format"),
}


def long_fits(folder):
    return written(folder, "long.fits", Table({"x": np.arange(500.0), "y": np.arange(500.0)}))


def cut(path):
    path.write_bytes(
        path.read_bytes()[: path.stat().st_size - 3000] if path.suffix == ".fits" else path.read_bytes()[:99]
    )
    return path


def binary(folder):
    (folder / "x.csv").write_bytes(b"a,b\0\1")
    return folder / "x.csv"


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_table_is_refused_in_one_line(tmp_path, case):
    make, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as caught:
        open_rows(make(tmp_path))
    assert "\n" not in str(caught.value)


def test_folders_of_two_kinds_or_of_different_columns_are_refused(tmp_path):
    folder = shards(tmp_path, "fits")
    Table({"x": [1.0]}).write(folder / "part-9.fits")
    with pytest.raises(ValueError, match=r"part-9.fits: other columns than .*part-0.fits"):
        open_rows(folder)
    Table({"x": [1.0]}).write(folder / "part-9.parquet")
    with pytest.raises(ValueError, match="holds Parquet and FITS files"):
        open_rows(folder)
