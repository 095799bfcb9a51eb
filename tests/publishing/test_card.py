"""The template becomes the card of a model: every place filled, the header as the Hub wants it, nothing of others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.assessment.facts import model_facts
from hf_galaxy.checkpoints import SHIPPED, WEIGHTS, load_pretrained
from hf_galaxy.evaluation.tables import contents
from hf_galaxy.publishing.card import HAND_WRITTEN, PLACES, CardFacts, fill_card, size_text, training_text
from hf_galaxy.publishing.report import read_metrics
from tests.fake_hub import card_errors

ROOT = Path(__file__).parents[2]
TEMPLATE = (ROOT / "model_card.md").read_text(encoding="utf-8")
ACCURACY = ROOT / "benchmarks" / "results" / "accuracy.json"
REPORT = json.loads(ACCURACY.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def model():
    return load_pretrained()[0]


@pytest.fixture(scope="module")
def shipped(model) -> CardFacts:
    parameters = sum(p.numel() for p in model.parameters())
    metrics = read_metrics(ACCURACY, model)
    size = (SHIPPED / WEIGHTS).stat().st_size
    return CardFacts("tester/galaxy", "v1", model.config, parameters, size, metrics, shipped=True)


def fewer(facts: CardFacts, **metrics) -> CardFacts:
    return replace(facts, metrics=replace(facts.metrics, report={**REPORT, "metrics": metrics}))


def test_every_place_is_filled_and_the_header_is_valid(shipped):
    card = fill_card(TEMPLATE, replace(shipped, datasets=["tester/data"]))
    places = contents(card)
    assert set(places) == set(PLACES) and all(places.values())
    assert not any("Not evaluated" in text for text in places.values())
    assert card_errors("model", card) == []
    header = ModelCard(card).data
    assert header.model_name == "galaxy" and header.license == "apache-2.0" and header.datasets == ["tester/data"]
    found = {(r.dataset_config, r.metric_type): r.metric_value for r in header.eval_results}
    assert found["nominal", "redshift_sigma_nmad"] == pytest.approx(
        REPORT["metrics"]["nominal"]["redshift"]["all"]["sigma_nmad"], abs=1e-6
    )
    assert found["as_trained", "av_coverage_68"] == REPORT["metrics"]["as_trained"]["properties"]["av"]["coverage_68"]
    assert len(found) == 2 * (3 + 1 + 2 * 19)


def test_readers_are_told_the_revision(shipped):
    use = contents(fill_card(TEMPLATE, shipped))["use"]
    assert 'model="tester/galaxy", revision="v1", trust_remote_code=True' in use
    assert 'GalaxyPosterior.from_pretrained("tester/galaxy", revision="v1")' in use
    use = contents(fill_card(TEMPLATE, replace(shipped, revision=None)))["use"]
    assert "revision=" in use.split("```")[0] and 'from_pretrained("tester/galaxy")' in use


def test_figures_are_those_beside_the_report(shipped):
    assert len(shipped.metrics.pages) == 12
    for path, page in shipped.metrics.pages.items():
        assert path == f"plots/{page.kind}_{page.name}.png" and page.file.is_file()
        assert f"]({path})" in fill_card(TEMPLATE, shipped)


def test_the_card_of_another_model_says_nothing_of_this_one(shipped):
    other = replace(shipped, name="tester/other", shipped=False, metrics=None)
    card = fill_card(TEMPLATE, other)
    places = contents(card)
    assert places["title"] == "# other" and all(places.values())
    assert {name: places[name] for name in HAND_WRITTEN} == HAND_WRITTEN
    assert places["accuracy"] == places["joint"] == "Not evaluated."
    assert "without an evaluation" in places["evaluated"] and card_errors("model", card) == []
    for claim in ("Five runs", "SDSS spectra", "held out", "hf-galaxy-tiny"):
        assert claim in TEMPLATE and claim not in card, claim
    assert contents(fill_card(TEMPLATE, replace(other, notes="By hand.")))["history"] == "By hand."


def test_an_evaluation_of_little_says_what_it_lacks(shipped):
    nominal = REPORT["metrics"]["nominal"]
    few = {name: nominal["properties"][name] for name in ("av", "redshift")}
    places = contents(fill_card(TEMPLATE, fewer(shipped, none={"properties": few, "joint_skipped": "few"})))
    assert places["accuracy"] == "Not evaluated: the evaluation has no redshift."
    assert places["joint"] == "Not evaluated: the evaluation has no joint."
    assert len(places["properties"].splitlines()) == 4
    null = {"redshift": {**nominal["redshift"], "all": {"n": 3, "sigma_nmad": None, "outliers_015": None}}}
    null["redshift"]["all"]["bias"] = None
    places = contents(fill_card(TEMPLATE, fewer(shipped, none=null)))
    assert places["accuracy"] == "Not evaluated: too few galaxies."


def test_places_that_nothing_fills_and_headers_that_are_none(shipped):
    with pytest.raises(ValueError, match="nothing fills the place colour; there are title, size"):
        fill_card(TEMPLATE + "\n<!-- begin colour -->\n<!-- end colour -->\n", shipped)
    with pytest.raises(ValueError, match="its header is not valid"):
        fill_card("---\nlicense: [\n---\n", shipped)


def test_what_the_template_tells_of_the_shipped_model_is_true(shipped):
    places = contents(TEMPLATE)  # otherwise: python -m benchmarks.tables
    assert places["size"] == size_text(shipped.config, shipped.parameters, shipped.size)
    assert places["training"] == training_text(shipped.config)
    assert set(places) == set(PLACES)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"model": {**REPORT["model"], "parameters": 5}},
            "is of another model: parameters 5, and this one has 1694920",
        ),
        ({"model": {"parameters": 1694920}}, "is of another model: galaxies_seen None, and this one has 1400064"),
        ({"model": {**REPORT["model"], "weights": "f00"}}, "is of another model: weights f00, and this one has"),
        ({"metrics": {}}, "lacks metrics; hf-galaxy evaluate writes it"),
        ({"format": 7}, "not a report of format 1"),
    ],
)
def test_metrics_of_another_model_are_refused(model, tmp_path, change, why):
    (tmp_path / "metrics.json").write_text(json.dumps({**REPORT, **change}))
    with pytest.raises(ValueError, match=f"metrics.json: {why}"):
        read_metrics(tmp_path / "metrics.json", model)


def test_metrics_of_these_weights(model, tmp_path):
    facts = model_facts(GalaxyPosterior(model, GalaxyTokenizer()), None)
    (tmp_path / "metrics.json").write_text(json.dumps({**REPORT, "model": facts}))
    read_metrics(tmp_path / "metrics.json", model)
    assert len(facts["weights"]) == 16


def test_metrics_that_are_not_there(model, tmp_path):
    with pytest.raises(ValueError, match=r"nowhere\.json: there is no such file; hf-galaxy evaluate"):
        read_metrics(tmp_path / "nowhere.json", model)
