"""The density of an answer as a normalising flow: a monotone rational-quadratic spline of a standard normal.

Durkan et al. (2019, arXiv:1906.04032), equations 4 to 8, in one dimension: the coordinate, shifted and scaled by the
network, passes a spline of K pieces on [-B, B] and the identity beyond, and is normal then. A convolution with an asked
error has no closed form, so this model answers about true values only; it is compared with a mixture that learnt so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hf_galaxy.configuration_galaxy import GalaxyConfig
from hf_galaxy.densities_galaxy import BEYOND, MIN_MASS
from hf_galaxy.modeling_galaxy import GalaxyModel

from .bins import normal_cdf

PIECES = 24
BOUND = 4.0  # B
LEAST = 1e-4  # share of a piece in the whole range
LEAST_SLOPE = 1e-3
MIN_LOG_SCALE, MAX_LOG_SCALE = -8.0, 2.5


@dataclass(frozen=True)
class Spline:
    """Knots `(..., K + 1)` of a monotone map of [-B, B] to itself, and its slopes there."""

    x: Tensor
    y: Tensor
    slope: Tensor

    @classmethod
    def from_logits(cls, widths: Tensor, heights: Tensor, slopes: Tensor) -> Spline:
        """From raw parameters `(..., K)`, `(..., K)` and `(..., K - 1)`; all zero gives the identity."""

        def knots(raw: Tensor) -> Tensor:
            share = LEAST + (1 - LEAST * raw.shape[-1]) * torch.softmax(raw, dim=-1)
            return nn.functional.pad(2 * BOUND * share.cumsum(-1), (1, 0)) - BOUND

        one = math.log(math.expm1(1 - LEAST_SLOPE))
        inner = LEAST_SLOPE + nn.functional.softplus(slopes + one)
        return cls(knots(widths), knots(heights), nn.functional.pad(inner, (1, 1), value=1.0))

    def _piece(self, knots: Tensor, at: Tensor) -> tuple[Tensor, ...]:
        """Ends of the piece that holds `at` `(...)`: x0, width, y0, height, slopes at both ends."""
        k = torch.searchsorted(knots.contiguous(), at.detach().unsqueeze(-1).contiguous(), right=True) - 1
        k = k.clamp(0, self.x.shape[-1] - 2)
        x0, x1, y0, y1 = (a.gather(-1, i).squeeze(-1) for a in (self.x, self.y) for i in (k, k + 1))
        d0, d1 = (self.slope.gather(-1, i).squeeze(-1) for i in (k, k + 1))
        return x0, x1 - x0, y0, y1 - y0, d0, d1

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The map at `(...)` and the logarithm of its derivative."""
        inside = x.abs() < BOUND
        x0, width, y0, height, d0, d1 = self._piece(self.x, x)
        mean = height / width
        share = ((x - x0) / width).clamp(0, 1)
        cross = share * (1 - share)
        denominator = mean + (d0 + d1 - 2 * mean) * cross
        y = y0 + height * (mean * share**2 + d0 * cross) / denominator
        rise = mean**2 * (d1 * share**2 + 2 * mean * cross + d0 * (1 - share) ** 2)
        log_slope = rise.log() - 2 * denominator.log()
        return torch.where(inside, y, x), torch.where(inside, log_slope, torch.zeros_like(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Where the map has the value `y` `(...)`."""
        inside = y.abs() < BOUND
        x0, width, y0, height, d0, d1 = self._piece(self.y, y)
        mean, rise = height / width, (y - y0)
        excess = rise * (d0 + d1 - 2 * mean)
        a, b, c = height * (mean - d0) + excess, height * d0 - excess, -mean * rise
        root = 2 * c / (-b - torch.sqrt((b * b - 4 * a * c).clamp(min=0.0)))
        return torch.where(inside, x0 + root * width, y)


@dataclass(frozen=True)
class FlowDensity:
    """A spline of a standard normal, shifted and scaled, restricted to ``[lower, upper]``; all `(...)`."""

    spline: Spline
    loc: Tensor
    log_scale: Tensor
    lower: Tensor
    upper: Tensor

    def _normal(self, t: Tensor) -> tuple[Tensor, Tensor]:
        z, log_slope = self.spline.forward((t - self.loc) * torch.exp(-self.log_scale))
        return z, log_slope - self.log_scale

    def _limits(self) -> tuple[Tensor, Tensor]:
        low, high = (
            normal_cdf(self._normal(limit)[0])
            for limit in (self.lower.clamp(min=-BEYOND), self.upper.clamp(max=BEYOND))
        )
        return low, (high - low).clamp(min=MIN_MASS)

    def log_prob(self, t: Tensor) -> Tensor:
        """Log density at `t`."""
        z, log_slope = self._normal(t)
        value = -0.5 * z * z - 0.5 * math.log(2 * math.pi) + log_slope - self._limits()[1].log()
        return torch.where((t >= self.lower) & (t <= self.upper), value, torch.full_like(value, -math.inf))

    def cdf(self, t: Tensor) -> Tensor:
        """Cumulative probability at `t`."""
        low, mass = self._limits()
        inside = torch.minimum(torch.maximum(t, self.lower), self.upper)
        return ((normal_cdf(self._normal(inside)[0]) - low) / mass).clamp(0.0, 1.0)

    def quantile(self, p: Tensor) -> Tensor:
        """Inverse of `cdf`."""
        low, mass = self._limits()
        z = torch.special.ndtri((low + p * mass).clamp(1e-7, 1 - 1e-7))
        t = self.loc + torch.exp(self.log_scale) * self.spline.inverse(z)
        return torch.minimum(torch.maximum(t, self.lower), self.upper)


class FlowModel(GalaxyModel):
    """The model with a flow of `PIECES` pieces for every answer.

    Raises:
        ValueError: a question with an asked error.
    """

    def __init__(self, config: GalaxyConfig):
        super().__init__(config)
        self.head = nn.Linear(config.hidden_size, 3 * PIECES + 1)
        self.head.initial_gain = 0.1
        self.post_init()

    def answer_logits(self, hidden_states: Tensor) -> Tensor:
        return self.head(self.head_norm(hidden_states))

    def density(self, logits: Tensor, query_ids: Tensor, query_errors: Tensor, reference: Tensor) -> FlowDensity:
        if (query_errors > 0).any():
            raise ValueError("a flow answers about true values, but a question has an asked error")
        facts = self.embeddings.facts
        loc, log_scale, widths, heights, slopes = logits.float().split([1, 1, PIECES, PIECES, PIECES - 1], dim=-1)
        return FlowDensity(
            Spline.from_logits(widths, heights, slopes),
            loc.squeeze(-1) + reference.unsqueeze(-1) * facts.shifted[query_ids],
            log_scale.squeeze(-1).clamp(MIN_LOG_SCALE, MAX_LOG_SCALE),
            facts.lower[query_ids],
            facts.upper[query_ids],
        )


__all__ = ["FlowDensity", "FlowModel", "Spline"]
