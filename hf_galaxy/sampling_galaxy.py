"""Joint draws by the chain rule: each answer is drawn given the context and the answers drawn before it.

The context is encoded once, and its keys and values are shared by all draws of a galaxy; a draw caches only its own
answers. The first question, which no answer precedes, is worked out once for all draws.
"""

import torch
from torch import Tensor

from .densities_galaxy import MixtureDensity, random_numbers


class _Cache:
    """Keys and values that one question layer looks at: of the context, and of up to `room` answers of every draw."""

    def __init__(self, layer, context, draws: int, room: int):
        self.layer = layer
        self.key, self.value = layer.keys_and_values(context.hidden_states)  # (B, heads, P, D)
        self.blank = ~context.mask[:, None, None, :]  # (B, 1, 1, P)
        batch, heads, _, dim = self.key.shape
        # In the order in which they are multiplied, so that an answer is written once and never moved.
        self.answer_key = self.key.new_empty(batch, draws, heads, room, dim)
        self.answer_value = torch.empty_like(self.answer_key)
        self.count = 0

    def append(self, answer: Tensor) -> None:
        """Remember answers `(B, S, hidden)`."""
        key, value = self.layer.keys_and_values(answer.reshape(-1, 1, answer.shape[-1]))
        batch, draws, heads, _, dim = self.answer_key.shape
        self.answer_key[:, :, :, self.count] = key.view(batch, draws, heads, dim)
        self.answer_value[:, :, :, self.count] = value.view(batch, draws, heads, dim)
        self.count += 1

    def attend(self, hidden: Tensor) -> Tensor:
        """One layer for one question of every draw, `(B, S, hidden)`; what `GalaxyQuestionLayer.forward` computes."""
        attention = self.layer.attention
        batch, draws, width = hidden.shape
        query = attention.query(self.layer.question_norm(hidden))
        query = query.view(batch, draws, attention.num_heads, attention.head_dim) * attention.scaling
        scores = torch.matmul(query.transpose(1, 2), self.key.transpose(-1, -2))
        scores = scores.masked_fill(self.blank, torch.finfo(scores.dtype).min).transpose(1, 2)
        patches, seen = scores.shape[-1], slice(0, self.count)
        if self.count:
            own = torch.matmul(query.unsqueeze(-2), self.answer_key[..., seen, :].transpose(-1, -2)).squeeze(-2)
            scores = torch.cat([scores, own], dim=-1)
        weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
        out = torch.matmul(weights[..., :patches].transpose(1, 2), self.value).transpose(1, 2)
        if self.count:
            out = out + torch.matmul(weights[..., None, patches:], self.answer_value[..., seen, :]).squeeze(-2)
        hidden = hidden + attention.output(out.reshape(batch, draws, width))
        return hidden + self.layer.mlp(self.layer.mlp_norm(hidden))


def shared_questions(query_ids: Tensor | None, query_errors: Tensor | None) -> tuple[Tensor, Tensor]:
    """Token ids and asked errors `(q,)` of questions that every galaxy `(batch, q)` is asked alike."""
    if query_ids is None:
        raise ValueError("sample needs query_ids, the token ids of the questions")
    query_errors = torch.zeros(query_ids.shape, device=query_ids.device) if query_errors is None else query_errors
    ids, errors = (x.reshape(-1, x.shape[-1]) for x in (query_ids, query_errors))
    if (ids != ids[0]).any() or (errors != errors[0]).any():
        raise ValueError("joint draws ask the same questions of every galaxy, but query_ids or query_errors differ")
    return ids[0], errors[0]


@torch.no_grad()
def sample_answers(
    model,
    context,
    query_ids: Tensor,
    num_samples: int,
    query_errors: Tensor | None = None,
    generator: torch.Generator | None = None,
    first: MixtureDensity | None = None,
) -> Tensor:
    """Joint draws of the answers to some questions, asked in the order given.

    Args:
        model: A `GalaxyModel`.
        context: `B` encoded galaxies, a `GalaxyContext`.
        query_ids: Token ids of the questions `(q,)`, each once.
        num_samples: Draws a galaxy, `S`.
        query_errors: Asked token errors `(q,)`; zero, the default, draws true values.
        generator: Of random numbers; of any device: one of the processor gives the same draws on all.
        first: Density `(B, S)` of the first answer, where it is another than the model's.

    Returns:
        Token coordinates `(B, S, q)`; of a category its index.
    """
    if query_ids.unique().numel() != query_ids.numel():
        raise ValueError("a variable is asked twice; joint draws need each question once")
    batch = context.hidden_states.shape[0]
    errors = torch.zeros(query_ids.shape, device=query_ids.device) if query_errors is None else query_errors.float()
    caches = [_Cache(layer, context, num_samples, query_ids.numel() - 1) for layer in model.question_layers]
    reference = context.reference.unsqueeze(-1).expand(batch, num_samples)
    # All at once, galaxy after galaxy: a galaxy's draws do not depend on how many are drawn together.
    noise = random_numbers((batch, num_samples, query_ids.numel()), generator).to(context.reference)
    answers: list[Tensor] = []
    for i, (token, error) in enumerate(zip(query_ids, errors, strict=True)):
        ids = token.expand(batch, num_samples)
        if i == 0 and first is not None:
            answers.append(first.sample(noise=noise[:, :, 0]))
        else:
            hidden = model.embeddings.questions(token.view(1, 1)).expand(batch, num_samples if i else 1, -1)
            for cache in caches:
                hidden = cache.attend(hidden)
            logits = model.answer_logits(hidden).expand(batch, num_samples, -1)
            answers.append(model.draw(logits, ids, error.expand(batch, num_samples), reference, noise[:, :, i]))
        if i + 1 < query_ids.numel():
            flat = [x.reshape(batch * num_samples, 1) for x in (ids, answers[-1], error.expand(batch, num_samples))]
            token_vector = model.embeddings.answers(*flat, reference.reshape(-1))
            for cache in caches:
                cache.append(token_vector.view(batch, num_samples, -1))
    return torch.stack(answers, dim=-1)


__all__ = ["sample_answers", "shared_questions"]
