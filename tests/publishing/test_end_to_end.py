"""Published once, by the command; used by clients in fresh processes that cannot import hf_galaxy.

The Hub is that of ``tests/fake_hub.py``. A process costs seconds for its imports, so that clients share one.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

from hf_galaxy.checkpoints import load_pretrained
from hf_galaxy.cli import main
from hf_galaxy.evaluation.tables import contents
from hf_galaxy.pipeline_galaxy import GalaxyInferencePipeline
from hf_galaxy.publishing.card import PLACES
from tests.fake_hub import FakeHub, card_errors
from tests.small_dataset import write_small_dataset

MODEL, DATA = "tester/galaxy", "tester/galaxies"
RECORDS = [{"J0660": (5200.0, 140.0), "redshift": 0.31}, {"FUV": (-20.0, 140.0)}, {}]
ASK = ["log_mstar", "ew_halpha"]

CLIENT = """
import json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "hf_galaxy":
            raise ModuleNotFoundError("hf_galaxy is not installed here", name=name)

sys.meta_path.insert(0, Absent())
import torch
from datasets import load_dataset
from transformers import AutoModel, AutoTokenizer, pipeline

model_id, data_id, folder, out = sys.argv[1:5]
records, ask = json.loads(sys.argv[5])
records = [{k: tuple(v) if isinstance(v, list) else v for k, v in r.items()} for r in records]
found = {}
try:
    AutoModel.from_pretrained(model_id)
except ValueError as error:
    found["without consent"] = str(error)
for name, source, how in (("hub", model_id, {"revision": "v1"}), ("folder", folder, {})):
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=True, **how)
    model = AutoModel.from_pretrained(source, trust_remote_code=True, **how)
    with torch.no_grad():
        outputs = model.eval()(**tokenizer(records, query=ask, return_tensors="pt"))
    found[name] = outputs.logits.tolist()
pipe = pipeline("galaxy-inference", model=model_id, trust_remote_code=True)
found["pipeline"] = [[list(one[name]["quantiles"].values()) for name in ask] for one in pipe(records, ask=ask)]
found["rows"] = len(load_dataset(data_id, split="train"))
stream = list(load_dataset(data_id, split="train", streaming=True, revision="v1"))
found["streamed"], found["first"] = len(stream), stream[0]["flux"]
json.dump(found, open(out, "w"))
"""


def run(hub: FakeHub, home: Path, *command: str) -> subprocess.CompletedProcess:
    """A process in an empty folder with an empty cache, that takes the fake Hub for the Hub."""
    home.mkdir()
    environment = {**os.environ, **hub.environment(home)}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=500
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("end_to_end")


@pytest.fixture(scope="module")
def hub():
    with FakeHub() as served:
        yield served


@pytest.fixture(scope="module")
def published(hub, place, blank_model, blank_metrics) -> dict[str, str]:
    """Commit by Hub id, as the command prints them; what it told is in ``told``."""
    data = write_small_dataset(place / "data")
    arguments = [str(blank_model), "--to", MODEL, "--metrics", str(blank_metrics), "--data", str(data)]
    arguments += ["--data-to", DATA, "--tag", "v1", "--message", "First"]
    out, told = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(told):
        hub.answer_here(patch, place / "publisher")
        status = main(["publish", *arguments])
    assert status == 0, told.getvalue()
    return {**dict(line.split() for line in out.getvalue().splitlines()), "told": told.getvalue()}


@pytest.mark.timeout(600)
def test_what_is_published_is_what_was_meant(hub, published, blank_model, blank_metrics):
    repository = hub.repositories["model", MODEL]
    assert [len(r.branches["main"]) for r in hub.repositories.values()] == [2] * len(hub.repositories)
    assert repository.tags == {"v1": published[MODEL]} and repository.branches["main"][-1][0] == published[MODEL]
    assert hub.repositories["dataset", DATA].tags == {"v1": published[DATA]}
    files = hub.files("model", MODEL)
    assert {"config.json", "model.safetensors", "variables.json", "pipeline_galaxy.py", "README.md"} <= set(files)
    assert files["metrics.json"] == blank_metrics.read_bytes() and "plots/nominal_pit.png" in files
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl", ".ckpt"))]
    card = files["README.md"].decode()
    assert set(contents(card)) == set(PLACES) and all(contents(card).values()) and card_errors("model", card) == []
    assert ModelCard(card).data.datasets == [DATA] and 'revision="v1"' in contents(card)["use"]
    assert "reloaded from the Hub in a fresh process without hf_galaxy; answers are equal" in published["told"]
    assert published["told"].count("bit for bit") == 2


@pytest.mark.timeout(600)
def test_clients_without_the_package(hub, published, place, blank_model):
    command = str(Path(sys.executable).with_name("hf"))
    done = run(hub, place / "download", command, "download", MODEL, "--revision", "v1", "--local-dir", "folder")
    assert done.returncode == 0, done.stderr[-2000:]
    folder = place / "download" / "folder"
    there = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert {k: v for k, v in there.items() if not k.startswith(".cache/")} == hub.files("model", MODEL)

    out = place / "found.json"
    arguments = [MODEL, DATA, str(folder), str(out), json.dumps([RECORDS, ASK])]
    done = run(hub, place / "client", sys.executable, "-I", "-c", CLIENT, *arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(out.read_text())
    assert "contains custom code" in found["without consent"] and "trust_remote_code=True" in found["without consent"]
    model, tokenizer = load_pretrained(blank_model)
    with torch.no_grad():
        logits = model(**tokenizer(RECORDS, query=ASK, return_tensors="pt")).logits
    assert found["hub"] == found["folder"]
    # In a process of as many threads as this one not a bit differs; another number of them may round otherwise.
    torch.testing.assert_close(torch.tensor(found["hub"]), logits, rtol=1e-5, atol=1e-5)
    pipe = GalaxyInferencePipeline(model=model, tokenizer=tokenizer)
    expected = [[list(one[name]["quantiles"].values()) for name in ASK] for one in pipe(RECORDS, ask=ASK)]
    torch.testing.assert_close(torch.tensor(found["pipeline"]), torch.tensor(expected), rtol=1e-4, atol=1e-4)
    assert found["rows"] == found["streamed"] == 5 and len(found["first"]) == 62
