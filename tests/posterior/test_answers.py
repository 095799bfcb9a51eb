"""The answers of a posterior agree with one another, on a model that has learnt nothing."""

from __future__ import annotations

import math

import astropy.units as u
import numpy as np
import pandas as pd
import pytest
import torch
from astropy.table import QTable, Table

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer, inference
from hf_galaxy.evidence import Evidence
from hf_galaxy.posterior import quantile_suffix
from hf_galaxy.variables_galaxy import PROPERTIES, SURVEYS, default_variables
from tests.tiny_model import tiny_model

N = 4
COLUMNS = {
    "J0378": [1200.0, 3000.0, math.nan, math.nan],
    "J0660": [5200.0, 9000.0, -40.0, math.nan],
    "rSDSS": [6000.0, math.nan, 70.0, math.nan],
}
ERRORS = {f"{name}_err": [50.0] * N for name in COLUMNS}
# A limited variable, an unlimited one, an arcsinh coordinate with negative values, and a flux.
NAMES = ["redshift", "log_mstar", "ew_halpha", "J0900"]


def catalogue() -> QTable:
    return QTable({name: np.array(column) * u.nJy for name, column in {**COLUMNS, **ERRORS}.items()})


@pytest.fixture(scope="module")
def galaxy() -> GalaxyPosterior:
    return GalaxyPosterior(tiny_model(), GalaxyTokenizer())


@pytest.fixture(scope="module")
def posterior(galaxy) -> GalaxyPosterior:
    return galaxy.condition(catalogue())


def spread(posterior: GalaxyPosterior, name: str, n: int = 4001, beyond: float = 1.0) -> np.ndarray:
    """A grid of physical values that is regular in the coordinate, over all probability of all galaxies."""
    v = posterior.tokenizer.variable(name)
    ends = posterior.quantiles(name, [1e-5, 1 - 1e-5])
    low, high = v.forward(float(ends.min())), v.forward(float(ends.max()))
    grid = [v.inverse(t) for t in np.linspace(low - beyond, high + beyond, n)]
    return np.array([x for x in grid if v.lower is None or x > v.lower])


@pytest.mark.parametrize("name", NAMES)
def test_the_density_integrates_to_one_in_physical_units(posterior, name):
    x = spread(posterior, name)
    integral = np.trapezoid(posterior.pdf(name, x), x, axis=1)
    # The trapezium rule, and the first cell above a hard limit.
    np.testing.assert_allclose(integral, 1.0, atol=5e-3)


@pytest.mark.parametrize("name", NAMES)
def test_cdf_is_the_integral_and_inverts_the_quantiles(posterior, name):
    levels = [0.05, 0.3, 0.5, 0.84]
    quantiles = posterior.quantiles(name, levels)
    assert quantiles.shape == (N, 4) and (np.diff(quantiles, axis=1) > 0).all()
    x = spread(posterior, name)
    pdf = posterior.pdf(name, x)
    for k, level in enumerate(levels):
        # A coordinate in single precision, found to 3e-6 of probability.
        np.testing.assert_allclose(posterior.cdf(name, quantiles[:, k]), level, atol=1e-4)
        for i in range(N):
            below = x <= quantiles[i, k]
            assert np.trapezoid(pdf[i][below], x[below]) == pytest.approx(level, abs=1e-2)


@pytest.mark.parametrize("name", ["redshift", "log_mstar", "dn4000"])
def test_mean_and_std_are_the_moments_of_the_density(posterior, name):
    x = spread(posterior, name, 12001, beyond=4.0)  # what is rare in a logarithm still counts in a variance
    pdf = posterior.pdf(name, x)
    mean = np.trapezoid(pdf * x, x, axis=1)
    std = np.sqrt(np.trapezoid(pdf * x**2, x, axis=1) - mean**2)
    np.testing.assert_allclose(posterior.mean(name), mean, rtol=1e-2)
    np.testing.assert_allclose(posterior.std(name), std, rtol=2e-2)


@pytest.mark.parametrize("name", NAMES)
def test_log_prob_of_one_variable_is_the_log_of_its_density(posterior, name):
    x = posterior.quantiles(name, [0.4])[:, 0]
    log_prob = posterior.log_prob({name: x})
    density = np.array([posterior.pdf(name, [value])[i, 0] for i, value in enumerate(x)])
    np.testing.assert_allclose(log_prob, np.log(density), atol=1e-4)


def test_log_prob_is_the_chain_rule(galaxy):
    """p(a, b) = p(a) p(b | a) to the letter where b sees a as the model's own answer: tested by its densities."""
    x = {"log_mstar": np.array([10.2]), "redshift": np.array([0.4])}
    joint, first = galaxy.log_prob(x), galaxy.log_prob({"log_mstar": x["log_mstar"]})
    model, tokenizer = galaxy.model, galaxy.tokenizer
    records = tokenizer([{}], query=["log_mstar", "redshift"], return_tensors="pt")
    labels = torch.tensor([[tokenizer.variable(n).forward(float(v[0])) for n, v in x.items()]])
    with torch.no_grad():
        output = model(**records, labels=labels)
    slope = -math.log(0.2) - math.log1p(0.4)
    assert joint - first == pytest.approx(output.log_prob[0, 1].item() + slope, abs=1e-4)


def test_log_prob_takes_units_tables_and_names(posterior):
    one = {"J0900": np.full(N, 5.0), "survey": ["sdss"] * N}
    expected = posterior.log_prob({"J0900": np.full(N, 5000.0), "survey": ["sdss"] * N})
    same = QTable({"J0900": one["J0900"] * u.uJy, "survey": one["survey"]})
    np.testing.assert_allclose(posterior.log_prob(same), expected)
    frame = pd.DataFrame({"J0900": np.full(N, 5000.0), "survey": one["survey"]})
    np.testing.assert_allclose(posterior.log_prob(frame), expected)
    alone = posterior.log_prob({"survey": "sdss"})
    np.testing.assert_allclose(alone, np.log(posterior.probabilities("survey")["sdss"]), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_draws_have_the_quantiles(posterior, name):
    n = 2000
    draws = posterior.sample(n, [name], seed=1)[name]
    assert draws.shape == (N, n)
    for level in (0.1, 0.5, 0.9):
        below = (draws <= posterior.quantiles(name, [level])).mean(axis=1)
        # Five standard deviations of a binomial share; the seed is fixed.
        assert (np.abs(below - level) < 5 * math.sqrt(level * (1 - level) / n)).all()


def test_seeds(posterior):
    first, same, other = (posterior.sample(20, ["redshift", "survey"], seed=s) for s in (3, 3, 4))
    assert set(first) == {"redshift", "survey"} and set(first["survey"].ravel()) <= set(SURVEYS)
    for name in first:
        assert (first[name] == same[name]).all() and (first[name] != other[name]).any()
    assert (posterior.sample(20, ["av"])["av"] != posterior.sample(20, ["av"])["av"]).any()


def test_an_asked_error_widens_the_answer(posterior):
    exact, noisy = (posterior.quantiles("J0900", [0.16, 0.84], error=e) for e in (0.0, 2e4))
    assert (np.diff(noisy) > np.diff(exact)).all()
    assert (posterior.quantiles("redshift", [0.001], error=0.5) < 0).any()


def test_probabilities_sum_to_one(posterior):
    probabilities = posterior.probabilities("survey")
    assert tuple(probabilities) == SURVEYS
    np.testing.assert_allclose(sum(probabilities.values()), 1.0, atol=1e-6)
    draws = posterior.sample(2000, ["survey"], seed=0)["survey"]
    for name, p in probabilities.items():
        # Five standard deviations of a binomial share; the seed is fixed.
        assert (np.abs((draws == name).mean(axis=1) - p) < 5 * np.sqrt(p * (1 - p) / 2000) + 1e-3).all()


def test_predicted_photometry_is_in_flux_units(posterior):
    table = posterior.predict_photometry(["J0660", "NUV"])
    assert table.colnames == ["J0660_p16", "J0660_p50", "J0660_p84", "NUV_p16", "NUV_p50", "NUV_p84"]
    close(table["NUV_p50"].to_value(u.nJy), posterior.quantiles("NUV", [0.5])[:, 0])
    with pytest.raises(ValueError, match="redshift is not a band"):
        posterior.predict_photometry(["redshift"])


def test_summary(posterior):
    table = posterior.summary(levels=(0.05, 0.5, 0.975))
    assert table.colnames[:3] == ["redshift_p05", "redshift_p50", "redshift_p97_5"]
    assert len(table.colnames) == 3 * len(PROPERTIES) + 2 and len(table) == N
    close(table["av_p50"].to_value(u.mag), posterior.quantiles("av", [0.5])[:, 0])
    assert table["n_evidence"].tolist() == [3, 2, 2, 0]


def test_names_of_quantiles():
    assert [quantile_suffix(x) for x in (0.16, 0.5, 0.05, 0.975, 0.001)] == ["p16", "p50", "p05", "p97_5", "p00_1"]


# ---- evidence


def everything(posterior: GalaxyPosterior) -> np.ndarray:
    """All answers that no seed enters, one row a galaxy."""
    parts = [posterior.quantiles(name, [0.16, 0.5]) for name in NAMES]
    parts += [posterior.mean("av")[:, None], posterior.log_prob({"dn4000": 1.4, "av": 0.3})[:, None]]
    parts += [posterior.embed(), posterior.cdf("redshift", 0.3)[:, None]]
    return np.concatenate(parts, axis=1)


def close(a: np.ndarray, b: np.ndarray) -> None:
    """Sums in another order, single precision, a factor of some hundred for sinh of coordinates."""
    np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3)


def test_tables_of_every_kind_are_the_same_evidence(galaxy, posterior, tmp_path):
    expected = everything(posterior)
    plain = {**COLUMNS, **ERRORS}
    catalogue().write(tmp_path / "c.ecsv")
    masked = Table({k: np.ma.masked_invalid(np.array(v)) for k, v in plain.items()}, masked=True)
    micro = QTable({k: (np.array(v) / 1000) * u.uJy for k, v in plain.items()})
    close(everything(galaxy.condition(str(tmp_path / "c.ecsv"))), expected)
    close(everything(galaxy.condition(plain, unit="nJy")), expected)
    close(everything(galaxy.condition(pd.DataFrame(plain), unit="nJy")), expected)
    close(everything(galaxy.condition(masked, unit="nJy")), expected)
    close(everything(galaxy.condition(micro)), expected)
    named = {k: (v, ERRORS[f"{k}_err"]) for k, v in COLUMNS.items()}
    close(everything(galaxy.condition(**named)), expected)


@pytest.mark.parametrize("rows", [1, 3])
def test_pieces_change_nothing(posterior, monkeypatch, rows):
    expected, photometry = everything(posterior), posterior.log_prob_photometry()
    monkeypatch.setattr(inference, "ROWS_AT_ONCE", rows)
    close(everything(posterior), expected)
    np.testing.assert_allclose(posterior.log_prob_photometry(), photometry, rtol=1e-4, atol=1e-4)


def test_pieces_of_draws_follow_the_same_law(posterior, monkeypatch):
    monkeypatch.setattr(inference, "DRAWS_AT_ONCE", 10)
    draws = posterior.sample(1000, ["redshift"], seed=0)["redshift"]
    below = (draws <= posterior.quantiles("redshift", [0.5])).mean(axis=1)
    # Five standard deviations of a share of a half.
    assert (np.abs(below - 0.5) < 5 * 0.5 / math.sqrt(1000)).all()


@pytest.mark.parametrize("known", [{}, {"log_mstar": (10.0, 0.3)}], ids=["asked", "measured"])
def test_draws_do_not_depend_on_pieces_nor_on_the_galaxies_that_follow(posterior, monkeypatch, known):
    """Names of a category too. A share of 1e-6 of draws may fall into another component by rounding: not of these."""
    posterior, names = posterior.condition(**known), ["log_mstar", "survey", "redshift"]
    expected = posterior.sample(50, names, seed=7)
    monkeypatch.setattr(inference, "DRAWS_AT_ONCE", 60)
    pieces = posterior.sample(50, names, seed=7)
    two = GalaxyPosterior(posterior.model, posterior.tokenizer, posterior.evidence.rows(slice(2)))
    for name, first in two.sample(50, names, seed=7).items():
        for draws, whole in ((pieces[name], expected[name]), (first, expected[name][:2])):
            if name == "survey":
                assert (draws == whole).all()
            else:
                close(draws, whole)


def test_a_galaxy_without_evidence_gets_the_prior(galaxy, posterior):
    close(everything(posterior)[-1:], everything(galaxy))
    assert galaxy.n_galaxy == 1 and galaxy.n_evidence.tolist() == [0]


def test_conditioning_makes_a_new_posterior(posterior):
    before = everything(posterior)
    more = posterior.condition(redshift=(0.31, 0.002), log_mstar=10.5)
    assert more.n_evidence.tolist() == [5, 4, 4, 2] and posterior.n_evidence.tolist() == [3, 2, 2, 0]
    np.testing.assert_array_equal(everything(posterior), before)
    assert (np.abs(everything(more) - before) > 1e-3).any()


def test_evidence_as_scalars_arrays_and_quantities(posterior):
    expected = everything(posterior.condition(FUV=(300.0, 10.0), redshift=0.3))
    for fuv in (
        (np.full(N, 300.0), 10.0),
        (300.0, np.full(N, 10.0)),
        (0.3 * u.uJy, 10 * u.nJy),
        (np.full(N, 0.3) * u.uJy, np.full(N, 0.01) * u.uJy),
        (pd.Series([300.0] * N), [10.0] * N),
    ):
        close(everything(posterior.condition(FUV=fuv, redshift=np.full(N, 0.3))), expected)


def test_missing_evidence_in_an_array(galaxy):
    two = galaxy.condition(redshift=([0.3, math.nan], [0.01, math.nan]))
    assert two.n_evidence.tolist() == [1, 0]
    close(everything(two)[1:], everything(galaxy))


def test_categories_are_evidence(galaxy):
    named = galaxy.condition(survey=["sdss", "desi"])
    assert named.n_evidence.tolist() == [1, 1] and (np.abs(np.diff(everything(named), axis=0)) > 1e-3).any()


def test_order_of_the_table_changes_nothing(galaxy, posterior):
    close(everything(galaxy.condition(catalogue()[::-1])), everything(posterior)[::-1])


def test_values_beyond_the_training_range_are_flagged():
    model = tiny_model(training={"ranges": {"J0660": [0.0, 8000.0], "redshift": [0.0, 1.0]}})
    posterior = GalaxyPosterior(model, GalaxyTokenizer()).condition(catalogue())
    assert posterior.extrapolated.tolist() == [0, 1, 1, 0]
    assert posterior.condition(redshift=2.0).extrapolated.tolist() == [1, 2, 2, 1]
    assert posterior.summary(["av"])["n_extrapolated"].tolist() == [0, 1, 1, 0]


def test_likelihood_of_the_photometry(galaxy, posterior):
    log_prob = posterior.log_prob_photometry()
    assert np.isfinite(log_prob[:3]).all() and np.isnan(log_prob[3])
    # One band: the density of the measured flux given nothing, per coordinate.
    one = galaxy.condition(J0660=(5200.0, 50.0))
    v = galaxy.tokenizer.variable("J0660")
    density = galaxy.pdf("J0660", [5200.0], error=50.0)[0, 0]
    slope = 1 / (v.softening * v.scale * math.hypot(1, 5.2))
    assert one.log_prob_photometry()[0] == pytest.approx(math.log(density / slope), abs=1e-4)


def test_embeddings(galaxy, posterior):
    assert posterior.embed().shape == (N, 32)
    np.testing.assert_array_equal(galaxy.embed(catalogue()), posterior.embed())


# ---- what is refused


@pytest.mark.parametrize(
    "known, message",
    [
        ({"J0661": (1.0, 1.0)}, "no variable is called 'J0661'"),
        ({"J0660": 5.0}, "J0660: a flux needs an error above zero"),
        ({"J0660": (5.0, 0.0)}, "J0660: a flux needs an error above zero"),
        ({"J0660": (5.0, -1.0)}, "J0660: the error must be finite and not negative"),
        ({"J0660": (math.inf, 1.0)}, "J0660: the value must be finite"),
        ({"J0660": (5.0 * u.m, 1.0 * u.m)}, "J0660: value is in m; nJy is wanted"),
        ({"redshift": (0.3, math.nan)}, "redshift: a value has no error"),
        ({"redshift": -1.5}, "redshift: -1.5 is below the lowest possible value"),
        ({"redshift": [0.1, 0.2]}, "redshift: value has shape .2,.; one number, or 4"),
        ({"redshift": (0.1, 0.1, 0.1)}, "redshift: 3 things given"),
        ({"redshift": "high"}, "redshift: the value 'high' is not a number"),
        ({"survey": "SDSS"}, "survey: 'SDSS' is not one of sim_survey"),
    ],
)
def test_evidence_that_makes_no_sense(posterior, known, message):
    with pytest.raises(ValueError, match=message) as error:
        posterior.condition(**known)
    assert "\n" not in str(error.value)


def test_values_and_errors_of_different_length():
    with pytest.raises(ValueError, match="3 values and 2 errors"):
        nothing = Evidence.nothing(default_variables())
        nothing.with_value(default_variables()[0], ([1.0, 2.0, 3.0], [1.0, 2.0]))


def test_a_catalogue_of_another_length(posterior):
    with pytest.raises(ValueError, match="2 rows, but the posterior is of 4 galaxies"):
        posterior.condition(catalogue()[:2])


@pytest.mark.parametrize(
    "ask, message",
    [
        (lambda p: p.quantiles("redshift", [0.0, 0.5]), "must lie between 0 and 1"),
        (lambda p: p.quantiles("redshift", []), "must lie between 0 and 1"),
        (lambda p: p.quantiles("mass", [0.5]), "no variable is called 'mass'"),
        (lambda p: p.quantiles("survey", [0.5]), "survey is a category"),
        (lambda p: p.mean("survey"), "survey is a category"),
        (lambda p: p.probabilities("redshift"), "redshift is not a category"),
        (lambda p: p.sample(0, ["redshift"]), "at least one draw"),
        (lambda p: p.sample(5, ["av", "av"]), "named twice"),
        (lambda p: p.log_prob({}), "at least one column"),
        (lambda p: p.log_prob({"survey": "SDSS"}), "survey: 'SDSS' is not one of"),
        (lambda p: p.log_prob({"redshift": "high"}), "redshift: 'high' are not numbers"),
        (lambda p: p.pdf("J0660", [1.0] * u.m), "J0660: values in m; nJy is wanted"),
    ],
)
def test_questions_that_make_no_sense(posterior, ask, message):
    with pytest.raises(ValueError, match=message) as error:
        ask(posterior)
    assert "\n" not in str(error.value)


def test_errors_a_band_and_a_galaxy(posterior):
    """Predictions with noise ask band by band and galaxy by galaxy what one number asks of all."""
    each = {"NUV": np.array([100.0, 200.0, 300.0, 0.0]), "J0900": 0.5 * u.uJy}
    table = posterior.predict_photometry(["NUV", "J0900", "J0500"], error=each)
    for i, error in enumerate(each["NUV"]):
        alone = posterior.quantiles("NUV", [0.16], error=error)[i, 0]
        assert table["NUV_p16"][i].value == pytest.approx(alone, rel=1e-5)
    close(table["J0900_p84"].value, posterior.quantiles("J0900", [0.84], error=500.0)[:, 0])
    close(table["J0500_p50"].value, posterior.quantiles("J0500", [0.5])[:, 0])


@pytest.mark.parametrize(
    "error, message",
    [
        (-1.0, "error=-1.0: an asked error"),
        ({"NUV": math.nan}, "an asked error is a number, zero or above"),
        ({"FUV": 1.0}, "error of FUV: it is not asked for; name one of NUV"),
        ([1.0, 2.0], "error of NUV has shape .2,.; one number, or 4"),
        (1.0 * u.s, "NUV: values in s; nJy is wanted"),
    ],
)
def test_asked_errors_that_make_no_sense(posterior, error, message):
    with pytest.raises(ValueError, match=message):
        posterior.predict_photometry(["NUV"], error=error)
