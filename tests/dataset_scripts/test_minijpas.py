"""The command and the builder, from files and from a TAP service on loopback, to what ``load_dataset`` reads."""

from __future__ import annotations

import csv
import json
import pickle
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table, vstack
from datasets import load_dataset

from dataset_scripts import minijpas as script
from hf_galaxy.data.features import observed_features
from hf_galaxy.data.minijpas.assemble import Settings
from hf_galaxy.data.minijpas.download import Request
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES
from tests.data.minijpas.archive import TapServer, make_sky

Z = PROPERTIES.index("redshift")


@pytest.fixture
def sky():
    return make_sky(30)


@pytest.fixture
def files(sky, tmp_path):
    """Paths of the tables of an archive."""
    folder = tmp_path / "tables"
    folder.mkdir()
    tables = {"fnu": sky.fnu(), "flambda": sky.flambda(), "mag": sky.mag(), "Filter": sky.filters()}
    tables |= {"MWExtinction": sky.extinction(), "StarGalClass": sky.stars()}
    tables |= {"xmatch_sdss_dr12": sky.sdss(), "xmatch_deep2_spec": sky.deep2()}
    for name, table in tables.items():
        table.write(folder / f"{name}.fits")
    return folder


def rows(folder):
    """All rows of a data set in order, by column."""
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    return {name: np.concatenate([np.array(t[name].to_pylist()) for t in tables]) for name in observed_features()}


def skipped(folder):
    path = folder / "skipped.csv"
    return dict(list(csv.reader(path.open()))[1:]) if path.exists() else {}


def run(*arguments):
    return script.main([str(a) for a in arguments])


@pytest.mark.parametrize("layout", ["fnu", "flambda"])
def test_files_to_galaxies(sky, files, tmp_path, layout, capsys):
    out = tmp_path / "out"
    redshifts = [files / "xmatch_sdss_dr12.fits", files / "xmatch_deep2_spec.fits"]
    assert run("--files", files / f"{layout}.fits", "--layout", layout, "--redshifts", *redshifts, "--out", out) == 0
    got = rows(out)
    assert got["id"].tolist() == sky.ids and skipped(out) == {}
    np.testing.assert_allclose(got["flux"], sky.in_bands(sky.flux), rtol=1e-6)
    np.testing.assert_allclose(got["flux_error"], sky.in_bands(sky.error), rtol=1e-6)
    np.testing.assert_allclose(got["ra"], sky.ra)
    row = np.arange(30)
    labelled = (row % 3 == 0) | (row % 5 == 0)
    np.testing.assert_allclose(got["properties"][:, Z], np.where(labelled, sky.redshift, np.nan), rtol=1e-6)
    assert (
        np.isnan(np.delete(got["properties"], Z, axis=1)).all()
        and (np.isfinite(got["property_error"][:, Z]) == labelled).all()
    )
    assert got["noisy"].all() and not got["extrapolated"].any() and (got["draw"] == 0).all()
    said = capsys.readouterr().err
    assert "as observed (the model expects them dereddened)" in said
    assert "xmatch_deep2_spec: redshifts of 4 galaxies, from 6 usable rows, 0 of them of no galaxy here" in said
    table = {"fnu": "FNuDualObj", "flambda": "FLambdaDualObj"}[layout]
    assert got["source"][0] == f"minijpas.{table}.PSFCOR,as observed,xmatch_sdss_dr12"


def test_load_dataset_reads_the_folder(files, tmp_path):
    out = tmp_path / "out"
    assert run("--files", files / "fnu.fits", "--layout", "fnu", "--out", out, "--rows-per-shard", 8) == 0
    whole = load_dataset(str(out), cache_dir=str(tmp_path / "cache"))["train"]
    assert whole.features == observed_features() and len(whole) == 30
    streamed = load_dataset(str(out), split="train", streaming=True)
    assert sum(1 for _ in streamed) == 30
    assert "Bonoli et al. (2021" in (out / "README.md").read_text()
    facts = json.loads((out / "settings.json").read_text())
    assert facts["version"] == script.VERSION and facts["settings"]["aperture"] == "psfcor"
    assert facts["origin"]["files"][0]["name"] == "fnu.fits" and len(facts["filters"]) == 60


def test_what_other_processes_are_given_can_be_sent(files):
    config = script.MiniJpasConfig(files=[str(files / "fnu.fits")], settings=Settings(layout="fnu"), rows_per_shard=20)
    made = script.make_plan(config, "")
    make = partial(script.make_parts, order=made.order, settings=made.settings)
    sent, task = pickle.loads(pickle.dumps((make, made.shards[1].task)))
    (here,), (there,) = make(made.shards[1].task), sent(task)
    assert len(here.table) == 10 and str(here.table.to_pylist()) == str(there.table.to_pylist())  # NaN and all


def test_dereddening(sky, files, tmp_path):
    """By AX of MWExtinction, by E(B-V) of a column, or not at all."""
    first = ("--files", files / "fnu.fits", "--layout", "fnu", "--extinction", files / "MWExtinction.fits")
    first += ("--filters", files / "Filter.fits")
    assert run(*first, "--out", tmp_path / "a") == 0
    clear = 10 ** (0.4 * sky.ebv[:, None] * (2.0 + 0.01 * np.arange(60)))
    np.testing.assert_allclose(rows(tmp_path / "a")["flux"], sky.in_bands(sky.flux * clear), rtol=1e-6)
    np.testing.assert_allclose(rows(tmp_path / "a")["flux_error"], sky.in_bands(sky.error * clear), rtol=1e-6)
    assert run(*first, "--no-deredden", "--out", tmp_path / "b") == 0
    np.testing.assert_allclose(rows(tmp_path / "b")["flux"], sky.in_bands(sky.flux), rtol=1e-6)
    table = sky.fnu()
    table["EBV"] = sky.ebv
    table.write(tmp_path / "ebv.fits")
    assert run("--files", tmp_path / "ebv.fits", "--layout", "fnu", "--out", tmp_path / "c") == 0
    kx = {"J0378": 4.567, "iSDSS": 1.825}
    for band, k in kx.items():
        i = BANDS.index(band)
        wanted = sky.in_bands(sky.flux)[:, i] * 10 ** (0.4 * k * sky.ebv)
        np.testing.assert_allclose(rows(tmp_path / "c")["flux"][:, i], wanted, rtol=1e-6)


def test_dereddening_without_an_extinction(files, tmp_path, capsys):
    assert run("--files", files / "fnu.fits", "--layout", "fnu", "--deredden", "--out", tmp_path / "a") == 2
    assert "no column EBV or AX, and no table MWExtinction; give it, or --no-deredden" in capsys.readouterr().err


def test_an_extinction_of_other_filters_is_refused(sky, files, tmp_path, capsys):
    table = sky.extinction()
    table["AX"] *= 2
    table.write(tmp_path / "ext.fits")
    call = ("--files", files / "fnu.fits", "--layout", "fnu", "--extinction", tmp_path / "ext.fits")
    assert run(*call, "--filters", files / "Filter.fits", "--out", tmp_path / "a") == 2
    assert "AX is 2.00 times the extinction that EBV means" in capsys.readouterr().err


def test_every_row_that_is_left_out_has_its_reason(sky, files, tmp_path):
    table = vstack([sky.fnu(), sky.fnu()[4:5]])
    table["MASK_FLAGS"][2] = 1
    table["FLUX_PSFCOR"][3] = np.nan
    table.write(tmp_path / "fnu.fits")
    sky.extinction()[1:].write(tmp_path / "ext.fits")
    sdss = sky.sdss()
    sdss["spCl"] = ["GALAXY", "GALAXY", "GALAXY", "STAR", "QSO", *["GALAXY"] * 5]
    sdss.write(tmp_path / "sdss.fits")
    call = ("--files", tmp_path / "fnu.fits", "--layout", "fnu", "--extinction", tmp_path / "ext.fits")
    call += (
        "--stars",
        files / "StarGalClass.fits",
        "--max-star-probability",
        0.5,
        "--redshifts",
        tmp_path / "sdss.fits",
    )
    assert run(*call, "--filters", files / "Filter.fits", "--out", tmp_path / "a", "--rows-per-shard", 7) == 0
    nothing = "no band was measured, or all are flagged"
    ids = sky.ids
    assert skipped(tmp_path / "a") == {
        ids[0]: "no extinction of the Milky Way is known for it",
        ids[2]: nothing,
        ids[3]: nothing,
        ids[4]: "duplicate of row 4 of fnu.fits",
        ids[6]: "star with probability 0.97",
        ids[21]: "star with probability 0.97",
        ids[9]: "spectroscopic class STAR",
        ids[12]: "spectroscopic class QSO",
    }
    got = rows(tmp_path / "a")["id"].tolist()
    assert got.count(ids[4]) == 1 and len(got) == 23


def test_blocks_within_a_shard_change_nothing(sky, files, tmp_path, monkeypatch):
    sky.ra[:] = 214 + 0.01 * np.arange(30)
    table = Table(
        {"RAJ2000": sky.ra[9:14], "DEJ2000": sky.dec[9:14], "NUVmag": 20.5 + np.arange(5), "e_NUVmag": [0.1] * 5}
    )
    table.write(tmp_path / "galex.fits")
    vstack([sky.fnu(), sky.fnu()[16:18]]).write(tmp_path / "fnu.fits")
    call = ["--files", tmp_path / "fnu.fits", "--layout", "fnu", "--filters", files / "Filter.fits", "--galex"]
    call += [tmp_path / "galex.fits", "--no-deredden", "--redshifts", files / "xmatch_sdss_dr12.fits"]
    call += ["--stars", files / "StarGalClass.fits", "--max-star-probability", 0.5]
    assert run(*call, "--out", tmp_path / "whole") == 0
    monkeypatch.setattr("hf_galaxy.data.minijpas.build.BLOCK", 4)
    assert run(*call, "--out", tmp_path / "blocks") == 0
    assert skipped(tmp_path / "whole") == skipped(tmp_path / "blocks") and len(skipped(tmp_path / "whole")) == 4
    for name, values in rows(tmp_path / "whole").items():
        np.testing.assert_array_equal(values, rows(tmp_path / "blocks")[name])


def test_a_file_that_was_replaced_is_read_anew(tmp_path):
    for seed in (3, 4):
        sky = make_sky(6, seed=seed)
        sky.fnu().write(tmp_path / "fnu.fits", overwrite=True)
        assert run("--files", tmp_path / "fnu.fits", "--layout", "fnu", "--out", tmp_path / f"out{seed}") == 0
        np.testing.assert_allclose(rows(tmp_path / f"out{seed}")["flux"], sky.in_bands(sky.flux), rtol=1e-6)


def test_duplicates_across_files(sky, tmp_path):
    sky.fnu()[:20].write(tmp_path / "a.fits")
    sky.fnu()[15:].write(tmp_path / "b.fits")
    assert run("--files", tmp_path / "a.fits", tmp_path / "b.fits", "--layout", "fnu", "--out", tmp_path / "out") == 0
    assert rows(tmp_path / "out")["id"].tolist() == sky.ids
    assert skipped(tmp_path / "out") == {sky.ids[i]: f"duplicate of row {i} of a.fits" for i in range(15, 20)}


def test_files_of_different_layouts_are_not_mixed(sky, files, tmp_path, capsys):
    sky.fnu("AUTO").write(tmp_path / "auto.fits")
    call = ("--files", files / "fnu.fits", tmp_path / "auto.fits", "--layout", "fnu", "--out", tmp_path / "out")
    assert run(*call) == 2
    assert "no photometry of the aperture PSFCOR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--files", "nowhere.fits"), "nowhere.fits: no such file"),
        (("--files", "FNU", "--layout", "fnu", "--redshifts", "STARS"), "no column of spectroscopic redshifts"),
        (("--files", "FNU", "--layout", "fnu", "--redshifts", "OTHER"), "none of its 10 usable rows is a galaxy of"),
        (("--files", "FNU", "--layout", "fnu", "--extinction", "SDSS"), "there is no column AX nor EBV"),
        (("--files", "FNU", "--layout", "fnu", "--max-star-probability", "0.5"), "no probability of a star"),
        (("--files", "FNU", "--layout", "fnu", "--rows-per-shard", "0"), "must be positive"),
        (("--files", "SDSS"), "no photometry"),
    ],
)
def test_bad_input_is_one_line(sky, files, tmp_path, arguments, message, capsys):
    other = sky.sdss()
    other["NUMBER"] += 900
    other.write(tmp_path / "other.fits")
    paths = {"FNU": files / "fnu.fits", "STARS": files / "StarGalClass.fits", "SDSS": files / "xmatch_sdss_dr12.fits"}
    paths["OTHER"] = tmp_path / "other.fits"
    assert run(*(paths.get(a, a) for a in arguments), "--out", tmp_path / "out") == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("minijpas: ")]
    assert len(said) == 1 and message in said[0]
    assert not list((tmp_path / "out").glob("*.parquet"))


@pytest.mark.parametrize("sentinel", [-9999.0, -99.0, 99.0, np.nan, "masked"])
def test_sentinels_in_every_column(sky, tmp_path, sentinel):
    """A sentinel in any column leaves out a value or a row that is told, and touches nothing else."""
    tables = {"fnu": sky.fnu(), "ext": sky.extinction()["TILE_ID", "NUMBER", "EBV"], "stars": sky.stars()}
    tables |= {"sdss": sky.sdss(), "deep2": sky.deep2()}
    for name, table in tables.items():
        table = Table(table, masked=True)
        for row, column in enumerate(c for c in table.colnames if c != "spCl"):
            at = (row, 3) if table[column].ndim > 1 else row
            if sentinel == "masked":
                table[column].mask[at] = True
            elif np.isfinite(sentinel) or table[column].dtype.kind == "f":
                table[column][at] = sentinel
        table.write(tmp_path / f"{name}.vot", format="votable")
    path = {name: tmp_path / f"{name}.vot" for name in tables}
    call = ["--files", path["fnu"], "--layout", "fnu", "--extinction", path["ext"], "--stars", path["stars"]]
    call += ["--max-star-probability", 0.5, "--redshifts", path["sdss"], path["deep2"], "--out", tmp_path / "out"]
    assert run(*call) == 0
    got, left_out = rows(tmp_path / "out"), skipped(tmp_path / "out")
    assert len(got["id"]) + len(left_out) == 30 and len(left_out) <= 8
    assert np.isfinite(got["flux"][:, 2:]).sum() >= 60 * len(got["id"]) - 4
    place = {name: i for i, name in enumerate(sky.ids)}
    for name, flux, dec, z in zip(got["id"], got["flux"], got["dec"], got["properties"][:, Z], strict=True):
        i = place.get(name)
        if i is None:  # the tile, or the number, 99 may be
            assert sentinel == 99.0 and "99" in name
            continue
        wanted = sky.in_bands(sky.flux)[i]
        seen = np.isfinite(flux)
        assert np.allclose(flux[seen] / wanted[seen], flux[seen][-1] / wanted[seen][-1], rtol=0.2)  # reddened alike
        assert np.isnan(z) or abs(z - sky.redshift[i]) < 1e-6
        assert np.isnan(dec) or dec == sky.dec[i]


def test_galex_by_position(sky, files, tmp_path):
    rows_seen = [2, 5, 8]
    table = Table({"RAJ2000": sky.ra[rows_seen], "DEJ2000": sky.dec[rows_seen]})
    table["FUVmag"], table["e_FUVmag"] = [21.0, 22.0, np.nan], [0.2, 0.3, np.nan]
    table["NUVmag"], table["e_NUVmag"] = [20.5, 21.5, 22.5], [0.1, 0.1, 0.2]
    table.write(tmp_path / "galex.fits")
    call = ("--files", files / "fnu.fits", "--layout", "fnu", "--galex", tmp_path / "galex.fits")
    assert run(*call, "--out", tmp_path / "out") == 0
    got = rows(tmp_path / "out")
    uv = got["flux"][:, :2]
    assert np.nonzero(np.isfinite(uv[:, 1]))[0].tolist() == rows_seen and np.isfinite(uv[:, 0]).sum() == 2
    np.testing.assert_allclose(uv[2], 10 ** (0.4 * (31.4 - np.array([21.0, 20.5]))), rtol=1e-5)
    assert [s.endswith(",galex") for s in got["source"]] == [i in rows_seen for i in range(30)]


def test_a_galex_source_that_two_galaxies_share_is_given_to_none(sky, tmp_path):
    sky.ra[1], sky.dec[1] = sky.ra[0] + 2e-4, sky.dec[0]
    sky.fnu().write(tmp_path / "fnu.fits")
    table = Table(
        {"RAJ2000": sky.ra[[0, 4]], "DEJ2000": sky.dec[[0, 4]], "NUVmag": [20.5, 21.0], "e_NUVmag": [0.1, 0.1]}
    )
    table.write(tmp_path / "galex.fits")
    call = ("--files", tmp_path / "fnu.fits", "--layout", "fnu", "--galex", tmp_path / "galex.fits")
    assert run(*call, "--out", tmp_path / "out") == 0
    assert np.nonzero(np.isfinite(rows(tmp_path / "out")["flux"][:, 1]))[0].tolist() == [4]


class TestTap:
    """From the service of a small archive."""

    @pytest.fixture(autouse=True)
    def needs_pyvo(self):
        pytest.importorskip("pyvo", reason='TAP needs pyvo: pip install "hf-galaxy[surveys]"')

    @pytest.fixture
    def server(self, sky):
        with TapServer(sky.tables()) as running:
            yield running

    def call(self, server, out, *more):
        return run("--tap", server.url, "--out", out, "--rows-per-query", 15, "--rows-per-shard", 12, *more)

    def test_tap_to_galaxies(self, sky, server, tmp_path):
        assert self.call(server, tmp_path / "out") == 0
        got = rows(tmp_path / "out")
        assert got["id"].tolist() == sky.ids
        clear = 10 ** (0.4 * sky.ebv[:, None] * (2.0 + 0.01 * np.arange(60)))
        np.testing.assert_allclose(got["flux"], sky.in_bands(sky.flux * clear), rtol=1e-6)
        labelled = (np.arange(30) % 3 == 0) | (np.arange(30) % 5 == 0)
        np.testing.assert_allclose(got["properties"][:, Z], np.where(labelled, sky.redshift, np.nan), rtol=1e-6)
        assert got["source"][1] == "minijpas.FNuDualObj.PSFCOR,dereddened"
        facts = json.loads((tmp_path / "out" / "settings.json").read_text())
        assert facts["origin"]["tap"]["url"] == server.url

    def test_broken_off_and_continued_equals_peace(self, server, tmp_path, monkeypatch):
        monkeypatch.setattr("hf_galaxy.data.minijpas.tap.time.sleep", lambda s: None)
        monkeypatch.setattr(script, "download", lambda r, f: _download_with(r, f, server))
        assert self.call(server, tmp_path / "peace") == 0
        server.faults.extend([None] * 6 + ["truncate"] * 2)
        assert self.call(server, tmp_path / "broken") == 2
        assert not list((tmp_path / "broken").glob("*.parquet"))
        assert self.call(server, tmp_path / "broken") == 0
        names = sorted(p.name for p in (tmp_path / "peace").glob("*.parquet"))
        assert len(names) == 3
        for name in [*names, "settings.json", "README.md"]:
            assert (tmp_path / "peace" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes()

    def test_rows_in_another_order_give_the_same_galaxies(self, sky, server, tmp_path):
        assert self.call(server, tmp_path / "a") == 0
        for name, table in server.tables.items():
            server.tables[name] = table[::-1]
        assert self.call(server, tmp_path / "b") == 0
        for path in (tmp_path / "a").glob("*.parquet"):
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()

    def test_answers_as_the_archive_writes_them(self, sky, server, tmp_path):
        assert self.call(server, tmp_path / "a") == 0
        server.quirks = True
        assert self.call(server, tmp_path / "b") == 0
        for path in (tmp_path / "a").glob("*.parquet"):
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()

    def test_jpas_schema_and_its_order(self, tmp_path):
        names = [n for n in make_sky(2).order if n not in ("uJPAS", "gSDSS", "rSDSS")]
        sky = make_sky(12, order=names)
        with TapServer(sky.tables(), schema="jpas") as server:
            call = ("--schema", "jpas", "--tables", "MWExtinction", "--layout", "flambda", "--no-deredden")
            assert self.call(server, tmp_path / "out", *call) == 0
        got = rows(tmp_path / "out")
        np.testing.assert_allclose(got["flux"], sky.in_bands(sky.flux), rtol=1e-6)
        assert got["source"][0] == "jpas.FLambdaDualObj.PSFCOR,as observed" and set(got["survey"]) == {5}

    def test_stars_are_asked_for_when_they_are_to_be_left_out(self, server, tmp_path):
        assert self.call(server, tmp_path / "out", "--max-star-probability", 0.5) == 0
        assert skipped(tmp_path / "out") == dict.fromkeys(["2241-7", "2243-7"], "star with probability 0.97")

    def test_a_service_that_refuses(self, server, tmp_path, capsys):
        assert (
            self.call(server, tmp_path / "out", "--aperture", "NONE", "--schema", "minijpas", "--tables", "Nothing")
            == 2
        )
        assert "the service refuses the query" in capsys.readouterr().err

    def test_the_builder(self, sky, server, tmp_path):
        request = Request(url=server.url, rows=15)
        builder = script.MiniJpas(request=request, cache=str(tmp_path / "tap"), cache_dir=str(tmp_path / "hf"))
        builder.download_and_prepare(str(tmp_path / "prepared"), file_format="parquet")
        assert len(load_dataset(str(tmp_path / "prepared"), cache_dir=str(tmp_path / "c"))["train"]) == 30


def test_the_builder_of_files(sky, files, tmp_path):
    given = {"files": [str(files / "fnu.fits")], "settings": Settings(layout="fnu"), "rows_per_shard": 11}
    builder = script.MiniJpas(config_name="files", **given, cache_dir=str(tmp_path / "hf"))
    builder.download_and_prepare(str(tmp_path / "prepared"), file_format="parquet")
    read = load_dataset(str(tmp_path / "prepared"), cache_dir=str(tmp_path / "c"))["train"]
    assert read["id"] == sky.ids and read.features == observed_features()
    assert {c.name for c in script.MiniJpas.BUILDER_CONFIGS} == {"pdr201912", "jnep", "files"}
    assert {str(c.version) for c in script.MiniJpas.BUILDER_CONFIGS} == {script.VERSION}


def _download_with(request, folder, server):
    """The download with a client that tries twice."""
    from hf_galaxy.data.minijpas.download import download
    from hf_galaxy.data.minijpas.tap import TapClient

    return download(request, folder, TapClient(server.url, tries=2, sleep=lambda s: None))
