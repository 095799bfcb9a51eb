"""The formula of the all-reduce, of which the computed scaling is made."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from training_scaling import Cluster, all_reduce, ring


def test_a_ring_moves_twice_the_gradient_but_for_one_share():
    """Patarasuk & Yuan (2009): 2 (N - 1) / N of the data pass every link, in 2 (N - 1) hops."""
    assert ring(1, 1e9, 1e9, 1.0) == 0.0
    assert ring(2, 1e9, 1e9, 0.0) == pytest.approx(1.0)
    assert ring(8, 1e9, 1e9, 0.5) == pytest.approx(1.75 + 7.0)


def test_between_nodes_every_gpu_carries_its_share():
    cluster = Cluster(within=1e9, between=1e8, latency_within=0.0, latency_between=0.0)
    inside = all_reduce(8, 8e8, cluster)
    assert inside == pytest.approx(1.75 * 0.8)
    assert all_reduce(16, 8e8, cluster) == pytest.approx(inside + 1.0 * 8e8 / 8 / 1e8)
    assert all_reduce(4, 8e8, cluster) < inside
