"""The archive's own client against a loopback server; without the client, its absence is told."""

from __future__ import annotations

import sys

import pytest

from hf_galaxy.data.spectra_sources import SparclIds, SparclQuery
from hf_galaxy.data.spectra_sources import sparcl as module
from tests.data.spectra_sources.sparcl_server import Archive
from tests.spectra_files import sparcl_record


def records():
    return [
        sparcl_record("SDSS-DR17", "uuid-1", (2674 << 50) + (1 << 38) + (4097 << 24)),
        sparcl_record("DESI-DR1", "uuid-2", 39627000),
        sparcl_record("DESI-DR1", "uuid-3", 39627001) | {"redshift": 0.7},
    ]


@pytest.fixture
def client():
    pytest.importorskip("sparcl", reason='the client of SPARCL is not installed: pip install "hf-galaxy[sparcl]"')


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(module, "WAIT", 0.0)


def test_by_id_in_the_order_given_with_those_that_there_are_not(client):
    with Archive(records()) as server:
        source = SparclIds(("uuid-2", "uuid-9", "uuid-1", "uuid-2"), server)
        first, second = source.pieces(2)
        assert first.skipped == (("uuid-2", "duplicate id in the list"),)
        read = [*source.read(first), *source.read(second)]
    assert [r.id for r in read] == ["39627000", "uuid-9", "2674-54097-1"]
    assert read[1].spectrum is None and "no spectrum of this id" in read[1].reason
    assert [r.spectrum.source for r in (read[0], read[2])] == ["desi", "sdss"]


def test_many_ids_are_asked_in_parts(client, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 2)
    archive = Archive(records())
    with archive as server:
        assert len(list(module.read_records(server, ["uuid-1", "uuid-2", "uuid-3"]))) == 3
    assert [len(body) for path, body in archive.asked if path == "spectras"] == [2, 1]


def test_by_query(client, capsys):
    with Archive(records()) as server:
        source = SparclQuery(("DESI-DR1",), (0.05, 0.5), server=server)
        (piece,) = source.pieces(10)
        assert piece.items == ("uuid-2",) and [r.id for r in source.read(piece)] == ["39627000"]
        with pytest.raises(ValueError, match=r"no galaxy of SDSS-DR17 at redshift \(0\.5, 0\.9\)"):
            SparclQuery(("SDSS-DR17",), (0.5, 0.9), server=server).pieces(10)
    assert capsys.readouterr().out == ""


def test_a_passing_fault_is_asked_again(client):
    archive = Archive(records(), failures=2)
    with archive as server:
        assert len(list(module.read_records(server, ["uuid-1"]))) == 1
    assert sum(path == "spectras" for path, _ in archive.asked) == 3


def test_a_lasting_fault_and_an_archive_out_of_reach(client):
    with (
        Archive(records(), failures=99) as server,
        pytest.raises(ValueError, match="SPARCL did not answer after 4 attempts: .*overloaded"),
    ):
        list(module.read_records(server, ["uuid-1"]))
    with pytest.raises(ValueError, match="SPARCL did not answer after 4 attempts: .*Could not connect"):
        list(module.read_records(server, ["uuid-1"]))


def test_an_archive_of_another_unit_is_refused(client):
    with (
        Archive(records(), unit="erg cm-2 s-1 AA-1") as server,
        pytest.raises(ValueError, match="flux of SDSS-DR17 is in"),
    ):
        list(module.read_records(server, ["uuid-1"]))


def test_without_the_client(monkeypatch):
    monkeypatch.setitem(sys.modules, "sparcl.client", None)
    with pytest.raises(ValueError, match=r'pip install "hf-galaxy\[sparcl\]"'):
        list(module.read_records("http://127.0.0.1:9", ["uuid-1"]))


def test_no_ids():
    with pytest.raises(ValueError, match="no id was given"):
        SparclIds(()).pieces(3)
