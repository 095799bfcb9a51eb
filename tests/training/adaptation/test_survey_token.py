"""The name of a survey: shown in contexts, never asked where it is shown, and new names beside old answers."""

from __future__ import annotations

import pytest
import torch

from hf_galaxy.tokenization_galaxy import GalaxyTokenizer
from hf_galaxy.training.adaptation.galaxies import with_survey_shown
from hf_galaxy.training.adaptation.survey_token import surveys_of, with_survey
from tests.tiny_model import some_inputs, tiny_model


def test_a_new_survey_changes_no_old_answer():
    model, tokenizer = tiny_model(num_components=9), GalaxyTokenizer()
    inputs = some_inputs(5)
    with torch.no_grad():
        before = model(**inputs)
        grown, words = with_survey(model, tokenizer, "mine")
        after = grown.eval()(**inputs)
    assert torch.equal(before.logits, after.logits)
    assert surveys_of(grown) == (*surveys_of(model), "mine") == words.variables[-1].categories
    assert words.get_vocab() == tokenizer.get_vocab()
    told = words([{"survey": "mine", "J0660": (3000.0, 60.0)}], query=["redshift", "survey"], return_tensors="pt")
    other = words([{"survey": "sdss", "J0660": (3000.0, 60.0)}], query=["redshift", "survey"], return_tensors="pt")
    with torch.no_grad():
        assert not torch.allclose(grown(**told).logits, grown(**other).logits)


def test_a_known_survey_changes_nothing_and_there_is_a_last_one():
    model, tokenizer = tiny_model(), GalaxyTokenizer()
    assert with_survey(model, tokenizer, "jpas") == (model, tokenizer)
    grown, words = with_survey(model, tokenizer, "eighth")
    with pytest.raises(ValueError, match="the model has place for 8 surveys"):
        with_survey(grown, words, "ninth")


def test_who_is_told_the_survey_is_not_asked_it():
    inputs = some_inputs(5)
    token = GalaxyTokenizer().convert_tokens_to_ids("survey")
    inputs["query_ids"][:, 2], inputs["labels"][:, 2] = token, 3.0
    inputs["attention_mask"][:, 5] = torch.tensor([1, 0, 0, 0, 0])
    told = torch.tensor([False, True, True, False, False])
    survey = torch.tensor([2, 3, -1, 4, 5])
    shown = with_survey_shown(inputs, token, survey, told)
    column = (shown["input_ids"] == token) & shown["attention_mask"].bool()
    assert column.sum(1).tolist() == [1, 1, 0, 0, 0], "told, or shown before; once; nobody is told what is not known"
    assert shown["values"][column].tolist() == [2.0, 3.0] and (shown["errors"][column] == 0).all()
    assert torch.isnan(shown["labels"][:, 2]).tolist() == [False, True, False, False, False]
    rest = [c for c in range(5) if c != 2]
    assert torch.equal(shown["labels"][:, rest], inputs["labels"][:, rest])
    model = tiny_model()
    with torch.no_grad():  # the column of those who are not told is as if it were not there
        plain = {**inputs, "attention_mask": inputs["attention_mask"] * (inputs["input_ids"] != token)}
        before, after = model(**plain).logits, model(**{**shown, "labels": inputs["labels"]}).logits
    torch.testing.assert_close(after[3:], before[3:], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(after[1], before[1], atol=1e-4)
