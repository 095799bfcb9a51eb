"""A deeper model that starts as the same function: new layers begin as copies whose last maps are zero.

This is the block expansion of Wu et al. (2024, arXiv:2401.02415): a pre-norm layer whose last maps are zero adds
nothing to the residual stream, so that a model can be given more layers without losing what it has learnt.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn
from transformers import PreTrainedModel

Model = TypeVar("Model", bound=PreTrainedModel)


def deepened(model: Model, num_hidden_layers: int) -> Model:
    """A new model with more layers of the encoder, and the same answers.

    Args:
        model: A `GalaxyModel`; stays as it is.
        num_hidden_layers: Layers of the new encoder.

    Raises:
        ValueError: there are that many layers already, or more.
    """
    old = model.config.num_hidden_layers
    if num_hidden_layers <= old:
        raise ValueError(f"num_hidden_layers {num_hidden_layers}: the model has {old} already; only more can be added")
    config = copy.deepcopy(model.config)
    config.num_hidden_layers = num_hidden_layers
    grown = type(model)._from_config(config, attn_implementation=model.config._attn_implementation)
    for name, module in model.named_children():
        if name != "layers":
            getattr(grown, name).load_state_dict(module.state_dict())
    for layer, source in zip(grown.layers, sources(old, num_hidden_layers), strict=True):
        layer.load_state_dict(model.layers[abs(source) - 1].state_dict())
        if source < 0:
            _silence(layer)
    return grown


def sources(old: int, new: int) -> list[int]:
    """For every layer of the new encoder the old one that it starts from, counted from 1; negative is a new layer.

    The new layers are spread evenly; each follows the one that it copies.
    """
    extra, order = new - old, []
    for layer in range(1, old + 1):
        copies = layer * extra // old - (layer - 1) * extra // old
        order += [layer, *[-layer] * copies]
    return order


@torch.no_grad()
def _silence(layer: nn.Module) -> None:
    """Let a layer add nothing to the residual stream."""
    for last in (layer.attention.output, layer.mlp.down):
        for parameter in last.parameters():
            parameter.zero_()


__all__ = ["deepened", "sources"]
