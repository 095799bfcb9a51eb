"""Other ways from a variable, a value and an error to a vector, and other lengths of the context."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hf_galaxy.configuration_galaxy import GalaxyConfig
from hf_galaxy.embedding_galaxy import GalaxyEmbeddings
from hf_galaxy.modeling_galaxy import GalaxyModel
from hf_galaxy.variables_galaxy import default_variables

PLAIN = 5  # features of a value besides sines and cosines; the first is the value, the last two say its error
BIN_RANGE, BIN_COUNT = 4.0, 256


def with_embeddings(part: type[GalaxyEmbeddings]) -> type[GalaxyModel]:
    """A model whose embeddings are `part`."""

    class Model(GalaxyModel):
        def __init__(self, config: GalaxyConfig):
            super().__init__(config)
            self.embeddings = part(config)
            self.post_init()

    Model.__name__ = f"{part.__name__}Model"
    return Model


class _PlainMap(nn.Module):
    """Two layers over the value itself, without sines and cosines."""

    def __init__(self, hidden: int):
        super().__init__()
        self.first, self.second = nn.Linear(PLAIN, 2 * hidden), nn.Linear(2 * hidden, hidden)

    @property
    def weight(self) -> Tensor:
        return self.first.weight

    def forward(self, features: Tensor) -> Tensor:
        return self.second(nn.functional.gelu(self.first(features[..., -PLAIN:])))


class _BinMap(nn.Module):
    """A vector for every bin of a value, and a linear map of its error."""

    def __init__(self, hidden: int):
        super().__init__()
        self.bin, self.error = nn.Embedding(BIN_COUNT, hidden), nn.Linear(2, hidden)

    @property
    def weight(self) -> Tensor:
        return self.error.weight

    def forward(self, features: Tensor) -> Tensor:
        position = (features[..., -PLAIN] / BIN_RANGE + 1) / 2 * BIN_COUNT
        return self.bin(position.long().clamp(0, BIN_COUNT - 1)) + self.error(features[..., -2:])


class PlainValues(GalaxyEmbeddings):
    """A small network over the value instead of its Fourier features."""

    def __init__(self, config: GalaxyConfig):
        super().__init__(config)
        self.value = _PlainMap(config.value_hidden_size)


class BinnedValues(GalaxyEmbeddings):
    """A learned vector a bin of the value instead of its Fourier features."""

    def __init__(self, config: GalaxyConfig):
        super().__init__(config)
        self.value = _BinMap(config.value_hidden_size)


class NoWavelength(GalaxyEmbeddings):
    """A learned vector a variable, and nothing that says which wavelength it has."""

    def __init__(self, config: GalaxyConfig):
        super().__init__(config)
        del self.wavelength

    def identity(self, ids: Tensor) -> Tensor:
        return self.variable(ids)


class NoErrors(GalaxyEmbeddings):
    """Tokens that do not say how uncertain their value is."""

    def hidden_value(self, ids: Tensor, values: Tensor, errors: Tensor, reference: Tensor, identity: Tensor) -> Tensor:
        return super().hidden_value(ids, values, torch.zeros_like(errors), reference, identity)


class PairedPatches(GalaxyEmbeddings):
    """The mean of two neighbouring patches, six narrow bands, for one vector of the encoder."""

    def __init__(self, config: GalaxyConfig):
        super().__init__(config)
        patches = [v.patch for v in default_variables()]
        first = {patch: patches.index(patch) + 2 for patch in patches if patch is not None}  # two special tokens
        goal = torch.arange(config.vocab_size)
        for patch, token in first.items():
            goal[token] = first[patch - patch % 2]
        self.register_buffer("goal", goal, persistent=False)

    def forward(self, ids: Tensor, values: Tensor, errors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden, filled, reference = super().forward(ids, values, errors, mask)
        present = torch.unique(self.facts.patch[ids] * mask)
        groups, place = torch.unique(self.goal[present], return_inverse=True)
        share = filled[:, 1:, None].to(hidden.dtype)
        shape = hidden.shape[0], groups.numel(), hidden.shape[-1]
        total = hidden.new_zeros(shape).index_add(1, place, hidden[:, 1:] * share)
        count = hidden.new_zeros(*shape[:2], 1).index_add(1, place, share)
        pooled = torch.cat([hidden[:, :1], total / count.clamp(min=1)], dim=1)
        return pooled, torch.cat([filled[:, :1], count.squeeze(-1) > 0], dim=1), reference


def own_tokens() -> list[dict]:
    """The table of variables with a token of the encoder for every band."""
    return [{k: x for k, x in v.to_dict().items() if k != "patch"} for v in default_variables()]


__all__ = ["BinnedValues", "NoErrors", "NoWavelength", "PairedPatches", "PlainValues", "own_tokens", "with_embeddings"]
