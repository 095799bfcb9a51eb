"""Templates of our synthesis, their error and their prior."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.peers.template_grid import MAGNITUDES, TEMPLATES, TemplateGrid, magnitude_prior, template_error
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.ssp import MissingGridsError
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES


@pytest.fixture(scope="module")
def grid() -> TemplateGrid:
    try:
        return TemplateGrid.make(0.02)
    except MissingGridsError as error:
        pytest.skip(str(error))


def test_the_grid_is_uniform_in_log_and_no_template_is_another(grid):
    assert np.allclose(np.diff(np.log1p(grid.redshift)), 0.02)
    assert grid.flux.shape == (len(grid.redshift), len(TEMPLATES), len(BANDS))
    assert 12 <= len(TEMPLATES) <= 30
    shapes = grid.flux[10] / np.linalg.norm(grid.flux[10], axis=1, keepdims=True)
    # two old ages of one metallicity differ least
    assert (shapes @ shapes.T - 2 * np.eye(len(TEMPLATES))).max() < 1 - 1e-6


def test_the_break_of_an_old_template_moves_with_redshift(grid):
    """4000 Å (1 + z): between J0490 and J0510 at z = 0.25."""
    old = grid.flux[:, TEMPLATES.index((3e9, 7e9, 1.0, -3.0, 0.0))]
    k = int(np.argmin(np.abs(grid.redshift - 0.25)))
    step = old[:, BANDS.index("J0520")] / old[:, BANDS.index("J0470")]
    assert step[k] > 1.5 and step[k] > 1.3 * step[k + 5]


def test_the_prior_is_a_density_that_follows_the_galaxies():
    z = torch.cat([torch.full((500,), 0.1), torch.full((500,), 0.6)])
    magnitude = torch.cat([torch.full((500,), 16.2), torch.full((500,), 21.2)])
    flux = (10 ** (-0.4 * (magnitude - 31.4)))[:, None].expand(-1, len(BANDS)).clone()
    properties = torch.zeros(1000, len(PROPERTIES))
    properties[:, PROPERTIES.index("redshift")] = z
    grid = np.expm1(np.arange(0.003, np.log(2.0), 0.002))
    prior = magnitude_prior(GalaxyTable(flux, properties, torch.zeros(1000, dtype=torch.long)), grid)
    assert np.allclose(np.trapezoid(prior, grid, axis=1), 1)
    for m, expected in ((16.2, 0.1), (21.2, 0.6)):
        row = prior[np.argmin(np.abs(MAGNITUDES - m))]
        assert abs(grid[row.argmax()] - expected) < 0.01  # bins of 0.0035
    assert (prior > 0).all(), "no redshift is impossible, least of all where no galaxy is that bright"


def test_the_error_is_least_in_the_optical():
    assert template_error(np.array([5500.0]))[0] < template_error(np.array([2000.0, 11_000.0])).min()
