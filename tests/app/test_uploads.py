from __future__ import annotations

import bz2
import gzip
import io
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from hf_galaxy.app import uploads
from hf_galaxy.app.uploads import MAX_BYTES, load_table
from hf_galaxy.variables_galaxy import default_variables
from tests.app.conftest import BANDS, band_table

VARIABLES = default_variables()


@pytest.mark.parametrize("ending", ["ecsv", "fits", "vot", "parquet", "csv"])
def test_a_table_of_any_format(tmp_path, ending):
    path = tmp_path / f"t.{ending}"
    band_table().write(path, **({"format": "votable"} if ending == "vot" else {}))
    loaded = load_table(path, "nJy" if ending == "csv" else None, VARIABLES)  # CSV has no units
    assert set(loaded.catalogue.names) == set(BANDS)
    np.testing.assert_allclose(loaded.catalogue.values[:, loaded.catalogue.names.index("J0660")], band_table()["J0660"])
    assert loaded.labels() == ["0 · G0", "1 · G1", "2 · G2"]


def test_rows_are_found_by_label_number_and_identity(loaded):
    assert [loaded.row(text) for text in ("2 · G2", "2", 2, "G2", None)] == [2, 2, 2, 2, 0]
    for wrong in ("3", "G7", "-1", "9" * 30):
        with pytest.raises(ValueError, match=r"three.ecsv: there is no galaxy .* rows are 0 to 2"):
            loaded.row(wrong)


def test_columns_that_can_be_given(loaded):
    assert loaded.givable == ["redshift"]
    given = loaded.given(["redshift"])
    np.testing.assert_allclose(given.values[:, given.names.index("redshift")], [0.1, 0.2, 0.3])


def test_a_table_without_units_says_where_to_choose_one(tmp_path):
    path = tmp_path / "t.csv"
    band_table(unit=None).write(path)
    with pytest.raises(ValueError, match=r"^t.csv: column NUV has no unit; choose it at") as caught:
        load_table(path, None, VARIABLES)
    assert str(tmp_path) not in str(caught.value)
    assert len(load_table(path, "uJy", VARIABLES)) == 3


def test_a_bad_row_is_skipped_and_the_others_are_answered(tmp_path):
    table = band_table()
    table["J0660_err"][1] = -5.0
    path = tmp_path / "t.ecsv"
    table.write(path)
    loaded = load_table(path, None, VARIABLES)
    assert [bool(reason) for reason in loaded.catalogue.skipped] == [False, True, False]
    assert "J0660_err" in loaded.catalogue.skipped[1]
    assert any("G1" in line or "row 1" in line for line in loaded.catalogue.report.lines())


NONSENSE = {
    "empty": b"",
    "image": b"\x89PNG\r\n\x1a\n\0\0",
    "text": b"what is this\nno table\n",
    "html": b"<html><body>404</body></html>",
    "parquet": b"PAR1xxPAR1",
    "fits": b"SIMPLE  =                    T",
    "utf-16": b"\xff\xfe<\0",
}


@pytest.mark.parametrize("content", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "nonsense.fits"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^nonsense.fits: ") as caught:
        load_table(path, None, VARIABLES)
    assert "\n" not in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_packed_files_are_refused_before_they_are_unpacked(tmp_path):
    zeros, zipped = bytes(10**6), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", zeros)
    for packed in (gzip.compress(zeros), bz2.compress(zeros), zipped.getvalue()):
        path = tmp_path / "t.csv"
        path.write_bytes(packed)
        with pytest.raises(ValueError, match="is packed .* unpack it"):
            load_table(path, None, VARIABLES)


def test_a_large_file_is_refused_with_the_command_that_takes_it(tmp_path):
    path = tmp_path / "t.fits"
    with open(path, "wb") as stream:
        stream.truncate(1024**3)  # sparse: a gigabyte without its bytes
    with pytest.raises(ValueError, match=r"^t.fits: 1,024 MB; this page takes 30 MB .*`hf-galaxy predict`"):
        load_table(path, None, VARIABLES)
    assert MAX_BYTES == 30 * 1024**2


def test_many_rows_are_refused_with_the_command_that_takes_them(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_ROWS", 2)
    monkeypatch.setattr(uploads, "HEADER_LINES", 0)
    for ending in ("fits", "parquet", "csv"):
        path = tmp_path / f"t.{ending}"
        band_table().write(path)
        with pytest.raises(ValueError, match=r"rows.*; this page takes .*`hf-galaxy predict`"):
            load_table(path, "nJy", VARIABLES)


def test_a_parquet_file_that_unpacks_to_much_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_BYTES", 10**6)
    path = tmp_path / "t.parquet"
    texts = pa.array(["x" * 40_000] * 400)
    parquet.write_table(pa.table({"J0660": texts}), path, use_dictionary=False, compression="zstd")
    assert path.stat().st_size < 10**5
    with pytest.raises(ValueError, match=r"400 rows, 15 MB; this page takes"):
        load_table(path, None, VARIABLES)


def test_a_line_without_end_is_no_table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a," * 200_000)
    with pytest.raises(ValueError, match="line 1 has more than 200,000 characters"):
        load_table(path, None, VARIABLES)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_votable_cannot_make_the_page_read_another_file(tmp_path, encoding):
    secret = tmp_path / "secret"
    secret.write_text("not for visitors")
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><VOTABLE version="1.3"><RESOURCE><TABLE>'
        '<FIELD name="J0660" datatype="double"/><DATA><BINARY>'
        f'<STREAM href="file://{secret}"/></BINARY></DATA></TABLE></RESOURCE></VOTABLE>'
    )
    path = tmp_path / "t.vot"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(ValueError, match=r"^t.vot: its data are elsewhere"):
        load_table(path, None, VARIABLES)
