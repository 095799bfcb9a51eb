"""The task galaxy-inference: the answers of the model, as dicts in physical units."""

from __future__ import annotations

import pytest
from transformers import pipeline

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from tests.tiny_model import tiny_model

RECORDS = [{"J0660": (5200.0, 140.0), "redshift": 0.31}, {"FUV": (-20.0, 140.0), "survey": "sdss"}, {}]
# The sums over a context round by how much padding it has: six digits of single precision remain.
SAME = {"rel": 1e-4, "abs": 1e-5}


@pytest.fixture(scope="module")
def galaxy():
    return GalaxyPosterior(tiny_model(), GalaxyTokenizer())


@pytest.fixture(scope="module")
def pipe(galaxy):
    return pipeline("galaxy-inference", model=galaxy.model, tokenizer=galaxy.tokenizer)


def test_quantiles_are_those_of_the_posterior(pipe, galaxy):
    answer = pipe(RECORDS[0], ask=["log_mstar", "ew_halpha"], quantiles=[0.1, 0.9])
    posterior = galaxy.condition(J0660=(5200.0, 140.0), redshift=0.31)
    assert list(answer) == ["log_mstar", "ew_halpha"]
    assert answer["ew_halpha"]["unit"] == "Angstrom"
    for name in answer:
        assert list(answer[name]["quantiles"]) == [0.1, 0.9]
        expected = posterior.quantiles(name, [0.1, 0.9])[0]
        assert list(answer[name]["quantiles"].values()) == pytest.approx(expected.tolist(), **SAME)


def test_an_asked_error_widens_the_answer(pipe, galaxy):
    answer = pipe(RECORDS[0], ask=[("J0500", 3000.0)])["J0500"]["quantiles"]
    expected = galaxy.condition(J0660=(5200.0, 140.0), redshift=0.31).quantiles("J0500", [0.16, 0.5, 0.84], 3000.0)
    assert list(answer.values()) == pytest.approx(expected[0].tolist(), **SAME)


def test_all_properties_are_asked_by_default(pipe, galaxy):
    assert list(pipe(RECORDS[1])) == [v.name for v in galaxy.variables if v.kind == "property"]


def test_records_in_a_batch_are_answered_as_one_by_one(pipe):
    together = pipe(RECORDS, ask=["redshift", "survey"], batch_size=3)
    for record, answer in zip(RECORDS, together, strict=True):
        alone = pipe(record, ask=["redshift", "survey"])
        assert answer["redshift"]["quantiles"] == pytest.approx(alone["redshift"]["quantiles"], **SAME)
        assert answer["survey"]["probabilities"] == pytest.approx(alone["survey"]["probabilities"], **SAME)


def test_a_category_has_probabilities(pipe, galaxy):
    chance = pipe(RECORDS[0], ask=["survey"])["survey"]["probabilities"]
    expected = galaxy.condition(J0660=(5200.0, 140.0), redshift=0.31).probabilities("survey")
    assert chance == pytest.approx({name: p[0] for name, p in expected.items()}, **SAME)
    assert sum(chance.values()) == pytest.approx(1.0, abs=1e-5)


def test_draws_are_joint_in_physical_units_and_follow_from_the_seed(pipe, galaxy):
    ask = {"ask": ["redshift", "survey", "log_mstar"], "num_samples": 400}
    first, again, other = (pipe(RECORDS[0], **ask, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert set(first["survey"]["samples"]) <= set(galaxy.tokenizer.variable("survey").categories)
    share = sum(x < first["log_mstar"]["quantiles"][0.5] for x in first["log_mstar"]["samples"]) / 400
    # Four standard deviations of a binomial share of one half.
    assert share == pytest.approx(0.5, abs=4 * 0.5 / 20)


@pytest.mark.parametrize(
    ("record", "how", "message"),
    [
        (RECORDS[0], {"ask": ["redshft"]}, "no variable is called 'redshft'"),
        (RECORDS[0], {"ask": "redshift"}, "give a list of names"),
        (RECORDS[0], {"quantiles": [0.5, 1.0]}, "must lie between 0 and 1"),
        (RECORDS[0], {"levels": [0.5]}, "unknown argument 'levels'; known are ask"),
        ({"J066": 1.0}, {}, "no variable is called 'J066'"),
        ("J0660", {}, "a record of a galaxy is"),
    ],
)
def test_what_cannot_be_answered_is_refused(pipe, record, how, message):
    with pytest.raises(ValueError, match=message):
        pipe(record, **how)
