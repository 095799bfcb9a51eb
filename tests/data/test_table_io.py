from __future__ import annotations

import gzip

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.data.table_io import as_table, check_output, read_table, write_table

ENDINGS = [".fits", ".ecsv", ".csv", ".vot", ".xml", ".parquet"]


def example() -> Table:
    return Table({"name": ["a", "b"], "J0400": [1.5, -2.0], "J0400_err": [0.5, 0.25]}, units={"J0400": "nJy"})


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_is_read_back(tmp_path, ending):
    path = tmp_path / f"table{ending}"
    write_table(example(), path)
    table, names = read_table(path)
    assert names == table.colnames == ["name", "J0400", "J0400_err"]
    assert list(table["J0400"]) == [1.5, -2.0]
    if ending != ".csv":  # which has no place for a unit
        assert str(table["J0400"].unit) == "nJy"


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_content_decides_not_the_ending(tmp_path, ending):
    write_table(example(), tmp_path / f"table{ending}")
    renamed = (tmp_path / f"table{ending}").rename(tmp_path / "table.download")
    assert read_table(renamed)[1] == ["name", "J0400", "J0400_err"]


@pytest.mark.parametrize("ending", [".fits", ".csv"])
def test_compressed_files_are_read(tmp_path, ending):
    write_table(example(), tmp_path / f"table{ending}")
    packed = tmp_path / f"table{ending}.gz"
    packed.write_bytes(gzip.compress((tmp_path / f"table{ending}").read_bytes()))
    assert list(read_table(packed)[0]["J0400"]) == [1.5, -2.0]


def test_whitespace_tables_are_read(tmp_path):
    (tmp_path / "table.txt").write_text("# a comment\nname J0400\na 1.5\nb -2\n")
    assert list(read_table(tmp_path / "table.txt")[0]["J0400"]) == [1.5, -2.0]


NOT_TABLES = {
    "empty.csv": b"",
    "picture.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "page.html": b"<html><body>404</body></html>",
    "cut.fits": b"SIMPLE  =                    T",
    "cut.parquet": b"PAR1\0\0",
    "cut.ecsv": b"# %ECSV 1.0\n# ---\n",
    "ragged.csv": b"a,b\n1,2\n1,2,3,4\n",
    "latin.csv": b"a,b\n\xe9\xff,2\n",
}


@pytest.mark.parametrize("name", NOT_TABLES)
def test_a_file_that_is_no_table_is_refused_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(NOT_TABLES[name])
    with pytest.raises(ValueError, match="not a table that can be read") as caught:
        read_table(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name)) and "\n" not in str(caught.value)


def test_a_fits_image_is_refused(tmp_path):
    from astropy.io import fits

    fits.PrimaryHDU(np.zeros((2, 2))).writeto(tmp_path / "image.fits")
    with pytest.raises(ValueError, match="no extension of this FITS file is a table"):
        read_table(tmp_path / "image.fits")


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        read_table(tmp_path / "absent.fits")
    with pytest.raises(ValueError, match="is a folder"):
        read_table(tmp_path)


def test_sources_in_memory_agree():
    import datasets
    import pandas as pd

    columns = {"J0400": np.array([1.5, -2.0]), "J0400_err": np.array([0.5, 0.25])}
    structured = np.array([(1.5, 0.5), (-2.0, 0.25)], dtype=[("J0400", float), ("J0400_err", float)])
    for source in (columns, Table(columns), pd.DataFrame(columns), datasets.Dataset.from_dict(columns), structured):
        table, names, _ = as_table(source)
        assert names == ["J0400", "J0400_err"]
        assert list(table["J0400"]) == [1.5, -2.0]


def test_one_galaxy_may_be_a_dict_of_numbers():
    assert len(as_table({"J0400": 1.5, "J0400_err": 0.5})[0]) == 1


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="column b has 2 rows and a 3"):
        as_table({"a": [1, 2, 3], "b": [1, 2]})


def test_what_is_no_table_at_all_is_refused():
    with pytest.raises(ValueError, match="not a int"):
        as_table(3)


def test_an_output_is_never_overwritten_unasked(tmp_path):
    path = tmp_path / "table.fits"
    path.write_bytes(b"precious")
    with pytest.raises(ValueError, match="exists; give another name, or --overwrite"):
        write_table(example(), path)
    assert path.read_bytes() == b"precious"
    write_table(example(), path, overwrite=True)
    assert len(read_table(path)[0]) == 2


def test_an_output_that_fails_leaves_nothing(tmp_path):
    table = Table({"thing": np.array([{"a": 1}, {"b": 2}], dtype=object)})
    with pytest.raises(ValueError, match="cannot be written"):
        write_table(table, tmp_path / "table.fits")
    assert list(tmp_path.iterdir()) == []


def test_outputs_need_a_folder_and_a_known_ending(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        check_output(tmp_path / "absent" / "table.fits", overwrite=False)
    with pytest.raises(ValueError, match="is a folder"):
        check_output(tmp_path, overwrite=True)
    with pytest.raises(ValueError, match=r"ending '.doc' means no format of tables; use one of .fits"):
        write_table(example(), tmp_path / "table.doc")
