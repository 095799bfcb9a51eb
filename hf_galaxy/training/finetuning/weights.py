"""Which weights a fine-tuning moves: all, the embeddings of the new variables, or these and low-rank additions.

The new embeddings have far to go, the weights that know something should hardly move. An optimiser such as Adam moves a
parameter by its rate, whatever the gradient: so the rows of the new variables are held divided by ``new_rate``.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ...modeling_galaxy import GalaxyModel
from ..adaptation.settings import AdaptationSettings
from ..adaptation.weights import choose_weights as adapted_weights
from ..adaptation.weights import merged
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
    embeddings = model.embeddings
    offset, count = (getattr(embeddings.facts, name) for name in ("category_offset", "num_categories"))
    categories = [int(offset[token]) + i for token in tokens for i in range(int(count[token]))]
    if settings.weights == "lora":
        model = adapted_weights(model, AdaptationSettings(weights="lora", rank=settings.rank, alpha=settings.alpha))
    elif settings.weights == "new":
        model.requires_grad_(False)
    for embedding, rows in ((embeddings.variable, tokens), (embeddings.category, categories)):
        if rows and settings.weights != "all":
            _only_rows(embedding, rows)
        if rows:
            scale = torch.ones(embedding.num_embeddings, 1, device=embedding.weight.device)
            scale[list(rows)] = settings.new_rate
            parametrize.register_parametrization(embedding, "weight", _Scaled(scale))
    return model


def plain(model: GalaxyModel) -> GalaxyModel:
    """A copy of a model in training with its weights as they act: scaled, low-rank additions added in."""
    found = merged(copy.deepcopy(model))
    for name in ("variable", "category"):
        embedding = getattr(found.embeddings, name)
        # Not by remove_parametrizations: a copy shares its class with the model in training, which would lose it too.
        acting = embedding.weight.detach().clone()
        setattr(found.embeddings, name, nn.Embedding.from_pretrained(acting))
    return found.requires_grad_(True)


class _Scaled(nn.Module):
    """Rows held divided by a factor; a factor of one changes no bit."""

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, held: Tensor) -> Tensor:
        """Held to acting weights."""
        return held * self.scale

    def right_inverse(self, acting: Tensor) -> Tensor:
        """Acting to held weights."""
        return acting / self.scale


def _only_rows(embedding: nn.Embedding, rows: Sequence[int]) -> None:
    """Let some rows of an embedding be learnt: the gradient of the others is zero, so that AdamW leaves them alone."""
    chosen = torch.zeros(embedding.num_embeddings, 1)
    chosen[list(rows)] = 1.0
    embedding.weight.requires_grad_(True)
    embedding.weight.register_hook(lambda gradient: gradient * chosen.to(gradient.device, gradient.dtype))


__all__ = ["choose_weights", "plain"]
