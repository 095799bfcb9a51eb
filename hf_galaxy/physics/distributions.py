"""Distributions drawn by inverse cumulative functions: limits cut a distribution, they never pile it up at an edge."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Number = float | Tensor


def uniform(u: Tensor, low: Number, high: Number) -> Tensor:
    """Uniform in [low, high]."""
    return low + u * (high - low)


def log_uniform(u: Tensor, low: Number, high: Number) -> Tensor:
    """Uniform in the logarithm between two positive limits."""
    low, high = torch.as_tensor(low, dtype=u.dtype), torch.as_tensor(high, dtype=u.dtype)
    return torch.exp(uniform(u, torch.log(low.to(u.device)), torch.log(high.to(u.device))))


def truncated_normal(u: Tensor, mean: Number, sigma: Number, low: Number, high: Number) -> Tensor:
    """Normal, cut to [low, high]."""
    a, b = ((torch.as_tensor(x, dtype=u.dtype, device=u.device) - mean) / sigma for x in (low, high))
    cdf_a, cdf_b = torch.special.ndtr(a), torch.special.ndtr(b)
    inside = cdf_a + u * (cdf_b - cdf_a)
    return mean + sigma * torch.special.ndtri(inside.clamp(1e-300, 1 - 1e-16)).clamp(a, b)


def student_t2(u: Tensor, limit: float) -> Tensor:
    """Student's t with two degrees of freedom, cut to [-limit, limit]; its cumulative function has a closed inverse."""
    edge = 0.5 * (1 + limit / math.sqrt(2 + limit**2))
    v = (1 - edge) + u * (2 * edge - 1)
    return (2 * v - 1) / torch.sqrt(2 * v * (1 - v))


def piecewise_linear(x: Tensor, knots: tuple[float, ...], values: tuple[float, ...]) -> Tensor:
    """Linear interpolation between few knots, constant beyond them."""
    out = torch.full_like(x, values[0])
    for a, b, u, v in zip(knots[:-1], knots[1:], values[:-1], values[1:], strict=True):
        out = out + (v - u) * ((x - a) / (b - a)).clamp(0.0, 1.0)
    return out


__all__ = ["log_uniform", "piecewise_linear", "student_t2", "truncated_normal", "uniform"]
