"""The density of an answer as a histogram with Gaussian tails, instead of an anchored mixture.

Each of K cells of a regular grid has a weight, and a Gaussian on either side holds what lies beyond. An asked error is
convolved as in the mixture: a cell convolved with a Gaussian is a difference of two normal integrals. The edges of the
cells are always blurred by a tenth of a cell, so that a gradient tells a label from the cell beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hf_galaxy.configuration_galaxy import GalaxyConfig
from hf_galaxy.densities_galaxy import ANCHOR_RANGE, BEYOND, MIN_MASS
from hf_galaxy.modeling_galaxy import GalaxyModel

BLUR = 0.1  # of the width of a cell
TAIL = 0.7  # width of the Gaussians beyond the grid, and their distance from its ends
REACH, STEPS = 5.0, 24  # of the points beyond the grid at which the cumulative probability is tabulated
TINY = 1e-30


def normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-x * math.sqrt(0.5))


def integral_of_cdf(x: Tensor) -> Tensor:
    """The integral of the normal cumulative distribution from minus infinity to `x`."""
    return x * normal_cdf(x) + torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class BinDensity:
    """A histogram restricted to ``[lower, upper]``.

    Attributes:
        log_weight: `(..., K + 2)`, the cells and then the two tails.
        edges: `(..., K + 1)` of the cells.
        blur: `(..., K)` standard deviation of what every cell is convolved with.
        tail_scale: `(..., 2)` standard deviation of the tails.
        lower, upper: `(...)`, may be infinite.
    """

    log_weight: Tensor
    edges: Tensor
    blur: Tensor
    tail_scale: Tensor
    lower: Tensor
    upper: Tensor

    def _tail_z(self, t: Tensor) -> Tensor:
        loc = torch.stack([self.edges[..., 0] - TAIL, self.edges[..., -1] + TAIL], dim=-1)
        return (t.unsqueeze(-1) - loc) / self.tail_scale

    def _ends(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Distances from the left and the right edge of every cell, in units of its blur."""
        t = t.unsqueeze(-1)
        return (t - self.edges[..., :-1]) / self.blur, (t - self.edges[..., 1:]) / self.blur

    def _unlimited_cdf(self, t: Tensor) -> Tensor:
        left, right = self._ends(t)
        width = self.edges[..., 1:] - self.edges[..., :-1]
        # Far to the right of a cell the two integrals cancel; there the cell is behind.
        inside = (integral_of_cdf(left) - integral_of_cdf(right)) * self.blur / width
        cells = torch.where(right > 6.0, torch.ones_like(inside), inside)
        weight = self.log_weight.exp()
        return (weight[..., :-2] * cells).sum(-1) + (weight[..., -2:] * normal_cdf(self._tail_z(t))).sum(-1)

    def _limits(self) -> tuple[Tensor, Tensor]:
        low = self._unlimited_cdf(self.lower.clamp(min=-BEYOND))
        return low, (self._unlimited_cdf(self.upper.clamp(max=BEYOND)) - low).clamp(min=MIN_MASS)

    def log_prob(self, t: Tensor) -> Tensor:
        """Log density at `t` of shape `(...)`."""
        left, right = self._ends(t)
        width = self.edges[..., 1:] - self.edges[..., :-1]
        cells = self.log_weight[..., :-2].exp() * (normal_cdf(left) - normal_cdf(right)) / width
        z = self._tail_z(t)
        tails = self.log_weight[..., -2:] - 0.5 * z * z - self.tail_scale.log() - 0.5 * math.log(2 * math.pi)
        value = torch.logaddexp(cells.sum(-1).clamp(min=TINY).log(), torch.logsumexp(tails, dim=-1))
        inside = (t >= self.lower) & (t <= self.upper)
        return torch.where(inside, value - self._limits()[1].log(), torch.full_like(value, -math.inf))

    def cdf(self, t: Tensor) -> Tensor:
        """Cumulative probability at `t` of shape `(...)`."""
        low, mass = self._limits()
        inside = torch.minimum(torch.maximum(t, self.lower), self.upper).clamp(-BEYOND, BEYOND)
        return ((self._unlimited_cdf(inside) - low) / mass).clamp(0.0, 1.0)

    def quantile(self, p: Tensor) -> Tensor:
        """Inverse of `cdf` of true values: linear between the edges of the cells and points beyond, blur left out."""
        low, mass = self._limits()
        target = (low + p * mass).unsqueeze(-1)
        beyond = torch.linspace(REACH / STEPS, REACH, STEPS, device=self.edges.device)
        grid = torch.cat([self.edges[..., :1] - beyond.flip(0), self.edges, self.edges[..., -1:] + beyond], dim=-1)
        weight = self.log_weight.exp()
        cells = nn.functional.pad(weight[..., :-2].cumsum(-1), (1 + STEPS, 0))
        cells = torch.cat([cells, cells[..., -1:].expand(*cells.shape[:-1], STEPS)], dim=-1)
        tails = (weight[..., None, -2:] * normal_cdf(self._tail_z_at(grid))).sum(-1)
        cumulative = (cells + tails).contiguous()
        right = torch.searchsorted(cumulative, target.contiguous()).clamp(1, grid.shape[-1] - 1)
        c0, c1 = cumulative.gather(-1, right - 1), cumulative.gather(-1, right)
        t0, t1 = grid.gather(-1, right - 1), grid.gather(-1, right)
        share = ((target - c0) / (c1 - c0).clamp(min=TINY)).clamp(0, 1)
        t = (t0 + share * (t1 - t0)).squeeze(-1)
        return torch.minimum(torch.maximum(t, self.lower), self.upper)

    def _tail_z_at(self, grid: Tensor) -> Tensor:
        loc = torch.stack([self.edges[..., 0] - TAIL, self.edges[..., -1] + TAIL], dim=-1)
        return (grid.unsqueeze(-1) - loc.unsqueeze(-2)) / self.tail_scale.unsqueeze(-2)


class BinModel(GalaxyModel):
    """The model with a histogram of `cells` cells over the range of the anchors."""

    cells = 256

    def __init__(self, config: GalaxyConfig):
        super().__init__(config)
        self.head = nn.Linear(config.hidden_size, self.cells + 2)
        self.head.initial_gain = 0.1
        self.post_init()

    def answer_logits(self, hidden_states: Tensor) -> Tensor:
        return self.head(self.head_norm(hidden_states))

    def density(self, logits: Tensor, query_ids: Tensor, query_errors: Tensor, reference: Tensor) -> BinDensity:
        facts = self.embeddings.facts
        error = query_errors.float()
        shift = reference.unsqueeze(-1) * facts.shifted[query_ids]
        grid = torch.linspace(-ANCHOR_RANGE, ANCHOR_RANGE, self.cells + 1, device=logits.device)
        edges = grid + shift.unsqueeze(-1)
        center, width = 0.5 * (edges[..., 1:] + edges[..., :-1]), 2 * ANCHOR_RANGE / self.cells
        ends = torch.stack([edges[..., 0] - TAIL, edges[..., -1] + TAIL], dim=-1)
        measured, beyond = (error.unsqueeze(-1) * facts.slope(query_ids.unsqueeze(-1), t) for t in (center, ends))
        exact, infinity = error == 0, torch.full_like(error, math.inf)
        return BinDensity(
            torch.log_softmax(logits.float(), dim=-1),
            edges,
            torch.sqrt((BLUR * width) ** 2 + measured**2),
            torch.sqrt(TAIL**2 + beyond**2),
            torch.where(exact, facts.lower[query_ids], -infinity),
            torch.where(exact, facts.upper[query_ids], infinity),
        )


__all__ = ["BinDensity", "BinModel"]
