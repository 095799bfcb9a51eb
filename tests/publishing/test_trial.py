"""A model that answers otherwise elsewhere, or not at all, is found."""

from __future__ import annotations

import pytest
import torch

from hf_galaxy.checkpoints import load_pretrained, save_pretrained
from hf_galaxy.publishing.trial import answers_elsewhere, answers_here, same


@pytest.fixture(scope="module")
def answers(blank_model):
    return answers_here(*load_pretrained(blank_model))


def test_equal_answers_are_equal_bit_for_bit(answers, blank_model):
    again = answers_here(*load_pretrained(blank_model))
    assert same(answers, again, "x") == "answers are equal to the local ones, bit for bit"
    assert all(torch.isfinite(tensor).any() for tensor in answers.values())


def test_answers_that_round_otherwise_are_told_from_those_that_differ(answers):
    near = {name: tensor * (1 + 1e-6) for name, tensor in answers.items()}
    assert same(answers, near, "x").startswith("answers are equal to the local ones to ")
    for name in ("quantiles", "piped"):
        far = {**answers, name: answers[name] * 1.001}
        with pytest.raises(ValueError, match="x: answers differ from the local ones by 1.0e-03; do not use it"):
            same(answers, far, "x")
        with pytest.raises(ValueError, match="x: answers have another form"):
            same(answers, {**answers, name: answers[name][:1]}, "x")
        with pytest.raises(ValueError, match="x: answers have another form"):
            same(answers, {**answers, name: torch.full_like(answers[name], torch.nan)}, "x")


@pytest.mark.slow  # a fresh process
@pytest.mark.timeout(600)
def test_a_folder_whose_code_does_not_run(blank_model, tmp_path):
    save_pretrained(*load_pretrained(blank_model), tmp_path)
    (tmp_path / "configuration_galaxy.py").write_text("raise RuntimeError('broken code')\n")
    with pytest.raises(ValueError, match="does not load in a fresh process without hf_galaxy: .*broken code"):
        answers_elsewhere(tmp_path)
