from __future__ import annotations

import gzip

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.data.value_added import read_labels
from hf_galaxy.variables_galaxy import PROPERTIES

from .catalogue_files import fastspec_columns, galspec_columns, value, write_fastspec, write_galspec, write_hdus


@pytest.fixture
def fastspec(tmp_path):
    return write_fastspec(tmp_path / "fastspec.fits", *fastspec_columns())


def test_unknown_tables_say_what_was_seen_and_what_is_needed(tmp_path):
    with pytest.raises(ValueError, match=r"STARS: NAME, MAG\). Needed are, for fastspecfit: .*; mpa-jhu: .*; gswlc: "):
        read_labels(write_hdus(tmp_path / "a.fits", STARS={"NAME": ["a"], "MAG": [1.0]}))


def test_a_table_of_two_kinds_is_to_be_named(tmp_path):
    meta, phot, fast = fastspec_columns()
    joined = Table({**{k: v[0] if isinstance(v, tuple) else v for k, v in {**meta, **phot, **fast}.items()}})
    joined["PROVABGS_LOGMSTAR_BF"] = 10.0
    with pytest.raises(ValueError, match="could be fastspecfit or provabgs; give kind="):
        read_labels(joined)
    assert read_labels(joined, kind="provabgs").source == "provabgs"
    np.testing.assert_allclose(value(read_labels(joined, kind="fastspecfit"), "log_mstar")[0], 10.5)


def test_a_wrong_kind_is_refused(fastspec):
    with pytest.raises(ValueError, match="kind 'firefly' of catalogue is not one of fastspecfit, mpa-jhu"):
        read_labels(fastspec, kind="firefly")
    with pytest.raises(ValueError, match="no column"):
        read_labels(fastspec, kind="gswlc")


def test_gzipped_and_text_and_parquet_are_read_alike(tmp_path, fastspec):
    zipped = tmp_path / "fastspec.fits.gz"
    zipped.write_bytes(gzip.compress(fastspec.read_bytes()))
    first = read_labels(fastspec)
    np.testing.assert_array_equal(read_labels(zipped).properties, first.properties)
    meta, phot, fast = fastspec_columns()
    joined = Table({k: v[0] if isinstance(v, tuple) else v for k, v in {**meta, **phot, **fast}.items()})
    for name in ("joined.csv", "joined.parquet", "joined.ecsv"):
        joined.write(tmp_path / name)
        np.testing.assert_allclose(read_labels(tmp_path / name).properties, first.properties)
        assert read_labels(tmp_path / name).lookup([39627001]).matched.all()


def test_broken_files_are_named(tmp_path, fastspec):
    whole = fastspec.read_bytes()
    (tmp_path / "cut.fits").write_bytes(whole[:-2000])
    (tmp_path / "header.fits").write_bytes(whole[:-4000])
    (tmp_path / "empty.fits").write_bytes(b"")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1" + bytes(100))
    (tmp_path / "cut.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    for name in ("empty.fits", "cut.parquet", "cut.hdf5", "none.fits"):
        with pytest.raises(ValueError, match=name):
            read_labels(tmp_path / name)
    for name in ("cut.fits", "header.fits"):  # in the data of the last table, in its header
        with pytest.raises(ValueError, match=f"{name}: not a FITS file that can be read"):
            read_labels(tmp_path / name)
    with pytest.raises(ValueError, match="is a folder without files named galspecinfo"):
        read_labels(tmp_path)


SENTINELS = (-9999.0, -999.0, -99.0, 99.0, np.nan, np.inf)


@pytest.mark.parametrize("sentinel", SENTINELS)
def test_sentinels_in_every_column_are_unknown_and_counted(tmp_path, sentinel):
    """Each column in turn; a sentinel never becomes a value or an error, and never moves its neighbours."""
    tables = galspec_columns()
    plain = read_labels(write_galspec(tmp_path / "plain", *tables))
    measured = [
        (k, name) for k in (1, 2, 3) for name in tables[k]
        if name != "SPECOBJID" and not name.startswith(("D4000_N_E", "H_ALPHA_EQW"))
    ]  # fmt: skip
    changed = galspec_columns()
    for k, name in measured:
        changed[k][name] = changed[k][name].copy()
        changed[k][name][2] = sentinel
    table = read_labels(write_galspec(tmp_path / "changed", *changed))
    known = np.isfinite(table.properties)
    assert np.flatnonzero(known[2]).tolist() == [0]  # the redshift is of galSpecInfo
    rest = [0, 1, 3, 4]
    np.testing.assert_array_equal(table.properties[rest], plain.properties[rest])
    np.testing.assert_array_equal(table.errors[rest], plain.errors[rest])
    assert sum(table.report.unknown["LGM_TOT_P50"].values()) >= 1
    assert sum(table.report.unknown["H_ALPHA_FLUX"].values()) >= 1


@pytest.mark.parametrize("sentinel", [*SENTINELS, 0.0, -1.0])
def test_values_without_an_error_are_unknown(tmp_path, sentinel):
    tables = galspec_columns()
    errors = [(k, name) for k in (0, 1, 2) for name in tables[k] if name.endswith("_ERR")]
    for k, name in errors:
        tables[k][name] = tables[k][name].astype(np.float64)
        tables[k][name][2] = sentinel
    known = np.isfinite(read_labels(write_galspec(tmp_path / "galspec", *tables)).properties)
    assert np.flatnonzero(known[2]).tolist() == [PROPERTIES.index("log_mstar"), PROPERTIES.index("log_sfr")]
    assert known[3].sum() == 16


def test_masked_and_text_columns(tmp_path):
    (tmp_path / "gswlc.csv").write_text(
        "plate,MJD,fiber_ID,LOGMSTAR,LOGMSTARERR,LOGSFRSED,LOGSFRSEDERR,FLAG_SED\n"
        "266,51602,1,10.5,0.05,,,0\n266,51602,2,,,0.5,0.1,0\n"
    )
    table = read_labels(tmp_path / "gswlc.csv")
    found = table.lookup([[266, 51602, 2], [266, 51602, 1]])
    assert np.isnan(value(found, "log_mstar", 0)).all() and value(found, "log_sfr", 0)[0] == 0.5
    assert value(found, "log_mstar", 1)[0] == 10.5 and np.isnan(value(found, "log_sfr", 1)).all()
    with pytest.raises(ValueError, match="column LOGMSTAR is not of numbers"):
        (tmp_path / "bad.csv").write_text(
            "plate,MJD,fiber_ID,LOGMSTAR,LOGMSTARERR,LOGSFRSED,LOGSFRSEDERR,FLAG_SED\n1,2,3,ten,0.1,0.1,0.1,0\n"
        )
        read_labels(tmp_path / "bad.csv")


def test_names_that_differ_in_case_alone_are_refused_when_needed(tmp_path):
    columns = {"plate": [266], "MJD": [51602], "fiber": [1], "LOGMSTAR": [10.0], "logmstar": [11.0]}
    columns |= {"LOGMSTARERR": [0.1], "LOGSFRSED": [0.0], "LOGSFRSEDERR": [0.1], "FLAG_SED": [0]}
    with pytest.raises(ValueError, match="stands twice"):
        read_labels(Table(columns))
