"""Train a galaxy model: ``accelerate launch train.py --size tiny --data FOLDER --out FOLDER``; see ``--help``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from transformers.utils import logging

from hf_galaxy.training.settings import parse_settings
from hf_galaxy.training.stages import build_stage
from hf_galaxy.training.trouble import TrainingError


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, build, fit, save; the exit status is 2 for a mistake of the user, 1 for a run that came to a bad end."""
    logging.disable_progress_bar()  # of every save; the bar of the run is our own
    try:
        settings = parse_settings(arguments)
        loop = build_stage(settings)
    except (ValueError, ImportError) as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 1
    try:
        progress = loop.run()
    except TrainingError as error:
        print(f"train.py: error: {error}", file=sys.stderr)
        return 1
    if loop.accelerator.is_main_process:
        seen, state = progress.step * settings.batch_size, "stopped" if progress.stopped else "finished"
        valid = "" if progress.valid_loss is None else f", validation loss {progress.valid_loss:.4f}"
        print(f"{state} at step {progress.step} ({seen:,} galaxies seen{valid}); model in {settings.out}")
        if progress.reason:
            print(f"{progress.reason}, in {settings.out}/best")
        elif progress.stopped:
            print(f"to go on: train.py --resume --out {settings.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
