"""What moves the weights: Muon and AdamW with decay by kind of parameter, and the running mean of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Two groups: matrices decay; norms, biases, scalars and embeddings do not."""
    embeddings = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
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


class Together(torch.optim.Optimizer):
    """Several optimisers, each with its own parameters, that step as one."""

    def __init__(self, *optimizers: torch.optim.Optimizer) -> None:
        self.optimizers = optimizers
        super().__init__([group for o in optimizers for group in o.param_groups], {})
        # The very dicts of the members, so that a rate that is set here is set there.
        self.param_groups = [group for o in optimizers for group in o.param_groups]

    def step(self, closure: Callable | None = None) -> None:
        """One step of each; there is no closure."""
        for optimizer in self.optimizers:
            optimizer.step()

    def state_dict(self) -> dict:
        return {"optimizers": [o.state_dict() for o in self.optimizers]}

    def load_state_dict(self, state_dict: dict) -> None:
        for optimizer, state in zip(self.optimizers, state_dict["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.param_groups = [group for o in self.optimizers for group in o.param_groups]


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Matrices between hidden states: weights of the linear maps inside the layers."""
    layers = [m for m in model.modules() if isinstance(m, nn.ModuleList)]
    return [m.weight for layer in layers for m in layer.modules() if isinstance(m, nn.Linear)]


def make_optimizer(
    model: nn.Module, lr: float, weight_decay: float, betas: tuple[float, float], name: str = "auto"
) -> torch.optim.Optimizer:
    """Muon for the matrices between hidden states and AdamW for the rest, or AdamW for all.

    Muon (Jordan et al. 2024; rates matched to AdamW as in Liu et al. 2025, arXiv:2502.16982) learns as much from 40,000
    galaxies as AdamW from 90,000 (DECISIONS.md). AdamW: Loshchilov & Hutter (2019).

    Args:
        name: ``"muon"``, ``"adamw"``, or ``"auto"``: Muon where this torch has it (2.9).

    Raises:
        ValueError: Muon is asked for and missing.
    """
    has_muon, matrices = hasattr(torch.optim, "Muon"), hidden_matrices(model)
    if name == "muon" and not has_muon:
        raise ValueError(f"optimizer muon needs torch 2.9 or newer, this is {torch.__version__}; use adamw")
    if name == "adamw" or not (has_muon and matrices):
        return torch.optim.AdamW(parameter_groups(model, weight_decay), lr=lr, betas=betas, fused=True)
    chosen = {id(p) for p in matrices}
    rest = [
        {**g, "params": [p for p in g["params"] if id(p) not in chosen]} for g in parameter_groups(model, weight_decay)
    ]
    return Together(
        torch.optim.Muon(matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=lr, betas=betas, fused=True),
    )


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
