"""Joint draws: the cache computes what the model computes, and draws follow the densities."""

from __future__ import annotations

import math

import pytest
import torch

from hf_galaxy import GalaxyTokenizer
from hf_galaxy.sampling_galaxy import sample_answers
from tests.tiny_model import some_inputs, tiny_model

CONTEXT = ("input_ids", "values", "errors", "attention_mask")
NAMES = ["redshift", "J0500", "survey", "ew_halpha", "flux_halpha"]


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def context(model):
    inputs = some_inputs()
    with torch.no_grad():
        return model.encode(*(inputs[name] for name in CONTEXT))


def ids(names=NAMES) -> torch.Tensor:
    return torch.tensor(GalaxyTokenizer().convert_tokens_to_ids(names))


@torch.no_grad()
@pytest.mark.parametrize("errors", [None, torch.tensor([0.1, 0.3, 0.0, 0.0, 0.2])])
def test_stepwise_equals_teacher_forcing(model, context, errors, monkeypatch):
    """The logits from which each answer was drawn are those of forward with the drawn answers filled in."""
    draws, steps = 3, []
    original = model.draw
    monkeypatch.setattr(model, "draw", lambda logits, *rest: steps.append(logits) or original(logits, *rest))
    answers = sample_answers(model, context, ids(), draws, errors, torch.Generator().manual_seed(0))
    assert answers.shape == (5, draws, 5)
    stepwise = torch.stack([s.expand(5, draws, -1) for s in steps], dim=2)
    order = torch.ones(5, 5).tril(-1).bool()
    asked = torch.zeros(5) if errors is None else errors
    for k in range(draws):
        questions = ids().expand(5, -1)
        forced = model.answer(context, questions, answers[:, k], asked.expand(5, -1), order)
        # Sums in another order, single precision.
        torch.testing.assert_close(stepwise[:, k], forced, rtol=1e-4, atol=2e-5)


@torch.no_grad()
def test_first_answers_follow_their_density(model, context):
    """Kolmogorov and Smirnov on 4,000 draws of five galaxies; false alarms once in 10^5 runs, and the seed is fixed."""
    n = 4000
    draws = sample_answers(model, context, ids(["J0500"]), n, generator=torch.Generator().manual_seed(1))[..., 0]
    question = ids(["J0500"]).expand(5, 1)
    logits = model.answer(context, question)
    density = model.density(logits, question, torch.zeros(5, 1), context.reference)
    p = density.cdf(draws.T.unsqueeze(-1)).squeeze(-1).sort(dim=0).values
    step = torch.arange(n + 1).unsqueeze(-1) / n
    distance = torch.maximum((p - step[:-1]).abs(), (p - step[1:]).abs()).amax(0)
    assert (distance < math.sqrt(math.log(2 * 5 / 1e-5) / (2 * n))).all()


@torch.no_grad()
def test_categories_follow_their_probabilities(model, context):
    n = 4000
    draws = sample_answers(model, context, ids(["survey"]), n, generator=torch.Generator().manual_seed(2))[..., 0]
    question = ids(["survey"]).expand(5, 1)
    p = model.category_log_prob(model.answer(context, question), question).exp()[:, 0, :7]
    share = torch.nn.functional.one_hot(draws.long(), 7).float().mean(1)
    # Five standard deviations of a binomial share, 35 shares: once in 50,000 seeds, and the seed is fixed.
    assert ((share - p).abs() < 5 * (p * (1 - p) / n).sqrt() + 1e-3).all()


@torch.no_grad()
def test_later_answers_follow_from_earlier_ones(model, context):
    """Answers are likelier after the first answer of their own draw than after that of another."""
    n = 100
    draws = sample_answers(model, context, ids(), n, generator=torch.Generator().manual_seed(3))
    order, zero = torch.ones(5, 5).tril(-1).bool(), torch.zeros(5 * n, 5)
    many, questions = context.map(lambda x: x.repeat_interleave(n, dim=0)), ids().expand(5 * n, -1)

    def log_prob(answers: torch.Tensor) -> torch.Tensor:
        """Of all answers but the first, which is evidence, `(galaxies, draws)`."""
        answers = answers.flatten(0, 1)
        logits = model.answer(many, questions, answers, zero, order)
        return model.log_prob(logits, questions, zero, many.reference, answers)[:, 1:].sum(-1)

    mixed = draws.clone()
    mixed[..., 0] = draws[:, torch.randperm(n, generator=torch.Generator().manual_seed(4)), 0]
    gain = log_prob(draws) - log_prob(mixed)
    # A relative entropy, hence positive; three standard deviations of its mean above zero.
    assert gain.mean() > 3 * gain.std() / gain.numel() ** 0.5


def test_same_seed_same_draws(model):
    inputs = {name: some_inputs()[name] for name in CONTEXT}
    first, second, third = (
        model.sample(**inputs, query_ids=ids(), num_samples=4, generator=torch.Generator().manual_seed(s))
        for s in (5, 5, 6)
    )
    assert torch.equal(first, second) and not torch.equal(first, third)
    assert first.shape == (5, 4, 5)


def test_a_question_asked_twice_is_refused(model, context):
    with pytest.raises(ValueError, match="asked twice"):
        sample_answers(model, context, ids(["redshift", "redshift"]), 2)


def test_questions_that_differ_between_galaxies_are_refused(model):
    inputs = {name: some_inputs()[name] for name in CONTEXT}
    questions = ids(["redshift", "av"]).repeat(5, 1)
    questions[2] = questions[2].flip(0)
    with pytest.raises(ValueError, match="same questions"):
        model.sample(**inputs, query_ids=questions)
    with pytest.raises(ValueError, match="query_ids"):
        model.sample(**inputs)
