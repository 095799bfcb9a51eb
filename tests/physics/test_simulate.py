from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_galaxy.physics import simulate
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.labels import PROPERTY_NAMES
from hf_galaxy.physics.random import CounterRandom
from hf_galaxy.physics.simulate import SimulationSettings, Simulator

N = 1500
# float32 sums in another order; behind the intergalactic medium, differences of small numbers
ROUNDING = {"rtol": 1.5e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def drawn(simulator):
    return simulator.rows(1, 0, N)


def column(drawn, name):
    return drawn.properties[:, PROPERTY_NAMES.index(name)].numpy()


def test_rows_do_not_depend_on_the_request(simulator, drawn):
    torch.testing.assert_close(simulator.rows(1, 517, 40).flux, drawn.flux[517:557], **ROUNDING)
    other = Simulator(batch_size=7).rows(1, 300, 20)
    torch.testing.assert_close(other.flux, drawn.flux[300:320], **ROUNDING)
    torch.testing.assert_close(other.properties, drawn.properties[300:320], rtol=1e-4, atol=1e-4)
    assert list(other.survey) == list(drawn.survey[300:320])


def test_other_seeds_are_other_galaxies(simulator, drawn):
    assert not torch.isclose(simulator.rows(2, 0, 20).flux[:, 10], drawn.flux[:20, 10], rtol=1e-3).any()


def test_shapes_and_limits(simulator, drawn):
    assert drawn.flux.shape == (N, 62) and drawn.properties.shape == (N, len(PROPERTY_NAMES))
    assert drawn.flux.dtype == drawn.properties.dtype == torch.float32
    assert torch.isfinite(drawn.flux).all() and torch.isfinite(drawn.properties).all() and (drawn.flux > 0).all()
    i = 31.4 - 2.5 * torch.log10(drawn.flux[:, simulator.bands.index("iSDSS")])
    assert i.min() > 11.0 and i.max() < 22.5
    assert set(drawn.survey) == {"sim_survey", "sim_broad"}


def test_labels_are_the_parameters(drawn):
    np.testing.assert_allclose(column(drawn, "redshift"), drawn.latent["redshift"], rtol=1e-6)
    np.testing.assert_allclose(column(drawn, "log_mstar"), drawn.latent["log_mass"], rtol=1e-6)
    np.testing.assert_allclose(column(drawn, "av"), drawn.latent["av"], rtol=1e-6)


def test_population_has_what_was_missed(drawn):
    """Nearby galaxies, passive ones among them, and few extreme emission lines in what stands for a survey."""
    near, passive = column(drawn, "redshift") < 0.1, drawn.latent["passive"].numpy()
    survey = drawn.survey == "sim_survey"
    assert near.mean() > 0.12 and passive[near].mean() > 0.33
    assert (passive & ~near).mean() > 0.15
    extreme = column(drawn, "ew_halpha") > 500
    assert extreme[survey].mean() < 0.02 and extreme[~survey].mean() > 0.02
    assert np.median(column(drawn, "ew_halpha")[near & passive & survey]) < 2.0


def test_colours_know_the_properties(simulator, drawn):
    """Passive galaxies have strong breaks, others do not; Hα/Hβ is nowhere below the atomic ratio."""
    passive = drawn.latent["passive"].numpy() & (drawn.survey == "sim_survey")
    forming = ~drawn.latent["passive"].numpy() & (drawn.survey == "sim_survey")
    assert np.median(column(drawn, "dn4000")[passive]) > 1.6 > 1.4 > np.median(column(drawn, "dn4000")[forming])
    decrement = column(drawn, "flux_halpha") / column(drawn, "flux_hbeta")
    assert decrement.min() > 2.7


def test_no_rows(simulator):
    none = simulator.rows(0, 5, 0)
    assert none.flux.shape == (0, 62) and none.properties.shape == (0, len(PROPERTY_NAMES)) and len(none.survey) == 0
    with pytest.raises(ValueError, match="negative"):
        simulator.rows(0, -1, 2)


def test_selection_does_not_need_its_band(grids, simulator, drawn):
    """Other filters, in their own order, of the same galaxies; FUV and J1007 keep the grid of wavelengths the same."""
    names = ["J1007", "J0660", "FUV"]
    some = Simulator(filters=FilterSet.embedded().subset(names))
    assert some.bands == tuple(names)
    expected = drawn.flux[:12, [simulator.bands.index(name) for name in names]]
    torch.testing.assert_close(some.rows(1, 0, 12).flux, expected, **ROUNDING)


def test_limits_that_nothing_meets_are_an_error(grids, monkeypatch):
    monkeypatch.setattr(simulate, "MAX_ATTEMPTS", 40)
    with pytest.raises(RuntimeError, match=r"row \d+: nothing inside the limits of i in 40 draws"):
        Simulator(SimulationSettings(i_min=11.0, i_max=11.00001)).rows(0, 0, 4)


def test_first_look_loses_no_galaxy(simulator):
    """The coarse magnitude is within its margin of the one that decides."""
    drawn = simulator.rows(9, 0, 1000)
    coarse = simulator._coarse_magnitude(drawn.latent, CounterRandom(9, drawn.latent["row"], drawn.latent["attempt"]))
    exact = 31.4 - 2.5 * torch.log10(drawn.flux[:, simulator.bands.index("iSDSS")])
    assert (coarse - exact).abs().max() < simulate.COARSE_MARGIN
    assert (coarse - exact).abs().median() < 0.02
