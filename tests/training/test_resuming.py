"""What a resumed run may change: the plan of its rate, and how many galaxies go through the memory together."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from accelerate.utils import DistributedType

from hf_galaxy.training.resuming import refuse_other_run
from hf_galaxy.training.settings import TrainSettings
from hf_galaxy.training.sharding import cut_like, cut_moments, is_sharded, whole

from .test_loop import stop_at


def test_another_decay_can_be_chosen_while_the_rate_is_constant(make):
    stop_at(make(), 3).run()
    assert make(resume=True).schedule.decay_start == 9
    again = make(resume=True, decay_fraction=0.5)
    assert again.schedule.decay_start == 6 and again.run().step == 12
    with pytest.raises(ValueError, match="the rate falls since step 6"):
        make(resume=True, decay_fraction=0.25)


def test_a_prolonged_run_that_is_resumed_keeps_its_second_stretch(make):
    make().run()
    stop_at(make(resume=True, steps=30), 15).run()
    again = make(resume=True, steps=30)
    assert again.schedule.start == 12 and again.schedule.end == 30


def test_online_galaxies_would_come_twice_with_another_micro_batch():
    was = TrainSettings(online=True, micro_batch=64).to_dict()
    refuse_other_run(was, TrainSettings(online=True, micro_batch=64))
    with pytest.raises(ValueError, match="micro_batch was 64 and cannot become 32 with --online"):
        refuse_other_run(was, TrainSettings(online=True, micro_batch=32))
    was = TrainSettings(data="x", micro_batch=64).to_dict()
    refuse_other_run(was, TrainSettings(data="x", micro_batch=32))


def machine(kind: DistributedType, version: int = 2, efficient: bool = False) -> SimpleNamespace:
    plugin = SimpleNamespace(cpu_ram_efficient_loading=efficient)
    state = SimpleNamespace(fsdp_plugin=plugin)
    fsdp2 = kind == DistributedType.FSDP and version == 2
    return SimpleNamespace(distributed_type=kind, is_fsdp2=fsdp2, state=state)


def test_what_the_loop_cannot_be_spread_by_is_refused():
    assert not is_sharded(machine(DistributedType.MULTI_GPU)) and is_sharded(machine(DistributedType.FSDP))
    with pytest.raises(ValueError, match="set fsdp_version: 2"):
        is_sharded(machine(DistributedType.FSDP, version=1))
    with pytest.raises(ValueError, match="fsdp_cpu_ram_efficient_loading leaves --init-from empty"):
        is_sharded(machine(DistributedType.FSDP, efficient=True))
    with pytest.raises(ValueError, match="DeepSpeed is not supported"):
        is_sharded(machine(DistributedType.DEEPSPEED))


def test_what_is_not_sharded_stays_as_it_is():
    tensor = torch.arange(3.0)
    assert whole({"a": [tensor, 1]})["a"][0] is tensor and cut_like(tensor, tensor) is tensor
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    moments = optimizer.state_dict()
    assert cut_moments(moments, optimizer)["state"][0]["exp_avg"] is moments["state"][0]["exp_avg"]
