from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from hf_galaxy.physics.distributions import log_uniform, piecewise_linear, student_t2, truncated_normal, uniform

U = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (0.5, 9.0), (-9.0, -1.5)])
def test_truncated_normal_is_that_of_scipy(low, high):
    expected = stats.truncnorm(low, high, loc=0.0, scale=1.0).ppf(U)
    np.testing.assert_allclose(truncated_normal(U, 0.0, 1.0, low, high), expected, atol=1e-9)
    moved = truncated_normal(U, 3.0, 2.0, 3 + 2 * low, 3 + 2 * high)
    np.testing.assert_allclose(moved, 3 + 2 * expected, atol=1e-8)


def test_limits_do_not_pile_up():
    x = truncated_normal(U, 0.0, 1.0, -0.5, 0.5)
    assert len(torch.unique(x)) == len(U) and x.min() > -0.5 and x.max() < 0.5


def test_far_tail_stays_inside_its_limits():
    x = truncated_normal(U, torch.tensor(0.0, dtype=torch.float64), 1.0, 7.0, 8.0)
    assert torch.isfinite(x).all() and x.min() >= 7 and x.max() <= 8


def test_student_is_that_of_scipy():
    np.testing.assert_allclose(student_t2(U, 1e6), stats.t(2).ppf(U), rtol=1e-6)
    assert student_t2(U, 3.0).abs().max() < 3.0


def test_uniform_and_log_uniform():
    torch.testing.assert_close(uniform(U, 2.0, 4.0), 2 + 2 * U)
    torch.testing.assert_close(torch.log10(log_uniform(U, 0.01, 100.0)), -2 + 4 * U)


def test_piecewise_linear():
    x = torch.tensor([-9.0, 0.5, 1.5, 9.0], dtype=torch.float64)
    knots, values = (0.0, 1.0, 2.0), (1.0, 3.0, 2.0)
    np.testing.assert_allclose(piecewise_linear(x, knots, values), np.interp(x, knots, values))
