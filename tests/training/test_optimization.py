"""What decays, and the running mean of the weights."""

from __future__ import annotations

import torch

from hf_galaxy.configuration_galaxy import GalaxyConfig
from hf_galaxy.modeling_galaxy import GalaxyModel
from hf_galaxy.training.optimization import WeightAverage, parameter_groups


def test_matrices_decay_and_norms_biases_and_embeddings_do_not():
    model = GalaxyModel(GalaxyConfig.preset("tiny", hidden_size=16, num_attention_heads=2, intermediate_size=32))
    decayed, plain = parameter_groups(model, 0.1)
    names = {id(p): n for n, p in model.named_parameters()}
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert len(decayed["params"]) + len(plain["params"]) == len(names)
    assert all(p.ndim >= 2 for p in decayed["params"])
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, torch.nn.Embedding)}
    assert embeddings and embeddings <= {id(p) for p in plain["params"]}
    assert {"head.weight", "layers.0.mlp.up.weight"} <= {names[id(p)] for p in decayed["params"]}


def test_the_mean_follows_its_recursion_and_swapping_twice_changes_nothing():
    layer = torch.nn.Linear(3, 2)
    average, expected = WeightAverage(layer.parameters(), decay=0.5), layer.weight.detach().clone()
    for step in range(20):
        with torch.no_grad():
            layer.weight.add_(torch.randn(2, 3))
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * layer.weight.detach()
    before = layer.weight.detach().clone()
    with average:
        # float32 recursion of 20 steps: a few units in the last place of numbers of order 5
        torch.testing.assert_close(layer.weight.detach(), expected, atol=1e-5, rtol=0)
    assert torch.equal(layer.weight, before)
