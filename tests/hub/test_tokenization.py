"""Records in physical units to tokens, and densities back: against the table of variables and the model itself."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from hf_galaxy import GalaxyTokenizer
from hf_galaxy.configuration_galaxy import SPECIAL_TOKENS
from hf_galaxy.variables_galaxy import SURVEYS, Variable, default_variables
from tests.tiny_model import some_inputs, tiny_model

RECORDS = [
    {"J0660": (5200.0, 140.0), "redshift": 0.31, "survey": "sdss"},
    {"J0660": (-20.0, 140.0)},
    {},
]


@pytest.fixture(scope="module")
def tokenizer() -> GalaxyTokenizer:
    return GalaxyTokenizer()


def test_a_record_becomes_tokens(tokenizer):
    encoded = tokenizer(RECORDS[0])
    band, redshift = tokenizer.variable("J0660"), tokenizer.variable("redshift")
    assert encoded["input_ids"] == tokenizer.convert_tokens_to_ids(["J0660", "redshift", "survey"])
    assert encoded["values"] == [band.forward(5200.0), redshift.forward(0.31), SURVEYS.index("sdss")]
    assert encoded["errors"] == [140.0 / (band.softening * band.scale), 0.0, 0.0]
    assert encoded["attention_mask"] == [1, 1, 1]


def test_ids_follow_the_table_of_variables(tokenizer):
    for i, v in enumerate(default_variables()):
        assert tokenizer.convert_tokens_to_ids(v.name) == i + len(SPECIAL_TOKENS)
        assert tokenizer.convert_ids_to_tokens(i + len(SPECIAL_TOKENS)) == v.name
    assert tokenizer.pad_token_id == 0 and tokenizer.unk_token_id == 1


@pytest.mark.parametrize("side", ["right", "left"])
def test_padding_is_marked_on_its_side(tokenizer, side):
    encoded = tokenizer(RECORDS, return_tensors="pt", padding_side=side)
    expected = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    expected = expected if side == "right" else expected.flip(-1)
    assert torch.equal(encoded["attention_mask"], expected)
    for name, dtype in (("input_ids", torch.int64), ("values", torch.float32), ("errors", torch.float32)):
        assert encoded[name].dtype == dtype and (encoded[name][expected == 0] == 0).all()
    shown = encoded["values"][1][expected[1] == 1]
    assert shown.item() == pytest.approx(tokenizer.variable("J0660").forward(-20.0))


def test_padding_as_for_text(tokenizer):
    assert [len(x) for x in tokenizer(RECORDS)["values"]] == [3, 1, 0]
    assert tokenizer(RECORDS, padding="max_length", max_length=5, return_tensors="pt")["values"].shape == (3, 5)
    assert tokenizer(RECORDS, padding=True, pad_to_multiple_of=4)["errors"][0][3:] == [0.0]
    short = tokenizer(RECORDS, truncation=True, max_length=2, return_tensors="pt")
    assert short["input_ids"].shape == short["values"].shape == (3, 2)


def test_questions(tokenizer):
    query = ["log_mstar", ("J0500", 25.0)]
    encoded = tokenizer(RECORDS, query=query, return_tensors="pt")
    band = tokenizer.variable("J0500")
    ids = tokenizer.convert_tokens_to_ids(["log_mstar", "J0500"])
    assert encoded["query_ids"].tolist() == [ids] * 3
    expected = torch.tensor([[0.0, 25.0 / (band.softening * band.scale)]] * 3)
    torch.testing.assert_close(encoded["query_errors"], expected)
    single = tokenizer(RECORDS[0], query=query)
    assert single["query_ids"] == ids and len(single["query_errors"]) == 2


@pytest.mark.parametrize("nothing", [math.nan, None, np.nan, np.float32("nan"), torch.tensor(math.nan)])
def test_what_is_not_observed_leaves_no_token(tokenizer, nothing):
    assert tokenizer({"J0660": (nothing, 1.0), "redshift": nothing, "survey": nothing})["input_ids"] == []


def test_numbers_of_any_library(tokenizer):
    expected = tokenizer({"J0660": (5200.0, 140.0)})["values"]
    for value in (5200, np.float32(5200.0), torch.tensor(5200.0)):
        assert tokenizer({"J0660": (value, np.float64(140.0))})["values"] == expected


@pytest.mark.parametrize("records", [[{}], [{}, {}], {}])
def test_records_without_evidence_can_be_asked(tokenizer, records):
    encoded = tokenizer(records, query=["redshift"], return_tensors="pt")
    assert encoded["input_ids"].dtype == torch.int64
    assert torch.isfinite(tiny_model()(**encoded).logits).all()


@pytest.mark.parametrize(
    "record, message",
    [
        ({"J0661": 1.0}, "no variable is called 'J0661'"),
        ({"<pad>": 1.0}, "no variable is called '<pad>'"),
        ({"J0660": (1.0, -1.0)}, "record 1, J0660: value 1.0 and error -1.0 must be finite"),
        ({"J0660": (math.inf, 1.0)}, "record 1, J0660"),
        ({"J0660": (1.0, math.nan)}, "record 1, J0660"),
        ({"redshift": -1.5}, "record 1, redshift: -1.5 is below the lowest possible value -1.0"),
        ({"survey": "SDSS"}, "record 1, survey: 'SDSS' is not one of sim_survey, sim_broad, sdss"),
        ({"redshift": "high"}, "record 1, redshift: 'high' is not a number"),
        ({"redshift": (0.1, 0.1, 0.2)}, "record 1, redshift: .* give a value, or .value, error."),
    ],
)
def test_a_record_that_makes_no_sense_is_refused_in_one_line(tokenizer, record, message):
    with pytest.raises(ValueError, match=message) as error:
        tokenizer([{}, record])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("query", ["J0661", ("redshift", -1.0), ("redshift", math.inf)])
def test_a_question_that_makes_no_sense_is_refused(tokenizer, query):
    with pytest.raises(ValueError, match=r"J0661|asked error"):
        tokenizer([{}], query=[query])


def test_questions_about_text_are_refused(tokenizer):
    with pytest.raises(ValueError, match="query= needs records"):
        tokenizer("redshift", query=["redshift"])


def test_text_is_names(tokenizer):
    ids = tokenizer.convert_tokens_to_ids(["redshift", "J0660"])
    assert tokenizer("redshift J0660")["input_ids"] == ids
    assert tokenizer(["redshift J0660"], return_tensors="pt")["input_ids"].tolist() == [ids]
    assert tokenizer.decode(ids) == "redshift J0660"
    assert tokenizer("nonsense")["input_ids"] == [tokenizer.unk_token_id]


def test_save_and_load(tokenizer, tmp_path):
    custom = [Variable("x", transform="asinh", softening=3.0).to_dict(), Variable("y", lower=0.0).to_dict()]
    (tmp_path / "table.json").write_text(json.dumps(custom))
    for original in (tokenizer, GalaxyTokenizer(tmp_path / "table.json")):
        original.save_pretrained(tmp_path / "saved")
        loaded = GalaxyTokenizer.from_pretrained(tmp_path / "saved")
        assert loaded.variables == original.variables and loaded.get_vocab() == original.get_vocab()
    assert loaded({"x": 2.0})["values"] == [math.asinh(2.0 / 3.0)]


def test_density_is_that_of_the_model(tokenizer):
    """The tokenizer decodes without the model; both must read the same numbers out of the logits."""
    model, inputs = tiny_model(), some_inputs()
    outputs = model(**inputs)
    own = model.density(outputs.logits, outputs.query_ids, outputs.query_errors, outputs.reference)
    decoded = tokenizer.density(outputs)
    for name in ("log_weight", "loc", "scale", "lower", "upper"):
        torch.testing.assert_close(getattr(decoded, name), getattr(own, name), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_decode_quantiles_in_physical_units(tokenizer):
    model = tiny_model()
    query = ["redshift", "J0500", "survey", ("J0500", 3000.0)]
    outputs = model(**tokenizer(RECORDS, query=query, return_tensors="pt"))
    levels = [0.16, 0.5, 0.84]
    quantiles = tokenizer.decode_quantiles(outputs, levels)
    assert quantiles.shape == (3, 4, 3) and torch.isnan(quantiles[:, 2]).all()
    density = model.density(outputs.logits, outputs.query_ids, outputs.query_errors, outputs.reference)
    for i, name in ((0, "redshift"), (1, "J0500")):
        v = tokenizer.variable(name)
        for k, level in enumerate(levels):
            t = torch.tensor([v.forward(float(x)) for x in quantiles[:, i, k]])
            # Coordinates are rounded to 5e-7, which matters in a component 0.007 wide.
            torch.testing.assert_close(density[:, i].cdf(t), torch.full((3,), level), rtol=0, atol=1e-4)
    assert (quantiles[:, 0] >= 0).all()
    assert (quantiles[:, 3, 2] - quantiles[:, 3, 0] > quantiles[:, 1, 2] - quantiles[:, 1, 0]).all()
