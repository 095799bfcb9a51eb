"""The density of one answer: a truncated mixture of Gaussians, or a table of probabilities.

All values here are token coordinates (see `variables_galaxy`). The mixture is anchored: component ``k`` of ``K`` starts
at the ``k``-th point of a regular grid and learns an offset from it, a width and a weight. At the start this is a
classification into bins, which trains as easily; at the end it is as sharp as the data allow.

A question may ask for the value as an instrument with the error ``sigma`` would measure it. The answer is then the
density of the true value convolved with that error, which for a Gaussian component is a sum of variances (extreme
deconvolution: Bovy, Hogg & Roweis 2011, AnApS 5, 1657, eq. 3). It follows that a model that learns from noisy values
with known errors learns the density of the true ones.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ANCHOR_RANGE = 3.2
MIN_LOG_SCALE, MAX_LOG_SCALE = -9.0, 2.5  # whatever a network says
MIN_MASS = 1e-4
# Stands for infinity where gradients are taken: 0 * inf is not a number.
BEYOND = 1e4
MOST_STEPS = 40
CONVERGED = 3e-7  # relative step of a quantile at which it has arrived
ROUNDING = 1e-6  # relative error of a cumulative probability below which a sum in float32 says nothing more
CERTAIN = 1e-5  # token error of what is known exactly
MARGIN = 0.01  # of the bracket of a quantile, against rounding, in standard deviations
SMALLEST = 1e-17  # uniform number: eight standard deviations
# Quadrature of one component: so many standard deviations to each side, by so many points (Gauss-Legendre).
REACH, POINTS = 6.0, 16
NARROWEST = 1e-6


def _normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-x * math.sqrt(0.5))


def _invert(weight: Tensor, loc: Tensor, scale: Tensor, target: Tensor, a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Where `M` mixtures `(M, K)` reach cumulative probabilities `(M,)`, from brackets and starting points `(M,)`.

    Halley's method: third order, for one more sum. Most need four steps and a few need many: those that have arrived,
    to the rounding of the sums, leave the iteration.
    """
    answer, active = t.clone(), torch.arange(len(t), device=t.device)
    height, last = weight / (scale * math.sqrt(2 * math.pi)), b - a
    for _ in range(MOST_STEPS):
        z = (t.unsqueeze(-1) - loc) / scale
        excess = (weight * _normal_cdf(z)).sum(-1) - target
        density = height * torch.exp2(z * z * (-0.5 / math.log(2)))
        slope = density.sum(-1).clamp(min=1e-12)
        bend = (density * z / scale).sum(-1) / slope  # minus the second derivative over the first
        a, b = torch.where(excess < 0, t, a), torch.where(excess < 0, b, t)
        newton, near = excess / slope, CONVERGED * (1 + t.abs())
        going = (excess.abs() > ROUNDING * target) & (newton.abs() > near) & (b - a > near)
        step = t - newton / (1 + 0.5 * newton * bend).clamp(0.5, 2.0)
        # A step that does not halve the one before it creeps: the bracket is halved instead.
        fast = (step >= a) & (step <= b) & ((step - t).abs() < 0.5 * last)
        step = torch.where(going, torch.where(fast, step, 0.5 * (a + b)), t)
        last, t = (step - t).abs(), step
        answer[active] = t
        if not going.any():
            break
        if going.float().mean() < 0.7:
            kept = going.nonzero().squeeze(-1)
            rest = (active, weight, height, loc, scale, target, a, b, t, last)
            active, weight, height, loc, scale, target, a, b, t, last = (x[kept] for x in rest)
    return answer


def random_numbers(shape: tuple[int, ...], generator: torch.Generator | None = None) -> Tensor:
    """What draws of this shape are made of, `(*shape, 3)`: a uniform, a normal and another uniform number each.

    They come from the device of the generator, the processor by default, one after the other along the shape: the same
    whatever device works on them, and however the first axis is cut into pieces.
    """
    device = "cpu" if generator is None else generator.device
    u = torch.rand(*shape, 3, dtype=torch.float64, device=device, generator=generator)
    u[..., 1] = torch.special.ndtri(u[..., 1].clamp(min=SMALLEST))
    return u


@dataclass(frozen=True)
class MixtureDensity:
    """Mixture of Gaussians restricted to ``[lower, upper]``, batched.

    Attributes:
        log_weight, loc, scale: Shape ``(..., K)``; the weights sum to one.
        lower, upper: Shape ``(...)``; may be infinite.
    """

    log_weight: Tensor
    loc: Tensor
    scale: Tensor
    lower: Tensor
    upper: Tensor

    def _log_mixture(self, t: Tensor) -> Tensor:
        z = (t.unsqueeze(-1) - self.loc) / self.scale
        log_normal = -0.5 * z * z - self.scale.log() - 0.5 * math.log(2 * math.pi)
        return torch.logsumexp(self.log_weight + log_normal, dim=-1)

    def _mixture_cdf(self, t: Tensor) -> Tensor:
        z = (t.unsqueeze(-1) - self.loc) / self.scale
        return (self.log_weight.exp() * _normal_cdf(z)).sum(-1)

    def _limits(self) -> tuple[Tensor, Tensor]:
        """Cumulative mixture at the lower limit, and the mass between the limits."""
        low = self._mixture_cdf(self.lower.clamp(min=-BEYOND))
        return low, (self._mixture_cdf(self.upper.clamp(max=BEYOND)) - low).clamp(min=MIN_MASS)

    def log_prob(self, t: Tensor) -> Tensor:
        """Log density at `t` of shape `(...)`; minus infinity outside the limits."""
        inside = (t >= self.lower) & (t <= self.upper)
        value = self._log_mixture(t) - self._limits()[1].log()
        return torch.where(inside, value, torch.full_like(value, -math.inf))

    def cdf(self, t: Tensor) -> Tensor:
        """Cumulative probability at `t` of shape `(...)`."""
        low, mass = self._limits()
        inside = torch.minimum(torch.maximum(t, self.lower), self.upper)
        return ((self._mixture_cdf(inside) - low) / mass).clamp(0.0, 1.0)

    def quantile(self, p: Tensor) -> Tensor:
        """Inverse of `cdf`, by steps kept inside a shrinking bracket; `p` in (0, 1) broadcasts with `(...)`."""
        low, mass = self._limits()
        p = torch.as_tensor(p, dtype=self.loc.dtype, device=self.loc.device)
        target = (low + p * mass).clamp(0.0, 1.0)
        shape = target.shape
        # The quantile of a mixture lies between the lowest and the highest quantile of its components.
        z = torch.special.ndtri(target).clamp(-9.0, 9.0).unsqueeze(-1)
        a, b = (self.loc + (z - MARGIN) * self.scale).amin(-1), (self.loc + (z + MARGIN) * self.scale).amax(-1)
        a, b = (torch.minimum(torch.maximum(x, self.lower), self.upper) for x in (a, b))
        # The start is the quantile of the one Gaussian with the same mean and variance.
        share = self.log_weight.exp()
        mean = (share * self.loc).sum(-1)
        variance = (share * (self.scale**2 + (self.loc - mean.unsqueeze(-1)) ** 2)).sum(-1)
        start = (mean + z.squeeze(-1) * variance.sqrt()).clamp(min=a, max=b)
        mixture = (x.expand(*shape, -1).reshape(-1, x.shape[-1]) for x in (share, self.loc, self.scale))
        return _invert(*mixture, *(x.reshape(-1) for x in (target, a, b, start))).view(shape)

    def sample(self, generator: torch.Generator | None = None, noise: Tensor | None = None) -> Tensor:
        """One draw of shape `(...)`, from a generator or from `random_numbers` `(..., 3)`."""
        noise = random_numbers(self.lower.shape, generator) if noise is None else noise
        u, normal, again = noise.to(self.loc).unbind(-1)
        k = (self.log_weight.exp().cumsum(-1) < u.unsqueeze(-1)).sum(-1, keepdim=True)
        k = k.clamp(max=self.loc.shape[-1] - 1)
        loc, scale = self.loc.gather(-1, k).squeeze(-1), self.scale.gather(-1, k).squeeze(-1)
        t = loc + scale * normal
        # A draw beyond the limits is drawn again from the truncated whole, which keeps the law exact.
        outside = (t < self.lower) | (t > self.upper)
        if outside.any():
            rest = self[outside]
            t = t.masked_scatter(outside, rest.quantile(again[outside].clamp(1e-6, 1 - 1e-6)))
        return t

    def nodes(self) -> tuple[Tensor, Tensor]:
        """Points `(..., n)` and weights of a quadrature of expectations, a component at a time, within the limits."""
        x, w = (torch.as_tensor(a).to(self.loc) for a in np.polynomial.legendre.leggauss(POINTS))
        lower, upper = self.lower.unsqueeze(-1), self.upper.unsqueeze(-1)
        a, b = (
            torch.minimum(torch.maximum(self.loc + side * REACH * self.scale, lower), upper).unsqueeze(-1)
            for side in (-1, 1)
        )
        half = 0.5 * (b - a)
        t = 0.5 * (a + b) + half * x
        z = (t - self.loc.unsqueeze(-1)) / self.scale.unsqueeze(-1)
        # Where no component reaches the limits, the points stand on the limit and the nearest component decides.
        size = self.log_weight - self.scale.log()
        log_weight = size.unsqueeze(-1) - 0.5 * z * z + half.clamp(min=NARROWEST).log() + w.log()
        return t.flatten(-2), torch.softmax(log_weight.flatten(-2), dim=-1)

    def measured(self, value: Tensor, error: Tensor) -> "MixtureDensity":
        """The density after an independent measurement `value` with Gaussian errors `error`, both `(...)`.

        By Bayes' theorem the product with the likelihood, which for a Gaussian component is a Gaussian. An error of
        zero makes the value certain; where `value` is not finite nothing was measured.
        """
        known = torch.isfinite(value).unsqueeze(-1)
        x = torch.where(known, value.unsqueeze(-1), self.loc)
        error = torch.where(known, error.unsqueeze(-1), torch.ones_like(self.loc)).clamp(min=CERTAIN)
        variance = self.scale**2 + error**2
        pull = self.scale**2 / variance
        evidence = -0.5 * ((x - self.loc) ** 2 / variance + variance.log())
        log_weight = torch.log_softmax(self.log_weight + evidence, dim=-1)
        return MixtureDensity(
            torch.where(known, log_weight, self.log_weight),
            torch.where(known, self.loc + pull * (x - self.loc), self.loc),
            torch.where(known, error * pull.sqrt(), self.scale),
            self.lower,
            self.upper,
        )

    def map(self, function) -> "MixtureDensity":
        """Apply `function` to every tensor; limits travel with a last axis of one."""
        return MixtureDensity(
            function(self.log_weight),
            function(self.loc),
            function(self.scale),
            function(self.lower.unsqueeze(-1)).squeeze(-1),
            function(self.upper.unsqueeze(-1)).squeeze(-1),
        )

    def __getitem__(self, index) -> "MixtureDensity":
        return self.map(lambda x: x[index])

    def unsqueeze(self, dim: int) -> "MixtureDensity":
        """A new axis at `dim` (counted from the front)."""
        return self.map(lambda x: x.unsqueeze(dim))


def anchors(num_components: int, device=None) -> Tensor:
    """The regular grid on which the components start, shape `(K,)`."""
    return torch.linspace(-ANCHOR_RANGE, ANCHOR_RANGE, num_components, device=device)


def floored(logits: Tensor, min_log_scale: float) -> Tensor:
    """The output of a network with no component narrower than exp(`min_log_scale`), shape `(..., 3 K)`."""
    count = logits.shape[-1] // 3
    floor = min_log_scale - math.log(2 * ANCHOR_RANGE / (count - 1))
    return torch.cat([logits[..., : 2 * count], logits[..., 2 * count :].clamp(min=floor)], dim=-1)


def mixture_from_logits(
    logits: Tensor, error: Tensor, shift: Tensor, slope_at, lower: Tensor, upper: Tensor
) -> MixtureDensity:
    """Density of an answer from the output of the network.

    Args:
        logits: Shape `(..., 3 K)`: weights, offsets, log widths.
        error: Asked token error `e`, shape `(...)`; zero asks for the true value.
        shift: Coordinate of the origin of the network's answer (the brightness of the galaxy, or zero), `(...)`.
        slope_at: Callable from coordinates `(..., K)` to `g'(y)`, which turns `e` into an error of the coordinate.
        lower, upper: Limits of the true value, `(...)`; a measured value knows no limits.
    """
    raw_weight, offset, raw_scale = logits.float().chunk(3, dim=-1)
    grid = anchors(raw_weight.shape[-1], device=logits.device)
    spacing = 2 * ANCHOR_RANGE / (grid.numel() - 1)
    loc = grid + offset + shift.unsqueeze(-1)
    log_scale = (raw_scale + math.log(spacing)).clamp(MIN_LOG_SCALE, MAX_LOG_SCALE)
    measured = error.unsqueeze(-1) * slope_at(loc)
    scale = torch.sqrt(torch.exp(2 * log_scale) + measured * measured)
    exact = error == 0
    infinity = torch.full_like(lower, math.inf)
    return MixtureDensity(
        torch.log_softmax(raw_weight, dim=-1),
        loc,
        scale,
        torch.where(exact, lower, -infinity),
        torch.where(exact, upper, infinity),
    )


__all__ = ["MixtureDensity", "anchors", "floored", "mixture_from_logits", "random_numbers"]
