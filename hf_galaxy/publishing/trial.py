"""Does a model answer elsewhere as it does here? Asked in a fresh process that has no hf_galaxy."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from huggingface_hub import constants, get_token
from safetensors.torch import load_file

from ..modeling_galaxy import GalaxyModel
from ..pipeline_galaxy import GalaxyInferencePipeline
from ..tokenization_galaxy import GalaxyTokenizer
from . import stranger

# Of quantiles in physical units, relative. The logits are compared bit for bit first; where another build of a library
# rounds sums otherwise, single precision keeps this much through the layers.
TOLERANCE = 1e-4
# Places of caches other than below HF_HOME: an empty one is wanted.
ELSEWHERE = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_MODULES_CACHE", "TRANSFORMERS_CACHE", "HF_XET_CACHE")

Answers = dict[str, torch.Tensor]


def answers_here(model: GalaxyModel, tokenizer: GalaxyTokenizer) -> Answers:
    """What the model answers in this process, by the classes of this package, on the CPU."""
    pipe = GalaxyInferencePipeline(model=model.cpu(), tokenizer=tokenizer)
    return stranger.answers(model, tokenizer, pipe)


def answers_elsewhere(source: str | Path, revision: str | None = None) -> Answers:
    """What a folder, or a commit of the Hub, answers in a fresh process that has no hf_galaxy and an empty cache.

    Raises:
        ValueError: It does not load, or does not answer.
    """
    online = revision is not None
    with tempfile.TemporaryDirectory() as home:
        out = Path(home) / "answers.safetensors"
        arguments = [str(source), revision or "main", str(torch.get_num_threads()), str(out)]
        done = subprocess.run(
            [sys.executable, "-I", stranger.__file__, *arguments],
            cwd=home,
            env=_environment(home, online),
            capture_output=True,
            text=True,
        )
        if done.returncode:
            reason = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no reason given")
            where = f"{source}, commit {revision}," if online else str(source)
            raise ValueError(f"{where} does not load in a fresh process without hf_galaxy: {reason.strip()}")
        return load_file(out)


def same(here: Answers, elsewhere: Answers, where: str) -> str:
    """How well two sets of answers agree, in words.

    Raises:
        ValueError: They do not, to one part in ten thousand.
    """
    if all(torch.equal(here[name], elsewhere[name]) for name in ("logits", "quantiles")):
        agreement = "answers are equal to the local ones, bit for bit"
    else:
        agreement = "answers are equal to the local ones"
    worst = 0.0
    for name in ("quantiles", "piped"):
        a, b = here[name].double(), elsewhere[name].double()
        if a.shape != b.shape or not torch.equal(a.isfinite(), b.isfinite()):
            raise ValueError(f"{where}: answers have another form than the local ones; save and publish it again")
        gap = (a - b).abs().nan_to_num() / a.abs().nan_to_num().clamp(min=1e-3)
        worst = max(worst, float(gap.max()))
    if worst > TOLERANCE:
        raise ValueError(f"{where}: answers differ from the local ones by {worst:.1e}; do not use it, publish it again")
    return agreement if agreement.endswith("bit") else f"{agreement} to {worst:.0e}"


def _environment(home: str, online: bool) -> dict[str, str]:
    """That of this process, with a cache that is empty, and the login and Hub of this one."""
    flags = {"HF_HUB_OFFLINE": "0" if online else "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    login = {"HF_TOKEN": token} if (token := get_token()) else {}
    rest = {key: value for key, value in os.environ.items() if key not in ELSEWHERE}
    return {**rest, "HF_HOME": home, "HF_ENDPOINT": constants.ENDPOINT, **flags, **login}


__all__ = ["answers_elsewhere", "answers_here", "same"]
