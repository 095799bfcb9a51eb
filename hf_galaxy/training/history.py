"""The log of a run: ``history.jsonl`` (one JSON object a line), the tracker and the progress bar."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import tqdm


class History:
    """Entries of the main process; the others keep silent.

    Args:
        accelerator: Knows the tracker and which process is the main one.
        out: Output folder; entries go to ``history.jsonl`` in it.
        step: Step to go on from: later entries, of a run that was killed after them, are dropped.
        steps, batch_size: For the bar, which counts galaxies.
    """

    def __init__(self, accelerator: Accelerator, out: str | Path, step: int, steps: int, batch_size: int) -> None:
        self.accelerator, self.path, self.batch_size = accelerator, Path(out) / "history.jsonl", batch_size
        self._began, self._done = time.monotonic(), 0
        self.bar = tqdm(
            total=steps * batch_size,
            initial=step * batch_size,
            unit="galaxies",
            unit_scale=True,
            smoothing=0.05,
            mininterval=1.0,
        )
        if accelerator.is_main_process:
            kept = [line for line in self._lines() if json.loads(line)["step"] <= step]
            part = self.path.with_suffix(".new")  # so that a full disk does not empty the log
            part.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
            part.replace(self.path)

    def _lines(self) -> list[str]:
        """Complete lines; the last one may have been cut by a kill."""
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()

    def advance(self) -> None:
        """One more step is done."""
        self._done += 1
        self.bar.update(self.batch_size)

    def rate(self) -> float:
        """Galaxies a second since the last call."""
        now = time.monotonic()
        rate = self._done * self.batch_size / max(now - self._began, 1e-9)
        self._began, self._done = now, 0
        return rate

    def log(self, step: int, **values: float | None) -> None:
        """Add an entry; ``step`` counts finished steps, and what is not finite is left out."""
        values = {k: v for k, v in values.items() if v is not None and math.isfinite(v)}
        self.accelerator.log(values, step=step)
        if self.accelerator.is_main_process:
            self._append({"step": step, "galaxies": step * self.batch_size, **values})
            shown = {k: f"{v:.4g}" for k, v in values.items() if k in ("loss", "valid_loss")}
            self.bar.set_postfix(shown, refresh=False)

    def warn(self, step: int, text: str, **details: Any) -> None:
        """Add a warning to the log, and say it above the bar."""
        if self.accelerator.is_main_process:
            self._append({"step": step, "galaxies": step * self.batch_size, "warning": text, **details})
            self.bar.write(f"warning: step {step}: {text}", file=sys.stderr)

    def _append(self, entry: dict[str, Any]) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def close(self) -> None:
        """Finish the bar and the tracker."""
        self.bar.close()
        self.accelerator.end_training()
