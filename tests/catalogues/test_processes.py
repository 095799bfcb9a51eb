"""SIGKILL in the middle of a run, and two processes: real ones, seen from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from tests.catalogues.test_run import catalogue, same

ROOT = Path(__file__).resolve().parents[2]
ROWS = 9_000  # three parts
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def start(*arguments: object, processes: int = 1) -> subprocess.Popen:
    command = ["-m", "hf_galaxy.cli", "predict", *map(str, arguments), "--ask", "redshift", "--samples", "2"]
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        launch = ["-m", "accelerate.commands.accelerate_cli", "launch", "--config_file"]
        options = ["configs/accelerate/cpu_2_processes.yaml", "--main_process_port", port]
        command = [*launch, *options, *command]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory, blank_model) -> tuple[Path, Path, Table]:
    folder = tmp_path_factory.mktemp("whole")
    table = catalogue(ROWS)
    table["rSDSS_err"][5000] = -1.0
    table.write(folder / "catalogue.parquet")
    process = start(folder / "catalogue.parquet", "-o", folder / "whole.parquet", "--model", blank_model)
    _, error = process.communicate(timeout=500)
    assert process.returncode == 0, error
    return folder, blank_model, Table.read(folder / "whole.parquet")


def test_killed_and_resumed_nothing_is_lost_or_doubled(whole):
    folder, model, wanted = whole
    arguments = (folder / "catalogue.parquet", "-o", folder / "killed.fits", "--model", model)
    process = start(*arguments)
    parts = folder / ".killed.fits.parts"
    while process.poll() is None and not list(parts.glob("part-*")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and 1 <= len(list(parts.glob("part-*"))) < 3
    refused = start(*arguments)
    _, error = refused.communicate(timeout=500)
    assert refused.returncode == 2 and "go on with --resume" in error
    resumed = start(*arguments, "--resume")
    _, error = resumed.communicate(timeout=500)
    assert resumed.returncode == 0, error
    assert "going on after" in error and "rows skipped, the column skipped says why: 1 (first row 5000" in error
    same(Table.read(folder / "killed.fits"), wanted)
    assert sorted(p.name for p in folder.iterdir() if p.name.startswith(".")) == []


def test_two_processes_give_what_one_gives(whole):
    folder, model, wanted = whole
    process = start(folder / "catalogue.parquet", "-o", folder / "two.parquet", "--model", model, processes=2)
    output, error = process.communicate(timeout=500)
    assert process.returncode == 0, output + error
    assert error.count("layout: own columns") == 1, "the main process alone speaks"
    found = Table.read(folder / "two.parquet")
    same(found, wanted)
    assert np.isfinite(found["redshift_p50"]).sum() == ROWS - 1


def test_where_the_main_process_refuses_the_other_leaves(whole):
    folder, model, _ = whole
    process = start(folder / "absent.parquet", "-o", folder / "no.parquet", "--model", model, processes=2)
    output, error = process.communicate(timeout=500)
    assert process.returncode != 0
    assert (output + error).count("hf-galaxy: error: ") == 1 and "no such file" in error
