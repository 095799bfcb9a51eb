"""Kill a run with SIGKILL again and again, at random moments and in the middle of saves, as often as asked.

    python -m tests.training.killing CONFIG OUT KILLS SEED

Every attempt is a fork of this process, which has done nothing but import, so that ten of them take seconds. Prints a
JSON list: the step that the log had reached at each kill, and whether a save was going on.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import train
from hf_galaxy.training import checkpoint


def steps_of(out: Path) -> int:
    """The last step in the log."""
    log = out / "history.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    return json.loads(whole[-1])["step"] if whole else 0


def saving(out: Path) -> bool:
    """Whether something is half written."""
    return any(out.glob(".part-*")) or any((out / "state").glob(".part-*"))


def attempt(config: str, out: Path, dice: random.Random, in_a_save: bool) -> dict:
    """Start or resume, kill; refuse to be slower than the run."""
    began = steps_of(out)
    pid = os.fork()
    if pid == 0:
        os.close(1)
        os._exit(train.main(["--config", config, *(["--resume"] if checkpoint.latest(out) else [])]))
    target, late = began + dice.randint(2, 7), dice.uniform(0.0, 0.1)
    while steps_of(out) < target or (in_a_save and not saving(out)):
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            raise SystemExit(f"the run ended by itself at step {steps_of(out)}")
        time.sleep(0.0 if in_a_save else 0.002)
    if not in_a_save:
        time.sleep(late)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    return {"step": steps_of(out), "saving": saving(out)}


def main(config: str, out: str, kills: str, seed: str) -> None:
    dice = random.Random(int(seed))
    print(json.dumps([attempt(config, Path(out), dice, in_a_save=bool(k % 2)) for k in range(int(kills))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
