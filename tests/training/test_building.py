"""How a batch is split into units, each with a kind of context of its own."""

from __future__ import annotations

import pytest

from hf_galaxy.training.building import UNITS, resolve_micro_batch
from hf_galaxy.training.settings import TrainSettings


def unit(processes: int, wanted: int = UNITS, **changes) -> int:
    return resolve_micro_batch(TrainSettings(data="x", **changes), processes, wanted).micro_batch


@pytest.mark.parametrize(("processes", "size"), [(1, 32), (2, 32), (4, 32), (8, 16)])
def test_one_two_and_four_processes_see_the_same_batches(processes, size):
    assert unit(processes, batch_size=128) == size


def test_an_odd_batch_has_a_unit_a_process():
    assert unit(2, batch_size=126) == 63
    assert unit(3, batch_size=9) == 3
    with pytest.raises(ValueError, match="batch_size 9 cannot be shared evenly by 2 processes"):
        unit(2, batch_size=9)


def test_fine_tuning_has_a_unit_a_process():
    assert unit(2, wanted=1, batch_size=128) == 64


def test_pretraining_takes_four_units(make):
    assert make(batch_size=8).settings.micro_batch == 2


def test_what_is_given_is_kept():
    assert unit(1, batch_size=128, micro_batch=128) == 128
