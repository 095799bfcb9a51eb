"""Nearest neighbours against scipy's tree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.posterior import neighbours
from tests.tiny_model import tiny_model


@pytest.mark.parametrize("rows", [7, 1024])
def test_the_nearest_are_those_of_a_tree(monkeypatch, rows):
    monkeypatch.setattr(neighbours, "ROWS_AT_ONCE", rows)
    a, b = np.random.default_rng(0).normal(size=(2, 50, 6))
    distance, index = cKDTree(b).query(a, 3)
    found, far = neighbours.nearest(a, b, 3)
    np.testing.assert_array_equal(found, index)
    np.testing.assert_allclose(far, distance, rtol=1e-6)
    distance, index = cKDTree(a).query(a, 4)
    found, far = neighbours.nearest(a, a, 3, themselves=True)
    np.testing.assert_array_equal(found, index[:, 1:])
    np.testing.assert_allclose(far, distance[:, 1:], rtol=1e-6)


def test_galaxies_like_these():
    galaxy = GalaxyPosterior(tiny_model(), GalaxyTokenizer())
    many = galaxy.condition(J0660=([5000.0, 90000.0, 5010.0, 91000.0], [50.0, 900.0, 50.0, 900.0]))
    index, distance = many.neighbours(1)
    assert index[:, 0].tolist() == [2, 3, 0, 1] and (distance > 0).all()
    index, distance = galaxy.condition(J0660=(5000.0, 50.0)).neighbours(2, among=many)
    assert index.tolist() == [[0, 2]] and distance[0, 0] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("k", [0, 4])
def test_too_many_or_none(k):
    galaxy = GalaxyPosterior(tiny_model(), GalaxyTokenizer()).condition(J0660=([1.0, 2.0, 3.0, 4.0], 1.0))
    with pytest.raises(ValueError, match=f"k={k}: there are 3 galaxies to look among besides each itself"):
        galaxy.neighbours(k)
