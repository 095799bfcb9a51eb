"""A saved folder carries its code: it loads where hf_galaxy cannot be imported, and computes the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from tests.tiny_model import tiny_model

RECORDS = [{"J0660": (5200.0, 140.0), "redshift": 0.31}, {"FUV": (-20.0, 140.0), "survey": "sdss"}, {}]
QUERY = ["log_mstar", "ew_halpha", ("J0500", 30.0), "survey"]

STRANGER = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "hf_galaxy":
            raise ModuleNotFoundError("hf_galaxy is not installed here", name=name)

sys.meta_path.insert(0, Blocked())
try:
    import hf_galaxy
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("hf_galaxy was importable")

import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer, pipeline

folder, out = sys.argv[1:3]
config = AutoConfig.from_pretrained(folder, trust_remote_code=True)
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
records, query = torch.load(sys.argv[3], weights_only=False)
inputs = tokenizer(records, query=query, return_tensors="pt")
with torch.no_grad():
    outputs = model(**inputs)
quantiles = tokenizer.decode_quantiles(outputs, [0.16, 0.5, 0.84])
draws = model.sample(**inputs, num_samples=2, generator=torch.Generator().manual_seed(0))
pipe = pipeline("galaxy-inference", model=folder, trust_remote_code=True)
piped = pipe(records, ask=query, quantiles=[0.16, 0.5, 0.84])
torch.save({"piped": piped, "logits": outputs.logits, "quantiles": quantiles, "draws": draws}, out + "/answers.pt")
pipe.save_pretrained(out + "/again")
"""


def run_elsewhere(folder: Path, out: Path, records=RECORDS, query=QUERY) -> dict[str, torch.Tensor]:
    """What the folder answers in a process without the package, started in another directory."""
    out.mkdir()
    torch.save((records, query), out / "questions.pt")
    environment = {**os.environ, "HF_HOME": str(out / "home"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-I", "-c", STRANGER, str(folder), str(out), str(out / "questions.pt")]
    done = subprocess.run(command, cwd=out, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    return torch.load(out / "answers.pt", weights_only=False)


@pytest.mark.timeout(1200)
def test_a_saved_folder_answers_without_the_package(tmp_path):
    model, tokenizer = tiny_model(), GalaxyTokenizer()
    GalaxyPosterior(model, tokenizer).save_pretrained(tmp_path / "saved")
    inputs = tokenizer(RECORDS, query=QUERY, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    draws = model.sample(**inputs, num_samples=2, generator=torch.Generator().manual_seed(0))
    answers = run_elsewhere(tmp_path / "saved", tmp_path / "first")
    # The same operations on the same machine: not a bit differs.
    assert torch.equal(answers["logits"], outputs.logits)
    quantiles = tokenizer.decode_quantiles(outputs, [0.16, 0.5, 0.84])
    torch.testing.assert_close(answers["quantiles"], quantiles, equal_nan=True)
    piped = [list(record["ew_halpha"]["quantiles"].values()) for record in answers["piped"]]
    torch.testing.assert_close(torch.tensor(piped).double(), quantiles[:, 1], rtol=1e-4, atol=1e-4)
    # The sums of attention over cached answers round by how memory is aligned.
    torch.testing.assert_close(answers["draws"], draws, rtol=1e-4, atol=1e-4)
    # Saved again by a process that never saw the package, it still carries everything.
    again = run_elsewhere(tmp_path / "first" / "again", tmp_path / "second")
    assert torch.equal(again["logits"], outputs.logits)
