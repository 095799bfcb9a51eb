"""A deeper model that starts as the same function."""

from __future__ import annotations

import pytest
import torch

from hf_galaxy.training.growth import deepened, sources
from tests.tiny_model import some_inputs, tiny_model


@pytest.mark.parametrize("layers", [3, 4, 7])
def test_more_layers_leave_every_answer_as_it_was(layers):
    model = tiny_model()
    grown = deepened(model, layers).eval()
    assert (len(grown.layers), grown.config.num_hidden_layers) == (layers, layers)
    before, after = model(**some_inputs()), grown(**some_inputs())
    # What is added to the residual stream is exactly zero.
    assert torch.equal(after.logits, before.logits)
    assert model.config.num_hidden_layers == len(model.layers) == 2


def test_new_layers_learn():
    grown = deepened(tiny_model(), 3)
    grown(**some_inputs()).loss.backward()
    new = grown.layers[sources(2, 3).index(-2)]
    assert new.mlp.down.weight.grad.abs().max() > 0
    assert new.attention.output.weight.grad.abs().max() > 0


def test_new_layers_are_spread_evenly():
    assert sources(4, 6) == [1, 2, -2, 3, 4, -4]
    assert sources(1, 3) == [1, -1, -1]


def test_layers_are_not_taken_away():
    with pytest.raises(ValueError, match="num_hidden_layers 2: the model has 2 already"):
        deepened(tiny_model(), 2)
