"""Where a density is highest: its mode, its shortest interval, its highest-density region.

All three depend on the variable: here they are those of the density per *physical* unit. A density is tabulated at
nodes that lie a quarter of a standard deviation apart in every component, however narrow, so that no peak is missed;
what is read off the table is then refined on the density itself. float64, on whatever device the density is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..coordinates_galaxy import Coordinates
from ..densities_galaxy import MixtureDensity

REACH, NODES = 5.0, 41  # standard deviations to each side of a component, and nodes in it
MODE_NODES = 17  # where nothing but a peak is looked for, which the nodes about it need only bracket
BEST_PEAKS = 4  # that are refined before the highest is taken
GOLDEN = (math.sqrt(5) - 1) / 2
STEPS = 40  # of a golden section: 4e-9 of the bracket
MODE_STEPS = 24  # 1e-5 of a bracket of a standard deviation, where a density is flat
BISECTIONS = 50
LOWEST = -700.0  # log of a density that counts as nothing


@dataclass(frozen=True)
class Profile:
    """Densities `(n, 1)` of one variable, tabulated at `M` nodes.

    Attributes:
        density: Float64, in coordinates.
        coordinates: Of the one variable, on the device of the density.
        t: `(n, M)` nodes in increasing order.
        log_pdf: `(n, M)` log density per physical unit.
    """

    density: MixtureDensity
    coordinates: Coordinates
    t: Tensor
    log_pdf: Tensor

    @classmethod
    def of(cls, density: MixtureDensity, coordinates: Coordinates, nodes: int = NODES) -> Profile:
        """Tabulate densities `(n, 1)` at so many nodes a component."""
        density = density.map(Tensor.double)
        coordinates = coordinates.to(density.loc.device)
        offsets = torch.linspace(-REACH, REACH, nodes, dtype=torch.float64, device=density.loc.device)
        t = (density.loc.unsqueeze(-1) + density.scale.unsqueeze(-1) * offsets).flatten(1)
        t = t.clamp(density.lower, density.upper).sort(dim=-1).values
        made = cls(density, coordinates, t, torch.empty(0))
        return cls(density, coordinates, t, made.log_density(t))

    def physical(self, t: Tensor) -> Tensor:
        """Physical values of coordinates, of any shape."""
        return self.coordinates.inverse(t.unsqueeze(-1)).squeeze(-1)

    def log_density(self, t: Tensor) -> Tensor:
        """Log density per physical unit at coordinates `(n, m)`."""
        slope = self.coordinates.log_slope(self.coordinates.inverse(t.unsqueeze(-1))).squeeze(-1)
        return (self.density.log_prob(t) + slope).clamp(min=LOWEST)

    def cdf(self, x: Tensor) -> Tensor:
        """Cumulative probability at physical values `(n, m)`; zero where the coordinate has no such value."""
        return self.density.cdf(self.coordinates.forward(x.unsqueeze(-1)).squeeze(-1)).nan_to_num(0.0)

    def mode(self) -> Tensor:
        """`(n, 1)` coordinate of the highest density."""
        before, after = _neighbours(self.t)
        left, right = _neighbours(self.log_pdf)
        peak = (self.log_pdf >= left) & (self.log_pdf >= right)
        best = self.log_pdf.masked_fill(~peak, -math.inf).topk(min(BEST_PEAKS, self.t.shape[-1])).indices
        t = golden_section(lambda x: -self.log_density(x), before.gather(-1, best), after.gather(-1, best), MODE_STEPS)
        return t.gather(-1, self.log_density(t).argmax(-1, keepdim=True))

    def shortest(self, mass: float) -> Tensor:
        """`(n, 2)` physical ends of the shortest interval that holds `mass`."""
        cdf = self.density.cdf(self.t)
        last = self.density.quantile(torch.tensor(1 - mass, dtype=torch.float64, device=self.t.device))
        room = self.t <= last  # further to the right there is no `mass` left
        end = interpolate(cdf + mass, cdf, self.t)
        width = (self.physical(end) - self.physical(self.t)).masked_fill(~room, math.inf)
        best = width.argmin(-1, keepdim=True)
        before, after = (torch.minimum(x.gather(-1, best), last) for x in _neighbours(self.t))

        def other_end(t: Tensor) -> Tensor:
            # An interval that would begin right of `last` by rounding ends at the highest probability there is.
            return self.density.quantile((self.density.cdf(t) + mass).clamp(max=1 - 1e-12))

        t = golden_section(lambda x: self.physical(other_end(x)) - self.physical(x), before, after)
        return torch.cat([self.physical(t), self.physical(other_end(t))], dim=-1)

    def region(self, mass: float) -> Tensor:
        """`(n, K, 3)` low end, high end and probability of each piece of the highest-density region; NaN is no piece.

        A mixture of `K` components has no more than `K` peaks.
        """
        threshold = self._threshold(mass)
        above = self.log_pdf >= threshold
        edge = torch.zeros_like(above[:, :1])
        starts = above & ~torch.cat([edge, above[:, :-1]], dim=-1)
        ends = above & ~torch.cat([above[:, 1:], edge], dim=-1)
        pieces = self.density.loc.shape[-1]
        ids = torch.arange(above.shape[-1], device=above.device)
        first, last = (torch.where(x, ids, len(ids)).sort(-1).values[:, :pieces] for x in (starts, ends))
        low, high = self._crossing(first, -1, threshold), self._crossing(last, 1, threshold)
        probability = self.density.cdf(high) - self.density.cdf(low)
        piece = torch.stack([self.physical(low), self.physical(high), probability], dim=-1)
        return piece.masked_fill((first == len(ids)).unsqueeze(-1), math.nan)

    def _threshold(self, mass: float) -> Tensor:
        """`(n, 1)` log density above which lies `mass`, the log density running straight between nodes."""
        cdf = self.density.cdf(self.t)
        step, top = cdf.diff(dim=-1), self.log_pdf.amax(-1, keepdim=True)
        relative = (self.log_pdf - top).exp()
        low = torch.minimum(relative[:, 1:], relative[:, :-1])
        high = torch.maximum(relative[:, 1:], relative[:, :-1])
        nothing, everything = torch.full_like(top, LOWEST), torch.zeros_like(top)
        for _ in range(BISECTIONS):
            middle = 0.5 * (nothing + everything)
            # Of an exponential the mass above a height is the share of the drop that lies above it.
            share = ((high - middle.exp()) / (high - low).clamp(min=1e-300)).clamp(0.0, 1.0)
            share = torch.where(low >= middle.exp(), torch.ones_like(share), share)
            enough = (step * share).sum(-1, keepdim=True) >= mass
            nothing, everything = torch.where(enough, middle, nothing), torch.where(enough, everything, middle)
        return nothing + top

    def _crossing(self, node: Tensor, side: int, threshold: Tensor) -> Tensor:
        """Where the density falls to `threshold` beside nodes `(n, k)` that lie above it; the node if it never does."""
        node = node.clamp(max=self.t.shape[-1] - 1)
        beside = (node + side).clamp(0, self.t.shape[-1] - 1)
        (t0, p0), (t1, p1) = ((self.t.gather(-1, i), self.log_pdf.gather(-1, i)) for i in (node, beside))
        way = ((p0 - threshold) / (p0 - p1).clamp(min=1e-300)).clamp(0.0, 1.0)
        return torch.where(p1 < p0, t0 + way * (t1 - t0), t0)


def golden_section(function: Callable[[Tensor], Tensor], a: Tensor, b: Tensor, steps: int = STEPS) -> Tensor:
    """Where a function with one minimum in each bracket `[a, b]` is least (Kiefer 1953)."""
    c, d = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
    low, high = function(c), function(d)
    for _ in range(steps):
        left = low <= high
        a, b = torch.where(left, a, c), torch.where(left, d, b)
        new = torch.where(left, b - GOLDEN * (b - a), a + GOLDEN * (b - a))
        value = function(new)
        c, d, low, high = (
            torch.where(left, new, d),
            torch.where(left, c, new),
            torch.where(left, value, high),
            torch.where(left, low, value),
        )
    best = 0.5 * (a + b)
    # At the edge of a bracket the minimum may be the edge itself: a hard limit of the variable.
    candidates = torch.stack([best, a, b])
    return candidates.gather(0, torch.stack([function(x) for x in candidates]).argmin(0, keepdim=True))[0]


def interpolate(x: Tensor, known: Tensor, value: Tensor) -> Tensor:
    """Linear interpolation `(n, m)` in tables `(n, M)` of increasing `known`; constant beyond their ends."""
    right = torch.searchsorted(known.contiguous(), x.contiguous()).clamp(1, known.shape[-1] - 1)
    x0, x1, y0, y1 = (a.gather(-1, i) for a in (known, value) for i in (right - 1, right))
    return y0 + (y1 - y0) * ((x - x0) / (x1 - x0).clamp(min=1e-300)).clamp(0.0, 1.0)


def _neighbours(x: Tensor) -> tuple[Tensor, Tensor]:
    """What stands before and after each of `(n, M)`; at the ends the same."""
    return torch.cat([x[:, :1], x[:, :-1]], dim=-1), torch.cat([x[:, 1:], x[:, -1:]], dim=-1)


__all__ = ["MODE_NODES", "Profile", "golden_section", "interpolate"]
