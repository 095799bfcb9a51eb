"""What a training batch shows of its galaxies, and what it asks.

Every batch has a *scenario*: all photometry given and properties asked (what most users do), a random subset of
everything, a stretch of the spectrum, broad bands only, the redshift given, properties to photometry, nothing at all.
Within the batch every galaxy has its own subset and its own order of questions. Half of the questions see the answers
before them (the chain rule, for joint draws and likelihoods), the other half only the context (marginals).

A band is asked in two ways: its true flux, with no error, or its flux as measured, with the measured error. Both train
the density of the true flux, because the answer to the second is the first convolved with the error.

Of an observed galaxy nobody knows the true flux, nor the true properties: what the table holds is asked with the error
that it has. A band that is shown is not asked then, for the answer would hold the noise of what is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..configuration_galaxy import SPECIAL_TOKENS
from ..coordinates_galaxy import Coordinates
from ..physics.noise import Observation
from ..variables_galaxy import Variable


@dataclass(frozen=True)
class ConditioningSettings:
    """Frequencies of the scenarios and numbers of questions.

    Attributes:
        photometry, subset, stretch, broad, given, properties, prior: Relative frequency of each scenario.
        num_questions: Questions a galaxy in every scenario.
        seen_answers: Share of the questions that see the answers before them.
        measured: Share of the flux questions that ask for the measured value.
        uncertain: Share of the known properties that come with an error.
    """

    photometry: float = 0.45
    subset: float = 0.15
    stretch: float = 0.10
    broad: float = 0.05
    given: float = 0.12
    properties: float = 0.10
    prior: float = 0.03
    num_questions: int = 24
    seen_answers: float = 0.5
    measured: float = 0.5
    uncertain: float = 0.3


SCENARIOS = ("photometry", "subset", "stretch", "broad", "given", "properties", "prior")
# A property known with an error has one between these, in units of its scale.
PROPERTY_ERRORS = (0.003, 0.5)


class Conditioner:
    """Draws context and questions.

    Args:
        variables: The table of variables: bands first, as in `flux`, then properties, then the survey, then others.
        settings: Frequencies.
        device: Where batches are drawn.
        learnt: Names of variables that are new: asked whenever they can be, and of half of the galaxies hidden.
    """

    def __init__(
        self,
        variables: Sequence[Variable],
        settings: ConditioningSettings | None = None,
        device: torch.device | str = "cpu",
        learnt: Sequence[str] = (),
    ):
        self.variables, self.settings = tuple(variables), settings or ConditioningSettings()
        self.coordinates = Coordinates(self.variables, device=device)
        self.is_flux = torch.tensor([v.kind == "flux" for v in self.variables], device=device)
        self.is_redshift = torch.tensor([v.name == "redshift" for v in self.variables], device=device)
        self.is_broad = torch.tensor([v.kind == "flux" and v.patch is None for v in self.variables], device=device)
        self.is_category = torch.tensor([v.kind == "category" for v in self.variables], device=device)
        self.is_learnt = torch.tensor([v.name in learnt for v in self.variables], device=device)
        self.wavelength = torch.tensor(
            [v.pivot or 0.0 if v.kind == "flux" else 0.0 for v in self.variables], device=device
        )
        weights = [getattr(self.settings, name) for name in SCENARIOS]
        self.frequency = torch.tensor(weights, dtype=torch.float64) / sum(weights)

    def draw(
        self,
        flux: Tensor,
        observation: Observation,
        properties: Tensor,
        survey: Tensor,
        generator: torch.Generator,
        flux_error: Tensor | None = None,
        property_error: Tensor | None = None,
        extra: Tensor | None = None,
        extra_error: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Keyword arguments of `GalaxyModel.forward` for `n` galaxies.

        Args:
            flux: `(n, bands)` in nJy, noiseless or with the noise that `flux_error` says.
            observation: The same as a survey measured it, on top of that noise.
            properties: `(n, properties)` in physical units; NaN is unknown.
            survey: `(n,)` index of the category; negative is unknown.
            flux_error, property_error: 1σ of `flux` and `properties`; 0 is exact. Not given: all are exact.
            extra, extra_error: `(n, E)` further variables, as they were measured, and 1σ. Not given: all are unknown.
        """
        count = len(self.variables) - flux.shape[1] - properties.shape[1] - 1
        more = flux.new_full((2, len(flux), count), torch.nan) if extra is None else (extra, extra_error)
        truth, values, errors, known = self._tokens(
            flux, observation, properties, survey, property_error, more, generator
        )
        inexact = None if flux_error is None else self._inexact(flux_error, property_error, more[1])
        scenario = SCENARIOS[int(torch.multinomial(self.frequency, 1, generator=self._host(generator)))]
        context = self._context(scenario, known, generator)
        if self.is_learnt.any():
            hidden = torch.rand(len(flux), 1, generator=generator, device=flux.device) < 0.5
            context &= ~(hidden & self.is_learnt)
        answerable = torch.isfinite(truth)
        if inexact is not None:
            context = self._leave_questions(context, answerable, inexact, generator)
            answerable &= ~(context & (inexact > 0))
        queries = self._questions(scenario, context, answerable, generator)
        asked, labels = self._asked(queries, context, truth, values, errors, known, inexact, generator)
        columns = context.any(0).nonzero().squeeze(-1)
        if columns.numel() == 0:
            columns = columns.new_zeros(1)
        n = flux.shape[0]
        return {
            "input_ids": (columns + len(SPECIAL_TOKENS)).expand(n, -1).contiguous(),
            "values": values[:, columns],
            "errors": errors[:, columns],
            "attention_mask": context[:, columns].long(),
            "query_ids": queries + len(SPECIAL_TOKENS),
            "query_errors": asked,
            "labels": labels,
            "answer_mask": self._answer_mask(queries.shape[1], generator),
        }

    def _host(self, generator: torch.Generator) -> torch.Generator:
        """A generator on the host that follows from one on the device."""
        if generator.device.type == "cpu":
            return generator
        seed = torch.randint(2**62, (1,), generator=generator, device=generator.device)
        return torch.Generator().manual_seed(int(seed))

    def _inexact(self, flux_error: Tensor, property_error: Tensor, extra_error: Tensor) -> Tensor:
        """Token errors of what the table holds `(n, V)`; 0 where that is the truth."""
        exact = torch.zeros_like(flux_error[:, :1])
        errors = torch.cat([flux_error, property_error, exact, extra_error], dim=-1)
        return self.coordinates.error(errors).nan_to_num(0.0)

    def _leave_questions(
        self, context: Tensor, answerable: Tensor, inexact: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Hide bands of those galaxies of which nothing would be left to ask: no label, and every band shown."""
        hidden = answerable & ~context
        exact = answerable & (inexact == 0) & self.is_flux
        silent = ~(hidden | exact).any(1, keepdim=True)
        share = torch.rand(len(context), 1, generator=generator, device=context.device)
        hide = torch.rand(context.shape, generator=generator, device=context.device) < share
        return context & ~(silent & hide & self.is_flux)

    def _tokens(
        self, flux, observation, properties, survey, property_error, more, generator
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """True coordinates, coordinates as known, their token errors, and what is known; each `(n, V)`."""
        category = survey.to(flux.dtype).masked_fill(survey < 0, torch.nan).unsqueeze(-1)
        truth = self.coordinates.forward(torch.cat([flux, properties, category, more[0]], dim=-1))
        first, last = flux.shape[1], flux.shape[1] + properties.shape[1]
        noisy, sigma = self._uncertain(properties, property_error, torch.arange(first, last), generator)
        extra, extra_sigma = more
        if extra.shape[1]:
            columns = torch.arange(last + 1, len(self.variables))
            plain = (self.is_flux | self.is_category)[last + 1 :]
            drawn, drawn_sigma = self._uncertain(extra, extra_sigma, columns, generator)
            extra, extra_sigma = torch.where(plain, extra, drawn), torch.where(plain, extra_sigma, drawn_sigma)
        measured = torch.cat([observation.flux, noisy, category, extra], dim=-1)
        errors = torch.cat([observation.error, sigma, torch.zeros_like(category), extra_sigma], dim=-1)
        values, errors = self.coordinates.forward(measured), self.coordinates.error(errors)
        seen = torch.cat(
            [
                observation.observed,
                torch.ones_like(properties, dtype=torch.bool),
                torch.isfinite(category),
                torch.isfinite(more[0]),
            ],
            dim=-1,
        )
        known = seen & torch.isfinite(values) & torch.isfinite(errors)
        return truth, values.nan_to_num(0.0, 0.0, 0.0), errors.nan_to_num(0.0, 0.0, 0.0), known

    def _uncertain(self, properties, own_error, columns, generator) -> tuple[Tensor, Tensor]:
        """Properties `(n, P)`, of the variables at `columns`, as somebody may know them, with their 1σ errors."""
        low, high = (torch.tensor(x).log().item() for x in PROPERTY_ERRORS)
        u = torch.rand(properties.shape, generator=generator, device=properties.device)
        uncertain = torch.rand(properties.shape, generator=generator, device=properties.device)
        uncertain = uncertain < self.settings.uncertain
        coordinates = self.coordinates[columns]
        scale = coordinates.softening * coordinates.scale
        # Errors are relative to the slope at the value, so that an equivalent width of 300 is not known to 0.1 Å.
        slope = torch.exp(coordinates.log_slope(properties)) * scale
        sigma = torch.exp(low + (high - low) * u) * scale / slope.clamp(min=1e-6) * uncertain
        noisy = properties + sigma * torch.randn(properties.shape, generator=generator, device=properties.device)
        return noisy, sigma if own_error is None else torch.hypot(sigma, own_error)

    def _context(self, scenario: str, known: Tensor, generator: torch.Generator) -> Tensor:
        """Which of the known variables are shown `(n, V)`."""
        n, device = known.shape[0], known.device

        def uniform(*shape):
            return torch.rand(*shape, generator=generator, device=device)

        bands, props = known & self.is_flux, known & ~self.is_flux
        some = uniform(known.shape) < uniform(n, 1)
        if scenario == "photometry":
            return bands
        if scenario == "subset":
            return known & some & (self.is_flux | (uniform(known.shape) < 0.5 * uniform(n, 1)))
        if scenario == "stretch":
            center, width = 3300 + 6500 * uniform(n, 1), 400 + 5000 * uniform(n, 1)
            return bands & ((self.wavelength - center).abs() < width / 2)
        if scenario == "broad":
            return bands & self.is_broad & (uniform(known.shape) < 0.5 + 0.5 * uniform(n, 1))
        if scenario == "given":
            redshift = self.is_redshift & (uniform(n, 1) < 0.8)
            few = uniform(known.shape) < torch.where(uniform(n, 1) < 0.5, 0.0, 0.3 * uniform(n, 1))
            return (bands & (some | (uniform(n, 1) < 0.6))) | (props & (redshift | few))
        if scenario == "properties":
            few = uniform(known.shape) < torch.where(uniform(n, 1) < 0.5, 0.0, 0.1 * uniform(n, 1))
            return (props & some) | (bands & few)
        return torch.zeros_like(known)

    def _questions(self, scenario: str, context: Tensor, answerable: Tensor, generator: torch.Generator) -> Tensor:
        """Columns of the questions `(n, q)`, in random order: hidden properties first where photometry is given."""
        n, count = context.shape
        key = torch.rand(n, count, generator=generator, device=context.device)
        # Most galaxies are asked all their properties; the rest of the questions are bands.
        favour = 2.0 if scenario in ("photometry", "stretch", "broad", "given") else 0.15
        key = key + favour * ~self.is_flux + 3.0 * self.is_learnt - 10.0 * context - 20.0 * ~answerable
        chosen = key.topk(min(self.settings.num_questions, count), dim=-1).indices
        order = torch.rand(chosen.shape, generator=generator, device=context.device).argsort(-1)
        queries = chosen.gather(-1, order)
        return queries

    def _asked(self, queries, context, truth, values, errors, known, inexact, generator) -> tuple[Tensor, Tensor]:
        """Asked token errors and labels `(n, q)`.

        A band that is shown may still be asked for its true flux, which no measurement gives; its measured flux and a
        shown property are not asked. Where the table holds no truth, what it holds is asked with its error.
        """
        shown = context.gather(-1, queries)
        measured = torch.rand(queries.shape, generator=generator, device=queries.device) < self.settings.measured
        measured &= self.is_flux[queries] & known.gather(-1, queries) & ~shown
        own = torch.zeros_like(queries, dtype=errors.dtype) if inexact is None else inexact.gather(-1, queries)
        error = torch.where(measured, errors.gather(-1, queries), own)
        labels = torch.where(measured, values.gather(-1, queries), truth.gather(-1, queries))
        told = shown & (~self.is_flux[queries] | (own > 0))
        return error, torch.where(told, torch.full_like(labels, torch.nan), labels)

    def _answer_mask(self, count: int, generator: torch.Generator) -> Tensor:
        """Which answers a question sees `(q, q)`: those before it, or none."""
        sees = torch.rand(count, 1, generator=generator, device=generator.device) < self.settings.seen_answers
        return torch.ones(count, count, dtype=torch.bool, device=generator.device).tril(-1) & sees
