"""Which weights a fine-tuning moves: all, the embeddings of the new variables, or these and low-rank additions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ...modeling_galaxy import GalaxyModel
from ..adaptation.settings import AdaptationSettings
from ..adaptation.weights import choose_weights as adapted_weights
from .settings import FinetuningSettings


def choose_weights(model: GalaxyModel, settings: FinetuningSettings, tokens: Sequence[int]) -> GalaxyModel:
    """Let those weights of a model be learnt, in place, that the settings name.

    Args:
        model: The grown model.
        settings: What moves.
        tokens: Token ids of the variables that are to be learnt.

    Raises:
        ImportError: low-rank additions are asked for and peft is missing.
    """
    if settings.weights == "all":
        return model
    if settings.weights == "lora":
        model = adapted_weights(model, AdaptationSettings(weights="lora", rank=settings.rank, alpha=settings.alpha))
    else:
        model.requires_grad_(False)
    embeddings = model.embeddings
    _only_rows(embeddings.variable, tokens)
    offset, count = (getattr(embeddings.facts, name) for name in ("category_offset", "num_categories"))
    rows = [int(offset[token]) + i for token in tokens for i in range(int(count[token]))]
    if rows:
        _only_rows(embeddings.category, rows)
    return model


def _only_rows(embedding: nn.Embedding, rows: Sequence[int]) -> None:
    """Let some rows of an embedding be learnt: the gradient of the others is zero, so that AdamW leaves them alone."""
    chosen = torch.zeros(embedding.num_embeddings, 1)
    chosen[list(rows)] = 1.0
    embedding.weight.requires_grad_(True)
    embedding.weight.register_hook(lambda gradient: gradient * chosen.to(gradient.device, gradient.dtype))


__all__ = ["choose_weights"]
