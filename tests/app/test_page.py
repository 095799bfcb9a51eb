"""What Gradio is told, without a browser."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason='the page needs Gradio: pip install "hf-galaxy[app]"')
pytest.importorskip("matplotlib", reason='the page needs matplotlib: pip install "hf-galaxy[app]"')

from hf_galaxy.app import page as module
from hf_galaxy.app import texts
from hf_galaxy.app.page import build
from tests.app.conftest import band_table

APP = Path(__file__).resolve().parents[2] / "app.py"


@pytest.fixture
def page(galaxy, tmp_path):
    band_table().write(tmp_path / "example.ecsv")
    found = module._Page(galaxy, tmp_path / "example.ecsv")
    yield found
    found.outbox.cleanup()


def test_nothing_is_reported_and_nothing_can_be_called_from_outside(galaxy):
    blocks = build(galaxy)
    assert blocks.analytics_enabled is False
    assert blocks.delete_cache == (600, 3600)
    assert {f.api_visibility for f in blocks.fns.values()} == {"private"}


def test_a_handler_that_fails_says_so_in_the_page(page, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("inside")

    monkeypatch.setattr(module, "load_table", fail)
    updates = page.open_example(["redshift"], 1280)
    assert list(updates) == [page.notice]
    assert "fault of the page" in texts.UNEXPECTED and "inside" not in updates[page.notice]
    assert "inside" in caplog.text  # for whoever runs the page


def test_a_file_that_is_no_table_leaves_nothing_of_the_one_before(page, tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\0")
    updates = page.open_file(str(tmp_path / "x.csv"), module.AS_IT_IS, ["redshift"], 1280)
    assert "x.csv: not a table" in updates[page.notice]
    assert updates[page.loaded] is None and updates[page.answer] is None
    assert updates[page.galaxy_box] == texts.EMPTY and updates[page.posterior_box] == ""


def test_a_table_opens_even_when_nothing_is_asked(page):
    updates = page.open_example([], 1280)
    assert "nothing is asked" in updates[page.notice]
    assert len(updates[page.loaded]) == 3 and updates[page.answer] is None


def test_a_question_after_the_table_is_gone(page):
    for handler in (page.ask, page.change_bands, page.change_row):
        updates = handler(None, None, "0", [], "", [], ["redshift"], 1280)
        assert "upload one, or choose the example" in updates[page.notice]
    updates = page.change_groups(["GALEX"], None, None, "0", [], "", [], ["redshift"], 1280)
    assert "upload one" in updates[page.notice]


def test_another_galaxy_keeps_bands_hidden_and_drops_what_was_typed(page):
    opened = page.open_example(["redshift"], 1280)
    loaded, shown = opened[page.loaded], opened[page.answer]
    asked = page.ask(loaded, shown, "0", [], "av = 1", ["J0400", "J0660", "J0800", "rSDSS"], ["redshift"], 1280)
    assert asked[page.answer].question.hidden == ("NUV",)
    moved = page.change_row(loaded, asked[page.answer], "G2", [], "av = 1", [], ["redshift"], 1280)
    question = moved[page.answer].question
    assert (question.row, question.hidden, question.typed) == (2, ("NUV",), ())
    assert moved[page.typed] == "" and moved[page.row] == "2 · G2"


def test_the_file_of_answers_is_removed_once_it_is_served(page):
    opened = page.open_example(["redshift"], 1280)
    written = page.write_all(opened[page.loaded], opened[page.answer], "CSV", lambda *_: None)
    folder = written[page.written]
    assert [path.name for path in folder.iterdir()] == ["example_posteriors.csv"]
    page.forget(folder)
    assert not folder.exists() and list(Path(page.outbox.name).iterdir()) == []


def test_files_of_visitors_who_went_are_swept(page):
    left, fresh = (Path(page.outbox.name) / name for name in ("left", "fresh"))
    for folder in (left, fresh):
        folder.mkdir()
    os.utime(left, (0, 0))
    opened = page.open_example(["redshift"], 1280)
    page.write_all(opened[page.loaded], opened[page.answer], "CSV", lambda *_: None)
    assert fresh.exists() and not left.exists()


def test_a_file_that_cannot_be_written_leaves_nothing_behind(page, monkeypatch):
    def full(*arguments):
        arguments[3].write_bytes(b"half")
        raise OSError(f"{arguments[3]}: no space left")

    monkeypatch.setattr(module, "answer_all", full)
    opened = page.open_example(["redshift"], 1280)
    updates = page.write_all(opened[page.loaded], opened[page.answer], "CSV", lambda *_: None)
    assert "example_posteriors.csv: no space left" in updates[page.notice]
    assert page.outbox.name not in updates[page.notice] and list(Path(page.outbox.name).iterdir()) == []


def test_a_model_that_does_not_exist_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "as before")  # app.py sets it; the test leaves it as it was
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert runpy.run_path(str(APP))["main"](["--model", str(tmp_path / "none")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("app.py: error: ") and said.count("\n") == 1
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
