from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_galaxy.physics import sfh

EDGES = torch.cat([torch.zeros(1), torch.logspace(6, 10.1, 60, dtype=torch.float64)]).double()


def column(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_delayed_is_its_integral():
    onset, tau = 9e9, 2e9
    shares = sfh.delayed(EDGES, column(onset), column(tau))[0]
    t = np.linspace(0, onset, 400001)
    formed = np.concatenate([[0], np.cumsum(0.5 * ((y := t * np.exp(-t / tau))[1:] + y[:-1]))])
    since = np.clip(onset - EDGES.numpy(), 0, None)
    expected = -np.diff(np.interp(since, t, formed)) / formed[-1]
    np.testing.assert_allclose(shares, expected, atol=1e-8)
    assert shares[EDGES[:-1] > onset].sum() == 0


def test_constant_history():
    borders, rate = column(0.0, 5e9, 1e10)[None], column(0.3, 0.3)[None]
    shares = sfh.piecewise(EDGES, borders, rate)
    assert abs(sfh.recent_rate(EDGES, shares, 1e8).item() * 1e10 - 1) < 1e-9
    assert abs(sfh.mean_age(EDGES, shares).item() / 5e9 - 1) < 0.02  # the bin across 10 Gyr is 0.07 dex wide


def test_shares_add_to_one():
    n = 50
    u = torch.rand(n, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shares = sfh.delayed(EDGES, 1e9 + 1e10 * u[:, 0], 1e8 + 5e9 * u[:, 1])
    shares = sfh.truncate(EDGES, shares, 1e8 + 1e9 * u[:, 2], u[:, 3])
    shares = sfh.add_burst(EDGES, shares, 1e7 + 1e8 * u[:, 4], 1e7 * u[:, 5], u[:, 6])
    torch.testing.assert_close(shares.sum(1), torch.ones(n, dtype=torch.float64))
    assert shares.min() >= 0


def test_burst_adds_its_share_where_it_is():
    shares = sfh.delayed(EDGES, column(1e10), column(1e8))
    age = float(EDGES[30])  # a burst inside one bin is spread over it
    with_burst = sfh.add_burst(EDGES, shares, column(age), column(age), column(0.1))
    assert abs(sfh.recent_rate(EDGES, with_burst, age).item() * age - 0.1) < 1e-6


def test_truncation_lowers_the_recent_rate_by_its_factor():
    shares = sfh.piecewise(EDGES, column(0.0, 1e10)[None], column(0.0)[None])
    cut = sfh.truncate(EDGES, shares, column(1e9), column(0.01))
    ratio = sfh.recent_rate(EDGES, cut, 1e8) / sfh.recent_rate(EDGES, shares, 1e8)
    assert abs(ratio.item() / (0.01 / (0.9 + 0.1 * 0.01)) - 1) < 1e-6


def test_continuity_borders_increase_to_the_age():
    ages = column(1.0e9, 4.2e9, 1.34e10)
    borders = sfh.continuity_borders(ages)
    assert borders.shape == (3, 9) and (borders.diff(dim=1) > 0).all()
    torch.testing.assert_close(borders[:, -1], ages)


def test_dirichlet_masses_have_the_mean_and_variance_of_their_distribution():
    n, bins = 20000, 5
    u = torch.rand(n, bins, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    edges = torch.linspace(0, 1e10, bins + 1, dtype=torch.float64)
    shares = sfh.dirichlet(edges, torch.full((n,), 1e10, dtype=torch.float64), u)
    np.testing.assert_allclose(shares.mean(0), 1 / bins, atol=0.006)  # 5 sigma of the mean
    np.testing.assert_allclose(shares.var(0), (bins - 1) / bins**2 / (bins + 1), rtol=0.06)
    half = sfh.dirichlet(edges, torch.full((n,), 4e9, dtype=torch.float64), u)
    assert half[:, 2:].sum() == 0


def test_recent_rate_is_brought_where_it_should_be():
    """Cut or raised, exactly where the borders of the bins are those of the times; 2 % where they are not."""
    edges = torch.tensor([0.0, 5e7, 1e8, 3e8, 1e9, 5e9, 1e10], dtype=torch.float64)
    shares = sfh.normalised(column(0.3, 0.2, 1.0, 3.0, 40.0, 55.5)[None]).expand(3, -1)
    since, rate = column(3e8, 1e9, 3e8), column(1e-12, 3e-10, 2e-9)
    changed = sfh.with_recent_rate(edges, shares, 1e8, since, rate)
    torch.testing.assert_close(sfh.recent_rate(edges, changed, 1e8), rate, rtol=1e-9, atol=0.0)
    torch.testing.assert_close(changed.sum(1), torch.ones(3, dtype=torch.float64))
    assert changed[0, 3] / changed[0, 4] == pytest.approx(3 / 40)  # what is older than the cut keeps its shape
