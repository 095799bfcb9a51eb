"""The galaxy model: a transformer over any set of known variables that answers questions about any others.

A sentence has two parts. The *context* is a set of tokens (variable, value, error); it has no order, so it carries no
positional code and its attention is bidirectional. The *questions* name variables; each looks at the context and at
the answers given before it, and gets a density of its value. Training asks in random order with the true answers
filled in (next-element prediction under every order); sampling fills in its own answers.

The context passes a deep encoder once. Questions pass a light stack of cross-attention over the encoded context and
the answers, so that ten thousand joint draws cost one encoding.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from .configuration_galaxy import SPECIAL_TOKENS, GalaxyConfig
from .densities_galaxy import MixtureDensity, floored, mixture_from_logits
from .embedding_galaxy import GalaxyEmbeddings, VariableFacts, shared
from .layers_galaxy import GalaxyAttention, GalaxyEncoderLayer, GalaxyQuestionLayer
from .new_variables_galaxy import extended
from .sampling_galaxy import sample_answers, shared_questions
from .variables_galaxy import Variable


@dataclass
class GalaxyContext(ModelOutput):
    """A galaxy read once, ready for any number of questions.

    Attributes:
        hidden_states (`Tensor` of shape `(batch, patches, hidden)`): The encoded context; position 0 sums it up.
        mask (`Tensor` of shape `(batch, patches)`): True where the context holds something.
        reference (`Tensor` of shape `(batch,)`): Brightness coordinate of the galaxy.
    """

    hidden_states: Tensor | None = None
    mask: Tensor | None = None
    reference: Tensor | None = None

    def map(self, function) -> "GalaxyContext":
        return GalaxyContext(function(self.hidden_states), function(self.mask), function(self.reference))


@dataclass
class GalaxyModelOutput(ModelOutput):
    """Output of [`GalaxyModel`].

    Attributes:
        loss (`Tensor` of shape `()`): Mean negative log density of the labels, in token coordinates.
        logits (`Tensor` of shape `(batch, questions, outputs)`): Raw parameters of the density of each answer.
        last_hidden_state (`Tensor` of shape `(batch, patches, hidden)`): The encoded context.
        reference (`Tensor` of shape `(batch,)`): Brightness coordinate that fluxes are relative to.
        query_ids, query_errors (`Tensor` of shape `(batch, questions)`): The questions, as asked.
        log_prob (`Tensor` of shape `(batch, questions)`): Log density of each label; NaN where there is none.
        hidden_states, attentions: Of the encoder, a tensor a layer, when asked for.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    last_hidden_state: Tensor | None = None
    reference: Tensor | None = None
    query_ids: Tensor | None = None
    query_errors: Tensor | None = None
    log_prob: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class GalaxyPreTrainedModel(PreTrainedModel):
    """Base class: configuration, initial weights, loading and saving."""

    config_class = GalaxyConfig
    config: GalaxyConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _no_split_modules = ["GalaxyEncoderLayer", "GalaxyQuestionLayer"]  # noqa: RUF012 (the library's interface)
    _supports_sdpa = True
    _supports_attention_backend = True
    _attentions = OutputRecorder(GalaxyAttention, index=1, layer_name="layers")
    _can_record_outputs = {"hidden_states": GalaxyEncoderLayer, "attentions": _attentions}  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        factor = self.config.initializer_range
        if isinstance(module, nn.Linear):
            std = factor * getattr(module, "initial_gain", 1.0) * module.in_features**-0.5
            init.normal_(module.weight, mean=0.0, std=std)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, mean=0.0, std=factor * 0.1)
        elif isinstance(module, nn.RMSNorm):
            init.ones_(module.weight)
        elif isinstance(module, VariableFacts):
            module.refresh()
        elif isinstance(module, GalaxyEmbeddings):
            init.copy_(module.frequency, module.frequencies())


class GalaxyModel(GalaxyPreTrainedModel):
    """The complete model: reads a context, answers questions with densities."""

    def __init__(self, config: GalaxyConfig):
        super().__init__(config)
        self.embeddings = GalaxyEmbeddings(config)
        self.layers = nn.ModuleList(GalaxyEncoderLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.question_layers = nn.ModuleList(GalaxyQuestionLayer(config) for _ in range(config.num_question_layers))
        self.head_norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.head = nn.Linear(config.hidden_size, 3 * config.num_components)
        self.head.initial_gain = 0.1  # the densities start as the flat classification of the anchors
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embeddings.variable

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.embeddings.variable = value
        self.embeddings.facts.refresh(value.num_embeddings)

    def add_variables(self, variables: Sequence[Variable | Mapping]) -> list[int]:
        """Know more variables, as `tokenizer.add_variables` does; every old answer stays as it was.

        What is new starts as what is most like it and has to be learned, as by `train.py --stage finetune`.

        Args:
            variables: Of each a `Variable` or its fields.

        Returns:
            The new token ids.

        Raises:
            ValueError: As the tokenizer's; or the embeddings were cut to fewer token ids than there are variables.
        """
        config = self.config
        known, first = config.variables, len(SPECIAL_TOKENS) + len(config.variables)
        if config.vocab_size < first:
            raise ValueError(f"the model was cut to {config.vocab_size} token ids, its variables have {first}")
        table = extended(config.variable_table().values(), variables)
        config.variables = [variable.to_dict() for variable in table]
        try:
            config.validate_categories()
        except ValueError:
            config.variables = known
            raise
        config.vocab_size = max(config.vocab_size, len(SPECIAL_TOKENS) + len(table))
        added = list(range(first, len(SPECIAL_TOKENS) + len(table)))
        if added:
            self.embeddings.grow(added)
        return added

    def encode(
        self,
        input_ids: Tensor,
        values: Tensor | None = None,
        errors: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **kwargs,
    ) -> GalaxyContext:
        """Read a context `(batch, n)` of token ids, coordinates and token errors."""
        values = torch.zeros_like(input_ids, dtype=torch.float32) if values is None else values
        errors = torch.zeros_like(values) if errors is None else errors
        mask = torch.ones_like(input_ids, dtype=torch.bool) if attention_mask is None else attention_mask.bool()
        mask = mask & (input_ids >= len(SPECIAL_TOKENS))
        hidden_states, filled, reference = self.embeddings(input_ids, values.float(), errors.float(), mask)
        attention = None if bool(filled.all()) else filled[:, None, None, :]
        for layer in self.layers:
            hidden_states = layer(hidden_states, attention, **kwargs)
        return GalaxyContext(self.norm(hidden_states), filled, reference)

    def answer(
        self,
        context: GalaxyContext,
        query_ids: Tensor,
        answers: Tensor | None = None,
        answer_errors: Tensor | None = None,
        answer_mask: Tensor | None = None,
    ) -> Tensor:
        """Raw densities `(batch, questions, 3 K)` of questions about an encoded context.

        Args:
            answers: Coordinates of answers to the same questions `(batch, questions)`; not finite is unknown.
            answer_errors: Their token errors; zero when absent.
            answer_mask: True where question `i` may see answer `j`, `(questions, questions)` or with a batch axis.
        """
        hidden_states = self.embeddings.questions(shared(query_ids))
        memory, mask = context.hidden_states, None if bool(context.mask.all()) else context.mask[:, None, None, :]
        if answers is not None:
            known = torch.isfinite(answers)
            errors = torch.zeros_like(answers) if answer_errors is None else answer_errors
            tokens = self.embeddings.answers(query_ids, answers.nan_to_num(0.0, 0.0, 0.0), errors, context.reference)
            memory = torch.cat([memory, tokens.to(memory.dtype)], dim=1)
            seen = answer_mask.bool() if answer_mask.dim() == 3 else answer_mask.bool().unsqueeze(0)
            seen = (seen & known.unsqueeze(1)).unsqueeze(1)
            before = context.mask[:, None, None, :].expand(-1, 1, query_ids.shape[1], -1)
            mask = torch.cat([before, seen.expand(before.shape[0], -1, -1, -1)], dim=-1)
        for layer in self.question_layers:
            hidden_states = layer(hidden_states, *layer.keys_and_values(memory), mask)
        return self.answer_logits(hidden_states)

    def answer_logits(self, hidden_states: Tensor) -> Tensor:
        """Raw parameters of the densities of questions that have passed all layers.

        Never in less than the precision of the weights: bfloat16 would place the needle of a sharp redshift to 0.001.
        """
        with torch.autocast(hidden_states.device.type, enabled=False):
            logits = self.head(self.head_norm(hidden_states.to(self.head.weight.dtype)))
        return floored(logits, self.config.min_log_scale)

    def density(self, logits: Tensor, query_ids: Tensor, query_errors: Tensor, reference: Tensor) -> MixtureDensity:
        """Densities of the answers `(..., questions)` in token coordinates; `reference` has no axis of questions."""
        facts = self.embeddings.facts
        return mixture_from_logits(
            logits,
            query_errors.float(),
            reference.unsqueeze(-1) * facts.shifted[query_ids],
            lambda t: facts.slope(query_ids.unsqueeze(-1), t),
            facts.lower[query_ids],
            facts.upper[query_ids],
        )

    def convolved(self, density: MixtureDensity, query_ids: Tensor, query_errors: Tensor) -> MixtureDensity:
        """A density as an instrument with token errors `query_errors` would measure it; limits fall."""
        slope = self.embeddings.facts.slope(query_ids.unsqueeze(-1), density.loc)
        scale = torch.sqrt(density.scale**2 + (query_errors.unsqueeze(-1) * slope) ** 2)
        beyond = torch.full_like(density.lower, math.inf)
        return MixtureDensity(density.log_weight, density.loc, scale, -beyond, beyond)

    def category_log_prob(self, logits: Tensor, query_ids: Tensor) -> Tensor:
        """Log probabilities `(..., K)` of the categories of categorical questions; minus infinity beyond the last."""
        raw = logits[..., : self.config.num_components].float()
        beyond = torch.arange(raw.shape[-1], device=raw.device) >= self.embeddings.facts.num_categories[
            query_ids
        ].unsqueeze(-1).clamp(min=1)
        return torch.log_softmax(raw.masked_fill(beyond, -math.inf), dim=-1)

    def log_prob(self, logits: Tensor, query_ids: Tensor, query_errors: Tensor, reference: Tensor, t: Tensor) -> Tensor:
        """Log density (or log probability of a category) of the coordinates `t`; NaN where `t` is not finite."""
        known = torch.isfinite(t)
        value = torch.where(known, t.float(), torch.zeros_like(t, dtype=torch.float32))
        density = self.density(logits, query_ids, query_errors, reference)
        # A label on a limit, moved across it by rounding, still counts.
        inside = torch.minimum(torch.maximum(value, density.lower), density.upper)
        continuous = density.log_prob(inside)
        index = value.round().long().clamp(0, self.config.num_components - 1).unsqueeze(-1)
        discrete = self.category_log_prob(logits, query_ids).gather(-1, index).squeeze(-1)
        is_category = self.embeddings.facts.category_offset[query_ids] >= 0
        return torch.where(known, torch.where(is_category, discrete, continuous), torch.full_like(continuous, math.nan))

    def draw(
        self,
        logits: Tensor,
        query_ids: Tensor,
        query_errors: Tensor,
        reference: Tensor,
        noise: Tensor,
    ) -> Tensor:
        """One random answer to each question, a token coordinate; all arguments `(batch, questions, ...)`.

        `noise` is of `random_numbers`, three for each answer. Unlike in `density`, `reference` has the shape of
        `query_ids`.
        """
        facts = self.embeddings.facts
        flat = [x.reshape(-1, 1) for x in (query_ids, query_errors)]
        density = self.density(logits.reshape(-1, 1, logits.shape[-1]), *flat, reference.reshape(-1))
        answer = density.sample(noise=noise.reshape(-1, 1, 3)).view(query_ids.shape)
        is_category = facts.category_offset[query_ids] >= 0
        if is_category.any():
            below = self.category_log_prob(logits, query_ids).exp().cumsum(-1)
            # Rounding leaves the sum a little short of one: the last category that there is takes the rest.
            last = facts.num_categories[query_ids].clamp(min=1) - 1
            index = torch.minimum((below < noise[..., :1].to(below)).sum(-1), last)
            answer = torch.where(is_category, index.to(answer.dtype), answer)
        return answer

    @torch.no_grad()
    def sample(
        self,
        input_ids: Tensor,
        values: Tensor | None = None,
        errors: Tensor | None = None,
        attention_mask: Tensor | None = None,
        query_ids: Tensor | None = None,
        query_errors: Tensor | None = None,
        num_samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Joint draws `(batch, num_samples, q)` in token coordinates; every galaxy is asked the same questions."""
        questions, asked = shared_questions(query_ids, query_errors)
        context = self.encode(input_ids, values, errors, attention_mask)
        return self.draw_jointly(context, questions, num_samples, asked, generator)

    def draw_jointly(
        self, context, query_ids, num_samples, query_errors=None, generator=None, first: MixtureDensity | None = None
    ) -> Tensor:
        """Joint draws `(batch, num_samples, q)` about an encoded context; see `sample_answers`."""
        return sample_answers(self, context, query_ids, num_samples, query_errors, generator, first)

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: Tensor,
        values: Tensor | None = None,
        errors: Tensor | None = None,
        attention_mask: Tensor | None = None,
        query_ids: Tensor | None = None,
        query_errors: Tensor | None = None,
        labels: Tensor | None = None,
        answer_mask: Tensor | None = None,
        **kwargs,
    ) -> GalaxyModelOutput:
        """Read a context and answer questions about it.

        Args:
            input_ids: Token ids of what is known `(batch, n)`; special tokens are ignored.
            values, errors: Coordinates and token errors of what is known `(batch, n)`.
            attention_mask: Zero marks padding `(batch, n)`.
            query_ids: Token ids of the questions `(batch, q)`; without questions only the context is encoded.
            query_errors: Asked token errors `(batch, q)`; zero, the default, asks for the true value.
            labels: Coordinates of the answers `(batch, q)`; NaN is unknown. Gives the loss.
            answer_mask: True where question `i` may see label `j`, `(q, q)` or `(batch, q, q)`. By default every
                question sees the labels before it (the chain rule) when there are labels, and none otherwise.
        """
        context = self.encode(input_ids, values, errors, attention_mask, **kwargs)
        output = GalaxyModelOutput(last_hidden_state=context.hidden_states, reference=context.reference)
        if query_ids is None:
            return output
        asked = torch.zeros_like(query_ids, dtype=torch.float32) if query_errors is None else query_errors.float()
        if labels is not None and answer_mask is None:
            answer_mask = torch.ones(2 * query_ids.shape[1:], dtype=torch.bool, device=query_ids.device).tril(-1)
        output.logits = self.answer(context, query_ids, labels, asked, answer_mask)
        output.query_ids, output.query_errors = query_ids, asked
        if labels is not None:
            output.log_prob = self.log_prob(output.logits, query_ids, asked, context.reference, labels)
            known = torch.isfinite(labels)  # a density that is not finite at a label must show in the loss
            output.loss = -output.log_prob.where(known, 0.0).sum() / known.sum().clamp(min=1)
        return output


__all__ = ["GalaxyContext", "GalaxyModel", "GalaxyModelOutput", "GalaxyPreTrainedModel"]
