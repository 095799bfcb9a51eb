from __future__ import annotations

import numpy as np
import torch
from scipy import stats

from hf_galaxy.physics.random import CounterRandom, mix

GOLDEN = 0x9E3779B97F4A7C15


def drawn(rows, attempt=0, seed=3):
    rows = torch.as_tensor(rows)
    return CounterRandom(seed, rows, torch.full_like(rows, attempt))


def test_hash_is_splitmix64():
    """First outputs of the reference implementation (Vigna, prng.di.unimi.it/splitmix64.c) for the seed 0."""
    state = torch.tensor([(k * GOLDEN) % 2**64 - (2**64 if (k * GOLDEN) % 2**64 >> 63 else 0) for k in (1, 2, 3)])
    found = [int(x) % 2**64 for x in mix(state)]
    assert found == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_row_does_not_depend_on_the_batch():
    whole = drawn(np.arange(1000)).uniform("mass", 5)
    assert torch.equal(drawn([7, 912, 3]).uniform("mass", 5), whole[[7, 912, 3]])


def test_names_seeds_and_attempts_give_other_numbers():
    one = drawn(np.arange(2000)).uniform("a")
    others = (drawn(np.arange(2000)).uniform("b"), drawn(np.arange(2000), 1).uniform("a"),
              drawn(np.arange(2000), seed=4).uniform("a"), drawn(np.arange(1, 2001)).uniform("a"))  # fmt: skip
    for other in others:
        assert abs(np.corrcoef(one, other)[0, 1]) < 0.1  # 4.5 sigma of 2000 pairs


def test_first_forgets_the_attempt():
    assert torch.equal(drawn(np.arange(9), 5).first().uniform("a"), drawn(np.arange(9)).uniform("a"))


def test_distributions():
    u, x = drawn(np.arange(20000)).uniform("u"), drawn(np.arange(4000)).normal("x", 5)
    assert 0 < u.min() and u.max() < 1
    assert stats.kstest(u.numpy(), "uniform").pvalue > 1e-3
    assert stats.kstest(x.flatten().numpy(), "norm").pvalue > 1e-3
