"""Laws of the model that hold whatever its weights: order, padding, batches, attention, caches, and no leaks."""

from __future__ import annotations

import pytest
import torch

from hf_galaxy import GalaxyTokenizer
from tests.tiny_model import some_inputs, tiny_model

# Sums in another order, single precision, over logits of order one.
SAME = {"rtol": 1e-4, "atol": 2e-5}
CONTEXT = ("input_ids", "values", "errors", "attention_mask")


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture
def inputs():
    return some_inputs()


@torch.no_grad()
def logits(model, inputs, **changes) -> torch.Tensor:
    return model(**{**inputs, **changes}).logits


def differ(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool(((a - b).abs() > 1e-3).any())


def test_the_order_of_the_context_changes_nothing(model, inputs):
    order = torch.rand(inputs["input_ids"].shape).argsort(-1)
    shuffled = {name: inputs[name].gather(-1, order) for name in CONTEXT}
    torch.testing.assert_close(logits(model, inputs, **shuffled), logits(model, inputs), **SAME)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing_whatever_it_holds(model, inputs, side):
    n, tokenizer = len(inputs["input_ids"]), GalaxyTokenizer()
    filler = {
        "input_ids": torch.tensor([[0, 1, tokenizer.convert_tokens_to_ids("iSDSS")]]).expand(n, -1),
        "values": torch.tensor([[5.0, -3.0, 1e6]]).expand(n, -1),
        "errors": torch.full((n, 3), 7.0),
        # Special tokens need no mask.
        "attention_mask": torch.tensor([[1, 1, 0]]).expand(n, -1),
    }
    pair = (lambda x, y: (x, y)) if side == "left" else (lambda x, y: (y, x))
    padded = {name: torch.cat(pair(filler[name], inputs[name]), dim=-1) for name in CONTEXT}
    torch.testing.assert_close(logits(model, inputs, **padded), logits(model, inputs), **SAME)


def test_a_galaxy_does_not_depend_on_its_batch(model, inputs):
    together = logits(model, inputs)
    alone = [logits(model, {k: v[i : i + 1] for k, v in inputs.items()}) for i in range(len(together))]
    torch.testing.assert_close(torch.cat(alone), together, **SAME)


def test_unknown_tokens_may_be_left_out(model, inputs):
    first = {k: v[:1] for k, v in inputs.items()}
    known = first["attention_mask"][0] == 1
    short = {name: first[name][:, known] for name in CONTEXT}
    assert not known.all()
    torch.testing.assert_close(logits(model, first, **short), logits(model, first), **SAME)


def test_eager_attention_equals_sdpa(model, inputs):
    assert model.config._attn_implementation == "sdpa"
    fast = logits(model, inputs)
    try:
        model.set_attn_implementation("eager")
        torch.testing.assert_close(logits(model, inputs), fast, **SAME)
    finally:
        model.set_attn_implementation("sdpa")


@torch.no_grad()
def test_questions_over_a_cached_context_equal_forward(model, inputs):
    context = model.encode(*(inputs[name] for name in CONTEXT))
    order = torch.ones(5, 5).tril(-1).bool()
    cached = model.answer(context, inputs["query_ids"], inputs["labels"], inputs["query_errors"], order)
    torch.testing.assert_close(cached, logits(model, inputs), rtol=0, atol=0)
    whole = model(**{**inputs, "labels": None})
    torch.testing.assert_close(context.hidden_states, whole.last_hidden_state)
    one = model.answer(context, inputs["query_ids"][:, 3:4])
    torch.testing.assert_close(one, whole.logits[:, 3:4], **SAME)


# ---- nothing leaks


@pytest.mark.parametrize("i", range(5))
def test_a_truth_changes_no_answer_up_to_its_own(model, inputs, i):
    changed = inputs["labels"].clone()
    changed[:, i] += 1.0
    before, after = logits(model, inputs), logits(model, inputs, labels=changed)
    torch.testing.assert_close(after[:, : i + 1], before[:, : i + 1], rtol=0, atol=0)
    # The later questions do look at it.
    assert i == 4 or all(differ(after[:, j], before[:, j]) for j in range(i + 1, 5))


def test_without_sight_of_answers_no_truth_changes_anything(model, inputs):
    blind = torch.zeros(5, 5, dtype=torch.bool)
    truth = logits(model, inputs, answer_mask=blind)
    torch.testing.assert_close(
        logits(model, inputs, labels=torch.randn(5, 5), answer_mask=blind), truth, rtol=0, atol=0
    )
    torch.testing.assert_close(logits(model, inputs, labels=None), truth, **SAME)


def test_a_mask_for_every_galaxy(model, inputs):
    mask = torch.rand(5, 5, 5, generator=torch.Generator().manual_seed(0)) < 0.5
    mask &= ~torch.eye(5, dtype=torch.bool)
    together = logits(model, inputs, answer_mask=mask)
    for i in range(5):
        alone = logits(model, {k: v[i : i + 1] for k, v in inputs.items()}, answer_mask=mask[i])
        torch.testing.assert_close(alone[0], together[i], **SAME)


def test_an_unknown_truth_is_as_if_unseen(model, inputs):
    unknown = inputs["labels"].clone()
    unknown[:, 1] = torch.nan
    seen = torch.ones(5, 5).tril(-1).bool()
    seen[:, 1] = False
    torch.testing.assert_close(logits(model, inputs, labels=unknown), logits(model, inputs, answer_mask=seen), **SAME)


def test_an_asked_error_does_not_enter_the_logits(model, inputs):
    blind = torch.zeros(5, 5, dtype=torch.bool)
    before = logits(model, inputs, answer_mask=blind)
    after = logits(model, inputs, answer_mask=blind, query_errors=10 * inputs["query_errors"] + 1)
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_the_error_of_an_answer_counts_for_those_after_it(model, inputs):
    errors = inputs["query_errors"].clone()
    errors[:, 1] += 1.0
    before, after = logits(model, inputs), logits(model, inputs, query_errors=errors)
    torch.testing.assert_close(after[:, :2], before[:, :2], rtol=0, atol=0)
    assert differ(after[:, 2:], before[:, 2:])


def test_every_value_and_every_error_of_the_context_counts(model, inputs):
    first = {k: v[1:2] for k, v in inputs.items()}
    before = logits(model, first)
    for j in range(8):
        for name in ("values", "errors"):
            changed = first[name].clone()
            changed[:, j] += 1.0
            # The survey is a category: its index counts, an error has no meaning.
            if (name, j) != ("errors", 5):
                assert differ(logits(model, first, **{name: changed}), before), (name, j)


# ---- densities


@torch.no_grad()
def test_the_loss_is_the_mean_log_density_of_what_is_known(model, inputs):
    inputs["labels"][0, 2] = torch.nan
    output = model(**inputs)
    density = model.density(output.logits, output.query_ids, output.query_errors, output.reference)
    expected = density.log_prob(inputs["labels"])
    known = torch.isfinite(inputs["labels"])
    torch.testing.assert_close(output.log_prob[known], expected[known])
    assert torch.isnan(output.log_prob[0, 2])
    torch.testing.assert_close(output.loss, -expected[known].mean())


@torch.no_grad()
def test_probabilities_of_a_category_sum_to_one(model, inputs):
    survey = torch.full((5, 1), GalaxyTokenizer().convert_tokens_to_ids("survey"))
    output = model(**{**inputs, "query_ids": survey, "query_errors": None, "labels": None})
    log_prob = model.category_log_prob(output.logits, survey)
    assert (log_prob[..., 7:] == -torch.inf).all() and torch.isfinite(log_prob[..., :7]).all()
    torch.testing.assert_close(log_prob.exp().sum(-1), torch.ones(5, 1))
    index = torch.arange(5).float().unsqueeze(-1)
    labelled = model(**{**inputs, "query_ids": survey, "query_errors": None, "labels": index})
    torch.testing.assert_close(labelled.log_prob, log_prob.gather(-1, index.long().unsqueeze(-1)).squeeze(-1))


@torch.no_grad()
def test_fluxes_are_answered_relative_to_the_brightness_of_the_context(model, inputs):
    """The same logits, about a galaxy one coordinate brighter: fluxes move with it, properties stay."""
    output = model(**inputs)
    asked = (output.logits, output.query_ids, output.query_errors)
    before, after = (model.density(*asked, output.reference + step) for step in (0.0, 1.0))
    moves = torch.tensor([0.0, 1.0, 0.0, 0.0, 1.0]).view(1, 5, 1)
    torch.testing.assert_close(after.loc, before.loc + moves)


@torch.no_grad()
def test_the_brightness_is_the_weighted_mean_of_the_known_fluxes(model):
    tokenizer = GalaxyTokenizer()
    record = {"J0500": (2e4, 10.0), "J0660": (2e4, 10.0), "FUV": (-5e5, 1e9), "flux_halpha": 1e-14, "redshift": 0.2}
    reference = model.encode(**tokenizer([record, {}], return_tensors="pt")).reference
    # The error of the ultraviolet flux takes away its weight, to one in 10^5 of a coordinate of some units.
    assert reference[0].item() == pytest.approx(tokenizer.variable("J0500").forward(2e4), abs=1e-2)
    assert reference[1].item() == model.config.reference_brightness


@pytest.mark.parametrize("context", ["masked", "special", "absent"])
def test_an_empty_context_is_the_same_prior(model, inputs, context):
    n, questions = 2, {"query_ids": inputs["query_ids"][:2]}
    ids = {"masked": inputs["input_ids"][:n], "special": torch.zeros(n, 3).long(), "absent": torch.zeros(n, 0).long()}
    empty = {
        "input_ids": ids[context],
        "values": torch.randn(ids[context].shape),
        "errors": None,
        "attention_mask": torch.zeros_like(ids[context]) if context == "masked" else None,
    }
    prior = logits(model, {"input_ids": torch.zeros(n, 1).long(), **questions})
    torch.testing.assert_close(logits(model, {**empty, **questions}), prior, **SAME)


@torch.no_grad()
def test_a_missing_patch_does_not_shift_the_others(model):
    """Bands of absent patches leave no place: the context is as long as what is known, and no longer."""
    tokenizer = GalaxyTokenizer()
    two = model.encode(**tokenizer([{"J0378": (1e3, 1.0), "J0900": (1e3, 1.0)}], return_tensors="pt"))
    assert two.hidden_states.shape[1] == 1 + 2 and two.mask.all()
    one_patch = model.encode(**tokenizer([{"J0378": (1e3, 1.0), "J0390": (1e3, 1.0)}], return_tensors="pt"))
    assert one_patch.hidden_states.shape[1] == 1 + 1


def test_gradients_reach_every_parameter(inputs):
    model = tiny_model().train()
    inputs["query_ids"][:, 1] = GalaxyTokenizer().convert_tokens_to_ids("survey")
    model(**inputs).loss.backward()
    dead = [n for n, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
    assert not dead
    # A bias of keys alone would have no gradient by the symmetry of softmax; there is none in this model.
    assert not [n for n, p in model.named_parameters() if not (p.grad != 0).any()]


def test_attentions_and_hidden_states_are_those_of_the_encoder(model, inputs):
    try:
        model.set_attn_implementation("eager")
        output = model(**inputs, output_attentions=True, output_hidden_states=True)
    finally:
        model.set_attn_implementation("sdpa")
    assert len(output.attentions) == 2 and len(output.hidden_states) == 3
    torch.testing.assert_close(output.attentions[0].sum(-1), torch.ones(output.attentions[0].shape[:-1]))


@torch.no_grad()
def test_half_precision_stays_near(model, inputs):
    import copy

    half = copy.deepcopy(model).to(torch.bfloat16)
    exact, rough = logits(model, inputs), logits(half, inputs)
    assert rough.dtype == torch.bfloat16
    # bfloat16 keeps eight bits; logits are of order one, through eight layers.
    assert (exact - rough.float()).abs().median() < 0.1


def test_galaxies_that_know_as_much_of_different_things_are_read_together():
    model, tokenizer = tiny_model(), GalaxyTokenizer()
    records = [{"J0660": (5200.0, 140.0), "av": 0.3}, {"FUV": (-20.0, 140.0), "rSDSS": (5000.0, 50.0)}]
    asked = {"query": ["redshift"], "return_tensors": "pt"}
    together = model(**tokenizer(records, **asked)).logits
    alone = torch.cat([model(**tokenizer([record], **asked)).logits for record in records])
    # The sums over a context round by how much padding it has.
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
