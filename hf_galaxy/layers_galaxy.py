"""Layers of the galaxy model: attention, feed-forward, a layer of the encoder, a layer of a question."""

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration_galaxy import GalaxyConfig


def eager_attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **kwargs,
) -> tuple[Tensor, Tensor]:
    """Attention written out; returns `(batch, queries, heads, head_dim)` and the weights."""
    weights = torch.matmul(query, key.transpose(-1, -2)) * scaling
    if attention_mask is not None:
        weights = weights.masked_fill(~attention_mask, torch.finfo(weights.dtype).min)
    weights = torch.softmax(weights, dim=-1, dtype=torch.float32).to(query.dtype)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


def last_gain(config: GalaxyConfig) -> float:
    """Gain of the last matrices of the layers, by which the residual stream starts no wider at the end of all of them.

    It is kept on the map itself: transformers visits maps before the layers that hold them, and once.
    """
    return (2 * (config.num_hidden_layers + config.num_question_layers)) ** -0.5


class GalaxyAttention(nn.Module):
    """Multi-head attention from one sequence to another (or to itself)."""

    def __init__(self, config: GalaxyConfig):
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.num_heads, self.head_dim = config.num_attention_heads, width // config.num_attention_heads
        self.num_key_value_groups, self.is_causal, self.scaling = 1, False, self.head_dim**-0.5
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        self.output.initial_gain = last_gain(config)

    def keys_and_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Of a sequence to be looked at, each `(batch, heads, length, head_dim)`."""
        batch, length, _ = memory.shape
        both = self.key_value(memory).view(batch, length, 2, self.num_heads, self.head_dim)
        key, value = both.permute(2, 0, 3, 1, 4)
        return key, value

    def forward(
        self, hidden_states: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs
    ) -> tuple[Tensor, Tensor | None]:
        _, length, width = hidden_states.shape
        query = self.query(hidden_states).view(-1, length, self.num_heads, self.head_dim).transpose(1, 2)
        # One row of questions that all galaxies are asked alike meets the keys of each.
        query = query.expand(key.shape[0], -1, -1, -1)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
        out, weights = attend(self, query, key, value, attention_mask, scaling=self.scaling, dropout=0.0, **kwargs)
        return self.output(out.reshape(key.shape[0], length, width)), weights


class GalaxyMLP(nn.Module):
    """Feed-forward layer."""

    def __init__(self, config: GalaxyConfig):
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.intermediate_size)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size)
        self.down.initial_gain = last_gain(config)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.down(nn.functional.gelu(self.up(hidden_states)))


class GalaxyEncoderLayer(GradientCheckpointingLayer):
    """One layer over the context; bidirectional."""

    def __init__(self, config: GalaxyConfig):
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.attention = GalaxyAttention(config)
        self.mlp_norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.mlp = GalaxyMLP(config)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs) -> Tensor:
        normed = self.attention_norm(hidden_states)
        attended, _ = self.attention(normed, *self.attention.keys_and_values(normed), attention_mask, **kwargs)
        hidden_states = hidden_states + attended
        return hidden_states + self.mlp(self.mlp_norm(hidden_states))


class GalaxyQuestionLayer(GradientCheckpointingLayer):
    """One layer of a question: it looks at the encoded context and at earlier answers, never at other questions."""

    def __init__(self, config: GalaxyConfig):
        super().__init__()
        self.question_norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.memory_norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.attention = GalaxyAttention(config)
        self.mlp_norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.mlp = GalaxyMLP(config)

    def keys_and_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Of the context or of answers; what a cache keeps."""
        return self.attention.keys_and_values(self.memory_norm(memory))

    def forward(
        self, hidden_states: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None = None
    ) -> Tensor:
        attended, _ = self.attention(self.question_norm(hidden_states), key, value, attention_mask)
        hidden_states = hidden_states + attended
        return hidden_states + self.mlp(self.mlp_norm(hidden_states))


__all__ = ["GalaxyAttention", "GalaxyEncoderLayer", "GalaxyMLP", "GalaxyQuestionLayer", "eager_attention_forward"]
