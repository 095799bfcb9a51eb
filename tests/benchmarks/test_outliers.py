"""What stands for quasars and stars in the benchmark of the outlier score is what it says."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import outliers

from hf_galaxy import BANDS
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.noise import NoiseSettings
from hf_galaxy.physics.photometry import PhotometryOperator
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.tokenization_galaxy import GalaxyTokenizer
from tests.tiny_model import tiny_model


class Fixed:
    """A generator of one number, whatever the range."""

    def __init__(self, value: float):
        self.value = value

    def uniform(self, low: float, high: float) -> float:
        assert low <= self.value <= high
        return self.value


def test_a_black_body_peaks_where_wien_says():
    peak = outliers.WAVELENGTH[outliers.black_body(Fixed(6000)).argmax()]
    assert peak == pytest.approx(2.897772e7 / 6000, abs=2)  # a pixel of 2 Å


def test_lines_of_a_quasar_have_their_equivalent_width():
    flux, one_z = outliers.quasar(Fixed(2.0)), 3.0
    line, width = outliers.BROAD_LINES[3]
    rest = outliers.WAVELENGTH / one_z
    near = abs(rest - line) < 5 * outliers.LINE_WIDTH * line
    excess = np.trapezoid((flux - rest**-1.5)[near], rest[near])
    assert excess / line**-1.5 == pytest.approx(width, rel=1e-3)
    assert flux[rest < 912].max() < flux[(rest > 1000) & (rest < 1150)].min()


def test_intruders_have_the_magnitude_that_is_asked():
    flux = PhotometryOperator(FilterSet.embedded(), outliers.WAVELENGTH)(outliers.black_body(Fixed(5000))[None])
    found = outliers.scaled(flux, 20.0)
    assert np.isfinite(found).all() and found.shape == (1, len(BANDS))
    assert 31.4 - 2.5 * np.log10(found[0, BANDS.index("iSDSS")]) == pytest.approx(20.0)
    np.testing.assert_allclose(found / found[:, :1], flux / flux[:, :1])


def test_shares_count_the_p_values_below(capsys):
    answers = SimpleNamespace(outlier_score=lambda: {"p_value": [0.0005, 0.03, 0.07, 0.5]})
    galaxy = SimpleNamespace(condition=lambda table: answers)
    row = outliers.shares(galaxy, torch.full((4, len(BANDS)), 1e4), NoiseSettings.nominal(), seed=0)
    assert row == {"n": 4, "below 0.001": 0.25, "below 0.01": 0.25, "below 0.05": 0.5, "below 0.1": 0.75}
    outliers.print_table({"few": row})
    assert "75.0%" in capsys.readouterr().out


def test_the_score_of_a_model_is_read():
    galaxy = GalaxyPosterior(tiny_model(), GalaxyTokenizer())
    row = outliers.shares(galaxy, torch.full((3, len(BANDS)), 1e4), NoiseSettings.survey(), seed=0)
    assert row["n"] == 3 and all(0 <= row[f"below {level:g}"] <= 1 for level in outliers.BELOW)
