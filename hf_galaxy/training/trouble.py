"""Ends of a run that nobody wished for; what it saved before is whole in every case."""

from __future__ import annotations


class TrainingError(RuntimeError):
    """A run that cannot go on; the message says why, and what to do."""


class DivergedError(TrainingError):
    """The loss or its gradient is not finite."""


class OutOfMemoryError(TrainingError):
    """A step does not fit into the memory of the device."""


class SaveError(TrainingError):
    """The disk did not take what was to be saved."""


__all__ = ["DivergedError", "OutOfMemoryError", "SaveError", "TrainingError"]
