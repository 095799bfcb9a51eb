"""The TAP client and the download, against a service on loopback that fails in every way a service can."""

from __future__ import annotations

import multiprocessing
import time

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.data.minijpas.columns import Columns
from hf_galaxy.data.minijpas.download import Request, download
from hf_galaxy.data.minijpas.tap import TapClient

from .archive import TapServer, make_sky

pytest.importorskip("pyvo", reason='TAP needs pyvo: pip install "hf-galaxy[surveys]"')
FILTERS = "SELECT * FROM minijpas.Filter"


@pytest.fixture
def server():
    with TapServer(make_sky(40).tables()) as running:
        yield running


def client(server, waits=None, **given):
    return TapClient(server.url, sleep=(waits if waits is not None else []).append, **{"timeout": 5.0, **given})


def request(server, **given):
    return Request(**{"url": server.url, "rows": 7, "row_limit": 100, **given})


def rows(pieces):
    """(id, flux in J0378) of all pieces in order."""
    tables = [Columns(str(piece.path)) for piece in pieces]
    return [pair for t in tables for pair in zip(t.ids(), t.vectors("flux_psfcor", 60)[0][:, 1], strict=True)]


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_an_answer_is_complete(server):
    answer = client(server).query(FILTERS, 100)
    assert not answer.cut and len(answer.table) == 60 and b"QUERY_STATUS" in answer.body


@pytest.mark.parametrize("limit", ["overflow", "as many as allowed"])
def test_a_cut_answer_is_known_as_such(server, limit):
    adql = "SELECT TILE_ID, NUMBER FROM minijpas.FNuDualObj WHERE TILE_ID = 2241"
    server.limit = 10 if limit == "overflow" else 100
    answer = client(server).query(adql, 100 if limit == "overflow" else 20)
    assert answer.cut and len(answer.table) == (10 if limit == "overflow" else 20)


@pytest.mark.parametrize("fault", ["503", "truncate", "slow", "drop", "html"])
def test_what_passes_is_tried_again(server, fault):
    server.slow = 0.6
    server.faults.extend([fault, fault, None])
    waits = []
    answer = client(server, waits, timeout=0.3 if fault == "slow" else 5.0).query(FILTERS, 100)
    assert len(answer.table) == 60 and len(server.queries) == 3
    assert waits == ([7.0, 7.0] if fault == "503" else [2.0, 4.0])  # Retry-After asks for 7 s


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("503", r"HTTP 503 \(Service Unavailable\)"),
        ("truncate", "an answer that is no complete VOTable"),
        ("slow", "no answer within 0.3 s"),
        ("drop", "no complete answer"),
    ],
)
def test_what_does_not_pass_is_told(server, fault, reason):
    server.slow = 0.6
    server.faults.extend([fault] * 3)
    with pytest.raises(ConnectionError, match=rf"{reason}.*, 3 times in a row; what was received is kept"):
        client(server, tries=3, timeout=0.3 if fault == "slow" else 5.0).query(FILTERS, 100)


def test_a_refused_query_is_not_repeated(server):
    with pytest.raises(ValueError, match=r"the service refuses the query: Unknown table minijpas.Nothing"):
        client(server).query("SELECT * FROM minijpas.Nothing", 10)
    server.faults.append("error")
    with pytest.raises(ValueError, match="Incorrect ADQL query: 1 unresolved identifiers"):
        client(server).query(FILTERS, 10)
    assert len(server.queries) == 2


def test_addresses_that_are_none(server):
    with pytest.raises(ValueError, match="HTTP 404: no such page"):
        TapClient(server.url.replace("/tap", "/nothing")).query(FILTERS, 10)
    with pytest.raises(ValueError, match="give the address of a TAP service"):
        TapClient("archive.cefca.es").query(FILTERS, 10)


@pytest.mark.parametrize("given", [{"tries": 0}, {"timeout": 0.0}])
def test_impatience_has_its_limits(given):
    with pytest.raises(ValueError, match="must be positive"):
        TapClient("http://127.0.0.1", **given)


def test_all_pieces_come_in_order(server, tmp_path):
    sky = make_sky(40)
    pieces = download(request(server), tmp_path, client(server))
    got = rows(pieces)
    assert [name for name, _ in got] == sky.ids
    np.testing.assert_allclose([value for _, value in got], sky.flux[:, 1] / 100)
    assert {len(p.beside["MWExtinction"]) for p in pieces} == {1} and len(pieces) == 6
    assert all("FLUX_RELERR_PSFCOR" in q for q in server.queries if "FNuDualObj WHERE" in q)


def test_pieces_that_are_there_are_not_asked_again(server, tmp_path):
    first = download(request(server), tmp_path, client(server))
    asked, before = len(server.queries), contents(tmp_path)
    assert download(request(server), tmp_path, client(server)) == first
    assert len(server.queries) == asked and contents(tmp_path) == before


@pytest.mark.parametrize("after", [0, 3, 11])
def test_a_download_that_broke_off_ends_as_one_in_peace(server, tmp_path, after):
    peace, broken, asks = tmp_path / "peace", tmp_path / "broken", request(server, rows=11)
    download(asks, peace, client(server))
    server.faults.extend([None] * after + ["truncate"] * 2)
    with pytest.raises(ConnectionError):
        download(asks, broken, client(server, tries=2))
    assert set(contents(broken)) < set(contents(peace))
    asked = len(server.queries)
    download(asks, broken, client(server))
    assert contents(broken) == contents(peace)
    assert len(server.queries) - asked == len(contents(peace)) - 1 - after  # request.json was not asked for


def test_a_download_that_was_killed_ends_as_one_in_peace(server, tmp_path):
    peace, killed, asks = tmp_path / "peace", tmp_path / "killed", request(server, rows=11)
    download(asks, peace, client(server))
    server.slow = 60.0
    server.faults.extend([None] * 6 + ["slow"])
    process = multiprocessing.get_context("fork").Process(target=download, args=(asks, killed, client(server)))
    process.start()
    deadline = time.monotonic() + 30
    while server.faults and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()  # while it waits for the seventh answer
    process.join()
    assert set(contents(killed)) < set(contents(peace)) and len(contents(killed)) == 7
    download(asks, killed, client(server))
    assert contents(killed) == contents(peace)


def test_a_piece_is_there_whole_or_not_at_all(server, tmp_path, monkeypatch):
    """On a disk that is full after four files; the rest comes when there is room."""
    peace, full, asks = tmp_path / "peace", tmp_path / "full", request(server, rows=11)
    download(asks, peace, client(server))
    written = []

    def fsync(handle):
        written.append(handle)
        if len(written) > 4:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("hf_galaxy.data.shards.os.fsync", fsync)
        with pytest.raises(OSError, match="No space left"):
            download(asks, full, client(server))
    there = contents(full)
    assert len(there) == 4 and there == {name: contents(peace)[name] for name in there}
    download(asks, full, client(server))
    assert contents(full) == contents(peace)


def test_pieces_that_the_service_cuts_are_halved(server, tmp_path):
    sky = make_sky(40)
    server.limit = 3
    pieces = download(request(server, beside=("xmatch_sdss_dr12",)), tmp_path, client(server))
    assert [name for name, _ in rows(pieces)] == sky.ids and len(pieces) > 12
    found = [name for p in pieces for path in p.beside["xmatch_sdss_dr12"] for name in Columns(str(path)).ids()]
    assert found == sky.ids[::3]


def test_more_rows_of_one_galaxy_than_the_service_sends(tmp_path):
    sky = make_sky(4)
    tables = sky.tables()
    tables["xmatch_sdss_dr12"] = Table({k: [v] * 5 for k, v in zip(sky.sdss().colnames, sky.sdss()[0], strict=True)})
    with TapServer(tables, limit=4) as server, pytest.raises(ValueError, match="more than 4 rows of xmatch_sdss_dr12"):
        download(request(server, beside=("xmatch_sdss_dr12",)), tmp_path, client(server))


def test_a_cut_that_is_not_told_is_found_by_counting(server, tmp_path):
    server.faults.extend([None, None, "silent"])
    with pytest.raises(ValueError, match=r"tile 2241 has 20 rows of FNuDualObj by count, and 16 came"):
        download(request(server), tmp_path, client(server))
    assert not list(tmp_path.glob("*-2241-*"))  # so that the next run asks for them again
    assert [name for name, _ in rows(download(request(server), tmp_path, client(server)))] == make_sky(40).ids


def test_a_condition_that_is_left_out_is_found(server, tmp_path):
    server.faults.extend([None, None, "everything"])
    with pytest.raises(ValueError, match="asked for 1 to 7 of tile 2241, and 2241-8 came"):
        download(request(server), tmp_path, client(server))


def test_tiles_and_conditions(server, tmp_path):
    pieces = download(request(server, tiles=(2243,), where="NUMBER < 6"), tmp_path, client(server))
    assert [name for name, _ in rows(pieces)] == [f"2243-{i}" for i in range(1, 6)]
    with pytest.raises(ValueError, match=r"no rows of the tiles 1 in minijpas.FNuDualObj"):
        download(request(server, tiles=(1,)), tmp_path / "a", client(server))
    with pytest.raises(ValueError, match="tile 1 has no rows"):
        download(request(server, tiles=(1, 2241)), tmp_path / "b", client(server))


def test_narrower_pieces_go_into_the_same_folder(server, tmp_path):
    download(request(server, beside=()), tmp_path, client(server))
    pieces = download(request(server, beside=(), rows=5), tmp_path, client(server))
    assert len(pieces) == 8 and [name for name, _ in rows(pieces)] == make_sky(40).ids


def test_a_folder_of_another_request_is_left_alone(server, tmp_path):
    download(request(server), tmp_path, client(server))
    with pytest.raises(ValueError, match=r"holds tables with layout = 'fnu', not 'mag'; choose another folder"):
        download(request(server, layout="mag"), tmp_path, client(server))
    with pytest.raises(ValueError, match="must be below the limit of 100 rows"):
        download(request(server, rows=100), tmp_path / "x", client(server))


@pytest.mark.parametrize(("layout", "column"), [("flambda", "FLUX_RELERR_AUTO"), ("mag", "MAG_ERR_AUTO")])
def test_other_tables_are_asked_for_by_their_columns(layout, column):
    request = Request(layout=layout, aperture="auto")
    assert column in request.columns and request.table in ("FLambdaDualObj", "MagABDualObj")
