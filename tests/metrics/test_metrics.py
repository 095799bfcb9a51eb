"""The `evaluate` modules load from their folders without a network and say what hf_galaxy.evaluation says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hf_galaxy.evaluation import calibration
from hf_galaxy.evaluation.photoz import photoz_statistics

METRICS = Path(__file__).resolve().parents[2] / "metrics"
SCRIPT = """
import json, sys
import evaluate
asked = json.load(sys.stdin)
for name, calls in asked.items():
    metric = evaluate.load(f"{sys.argv[1]}/{name}")
    print(json.dumps([metric.compute(**call) for call in calls]))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Both metrics asked in one process, since importing `evaluate` takes seconds."""
    for package in ("evaluate", "tarp"):
        pytest.importorskip(package, reason='the metrics need pip install "hf-galaxy[eval]"')
    rng = np.random.default_rng(7)
    truth = rng.normal(size=300)
    pair = rng.normal(size=(300, 2)) @ [[1.0, 0.9], [0.0, 0.44]]
    draws = rng.normal(size=(300, 50, 2)) @ np.array([[1.0, 0.9], [0.0, 0.44]])
    unpaired = np.stack([draws[..., 0], np.roll(draws[..., 1], 1, axis=1)], axis=-1)
    joint = {"references": (pair + 3 * truth[:, None]).tolist()}
    shifted = [(x + 3 * truth[:, None, None]).tolist() for x in (draws, unpaired)]
    asked = {
        "photoz": [{"predictions": [0.31, 0.52, 0.9], "references": [0.3, 0.5, 0.4]}],
        "calibration": [
            {"predictions": (0.5 * rng.normal(size=(300, 50))).tolist(), "references": truth.tolist()},
            {"predictions": [[-1.0, 0.0, 1.0]] * 300, "references": truth.tolist(), "levels": [0.16, 0.5, 0.84]},
            *({**joint, "predictions": predictions, "log_prob": [-1.5] * 300} for predictions in shifted),
        ],
    }
    home = str(tmp_path_factory.mktemp("hf_home"))
    environment = os.environ | {"HF_HOME": home, "HF_HUB_OFFLINE": "1", "HF_MODULES_CACHE": home}
    root = str(METRICS.parent)
    environment["PYTHONPATH"] = os.pathsep.join([root, environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", SCRIPT, str(METRICS)]
    done = subprocess.run(
        command, input=json.dumps(asked), capture_output=True, text=True, env=environment, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return asked, dict(zip(asked, lines, strict=True))


def test_photoz_says_what_the_package_says(answers):
    asked, answered = answers
    call = asked["photoz"][0]
    expected = photoz_statistics(call["predictions"], call["references"])
    assert answered["photoz"][0] == pytest.approx(expected._asdict())


def test_calibration_of_draws_says_what_the_package_says(answers):
    asked, answered = answers
    call, result = asked["calibration"][0], answered["calibration"][0]
    pit = calibration.pit_from_samples(call["predictions"], call["references"])
    assert result["pit_deviation"] == pytest.approx(calibration.pit_deviation(pit))
    crps = calibration.crps_from_samples(call["predictions"], call["references"])
    assert result["crps"] == pytest.approx(crps.mean())
    assert result["verdict"] == "over-confident"
    assert result["coverage_68"] < 0.5
    assert result["quantile_coverage"][0] > 0.1 and result["quantile_coverage"][-1] < 0.9


def test_calibration_of_quantiles_takes_their_levels(answers):
    asked, answered = answers
    call, result = asked["calibration"][1], answered["calibration"][1]
    assert result["n"] == 300
    inside = np.mean(np.abs(np.asarray(call["references"])) <= 1.0)
    assert result["coverage_68"] == pytest.approx(inside, abs=1e-9)


def test_joint_coverage_sees_broken_pairing(answers):
    _, answered = answers
    honest, unpaired = answered["calibration"][2:]
    assert honest["verdict"] == "calibrated" and honest["tarp_deviation"] < 0.11  # p = 1e-3 of 300 galaxies
    assert unpaired["verdict"] != "calibrated" and unpaired["tarp_p_value"] < 1e-3
    assert honest["crps"] == pytest.approx([1 / np.sqrt(np.pi)] * 2, rel=0.2)  # 300 scores that scatter by their mean
    assert honest["nll"] == pytest.approx(1.5) and "pit_deviation" not in honest
