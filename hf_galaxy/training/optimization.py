"""What moves the weights: AdamW with decay by kind of parameter, and the running mean of the weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Two groups: matrices decay; norms, biases, scalars and embeddings do not."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters(recurse=False)}
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            plain = (
                parameter.ndim >= 2 and id(parameter) not in embeddings and "embedding" not in name.rsplit(".", 1)[-1]
            )
            groups[plain].append(parameter)
    return [
        {"params": groups[True], "weight_decay": weight_decay},
        {"params": groups[False], "weight_decay": 0.0},
    ]


def make_optimizer(model: nn.Module, lr: float, weight_decay: float, betas: tuple[float, float]) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) in its fused form, which CPUs and GPUs both have."""
    return torch.optim.AdamW(parameter_groups(model, weight_decay), lr=lr, betas=betas, fused=True)


class WeightAverage:
    """Exponential running mean of the weights of a model (Polyak averaging), in float32.

    The decay grows as (1 + t) / (10 + t) up to its final value, so that the first steps are soon forgotten.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        self.parameters, self.decay = [p for p in parameters if p.requires_grad], decay
        self.mean = [p.detach().clone().float() for p in self.parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after ``step`` (counted from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.mean, [p.detach().float() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights of the model with their mean; a second call restores them."""
        for parameter, mean in zip(self.parameters, self.mean, strict=True):
            kept = parameter.detach().clone()
            parameter.copy_(mean)
            mean.copy_(kept)

    def __enter__(self) -> WeightAverage:
        self.swap()
        return self

    def __exit__(self, *_: object) -> None:
        self.swap()
