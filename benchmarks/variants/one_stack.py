"""One stack instead of an encoder and a decoder: questions and answers pass the layers that the context passes.

A prefix language model: the context sees itself, an answer sees the context and the answers before it, a question sees
the context, the answers that it may see, and itself, in every layer, through the same weights. The context never sees
a question, so it passes the stack once, and what every layer saw of it is kept.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hf_galaxy.configuration_galaxy import GalaxyConfig
from hf_galaxy.modeling_galaxy import GalaxyContext, GalaxyModel


class OneStackModel(GalaxyModel):
    """The model without layers of its own for questions."""

    def __init__(self, config: GalaxyConfig):
        super().__init__(config)
        self.question_layers = nn.ModuleList()
        del self.norm

    def encode(self, input_ids, values=None, errors=None, attention_mask=None, **kwargs) -> GalaxyContext:
        """Like `GalaxyModel.encode`, but the states before every layer `(batch, layers, patches, hidden)` are kept."""
        mask = torch.ones_like(input_ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
        hidden_states, filled, reference = self.embeddings(input_ids, values.float(), errors.float(), mask)
        attention, before = filled[:, None, None, :], []
        for layer in self.layers:
            before.append(hidden_states)
            if len(before) < len(self.layers):
                hidden_states = layer(hidden_states, attention)
        return GalaxyContext(torch.stack(before, dim=1), filled, reference)

    def answer(self, context, query_ids, answers=None, answer_errors=None, answer_mask=None) -> Tensor:
        hidden_states = self.embeddings.questions(query_ids)
        batch, count = query_ids.shape
        itself = torch.eye(count, dtype=torch.bool, device=query_ids.device)
        seen = context.mask.unsqueeze(1)
        if answers is None:
            mask = torch.cat([seen.expand(-1, count, -1), itself.expand(batch, -1, -1)], dim=-1)
        else:
            known = torch.isfinite(answers)
            errors = torch.zeros_like(answers) if answer_errors is None else answer_errors
            tokens = self.embeddings.answers(query_ids, answers.nan_to_num(0.0, 0.0, 0.0), errors, context.reference)
            hidden_states = torch.cat([tokens.to(hidden_states.dtype), hidden_states], dim=1)
            before = (torch.ones_like(itself).tril() & known.unsqueeze(1)) | itself
            asked = answer_mask.bool().expand(batch, -1, -1) & known.unsqueeze(1)
            rows = (
                torch.cat([before, torch.zeros_like(before)], dim=-1),
                torch.cat([asked, itself.expand_as(asked)], -1),
            )
            mask = torch.cat([seen.expand(-1, 2 * count, -1), torch.cat(rows, dim=1)], dim=-1)
        for layer, prefix in zip(self.layers, context.hidden_states.unbind(1), strict=True):
            normed = layer.attention_norm(torch.cat([prefix, hidden_states.to(prefix.dtype)], dim=1))
            queries = normed[:, prefix.shape[1] :]
            attended, _ = layer.attention(queries, *layer.attention.keys_and_values(normed), mask.unsqueeze(1))
            hidden_states = hidden_states + attended
            hidden_states = hidden_states + layer.mlp(layer.mlp_norm(hidden_states))
        return self.answer_logits(hidden_states[:, -count:])


__all__ = ["OneStackModel"]
