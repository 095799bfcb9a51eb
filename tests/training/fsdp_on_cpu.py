"""``train.py`` with FSDP2 on processors: Accelerate itself has it for accelerators only, torch has it for gloo too."""

from __future__ import annotations

import sys

from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

import train
from hf_galaxy.training import building


def sharding_accelerator(settings, make=building.make_accelerator):
    """What ``accelerate launch --config_file configs/accelerate/fsdp_8gpu.yaml`` makes of the loop on GPUs."""
    accelerator = make(settings)
    accelerator.state.distributed_type = DistributedType.FSDP
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="no_wrap", cpu_ram_efficient_loading=False, reshard_after_forward=True
    )
    return accelerator


if __name__ == "__main__":
    building.make_accelerator = sharding_accelerator
    sys.exit(train.main())
