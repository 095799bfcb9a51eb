from __future__ import annotations

import numpy as np
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
