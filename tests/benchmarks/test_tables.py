"""The documents hold the figures of the committed reports, and the command that fills them says what is wrong."""

from __future__ import annotations

import json

import pytest

from benchmarks import tables
from hf_galaxy.evaluation.report import assemble_report, write_report
from hf_galaxy.evaluation.tables import ReportTable


def test_the_documents_hold_the_figures_of_the_reports():
    differing = [path.name for path in tables.stale()]
    assert not differing, f"{differing} differ from benchmarks/results; run python -m benchmarks.tables"


@pytest.fixture
def place(tmp_path):
    """Documents with one marked place, its report, and the one table that fills it."""
    for name in tables.DOCUMENTS:
        (tmp_path / name).write_text("<!-- begin speed -->\n| 5 |\n<!-- end speed -->\n")
    report = assemble_report(model={"a": 1}, data={"a": 1}, machine={"a": 1}, metrics={"rate": 5})
    write_report(tmp_path / "speed.json", report)
    speed = ReportTable("speed", "speed.json", lambda report: f"| {report['metrics']['rate']} |")
    return {"root": tmp_path, "results": tmp_path, "tables": (speed,)}


def test_a_table_that_is_registered_is_filled(place):
    assert tables.stale(**place) == {}
    (place["root"] / "README.md").write_text("<!-- begin speed -->\n| 4 |\n<!-- end speed -->\n")
    assert tables.stale(**place) == {place["root"] / "README.md": "<!-- begin speed -->\n| 5 |\n<!-- end speed -->\n"}


def test_missing_and_unfit_reports_are_named(place):
    report = json.loads((place["root"] / "speed.json").read_text())
    del report["metrics"]["rate"]
    (place["root"] / "speed.json").write_text(json.dumps(report))
    with pytest.raises(ValueError, match=r"speed\.json: lacks 'rate', which table speed shows"):
        tables.stale(**place)
    (place["root"] / "speed.json").unlink()
    with pytest.raises(ValueError, match=r"speed\.json: no such report; table speed is made of it"):
        tables.stale(**place)
    with pytest.raises(ValueError, match="no table is named speed"):
        tables.stale(**{**place, "tables": ()})


def test_the_command_checks_and_fills(place, monkeypatch, capsys):
    stale = tables.stale
    monkeypatch.setattr(tables, "stale", lambda: stale(**place))
    assert tables.main(["--check"]) == 0
    card = place["root"] / "model_card.md"
    card.write_text(card.read_text().replace("5", "6"))
    assert tables.main(["--check"]) == 1
    assert "model_card.md: differs" in capsys.readouterr().out and "6" in card.read_text()
    assert tables.main([]) == 0 and "| 5 |" in card.read_text()
    (place["root"] / "speed.json").unlink()
    assert tables.main([]) == 2 and "no such report" in capsys.readouterr().err
