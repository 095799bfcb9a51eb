"""Derived quantities by hand, in known units, and of joint draws."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from dust_extinction.parameter_averages import CCM89

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.posterior import DERIVED
from hf_galaxy.posterior.derived import HALPHA_SHARE, derive, needed
from hf_galaxy.variables_galaxy import default_variables
from tests.tiny_model import tiny_model

# Two galaxies with one draw each, and one in absorption.
DRAWS = {
    "redshift": np.array([[0.1], [0.3], [0.2]]),
    "log_mstar": np.array([[10.0], [11.0], [9.0]]),
    "log_sfr": np.array([[0.5], [-1.0], [0.0]]),
    "ew_halpha": np.array([[40.0], [5.0], [-1.0]]),
    "flux_halpha": np.array([[5.72e-15], [2.0e-15], [-1e-17]]),
    "flux_hbeta": np.array([[1e-15], [1e-15], [1e-17]]),
    "flux_oiii_5007": np.array([[5e-16], [6e-15], [1e-17]]),
    "flux_nii_6584": np.array([[1e-15], [2e-15], [1e-17]]),
}


@pytest.fixture(scope="module")
def posterior() -> GalaxyPosterior:
    return GalaxyPosterior(tiny_model(), GalaxyTokenizer()).condition(J0660=([5200.0, 9000.0], 50.0))


def test_by_hand():
    found = derive(list(DERIVED), DRAWS)
    np.testing.assert_allclose(found["log_ssfr"][:, 0], [-9.5, -12.0, -9.0])
    np.testing.assert_allclose(found["log_nii_halpha"][:, 0], [np.log10(1 / 5.72), 0.0, np.nan])
    np.testing.assert_allclose(found["log_oiii_hbeta"][:, 0], [np.log10(0.5), np.log10(6), 0.0], atol=1e-12)
    np.testing.assert_allclose(found["balmer_decrement"][:, 0], [5.72, 2.0, np.nan])
    # Below both curves; above both; no emission.
    assert found["bpt"][:, 0].tolist() == ["star-forming", "active", "weak"]
    # Hα/Hβ is twice case B, and less than case B, which no dust does.
    np.testing.assert_allclose(found["halpha_extinction"][:, 0], [HALPHA_SHARE * 2.5 * np.log10(2), 0.0, np.nan])


def test_luminosity_and_rate_with_astropy():
    found = derive(["log_lhalpha", "log_sfr_halpha"], DRAWS)
    distance = FlatLambdaCDM(70, 0.3).luminosity_distance([0.1, 0.3])
    flux = np.array([5.72e-15 * 2**HALPHA_SHARE, 2.0e-15]) * u.Unit("erg / (s cm2)")
    luminosity = (4 * np.pi * distance**2 * flux).to_value(u.erg / u.s)
    np.testing.assert_allclose(found["log_lhalpha"][:2, 0], np.log10(luminosity), atol=1e-6)
    # Kennicutt & Evans (2012), table 1: 1e41.27 erg/s are 1 M☉/yr.
    np.testing.assert_allclose(found["log_sfr_halpha"][:2, 0], np.log10(luminosity) - 41.27, atol=1e-6)
    assert np.isnan(found["log_sfr_halpha"][2, 0])


def test_the_law_of_extinction():
    halpha, hbeta = (float(CCM89(Rv=3.1)(1e4 / wave / u.micron)) for wave in (6564.6, 4862.7))
    assert pytest.approx(halpha / (hbeta - halpha), abs=0.005) == HALPHA_SHARE  # two decimals


def test_what_is_needed_is_in_the_table_of_variables():
    names = {v.name for v in default_variables()}
    assert all(set(quantity.needs) <= names for quantity in DERIVED.values())
    assert needed(["log_ssfr", "log_lhalpha"]) == ["log_mstar", "log_sfr", "redshift", "flux_halpha", "flux_hbeta"]


def test_of_joint_draws(posterior):
    """Differences of joint draws, not of other ones; with a seed, the same."""

    def twice(draws):
        return 2 * draws["log_sfr"]

    found = posterior.derive(["log_ssfr", twice, "bpt"], n=50, seed=3)
    assert list(found) == ["log_ssfr", "twice", "bpt"] and all(x.shape == (2, 50) for x in found.values())
    again = posterior.derive(["log_ssfr", twice, "bpt"], n=50, seed=3)
    for name in found:
        np.testing.assert_array_equal(found[name], again[name])
    few = posterior.derive(["log_ssfr", twice], n=50, seed=3, variables=["log_sfr"])
    draws = posterior.sample(50, ["log_mstar", "log_sfr"], seed=3)
    np.testing.assert_array_equal(few["log_ssfr"], draws["log_sfr"] - draws["log_mstar"])
    np.testing.assert_array_equal(few["twice"], 2 * draws["log_sfr"])
    named = posterior.derive({"x": lambda d: d["av"], "bpt": "bpt"}, n=3, seed=0)
    assert list(named) == ["x", "bpt"]


def test_classes_are_shares_of_draws(posterior):
    found = posterior.bpt_probabilities(200, seed=1)
    np.testing.assert_allclose(sum(found.values()), 1.0)
    classes = posterior.derive(["bpt"], 200, seed=1)["bpt"]
    np.testing.assert_array_equal(found["weak"], (classes == "weak").mean(axis=1))


@pytest.mark.parametrize(
    "what, options, message",
    [
        (["ssfr"], {}, "derive: 'ssfr' is none of log_ssfr"),
        (["rest_u_r"], {}, "no output of the model tells of the rest frame"),
        ([], {}, "name at least one quantity"),
        (["bpt", "bpt"], {}, "each once"),
        ([lambda d: d["av"]], {}, "a function without a name"),
        ([3], {}, "a function without a name"),
        ({"x": 3}, {}, "derive: x is 3; a name"),
        ({"x": lambda d: d["av"].mean()}, {}, "derive: x has shape ..; .2, 5., a value a draw"),
        ({"x": lambda d: d["J0900"]}, {}, "derive: x needs draws of 'J0900'; name it in variables="),
        ({"x": lambda d: d["av"]}, {"variables": ["mass"]}, "no variable is called 'mass'"),
        (["bpt"], {"n": 0}, "at least one draw"),
    ],
)
def test_questions_that_make_no_sense(posterior, what, options, message):
    with pytest.raises(ValueError, match=message) as error:
        posterior.derive(what, **{"n": 5, "seed": 0, **options})
    assert "\n" not in str(error.value)
