"""Weights cut into pieces over the processes (FSDP2), and put together again for whoever saves them.

Everything that is saved is whole, so that a run may go on with another number of processes, sharded or not.
"""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

REFUSED = {
    DistributedType.DEEPSPEED: "DeepSpeed",
    DistributedType.MEGATRON_LM: "Megatron-LM",
}


def is_sharded(accelerator: Accelerator) -> bool:
    """Whether Accelerate was asked for FSDP2.

    Raises:
        ValueError: it was asked for a kind of parallelism that the loop does not know.
    """
    kind = accelerator.distributed_type
    if kind == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise ValueError("fsdp_version 1 is not supported; set fsdp_version: 2 in the file of accelerate")
    if kind == DistributedType.FSDP and accelerator.state.fsdp_plugin.cpu_ram_efficient_loading:
        raise ValueError(
            "fsdp_cpu_ram_efficient_loading leaves --init-from empty on all but one process; set it to false in the "
            "file of accelerate"
        )
    if kind in REFUSED:
        raise ValueError(f"{REFUSED[kind]} is not supported; use distributed_type MULTI_GPU, or FSDP with version 2")
    return kind == DistributedType.FSDP


def shard(model: nn.Module, accelerator: Accelerator) -> nn.Module:
    """Cut the parameters of a model in place, every layer of ``model.layers`` and the rest as one unit each.

    The precision is left to autocast: the policy that Accelerate would choose rounds the inputs to bf16 too, and a
    redshift does not survive that.
    """
    from torch.distributed.fsdp import fully_shard

    plugin = accelerator.state.fsdp_plugin
    mesh = torch.distributed.device_mesh.init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    how = {"mesh": mesh, "reshard_after_forward": bool(plugin.reshard_after_forward)}
    for layer in getattr(model, "layers", ()):
        fully_shard(layer, **how)
    return fully_shard(model, **how)


def whole(value: Any) -> Any:
    """The same with every sharded tensor put together; all processes must call this together."""
    if isinstance(value, DTensor):
        return value.full_tensor()
    if isinstance(value, dict):
        return {k: whole(v) for k, v in value.items()}
    if isinstance(value, list):
        return [whole(v) for v in value]
    return value


def cut_like(value: Tensor, target: Tensor) -> Tensor:
    """A whole tensor, cut as ``target`` is."""
    if not isinstance(target, DTensor):
        return value
    value = value.to(device=target.device, dtype=target.dtype)
    return distribute_tensor(value, target.device_mesh, target.placements)


def cut_moments(moments: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The state of an optimiser, with moments cut as the parameters are; in place."""
    inner = getattr(optimizer, "optimizer", optimizer)  # what Accelerate has wrapped
    members = getattr(inner, "optimizers", (inner,))
    for member, saved in zip(members, moments.get("optimizers", [moments]), strict=True):
        parameters = [p for group in member.param_groups for p in group["params"]]
        for index, entry in saved["state"].items():
            like = parameters[index]
            entry.update({k: cut_like(v, like) for k, v in entry.items() if torch.is_tensor(v) and v.dim()})
    return moments


__all__ = ["cut_like", "cut_moments", "is_sharded", "shard", "whole"]
