"""The benchmarks of speed count what they say, and write whole reports; how fast anything is, is no test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import infer
import matrix_rate
import scaling
from rounding import compare, pit_distance

from hf_galaxy import PROPERTIES
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.tokenization_galaxy import GalaxyTokenizer
from tests.tiny_model import tiny_model


def test_operations_of_products_are_counted_forward_and_backward():
    layer, x = torch.nn.Linear(5, 7), torch.randn(3, 5)
    assert matrix_rate.operations(lambda: layer(x)) == 2 * 3 * 5 * 7
    # The gradient of the weights is one more product; that of the input is not asked.
    assert matrix_rate.operations(lambda: layer(x).sum().backward()) == 2 * 2 * 3 * 5 * 7


def test_the_first_run_warms_up_and_the_fastest_counts():
    ticks = iter([0, 1, 10, 18, 20, 25, 30, 37])
    assert matrix_rate.fastest(lambda: None, repeat=3, clock=lambda: next(ticks)) == 5


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), matrix_rate.threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise RuntimeError
    assert torch.get_num_threads() == before


def test_mock_catalogues_spread_their_bands_over_the_spectrum():
    table = infer.mock_catalogue(3, 4)
    bands = [name for name in table.colnames if not name.endswith("_err")]
    assert len(table) == 3 and len(bands) == 4
    assert (bands[0], bands[-1]) == (infer.BANDS[0], infer.BANDS[-1])


def test_shifts_are_in_half_widths():
    rng = np.random.default_rng(0)
    n, width = 50, 0.2
    q = np.broadcast_to(width * np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), (n, len(PROPERTIES), 5))
    exact = {"quantiles": q, "log_prob": np.ones(q.shape[:2]), "pit": rng.random(q.shape[:2])}
    rounded = {**exact, "quantiles": q + 0.01 * width, "log_prob": np.full(q.shape[:2], 0.5)}
    row = compare(exact, rounded)["redshift"]
    assert row["median_shift"] == pytest.approx(0.01) and row["rms_shift"] == pytest.approx(0.01)
    assert (row["nll_float32"], row["nll_bfloat16"]) == (-1.0, -0.5)


def test_the_distance_of_the_pit():
    uniform = (np.arange(1000) + 0.5) / 1000
    assert pit_distance(uniform) < 1e-9
    assert pit_distance(np.append(uniform**2, np.nan)) == pytest.approx(0.25, abs=2e-3)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(infer, "load", lambda *_: GalaxyPosterior(tiny_model(), GalaxyTokenizer()))
    monkeypatch.setattr(scaling, "load", infer.load)
    monkeypatch.setattr(matrix_rate, "LARGE", (16, 16, 16))
    monkeypatch.setattr(matrix_rate, "SECONDS", 1e-4)
    for axis, (label, values) in scaling.AXES.items():
        monkeypatch.setitem(scaling.AXES, axis, (label, values[:2]))


def test_a_report_of_speed_is_whole(small, tmp_path):
    out = tmp_path / "infer.json"
    arguments = ["--sizes", "tiny", "--dtypes", "float32", "--n", "2", "--joint", "1", "--draws", "2", "--repeat", "1"]
    infer.main([*arguments, "--out", str(out)])
    row = json.loads(out.read_text())["metrics"]["tiny"]["float32"]
    assert row["galaxies_per_processor_second"] > 0 and 0 < row["fraction_of_matrix_rate"]
    assert "galaxies_per_second" not in row


def test_a_report_of_scaling_is_whole(small, tmp_path):
    out = tmp_path / "scaling.json"
    scaling.main(["--sizes", "tiny", "--n", "2", "--repeat", "1", "--lengths", "--out", str(out)])
    axes = json.loads(out.read_text())["metrics"]["tiny"]
    assert [p["value"] for p in axes["bands"]] == [2, 8] and len(axes["questions"]) == len(axes["at_once"]) == 2
    assert out.with_suffix(".png").stat().st_size > 10_000
