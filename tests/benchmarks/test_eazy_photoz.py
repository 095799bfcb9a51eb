"""EAZY is given our templates and puts them at their redshifts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.comparison.answers import LEVELS
from benchmarks.peers.eazy_photoz import EazyPhotoz, log_density_at, quantiles_of_density
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.noise import Observation
from hf_galaxy.physics.ssp import MissingGridsError
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, default_variables

STEP = 0.01


@pytest.fixture(scope="module")
def peer() -> EazyPhotoz:
    pytest.importorskip("eazy", reason="the peer EAZY is not installed: pip install eazy")
    n = 200
    flux = torch.full((n, len(BANDS)), 5e4)
    properties = torch.linspace(0.01, 0.99, n)[:, None].expand(-1, len(PROPERTIES)).clone()
    made = EazyPhotoz(step=STEP)
    try:
        made.fit(GalaxyTable(flux, properties, torch.zeros(n, dtype=torch.long)), None, 0)
    except MissingGridsError as error:
        pytest.skip(str(error))
    return made


def test_a_template_at_a_redshift_is_put_there(peer):
    """A sum of two templates at z = 0.3, measured to 2 %, without GALEX, and with one band negative."""
    k = int(np.argmin(np.abs(peer.grid.redshift - 0.3)))
    flux = 3e4 * (peer.grid.flux[k, 5] + 0.2 * peer.grid.flux[k, 16])
    error = 0.02 * flux
    flux = flux + error * np.random.default_rng(0).standard_normal(len(flux))
    flux[:2] = error[:2] = np.nan
    flux[BANDS.index("J0378")], error[BANDS.index("J0378")] = -500.0, 2000.0
    observation = Observation(*(torch.as_tensor(x)[None] for x in (flux, error, np.isfinite(flux))))
    answers = peer.predict(observation)
    z, quantiles = peer.grid.redshift[k], answers.quantiles["redshift"][0]
    assert abs(answers.point["redshift"][0] - z) < 0.5 * STEP * (1 + z)
    assert quantiles[0] < z < quantiles[-1] and quantiles[-1] - quantiles[0] < 4 * STEP
    likely = answers.log_prob({"redshift": np.array([z])})["redshift"]
    assert likely > answers.log_prob({"redshift": np.array([z + 0.2])})["redshift"] + 3


def test_quantiles_of_a_normal_density_are_its_own():
    grid = np.linspace(0, 1, 2001)
    density = np.exp(-0.5 * ((grid - 0.4) / 0.05) ** 2)[None]
    from scipy.stats import norm

    assert np.abs(quantiles_of_density(grid, density)[0] - norm.ppf(LEVELS, 0.4, 0.05)).max() < 1e-4


def test_the_log_density_is_that_of_the_token_coordinate():
    grid = np.linspace(0.003, 1, 2001)
    flat = np.full((2001, 2001), 1 / 0.997)
    variable = next(v for v in default_variables() if v.name == "redshift")
    coordinate = np.array([variable.forward(z) for z in grid])
    total = np.trapezoid(np.exp(log_density_at(grid, flat, grid)), coordinate)
    assert abs(total - 1) < 1e-4
