"""A twin of a model that only answers: the same weights, worked on by the quickest kernels of the machine.

On a processor three things cost more than they must. The matrix products of ordinary torch do not reach half of the
rate that oneDNN, which torch carries, reaches in float32. `rms_norm` has no kernel of its own there. And processors
with bfloat16 instructions multiply another two times faster.

In bfloat16 only the products of the encoder are taken, where the time goes. What they add up to, embeddings, questions,
head and densities stay in float32: a sharp redshift feels the rounding of a question more than that of its context.
`benchmarks/infer.py` measures what the rounding changes.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from .layers_galaxy import GalaxyAttention, GalaxyMLP
from .modeling_galaxy import GalaxyModel

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def has_bfloat16(device: torch.device | str) -> bool:
    """Whether a device multiplies matrices of bfloat16 by instructions of its own."""
    kind = torch.device(device).type
    if kind == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    found = (getattr(torch.cpu, name, bool)() for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return kind == "cpu" and _has_kernels() and any(found)


def chosen_dtype(name: str, device: torch.device | str) -> torch.dtype:
    """The type of a name: `float32`, `bfloat16`, or `auto`, which is bfloat16 where the device has instructions for it.

    Raises:
        ValueError: Another name.
    """
    if name == "auto":
        return torch.bfloat16 if has_bfloat16(device) else torch.float32
    if name not in DTYPES:
        raise ValueError(f"dtype={name!r}: give one of {', '.join(DTYPES)} or auto")
    return DTYPES[name]


def twin(model: GalaxyModel, dtype: torch.dtype = torch.float32) -> GalaxyModel:
    """A model for inference that shares its float32 weights with `model`, and copies those that become bfloat16.

    What is later learnt in place shows in float32, and not in bfloat16; a new module or variable shows in neither.
    """
    on_cpu = model.device.type == "cpu" and _has_kernels()
    if dtype == torch.float32 and not on_cpu:
        return model
    made = _converted(model, torch.float32)
    if dtype != torch.float32:
        # The scores of 25 patches are small matrices: written out they cost half of what the fused kernel costs.
        made._modules["layers"] = _converted(model.layers, dtype, "eager" if on_cpu else None)
    return made


def _has_kernels() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _converted(module: nn.Module, dtype: torch.dtype, attention: str | None = None) -> nn.Module:
    """A copy of a module with matrices of a type, and with another attention where one is named."""
    if type(module) is nn.Linear:
        return _Linear(module, dtype)
    if type(module) is nn.RMSNorm and module.elementwise_affine:
        return _Norm(module, dtype)
    made = copy.copy(module)
    made._modules = {k: child and _converted(child, dtype, attention) for k, child in module._modules.items()}
    if type(module) is GalaxyMLP:
        return _MLP(made)
    if isinstance(module, GalaxyAttention) and attention:
        made.config = copy.copy(module.config)
        made.config._attn_implementation = attention
    return made


class _Linear(nn.Module):
    """A linear map by oneDNN, where there is no gradient to take; its input is rounded to the type of its weights."""

    def __init__(self, module: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        weight, bias = module.weight, module.bias
        if dtype != weight.dtype:
            weight, bias = (x if x is None else nn.Parameter(x.detach().to(dtype), False) for x in (weight, bias))
        self.weight, self.bias = weight, bias
        self.out_features, self.in_features = weight.shape

    def forward(self, x: Tensor, then: str = "none") -> Tensor:
        """`then` is what follows in the same kernel: `none` or `gelu`."""
        x = x.to(self.weight.dtype)
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            return torch.ops.mkldnn._linear_pointwise(x.contiguous(), self.weight, self.bias, then, [], "none")
        x = nn.functional.linear(x, self.weight, self.bias)
        return nn.functional.gelu(x) if then == "gelu" else x


class _MLP(nn.Module):
    """`GalaxyMLP` with the non-linearity in the kernel of the product before it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.up, self.down = module.up, module.down

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.down(self.up(hidden_states, "gelu"))


class _Norm(nn.Module):
    """`nn.RMSNorm` in few passes over the memory; its output has the type of the products that follow."""

    def __init__(self, module: nn.RMSNorm, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.weight, self.eps = module.weight, module.eps or torch.finfo(module.weight.dtype).eps

    def forward(self, x: Tensor) -> Tensor:
        power = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square() / x.shape[-1]
        return (x * torch.rsqrt(power + self.eps) * self.weight).to(self.dtype)


__all__ = ["chosen_dtype", "has_bfloat16", "twin"]
