"""Catalogues to answers in parts: nothing lost, nothing doubled, nothing changed by how the work was cut."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table

from hf_galaxy import GalaxyPosterior
from hf_galaxy.catalogues import run as module
from hf_galaxy.catalogues.answers import PdfGrid, Question
from hf_galaxy.catalogues.parts import Parts, parts_folder
from hf_galaxy.catalogues.request import Request
from hf_galaxy.catalogues.run import predict
from hf_galaxy.catalogues.team import Team
from hf_galaxy.data.layouts.finding import LayoutSettings

BLANK = {"U": "", "S": "", "f": np.nan}  # what astropy masks in some formats
N = 300  # three parts of 128 rows, of which the last is short


def catalogue(n: int = N) -> Table:
    """Galaxies in four bands, with names, gaps, an array, and nothing wrong."""
    rng = np.random.default_rng(0)
    made = Table({"name": [f"galaxy {i}" for i in range(n)], "n": MaskedColumn(np.arange(n), mask=np.arange(n) == 7)})
    for band in ("J0400", "J0660", "rSDSS", "iSDSS"):
        made[band] = rng.normal(4000.0, 1000.0, n)
        made[band + "_err"] = rng.uniform(20.0, 200.0, n)
        made[band].unit = made[band + "_err"].unit = "nJy"
    made["J0660"][::3] = np.nan
    return made


@pytest.fixture(scope="module")
def galaxy(blank_model) -> GalaxyPosterior:
    return GalaxyPosterior.from_pretrained(str(blank_model))


@pytest.fixture
def make(tmp_path, galaxy):
    """Run a request in the folder of the test; its output."""

    def run(name: str = "answers.parquet", table: Table | Path | None = None, **changes) -> Path:
        path = table if isinstance(table, Path) else tmp_path / "catalogue.fits"
        if table is not path:
            (catalogue() if table is None else table).write(path, overwrite=True)
        asked = tuple(v for v in galaxy.variables if v.name in ("redshift", "ew_halpha"))
        wanted = {"samples": 3, **{key: changes.pop(key) for key in ("samples", "pdf", "log_prob") if key in changes}}
        question = Question(asked, **wanted)
        request = Request(path, tmp_path / name, name.endswith("/"), question, rows_per_part=128)
        predict(replace(request, **changes), galaxy, Team())
        return tmp_path / name

    return run


def same(one: Table, other: Table) -> None:
    assert one.colnames == other.colnames and len(one) == len(other)
    for name in one.colnames:
        a, b = (np.ma.filled(np.ma.asarray(t[name]), BLANK.get(t[name].dtype.kind, 0)) for t in (one, other))
        if a.dtype.kind == "i" and b.dtype.kind == "f":  # astropy's Parquet gives whole numbers with gaps as floats
            b = np.nan_to_num(b)
        texts = a.dtype.kind in "SU"
        np.testing.assert_array_equal(a.astype(str) if texts else a, b.astype(str if texts else a.dtype), err_msg=name)


def test_the_density_of_the_photometry_can_be_left_out(make):
    whole, quick = Table.read(make("whole.fits")), Table.read(make("quick.fits", log_prob=False))
    assert set(whole.colnames) - set(quick.colnames) == {"log_prob_photometry"}
    same(whole[quick.colnames], quick)


def test_the_answers_are_those_of_the_posterior(make, galaxy, tmp_path):
    table = Table.read(make())
    posterior = galaxy.condition(tmp_path / "catalogue.fits")
    np.testing.assert_allclose(
        table["redshift_p50"], posterior.quantiles("redshift", [0.5])[:, 0], rtol=1e-5
    )  # float32, with other rows beside them in a product
    np.testing.assert_allclose(table["redshift_mode"], posterior.mode("redshift"), rtol=1e-5)
    np.testing.assert_allclose(table["redshift_odds"], posterior.odds("redshift"), rtol=1e-5)
    assert list(table["name"]) == [f"galaxy {i}" for i in range(N)]
    assert (table["skipped"] == "").all() and table["ew_halpha_p50"].unit == "Angstrom"
    assert not parts_folder(tmp_path / "answers.parquet").exists()


def test_the_size_of_the_parts_changes_nothing(make):
    same(Table.read(make()), Table.read(make("whole.parquet", rows_per_part=4096)))


@pytest.mark.parametrize("name", ["a.fits", "a.ecsv", "a.vot", "a.csv", "parts/"])
def test_every_format_holds_the_same(make, name):
    samples = 0 if name == "a.csv" else 3
    wanted = Table.read(make(samples=samples))
    output = make(name, samples=samples)
    if name == "parts/":
        found = Table.from_pandas(pq.read_table(output).to_pandas())
        for column in [c for c in wanted.colnames if wanted[c].ndim > 1]:
            found[column] = np.stack(found[column])
        assert len(list(output.iterdir())) == 3
    else:
        found = Table.read(output, format="votable" if name.endswith("vot") else None)
    if name == "a.csv":  # an empty cell is masked
        found["skipped"] = np.full(N, "")
    assert np.ma.is_masked(found["n"][7]) or not np.isfinite(found["n"][7]) or name == "parts/"
    same(found[[c for c in wanted.colnames if c != "n"]], wanted[[c for c in wanted.colnames if c != "n"]])


def test_a_bad_row_is_skipped_with_its_reason_and_changes_no_other(make, capsys):
    good = Table.read(make())
    table = catalogue()
    table["rSDSS_err"][131] = -1.0
    table["iSDSS"][132] = np.inf
    found = Table.read(make("bad.parquet", table=table))
    assert found["skipped"][131].startswith("column rSDSS_err: -1; errors cannot be zero or negative")
    assert np.flatnonzero(found["skipped"] != "").tolist() == [131, 132]
    for name in ("redshift_p50", "redshift_mode", "log_prob_photometry", "ew_halpha_samples"):
        assert np.isnan(found[name][131:133]).all()
        # Galaxies that are read together are put in one matrix: the last digits of float32 may differ.
        np.testing.assert_allclose(
            np.delete(found[name], [131, 132], 0), np.delete(good[name], [131, 132], 0), rtol=2e-3
        )
    error = capsys.readouterr().err
    assert "rows skipped, the column skipped says why: 2 (first row 131: column rSDSS_err: -1;" in error
    with pytest.raises(ValueError, match="column rSDSS_err, row 131: -1"):
        make("strict.parquet", table=table, strict=True)


def test_a_fault_of_a_column_stops_the_run_at_once(make, tmp_path):
    table = catalogue()
    table["rSDSS_err"] = 0.0
    table["rSDSS_err"].unit = "nJy"
    with pytest.raises(ValueError, match="column rSDSS_err, row 0 and 299 more: 0"):
        make(table=table)
    table["rSDSS"].unit = "m"
    with pytest.raises(ValueError, match="unit 'm' .length. is not one of a flux density"):
        make(table=table)
    assert [p.name for p in tmp_path.iterdir()] == ["catalogue.fits"]


@contextmanager
def dying_after(parts: int, monkeypatch):
    """A run that ends after some parts, as a killed one would; that nothing is tidied up, test_processes.py shows."""
    write = Parts.write

    def few(self, number, table, density):
        if sum(self.done()) == parts:
            raise KeyboardInterrupt
        write(self, number, table, density)

    with monkeypatch.context() as patch:
        patch.setattr(Parts, "write", few)
        with pytest.raises(KeyboardInterrupt):
            yield


def test_an_interrupted_run_goes_on_and_gives_the_same(make, monkeypatch, tmp_path, capsys):
    pdf = PdfGrid("redshift", np.linspace(0, 1, 51))
    wanted = Table.read(make("whole.parquet", pdf=pdf))
    again = {"pdf": pdf, "table": tmp_path / "catalogue.fits"}
    with dying_after(2, monkeypatch):
        make(**again)
    kept = {p: p.stat().st_mtime_ns for p in parts_folder(tmp_path / "answers.parquet").glob("part-*")}
    assert len(kept) == 2
    with pytest.raises(ValueError, match="left 2 of 3 parts in .*go on with --resume, or begin anew with --overwrite"):
        make(**again)
    made = []
    monkeypatch.setattr(module, "answers", lambda *a, real=module.answers: made.append(a[-1]) or real(*a))
    same(Table.read(make(resume=True, **again)), wanted)
    assert made == [256]
    assert "going on after 2 of 3 parts" in capsys.readouterr().err
    one, other = ((tmp_path / f"{stem}_pdf_redshift.hdf5").read_bytes() for stem in ("answers", "whole"))
    assert len(one) == len(other)


def test_a_run_goes_on_only_with_the_same_catalogue_and_questions(make, monkeypatch, tmp_path):
    with dying_after(1, monkeypatch):
        make()
    same_file = tmp_path / "catalogue.fits"
    with pytest.raises(ValueError, match="was interrupted had samples = 3, not 4"):
        make(resume=True, samples=4, table=same_file)
    with pytest.raises(ValueError, match="was interrupted had columns.ebv = None, not 'n'"):
        make(resume=True, layout=LayoutSettings(ebv="n"), table=same_file)
    with pytest.raises(ValueError, match=r"was interrupted had catalogue.modified"):
        make(resume=True)
    assert len(Table.read(make(overwrite=True))) == N


@contextmanager
def files_of_at_most(size: int):
    """No file can grow beyond this: what a full disk does, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_finished_parts(make, tmp_path):
    wanted = make("whole.fits")
    with files_of_at_most(wanted.stat().st_size - 3000), pytest.raises(OSError, match="no room to write") as caught:
        make("answers.fits", table=tmp_path / "catalogue.fits")
    assert "3 of 3 parts are finished and kept: make room, and go on with --resume" in str(caught.value)
    assert not (tmp_path / "answers.fits").exists()
    same(Table.read(make("answers.fits", resume=True, table=tmp_path / "catalogue.fits")), Table.read(wanted))
    with files_of_at_most(9000), pytest.raises(OSError, match="0 of 3 parts"):
        make("other.fits", table=tmp_path / "catalogue.fits")


def test_outputs_that_are_there_are_refused(make, tmp_path):
    make()
    with pytest.raises(ValueError, match=r"answers.parquet: exists; give another name, or --overwrite"):
        make()
    make(overwrite=True)
    folder = make("parts/")
    with pytest.raises(ValueError, match="parts: exists"):
        make("parts/")
    make("parts/", overwrite=True, rows_per_part=256)
    assert len(list(folder.iterdir())) == 2
    (folder / "notes.txt").write_text("precious")
    with pytest.raises(ValueError, match=r"holds notes.txt, which no run of predict wrote"):
        make("parts/", overwrite=True)
    with pytest.raises(ValueError, match="is the catalogue itself"):
        make("catalogue.fits", overwrite=True)
    with pytest.raises(ValueError, match="CSV cannot hold the draws"):
        make("a.csv")


def test_a_catalogue_that_grows_leaves_the_finished_parts(make, monkeypatch, tmp_path):
    write = Parts.write

    def grow(self, number, table, density):
        write(self, number, table, density)
        with open(tmp_path / "catalogue.fits", "ab") as stream:
            stream.write(b"\0" * 2880)

    monkeypatch.setattr(Parts, "write", grow)
    with pytest.raises(ValueError, match=r"catalogue.fits: changed while it was read .*bytes before"):
        make()
    assert len(list(parts_folder(tmp_path / "answers.parquet").glob("part-*"))) == 1


def test_columns_that_are_no_single_values_are_named(make, capsys):
    table = catalogue()
    table["image"] = np.zeros((N, 4))
    assert "image" not in Table.read(make(table=table)).colnames
    assert "not in the output: image" in capsys.readouterr().err
