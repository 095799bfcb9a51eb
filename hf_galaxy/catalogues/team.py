"""The processes that work on one catalogue: one, or those that ``accelerate launch`` or ``torchrun`` started."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, parse_flag_from_env

Answer = TypeVar("Answer")


class Team:
    """This process among its peers.

    Attributes:
        rank, size: Which of how many.
        device: A GPU of its own where there is one, otherwise the processor.
    """

    def __init__(self) -> None:
        on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.cuda.is_available()
        self._state = PartialState(cpu=on_cpu)  # without cpu=True, processes without GPUs never find one another
        self.rank, self.size = self._state.process_index, self._state.num_processes
        self.device = self._state.device if self._state.device.type == "cuda" else torch.device("cpu")

    @property
    def leads(self) -> bool:
        """Whether this process speaks, checks and joins."""
        return self._state.is_main_process

    def lead(self, work: Callable[[], Answer]) -> Answer:
        """What the main process makes of ``work``, for all; where it fails, the others leave without a word.

        Raises:
            SystemExit: In the others.
        """
        told: list = [None, None]
        failure = None
        if self.leads:
            try:
                told[0] = work()
            except (ValueError, OSError, ImportError) as error:
                failure, told[1] = error, True
        if self.size > 1:
            broadcast_object_list(told)
        if failure is not None:
            raise failure
        if told[1]:
            raise SystemExit(2)
        return told[0]

    def wait(self) -> None:
        """Until all are here."""
        self._state.wait_for_everyone()

    def leave(self) -> None:
        """Part from the others, at the end."""
        if self.size > 1:
            self._state.destroy_process_group()


__all__ = ["Team"]
