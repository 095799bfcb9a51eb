"""One adaptation as ``train.py --stage adapt`` does it, from folders of Parquet."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

from hf_galaxy import GalaxyPosterior
from hf_galaxy.training.settings import TrainSettings
from hf_galaxy.training.stages import build_stage

SURVEY = "target"


def adapt(base: str, data: Path, replay: Path, out: Path, **settings: Any) -> GalaxyPosterior:
    """The model that comes of adapting ``base`` to the galaxies of ``data``, half of every batch being ``replay``.

    Args:
        settings: Of the run, and under ``adaptation`` of the adaptation.
    """
    adaptation = {"survey": SURVEY, **settings.pop("adaptation", {})}
    run = TrainSettings(
        stage="adapt",
        init_from=base,
        data=[str(data), f"{replay}:0.5"],
        out=str(out),
        tracker="none",
        valid_rows=256,
        valid_every=10**9,
        save_every=1e6,
        adaptation=adaptation,
        **settings,
    )
    with contextlib.redirect_stderr(io.StringIO()):  # bars of every one of a dozen runs
        build_stage(run).run()
    return GalaxyPosterior.from_pretrained(str(out))


__all__ = ["SURVEY", "adapt"]
