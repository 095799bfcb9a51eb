"""What the benchmark of adaptation rests on: disjoint folds, surveys as written, and honest differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.adaptation import calibration
from benchmarks.adapting.measuring import Redshifts, improvement, measured
from benchmarks.adapting.real_survey import folds
from benchmarks.adapting.simulated_survey import SimulatedSurvey, write_survey
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES
from tests.random_tables import random_table


def answers(n: int, error: float, stated: float, seed: int = 0) -> Redshifts:
    """Gaussian errors of one size, intervals of another, of the same galaxies for the same seed."""
    rng = np.random.default_rng(seed)
    truth, unit = rng.uniform(0.1, 0.8, n), rng.normal(0, 1, n)
    median = truth + error * unit * (1 + truth)
    width = stated * (1 + truth)
    pit = np.array([0.5 * (1 + torch.erf(torch.tensor(-e * error / stated / 2**0.5)).item()) for e in unit])
    nll = 0.5 * (unit * error / stated) ** 2 + np.log(stated)
    return Redshifts(truth, median - width, median, median + width, pit, nll)


def test_every_galaxy_is_tested_once_and_never_by_a_model_that_saw_it():
    tested = []
    for train, test in folds(20, seed=0):
        assert not set(train) & set(test) and len(train) + len(test) == 20
        tested += test.tolist()
    assert sorted(tested) == list(range(20))


def test_figures_of_merit_are_those_of_the_errors():
    row = measured(answers(4000, 0.01, 0.01))
    assert row["sigma_nmad"] == pytest.approx(0.01, rel=0.05)  # 1.2 % of noise, four times
    assert row["coverage_68"] == pytest.approx(0.683, abs=0.03) and row["pit_deviation"] < 0.03
    assert row["std"]["sigma_nmad"] == pytest.approx(0.01 * 1.17 / 4000**0.5, rel=0.3)  # NMAD: 37 % efficient
    bold = measured(answers(4000, 0.01, 0.005))
    assert bold["coverage_68"] < 0.42 and bold["nll"] > row["nll"]


def test_an_improvement_is_told_from_none():
    before = answers(1000, 0.02, 0.02)
    change = improvement(before, answers(1000, 0.01, 0.01))
    assert change["sigma_nmad"][2] < 0 and change["nll"][2] < 0
    value, low, high = improvement(before, answers(1000, 0.02, 0.02))["sigma_nmad"]
    assert value == low == high == 0


def test_a_survey_is_written_with_the_labels_that_are_known(tmp_path):
    galaxies = random_table(10)
    survey = SimulatedSurvey(galaxies, 2 * galaxies.flux, 0.1 * galaxies.flux, np.zeros(62), np.zeros(62))
    z = PROPERTIES.index("redshift")
    for name, given, known in (("none", {}, 0), ("some", {"redshifts": 3}, 3), ("all", {"labels": True}, 10)):
        table = GalaxyTable.load(write_survey(survey, tmp_path / name, **given))
        torch.testing.assert_close(table.flux, 2 * galaxies.flux)
        assert table.noisy.all() and int(torch.isfinite(table.properties[:, z]).sum()) == known
    assert int(torch.isfinite(GalaxyTable.load(tmp_path / "some").properties).sum()) == 3


def test_what_is_left_of_the_zero_points_is_counted_without_their_mean():
    truth = np.linspace(-0.05, 0.05, len(BANDS))
    survey = SimulatedSurvey(random_table(1), None, None, truth, np.full(len(BANDS), 0.1))
    learnt = {"zero_points": dict(zip(BANDS, truth + 0.3, strict=True)), "error_scale": dict.fromkeys(BANDS, 1.0)}
    found = calibration(learnt, survey)
    assert found["rms_left"] == pytest.approx(0, abs=1e-12) and found["ln_ratio_rms_left"] == pytest.approx(0.1)
    assert calibration({**learnt, "zero_points": dict.fromkeys(BANDS, 0.0)}, survey)["rms_left"] == found["rms_true"]
