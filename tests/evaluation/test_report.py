import json

import numpy as np
import pytest

from hf_galaxy.evaluation.photoz import photoz_by_bin
from hf_galaxy.evaluation.report import assemble_report, read_report, to_plain, write_report

FACTS = {"model": {"size": "tiny"}, "data": {"n": 2, "seed": 1}, "machine": {"cores": 2}}


def test_typed_results_and_arrays_become_plain_json(tmp_path):
    bins = photoz_by_bin([0.1, 0.2], [0.1, 0.2], [20.0, 20.5], [20.0, 21.0, 22.0])
    report = assemble_report(**FACTS, metrics={"bins": bins, "pit": np.float32(0.5), "levels": np.array([1, 2])})
    back = read_report(write_report(tmp_path / "new" / "metrics.json", report))
    assert back == report
    assert back["metrics"]["bins"][0]["statistics"]["n"] == 2
    assert back["metrics"]["bins"][1]["statistics"]["sigma_nmad"] is None  # an empty bin has no scatter
    assert back["metrics"]["levels"] == [1, 2]


def test_the_same_facts_give_the_same_bytes(tmp_path):
    report = assemble_report(**FACTS, metrics={"a": 1.0})
    first, second = (write_report(tmp_path / name, report).read_bytes() for name in ("a.json", "b.json"))
    assert first == second
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_infinities_are_null():
    assert to_plain({"a": float("inf"), "b": [np.nan]}) == {"a": None, "b": [None]}


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = write_report(tmp_path / "m.json", assemble_report(**FACTS, metrics={"a": 1}))
    with pytest.raises(ValueError, match="no place in a report"):
        write_report(path, {**FACTS, "metrics": {"a": object()}})
    assert read_report(path)["metrics"] == {"a": 1}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda path: assemble_report(**{**FACTS, "machine": {}}, metrics={"a": 1}), "section 'machine'"),
        (lambda path: write_report(path, {"metrics": {}}), "lacks model, data, machine"),
        (lambda path: read_report(path), "not a report of format 1"),
    ],
)
def test_bad_input_is_refused(tmp_path, call, message):
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"format": 99}))
    with pytest.raises(ValueError, match=message):
        call(path)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(ValueError, match=r"m\.json: not a JSON report"):
        read_report(tmp_path / "m.json")
