from __future__ import annotations

import json
from dataclasses import asdict, astuple

import numpy as np
import pytest
import torch

from hf_galaxy.physics.priors import COMPONENTS, Prior
from hf_galaxy.physics.priors.history import main_sequence
from hf_galaxy.physics.random import CounterRandom
from hf_galaxy.physics.settings import BroadShares, DustSettings, HistorySettings, SimulationSettings
from hf_galaxy.physics.sfh import recent_rate

N = 6000
LIMITS = {"metallicity": (0.01, 10**0.5), "gas_metallicity": (10**-1.6, 2.5), "log_u": (-4.0, -1.3), "av": (0.0, 3.5),
          "birth_cloud": (1.0, 3.5), "dust_slope": (-1.2, 0.5), "dust_bump": (0.0, 4.0), "lya_escape": (0.0, 0.3),
          "nuclear_ew": (10**-2.5, 100.0), "redshift": (0.003, 1.0), "log_mass": (6.5, 12.5),
          "velocity_dispersion": (10**1.2, 10**2.65)}  # fmt: skip


@pytest.fixture(scope="module")
def prior(simulator) -> Prior:
    s = simulator.synthesizer
    return Prior(SimulationSettings(), s.age_edges, s.surviving_share, s.cosmology)


@pytest.fixture(scope="module")
def drawn(prior):
    return prior.draw(CounterRandom(1, torch.arange(N), torch.zeros(N, dtype=torch.int64)))


def test_components_have_their_shares(drawn):
    s = SimulationSettings()
    expected = [s.survey_fraction] + [(1 - s.survey_fraction) * x for x in astuple(s.broad)]
    found = torch.bincount(drawn["component"], minlength=len(COMPONENTS)) / N
    np.testing.assert_allclose(found, expected, atol=0.025)  # 4 sigma of 6000


def test_limits_hold_and_nothing_piles_up(drawn):
    for name, (low, high) in LIMITS.items():
        x = drawn[name]
        assert x.min() >= low * (1 - 1e-9) - 1e-9 and x.max() <= high * (1 + 1e-9) + 1e-9, name
        values, counts = torch.unique(x, return_counts=True)
        assert counts.max() <= 3, f"{name} piles up at {values[counts.argmax()]}"


def test_shares_of_mass(drawn, prior):
    torch.testing.assert_close(drawn["weights"].sum(1), torch.ones(N, dtype=torch.float64))
    assert drawn["weights"].min() >= 0
    age = prior._tables.age(drawn["redshift"]) * 1e9
    too_old = (prior._edges[:-1][None] > age[:, None]) & (drawn["weights"] > 0)
    assert not too_old.any()


def test_mass_that_survives_is_less_than_formed(drawn, prior):
    share = 10 ** (drawn["log_mass"] - drawn["log_mass_formed"])
    torch.testing.assert_close(share, prior._surviving_share(drawn))
    assert 0.38 < share.min() and share.max() <= 1.0


def test_redrawing_keeps_what_defines_a_row(prior):
    draws = [prior.draw(CounterRandom(1, torch.arange(N), torch.full((N,), a))) for a in (0, 7)]
    assert torch.equal(draws[0]["component"], draws[1]["component"])
    field = draws[0]["component"] == COMPONENTS.index("field")
    same = draws[0]["redshift"] == draws[1]["redshift"]
    assert same[~field].all() and not same[field].any()
    assert (draws[0]["log_mass"] != draws[1]["log_mass"]).all()


@pytest.mark.parametrize(("population", "share"), [("survey", 1.0), ("broad", 0.0)])
def test_populations(simulator, population, share):
    s = simulator.synthesizer
    prior = Prior(SimulationSettings(population), s.age_edges, s.surviving_share, s.cosmology)
    p = prior.draw(CounterRandom(1, torch.arange(200), torch.zeros(200, dtype=torch.int64)))
    assert p["survey"].float().mean() == share


def test_star_forming_galaxies_follow_the_main_sequence(simulator):
    """Renzini & Peng (2015): at 10^10 M☉ and z = 0.05, 10^-0.04 M☉/yr; a galaxy on the way down is below."""
    assert 10.0 + main_sequence(torch.tensor(10.0), torch.tensor(0.05)).item() == pytest.approx(-0.04, abs=1e-6)
    s = simulator.synthesizer
    everyone = HistorySettings(on_sequence=1.0, green=0.0, bursting=0.0, burstiness=0.0, truncated=0.0)
    settings = SimulationSettings("survey", redshift_max=0.3, histories=everyone)
    p = Prior(settings, s.age_edges, s.surviving_share, s.cosmology).draw(
        CounterRandom(1, torch.arange(N), torch.zeros(N, dtype=torch.int64))
    )
    rate = torch.log10(recent_rate(s.age_edges, p["weights"], 1e8)) + p["log_mass_formed"] - p["log_mass"]
    offset = (rate - main_sequence(p["log_mass"], p["redshift"]))[~p["passive"]].numpy()
    # the rate that is added changes the mass that it is relative to, by a tenth at most
    assert abs(np.median(offset)) < 0.06
    assert np.std(offset) == pytest.approx(everyone.sequence_scatter, abs=0.08)


def test_free_galaxies_follow_no_relation(drawn):
    """Metallicity knows the mass of galaxies that follow relations, and not that of free ones."""
    mass, metals = drawn["log_mass"].numpy(), np.log10(drawn["metallicity"].numpy())
    free = drawn["free"].numpy()
    assert np.corrcoef(mass[~free], metals[~free])[0, 1] > 0.5
    assert abs(np.corrcoef(mass[free], metals[free])[0, 1]) < 0.08  # 3 sigma of 1500


def test_settings_survive_json():
    settings = SimulationSettings("survey", dust=DustSettings(av=(0.1, 0.7)), broad=BroadShares(nearby=0.5))
    assert SimulationSettings(**json.loads(json.dumps(asdict(settings)))) == settings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"population": "all"}, "population 'all' is not one of"),
        ({"redshift_max": 2.0}, "redshift limits 0.003, 2.0"),
        ({"redshift_min": 0.0}, "redshift limits 0.0, 1.0"),
        ({"i_min": 23.0}, "limits of i 23.0, 22.5"),
        ({"log_mass_max": 6.0}, "limits of log mass 6.5, 6.0"),
        ({"survey_fraction": 1.5}, "survey_fraction 1.5"),
        ({"step": 0.1}, "step 0.1"),
        ({"filter_shift": -1.0}, "filter_shift -1.0 Å"),
        ({"dust": {"av_scater": 1.0}}, "dust has no setting 'av_scater'; did you mean 'av_scatter'"),
        ({"dust": 3}, "dust is 3; a DustSettings or a dict"),
        ({"histories": {"green": 1.5}}, "HistorySettings: green 1.5 is outside"),
        ({"broad": {"nearby": -0.1}}, "BroadShares: shares nearby -0.1"),
        ({"nuclei": {"liner_ew_scatter": -1.0}}, "NucleusSettings: liner_ew_scatter -1.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        SimulationSettings(**given)
