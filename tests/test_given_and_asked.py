"""What is evidence may be asked as well: it is answered by the other evidence and its own measurement."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.table import QTable

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.densities_galaxy import MixtureDensity
from tests.tiny_model import tiny_model

LEVELS = [0.16, 0.5, 0.84]


@pytest.fixture(scope="module")
def posterior() -> GalaxyPosterior:
    fluxes = {"J0660": [5200.0, 9000.0], "rSDSS": [6000.0, np.nan]}
    columns = {name: np.array(x) * u.nJy for name, x in fluxes.items()}
    columns |= {f"{name}_err": np.full(2, 50.0) * u.nJy for name in fluxes}
    return GalaxyPosterior(tiny_model(), GalaxyTokenizer()).condition(QTable(columns))


def test_a_measured_mixture_is_the_product_with_the_likelihood():
    log_weight = torch.log_softmax(torch.tensor([[0.3, -0.2, 0.9]]), -1)
    prior = MixtureDensity(
        log_weight, torch.tensor([[-1.0, 0.2, 0.8]]), torch.tensor([[0.5, 0.1, 0.4]]), torch.tensor([-9.0]),
        torch.tensor([9.0]),
    )  # fmt: skip
    t = torch.linspace(-4, 4, 4001)
    product = prior.log_prob(t.unsqueeze(-1))[:, 0].exp() * torch.exp(-0.5 * ((t - 0.4) / 0.3) ** 2)
    product = product / torch.trapezoid(product, t)
    found = prior.measured(torch.tensor([0.4]), torch.tensor([0.3])).log_prob(t.unsqueeze(-1))[:, 0].exp()
    torch.testing.assert_close(found, product, atol=2e-4, rtol=1e-3)  # the trapezium rule of the norm


def test_what_is_known_exactly_is_answered_exactly(posterior):
    known = posterior.condition(redshift=np.array([0.31, 0.02]))
    # 1e-5 of a coordinate stands for certainty.
    np.testing.assert_allclose(known.quantiles("redshift", LEVELS), [[0.31] * 3, [0.02] * 3], atol=1e-5)
    draws = known.sample(5, ["redshift", "log_mstar"], seed=0)
    np.testing.assert_allclose(draws["redshift"], [[0.31] * 5, [0.02] * 5], atol=1e-6)


def test_a_measurement_narrows_the_answer_to_itself(posterior):
    known = posterior.condition(redshift=(0.31, 0.002))
    np.testing.assert_allclose(known.mean("redshift"), 0.31, atol=0.001)  # half of the error
    np.testing.assert_allclose(known.std("redshift"), 0.002, rtol=0.05)
    draws = known.sample(2000, ["log_mstar", "redshift"], seed=1)["redshift"]
    np.testing.assert_allclose(draws.mean(), 0.31, atol=0.001)
    np.testing.assert_allclose(draws.std(), 0.002, rtol=0.1)


def test_a_weak_measurement_leaves_the_answer_to_the_others(posterior):
    weak = posterior.condition(log_mstar=(10.0, 50.0))
    # The mean of a tiny random model moves by much less than its width.
    assert np.all(np.abs(weak.mean("log_mstar") - posterior.mean("log_mstar")) < 0.05 * posterior.std("log_mstar"))


def test_an_observed_band_is_no_less_certain_than_its_measurement(posterior):
    low, _, high = posterior.quantiles("J0660", LEVELS).T
    assert np.all((high - low) / 2 < 1.02 * 50.0)
    low, _, high = posterior.quantiles("J0660", LEVELS, error=50.0).T
    assert np.all((high - low) / 2 > 50.0), "a second measurement has its own error besides"


def test_a_galaxy_without_the_measurement_is_answered_by_the_others(posterior):
    together = posterior.quantiles_of(["rSDSS", "log_mstar"], LEVELS)
    alone = GalaxyPosterior(posterior.model, posterior.tokenizer, posterior.evidence.without([]))
    np.testing.assert_allclose(together[:, 1], alone.quantiles("log_mstar", LEVELS), rtol=1e-5)
    assert np.ptp(together[1, 0]) > 5 * np.ptp(together[0, 0]), "the second galaxy has no rSDSS"


def test_categories_that_are_known(posterior):
    assert posterior.condition(survey="desi").probabilities("survey")["desi"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda p: p.log_prob({"redshift": 0.3}), "redshift is evidence already"),
        (lambda p: p.condition(av=(1.0, 0.1)).sample(2, ["redshift", "av"]), "only one such variable"),
    ],
)
def test_refusals(posterior, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(posterior.condition(redshift=(0.31, 0.002)))
