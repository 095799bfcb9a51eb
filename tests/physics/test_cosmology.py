from __future__ import annotations

import numpy as np
import pytest
import torch
from astropy.cosmology import FlatLambdaCDM

from hf_galaxy.physics.cosmology import CosmologyTables, age_today_gyr, interpolate

ASTROPY = FlatLambdaCDM(H0=70.0, Om0=0.3)


@pytest.fixture(scope="module")
def tables():
    return CosmologyTables(1.5)


def test_distance_and_age_are_those_of_astropy(tables):
    z = np.random.default_rng(0).uniform(0.001, 1.5, 300)
    # linear interpolation on a step of 1e-3 of smooth functions: second derivative of order one, step² / 8 = 1e-7
    np.testing.assert_allclose(
        tables.luminosity_distance(torch.as_tensor(z)), ASTROPY.luminosity_distance(z).value, rtol=1e-6
    )
    np.testing.assert_allclose(tables.age(torch.as_tensor(z)), ASTROPY.age(z).value, rtol=1e-6)
    np.testing.assert_allclose(tables.distance_modulus(torch.as_tensor(z)), ASTROPY.distmod(z).value, atol=1e-5)


def test_hubble_law_at_redshift_zero(tables):
    z = torch.tensor([1e-6], dtype=torch.float64)
    assert abs(tables.luminosity_distance(z).item() / (2.99792458e5 * 1e-6 / 70) - 1) < 1e-5


def test_age_today():
    assert abs(age_today_gyr() - 13.467) < 0.001


def test_interpolation_is_constant_beyond_its_ends():
    table = torch.tensor([1.0, 2.0, 4.0])
    torch.testing.assert_close(
        interpolate(torch.tensor([-5.0, 0.5, 1.5, 9.0]), 0.0, 1.0, table), torch.tensor([1.0, 1.5, 3.0, 4.0])
    )
