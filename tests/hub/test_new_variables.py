"""New variables: the table grows at its end, embeddings with it, and no old answer moves by a bit."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import torch

from hf_galaxy import GalaxyModel, GalaxyTokenizer, Variable
from hf_galaxy.configuration_galaxy import SPECIAL_TOKENS
from hf_galaxy.embedding_galaxy import VariableFacts, wavelength_position
from hf_galaxy.new_variables_galaxy import extended, propose_variable, relatives
from hf_galaxy.variables_galaxy import BANDS, BROAD_BANDS, NARROW_BANDS, band, default_variables
from tests.tiny_model import some_inputs, tiny_model

W1 = {"name": "W1", "kind": "flux", "pivot": 33526.0, "width": 6626.0}
Y = {"name": "y", "kind": "flux", "pivot": 9000.0, "width": 800.0}
HOLE = {"name": "log_mbh", "center": 7.5, "scale": 0.8}
SORT = {"name": "activity", "kind": "category", "categories": ["none", "seyfert", "liner"]}
LINE = {
    "name": "ew_oi_6300",
    "unit": "Angstrom",
    "transform": "asinh",
    "softening": 2.0,
    "center": 1.0,
    "pivot": 6302.0,
}
NEW = [W1, Y, HOLE, SORT, LINE]
IDS = [84 + i for i in range(len(NEW))]


@pytest.fixture
def grown() -> GalaxyModel:
    model = tiny_model()
    model.add_variables(NEW)
    return model


# ---- the table


def test_the_tokenizer_gives_new_ids_and_keeps_the_old(tmp_path):
    tokenizer, before = GalaxyTokenizer(), GalaxyTokenizer().get_vocab()
    assert tokenizer.add_variables(NEW[:2]) == IDS[:2] and tokenizer.add_variables(NEW[2:]) == IDS[2:]
    assert {name: tokenizer.get_vocab()[name] for name in before} == before
    assert len(tokenizer) == tokenizer.vocab_size == 84 + len(NEW)
    tokenizer.save_pretrained(tmp_path)
    assert GalaxyTokenizer.from_pretrained(tmp_path).variables == tokenizer.variables
    encoded = tokenizer([{"W1": (5200.0, 140.0), "activity": "liner"}], query=["log_mbh"], return_tensors="pt")
    assert encoded["input_ids"].tolist() == [[84, 87]] and encoded["query_ids"].tolist() == [[86]]
    assert encoded["values"][0].tolist() == pytest.approx([math.asinh(5.2) / 1.25, 2.0])


def test_a_band_is_measured_like_every_other():
    assert extended(default_variables(), [W1])[-1] == band("W1", 33526.0, 6626.0)
    narrow = extended(default_variables(), [{**W1, "description": "WISE"}])[-1]
    assert narrow.description == "WISE" and narrow.patch is None


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"name": "redshift"}, "'redshift': exists already"),
        ({"name": "Redshift"}, "'Redshift': differs from 'redshift' in case alone"),
        ({"name": "<pad>"}, "'<pad>': a name starts with a letter"),
        ({"name": "two words"}, "'two words': a name starts with a letter"),
        ({"name": "mass_err"}, "'mass_err': tables of answers have columns of such a name"),
        ({"name": "true_mass"}, "'true_mass': tables of answers"),
        ({"name": "mass_p16"}, "'mass_p16': tables of answers"),
        ({"scale": 1.0}, "a variable needs a name"),
        ({"name": "x", "kind": "band"}, "'x': kind 'band' is not one of"),
        ({"name": "x", "pivto": 1.0}, "'x': unknown field 'pivto'; did you mean 'pivot'"),
        ({"name": "x", "scale": 0.0}, "'x': softening and scale must be positive"),
        ({"name": "x", "center": math.nan}, "'x': softening, center, scale, lower and upper must be finite"),
        ({"name": "x", "kind": "category"}, "'x': categories belong to variables of kind 'category'"),
        ({"name": "x", "kind": "flux", "pivot": 5000.0}, "'x': a band needs pivot and width in Å; width is missing"),
        ({"name": "x", "kind": "flux", "pivot": -1.0, "width": 5.0}, "'x': pivot -1.0 must be a wavelength"),
        ({**W1, "unit": "mJy"}, "'W1': unit is 'mJy'; of every band it is 'nJy'"),
        ({**W1, "transform": "linear"}, "'W1': transform is 'linear'; of every band it is 'asinh'"),
        ({"name": "x", "shifted": True}, "'x': shifted says that it grows with brightness; its transform is asinh"),
        ({**W1, "patch": 0}, "patch 0 holds 3 bands at most"),
    ],
)
def test_a_variable_that_makes_no_sense_is_refused_and_changes_nothing(wrong, message):
    tokenizer, model = GalaxyTokenizer(), tiny_model()
    for grows in (tokenizer.add_variables, model.add_variables):
        with pytest.raises(ValueError, match=message) as error:
            grows([HOLE, wrong])
        assert "\n" not in str(error.value)
    assert tokenizer.variables == default_variables() and len(tokenizer) == 84
    assert len(model.config.variables) == len(default_variables()) and model.config.vocab_size == 84


def test_twice_the_same_name_and_no_list():
    with pytest.raises(ValueError, match="'log_mbh': exists already"):
        GalaxyTokenizer().add_variables([HOLE, HOLE])
    with pytest.raises(ValueError, match="as a list"):
        GalaxyTokenizer().add_variables(HOLE)


def test_text_that_was_added_as_a_token_blocks_the_ids():
    tokenizer = GalaxyTokenizer()
    tokenizer.add_tokens(["hello"])
    with pytest.raises(ValueError, match="token 'hello' was added as text"):
        tokenizer.add_variables([HOLE])


def test_too_many_categories_for_the_density():
    model = tiny_model()
    with pytest.raises(ValueError, match="num_components=8 is too few for kinds, which has 9 categories"):
        model.add_variables([{"name": "kinds", "kind": "category", "categories": list("abcdefghi")}])
    assert len(model.config.variables) == len(default_variables())


# ---- the model


@torch.no_grad()
def test_old_answers_stay_bit_for_bit(grown, tmp_path):
    expected = tiny_model()(**some_inputs())
    grown.save_pretrained(tmp_path)
    for model in (grown, GalaxyModel.from_pretrained(tmp_path)):
        answer = model(**some_inputs())
        assert torch.equal(answer.logits, expected.logits) and torch.equal(answer.log_prob, expected.log_prob)


@torch.no_grad()
def test_the_grown_model_loads_as_it_was_saved(grown, tmp_path):
    grown.save_pretrained(tmp_path)
    loaded, loading = GalaxyModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(loading[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    for name, buffer in grown.embeddings.facts.named_buffers():
        assert torch.equal(buffer, getattr(loaded.embeddings.facts, name)), name
    ids = torch.tensor([IDS])
    assert torch.equal(loaded.embeddings.identity(ids), grown.embeddings.identity(ids))
    assert json.loads((tmp_path / "config.json").read_text())["vocab_size"] == 84 + len(NEW)


@torch.no_grad()
def test_new_variables_are_known_and_asked(grown):
    inputs = some_inputs()
    ids = torch.tensor(IDS).repeat(5, 1)
    values = torch.tensor([0.3, -0.2, 0.5, 2.0, 0.1]).repeat(5, 1)
    answer = grown(**{**inputs, "query_ids": ids, "query_errors": 0 * values, "labels": values})
    assert torch.isfinite(answer.log_prob).all()
    for j in range(len(NEW)):
        shown = {k: torch.cat([inputs[k], x], -1) for k, x in (
            ("input_ids", ids[:, [j]]), ("values", values[:, [j]]),
            ("errors", 0 * values[:, [j]]), ("attention_mask", torch.ones(5, 1, dtype=torch.long)),
        )}  # fmt: skip
        changed = grown(**{**inputs, **shown, "labels": None}).logits
        assert (changed - grown(**{**inputs, "labels": None}).logits).abs().max() > 1e-3, NEW[j]["name"]


@torch.no_grad()
def test_a_new_variable_starts_as_what_is_most_like_it(grown):
    e, token = grown.embeddings, {v.name: i + 2 for i, v in enumerate(grown.config.variable_table().values())}
    identity = {name: e.identity(torch.tensor(i)) for name, i in token.items()}
    learned = {name: e.variable.weight[i] for name, i in token.items()}
    same = {"rtol": 1e-5, "atol": 1e-6}  # a subtraction and an addition in float32
    torch.testing.assert_close(identity["W1"], identity["J1007"], **same)
    # Between iSDSS (7656 Å) and J1007 (9591 Å): the learned part between theirs, the wavelength its own.
    share = math.log(9000 / 7656.2) / math.log(9590.5 / 7656.2)
    torch.testing.assert_close(learned["y"], (1 - share) * learned["iSDSS"] + share * learned["J1007"], **same)
    assert (identity["y"] - learned["y"]).abs().max() > 1e-3
    share = math.log(6302.0 / 5008.2) / math.log(6564.6 / 5008.2)
    between = (1 - share) * learned["ew_oiii_5007"] + share * learned["ew_halpha"]
    torch.testing.assert_close(learned["ew_oi_6300"], between, **same)
    plain = [learned[v.name] for v in default_variables() if v.kind == "property" and v.pivot is None]
    torch.testing.assert_close(learned["log_mbh"], torch.stack(plain).mean(0), **same)
    torch.testing.assert_close(learned["activity"], learned["survey"], **same)


def test_relatives_where_there_are_none():
    only = [band("a", 5000.0, 100.0)]
    assert relatives(Variable("x"), only) == {0: 1.0}
    assert relatives(Variable("ew_x", unit="Angstrom", pivot=5000.0), [Variable("redshift")]) == {0: 1.0}


@torch.no_grad()
def test_resizing_as_transformers_does_leaves_the_facts_right(grown):
    expected, ids = grown(**some_inputs()).logits, torch.tensor(IDS)
    known = grown.embeddings.identity(ids)
    grown.resize_token_embeddings(96)
    facts = VariableFacts(grown.config)
    for name, buffer in grown.embeddings.facts.named_buffers():
        assert len(buffer) == 96 and torch.equal(buffer, getattr(facts, name)), name
    assert torch.equal(grown(**some_inputs()).logits, expected)
    # Spare rows are taken by the next variable.
    assert grown.add_variables([{"name": "log_u", "center": -3.0}]) == [89]
    assert grown.config.vocab_size == grown.embeddings.variable.num_embeddings == 96
    assert float(grown.embeddings.facts.center[89]) == -3.0
    assert torch.equal(grown(**some_inputs()).logits, expected)
    assert torch.equal(grown.embeddings.identity(ids), known)


def test_a_model_that_was_cut_cannot_grow():
    model = tiny_model()
    model.resize_token_embeddings(80)
    with pytest.raises(ValueError, match="cut to 80 token ids, its variables have 84"):
        model.add_variables([HOLE])


# ---- wavelengths


def test_wavelengths_of_the_bands_are_what_they_were():
    """The weights of earlier checkpoints belong to these features."""
    for pivot, _ in {**NARROW_BANDS, **BROAD_BANDS}.values():
        assert wavelength_position(pivot) == math.log(pivot / 3300.0) / math.log(9700.0 / 3300.0)


def test_no_far_band_takes_the_place_of_a_near_one():
    facts = VariableFacts(tiny_model().config)
    far = [912.0, 1216.0, 12350.0, 16600.0, 21600.0, 33526.0, 46028.0, 115608.0, 220883.0]
    pivots = sorted([*far, *(v.pivot for v in default_variables() if v.name in BANDS)])
    position = [wavelength_position(p) for p in pivots]
    assert all(a < b for a, b in itertools.pairwise(position))
    assert position[-1] - position[0] < 2.0  # after which the features repeat
    features = torch.stack([facts.wavelength_features(p) for p in pivots])
    distance = torch.cdist(features, features) + 100 * torch.eye(len(pivots))
    assert distance.min() > 0.1  # of vectors of length sqrt(32)
    is_far = torch.tensor([p in far for p in pivots])
    assert distance[is_far][:, ~is_far].min() > 1.0


# ---- the standardisation


def draws(n: int = 4000) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(n)


@pytest.mark.parametrize(
    "values, transform",
    [
        (7.5 + 0.8 * draws(), "linear"),
        (np.exp(draws()) * 30.0, "asinh"),
        (2.0 * np.sinh(1.5 * draws()), "asinh"),
        (np.expm1(np.abs(0.5 + 0.4 * draws())), "log1p"),
    ],
)
def test_a_proposed_coordinate_is_nearly_standard(values, transform):
    """Of skewed values either logarithmic transform will do."""
    variable = propose_variable("x", np.append(values, [np.nan, np.inf]), unit="mag", description="made up")
    assert variable.transform in ({"linear"} if transform == "linear" else {"asinh", "log1p"})
    assert (variable.unit, variable.description) == ("mag", "made up")
    t = np.array([variable.forward(x) for x in values])
    # Outer thousandths are left out of the fit.
    assert abs(np.median(t)) < 0.25 and 0.8 < np.std(t) < 1.25 and np.abs(t).max() < 5


def test_what_is_given_stays():
    variable = propose_variable("x", np.exp(draws()), transform="log1p", softening=0.25, center=0.0, lower=0.0)
    assert (variable.transform, variable.softening, variable.center, variable.lower) == ("log1p", 0.25, 0.0, 0.0)
    assert propose_variable("x", draws(), scale=7.0).scale == 7.0


def test_values_that_take_no_logarithm():
    values = np.append(np.exp(draws()), -3.0)
    assert propose_variable("x", values).transform == "asinh"
    with pytest.raises(ValueError, match="log1p cannot take the value -3"):
        propose_variable("x", values, transform="log1p")


@pytest.mark.parametrize(
    "values, given, message",
    [
        (np.full(100, 3.0), {}, "'x': every value is 3; there is nothing to learn"),
        (draws(10), {}, "'x': 10 known values are too few"),
        (np.full(100, np.nan), {}, "'x': 0 known values are too few"),
        (draws(100), {"kind": "flux"}, "'x': only a property is standardised by data"),
        (draws(100), {"transform": "log"}, "'x': transform 'log' is not one of"),
        (draws(100), {"pivto": 1.0}, "'x': unknown field 'pivto'"),
    ],
)
def test_values_that_cannot_be_standardised(values, given, message):
    with pytest.raises(ValueError, match=message):
        propose_variable("x", values, **given)


def test_the_tokenizer_proposes_too():
    tokenizer = GalaxyTokenizer()
    tokenizer.add_variables([tokenizer.propose_variable("log_mbh", 7.5 + 0.8 * draws())])
    assert tokenizer.variable("log_mbh").center == pytest.approx(7.5, abs=0.1)


def test_special_tokens_come_first():
    assert len(SPECIAL_TOKENS) + len(default_variables()) == IDS[0]
