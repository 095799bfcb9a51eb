from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from hf_galaxy import GalaxyPosterior
from hf_galaxy.densities_galaxy import MixtureDensity
from hf_galaxy.information import divergence, information, stretches
from hf_galaxy.variables_galaxy import Variable

SEEN = {"J0660": (5000.0, 100.0), "rSDSS": (4000.0, 50.0), "NUV": (300.0, 200.0)}


@pytest.fixture
def posterior(blank_model) -> GalaxyPosterior:
    return GalaxyPosterior.from_pretrained(str(blank_model)).condition(**SEEN)


def mixture(*components: tuple[float, float, float], limits: tuple[float, float] = (-math.inf, math.inf)):
    """Density (1, 1) of components (weight, mean, standard deviation)."""
    weight, loc, scale = torch.tensor(components).T[:, None, None]
    return MixtureDensity(weight.log(), loc, scale, *(torch.full((1, 1), x) for x in limits))


@pytest.mark.parametrize("mean", [0.0, 0.02, 3.0])
@pytest.mark.parametrize("scale", [0.5, 0.99, 1.0, 4.0])
def test_the_divergence_of_gaussians_is_the_closed_form(mean, scale):
    found = divergence(mixture((1.0, 0.3, 1.0)), mixture((1.0, 0.3 + mean, scale))).item()
    exact = math.log(scale) + (1 + mean**2) / (2 * scale**2) - 0.5
    # Sixteen points over twelve standard deviations hold the variance to 2e-4, half of which times (1 / scale² - 1) is
    # the error: 2e-4 of what is large, 3e-6 of what is next to nothing.
    assert found == pytest.approx(exact, rel=3e-4, abs=4e-6)


def test_the_divergence_of_mixtures_within_limits_is_the_integral():
    p = mixture((0.7, 0.2, 0.1), (0.3, 0.9, 0.3), limits=(0.0, 2.0))
    q = mixture((0.5, 0.0, 0.4), (0.5, 1.0, 0.5), limits=(0.0, 2.0))
    t = torch.linspace(0, 2, 200_001).double()
    log_p, log_q = (x.map(lambda a: a.double())[0].log_prob(t) for x in (p, q))
    exact = torch.trapezoid(log_p.exp() * (log_p - log_q), t).item()
    # One component reaches the limit: Gauss-Legendre by 16 points on what is left of it.
    assert divergence(p, q).item() == pytest.approx(exact, rel=1e-4)


def test_information_is_the_relative_entropy_of_the_posteriors_with_and_without(posterior, blank_model):
    found = information(posterior, [["J0660"], ["rSDSS", "NUV"]], ["redshift", "log_mstar"])[0]
    galaxy = GalaxyPosterior.from_pretrained(str(blank_model))
    rest = [galaxy.condition(rSDSS=SEEN["rSDSS"], NUV=SEEN["NUV"]), galaxy.condition(J0660=SEEN["J0660"])]
    for column, name in enumerate(("redshift", "log_mstar")):
        low, high = posterior.quantiles(name, [1e-6, 1 - 1e-6])[0]
        grid = np.linspace(low, high, 20_001)
        p = posterior.pdf(name, grid)[0]
        exact = [np.trapezoid(p * np.log(p / other.pdf(name, grid)[0]), grid) for other in rest]
        # float32 densities, whose logarithms are good to 1e-6, and the tails beyond the grid
        np.testing.assert_allclose(found[:, column], exact, rtol=1e-3, atol=3e-6)


def test_what_is_not_known_of_a_galaxy_has_no_information(blank_model):
    galaxy = GalaxyPosterior.from_pretrained(str(blank_model))
    both = galaxy.condition(J0660=(np.array([5000.0, 4000.0]), 100.0), rSDSS=(np.array([4000.0, np.nan]), 50.0))
    found = information(both, [["J0660"], ["rSDSS"], ["J0660", "rSDSS"]], ["redshift"])[..., 0]
    assert np.isnan(found).tolist() == [[False, False, False], [False, True, False]]
    alone = galaxy.condition(J0660=(4000.0, 100.0))
    expected = information(alone, [["J0660"]], ["redshift"])[0, 0, 0]
    # float32 in batches of another size
    np.testing.assert_allclose(found[1, [0, 2]], expected, rtol=1e-3)


def test_a_band_can_be_asked_that_is_evidence(posterior):
    found = information(posterior, [["J0660"], ["rSDSS"]], ["J0660", "redshift", "J0400"])[0]
    assert np.isfinite(found).all()
    # Its own measurement says more about a band than any other does.
    assert found[0, 0] > 10 * found[1, 0]


def test_a_stretch_holds_the_narrow_bands_around(posterior):
    variables = [
        Variable(name, kind="flux", pivot=pivot, width=width)
        for name, pivot, width in (("a", 4000.0, 140.0), ("b", 4200.0, 140.0), ("c", 4300.0, 140.0), ("w", 4210.0, 900))
    ]
    assert stretches(variables, ["a", "b", "c", "w"]) == [["a", "b"], ["a", "b", "c"], ["b", "c"], ["a", "b", "c", "w"]]
    assert stretches(variables, ["a", "c"], reach=50.0) == [["a"], ["c"]]


@pytest.mark.parametrize(
    ("parts", "names", "message"),
    [
        ([], ["redshift"], "at least one part"),
        ([[]], ["redshift"], "none empty"),
        ([["J0660"]], [], "one variable to ask"),
        ([["J0661"]], ["redshift"], "J0661"),
        ([["J0660"]], ["redhsift"], "redhsift"),
        ([["J0660"]], ["survey"], "survey is a category"),
    ],
)
def test_bad_input_is_refused(posterior, parts, names, message):
    with pytest.raises(ValueError, match=message):
        information(posterior, parts, names)
