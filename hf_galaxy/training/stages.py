"""Which function builds a run of each stage; what is common to them is in ``building``."""

from __future__ import annotations

from collections.abc import Callable

from .adaptation.building import build_adaptation
from .building import build
from .finetuning.building import build_finetuning
from .loop import Loop
from .settings import TrainSettings

BUILDERS: dict[str, Callable[[TrainSettings], Loop]] = {
    "pretrain": build,
    "adapt": build_adaptation,
    "finetune": build_finetuning,
}


def build_stage(settings: TrainSettings) -> Loop:
    """The run of ``settings.stage``, ready for ``run()``.

    Raises:
        ValueError: settings, data or output folder do not fit.
    """
    if settings.stage not in BUILDERS:
        raise ValueError(f"stage {settings.stage!r} is not in this version; there are {', '.join(BUILDERS)}")
    return BUILDERS[settings.stage](settings)


__all__ = ["BUILDERS", "build_stage"]
