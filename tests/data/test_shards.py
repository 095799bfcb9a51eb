"""Shards appear whole or not at all, a build goes on where it stopped, and the same tasks give the same bytes."""

from __future__ import annotations

import csv
import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from hf_galaxy.data import shards
from hf_galaxy.data.shards import Part, Shard, shard_names, write_shards

SCHEMA = pa.schema({"row": pa.int64(), "value": pa.float32()})
FACTS = {"version": "1", "settings": {"seed": 3, "range": (0, 1)}}


def rows(start: int, n: int) -> pa.Table:
    value = np.random.default_rng(start).normal(size=n).astype(np.float32)
    return pa.table({"row": np.arange(start, start + n), "value": value})


def make(task: tuple[int, int]):
    """Seven rows at a time; every tenth row of the task is left out."""
    start, n = task
    for i in range(start, start + n, 7):
        part = rows(i, min(7, start + n - i))
        keep = part["row"].to_numpy() % 10 != 9
        yield Part(part.filter(pa.array(keep)), [(str(r), "tenth") for r in part["row"].to_numpy()[~keep]])


def tasks(count: int = 3, n: int = 20) -> list[Shard]:
    return [Shard(name, (i * n, n), n) for i, name in enumerate(shard_names("train", count))]


def contents(folder: Path) -> dict[str, bytes]:
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != shards.LOCK_FILE]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def fail(task):
    yield Part(rows(0, 3))
    raise KeyboardInterrupt


def test_all_rows_are_there_in_order_and_those_left_out_are_listed(tmp_path, capsys):
    paths = write_shards(tmp_path, tasks(), make, SCHEMA, FACTS)
    assert [p.name for p in paths] == [f"train-0000{i}-of-00003.parquet" for i in range(3)]
    found = np.concatenate([pq.read_table(p)["row"].to_numpy() for p in paths])
    np.testing.assert_array_equal(found, [i for i in range(60) if i % 10 != 9])
    with open(tmp_path / "skipped.csv") as file:
        assert list(csv.reader(file)) == [["id", "reason"], *([str(i), "tenth"] for i in range(9, 60, 10))]
    assert "left out 6 (galaxy): skipped.csv says which and why" in capsys.readouterr().err
    assert json.loads((tmp_path / "settings.json").read_text())["settings"] == {"seed": 3, "range": [0, 1]}


def test_processes_and_resuming_change_no_byte(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    write_shards(one, tasks(), make, SCHEMA, FACTS)
    write_shards(two, tasks(), make, SCHEMA, FACTS, num_proc=2)
    assert contents(one) == contents(two)
    kept = two / "train-00000-of-00003.parquet"
    before = kept.stat().st_mtime_ns
    (two / "train-00001-of-00003.parquet").unlink()
    (two / "skipped.csv").unlink()
    write_shards(two, tasks(), make, SCHEMA, FACTS)
    assert contents(one) == contents(two) and kept.stat().st_mtime_ns == before


def test_small_parts_make_full_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "ROWS_PER_GROUP", 16)
    (path,) = write_shards(tmp_path, tasks(1, 50), make, SCHEMA, FACTS)
    groups = pq.ParquetFile(path).metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [16, 16, 13]


def test_numbers_are_packed_as_numbers(tmp_path):
    """A dictionary of floats that never repeat doubles the file; vectors are numbers too."""
    schema = SCHEMA.append(pa.field("vector", pa.list_(pa.float32(), 2)))

    def wide(task):
        yield Part(rows(0, 50).append_column("vector", pa.array([[1.0, 2.0]] * 50, schema.field("vector").type)))

    (path,) = write_shards(tmp_path, tasks(1), wide, schema, FACTS)
    group = pq.ParquetFile(path).metadata.row_group(0)
    packed = ["BYTE_STREAM_SPLIT" in group.column(i).encodings for i in range(3)]
    assert packed == [False, True, True] and group.column(2).compression == "ZSTD"
    assert pq.read_table(path).column("vector")[49].as_py() == [1.0, 2.0]


def test_an_interrupted_shard_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_shards(tmp_path, tasks(), fail, SCHEMA, FACTS)
    assert set(contents(tmp_path)) == {"settings.json"}


def test_what_a_killed_build_left_is_cleared_away(tmp_path):
    (tmp_path / f".train-00000-of-00003.parquet.abc{shards.TEMPORARY}").write_text("half")
    write_shards(tmp_path, tasks(), make, SCHEMA, FACTS)
    assert not list(tmp_path.glob(f".*{shards.TEMPORARY}"))


@pytest.mark.parametrize("num_proc", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_is_one_clear_line(tmp_path, monkeypatch, num_proc):
    """/dev/full is the real thing: the kernel answers every write to it with ENOSPC."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    write_shards(tmp_path, tasks(3), make, SCHEMA, FACTS)
    (tmp_path / "train-00001-of-00003.parquet").unlink()
    (tmp_path / "train-00002-of-00003.parquet").unlink()
    # A link under the hidden name: what is written to it goes to the full device.
    with monkeypatch.context() as patch:
        if num_proc == 1:
            patch.setattr(shards.tempfile, "mkstemp", _into_full_device)
            filled = make
        else:
            filled = _full
        with pytest.raises(OSError, match="the disk is full; 1 of 3 shards are complete and kept: make room") as caught:
            write_shards(tmp_path, tasks(3), filled, SCHEMA, FACTS, num_proc=num_proc)
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.glob("*.parquet")] == ["train-00000-of-00003.parquet"]
    assert not [p for p in tmp_path.rglob("*") if p.name.endswith(shards.TEMPORARY)]


def _into_full_device(dir: Path, prefix: str, suffix: str) -> tuple[int, str]:
    name = os.path.join(dir, f"{prefix}full{suffix}")
    os.symlink("/dev/full", name)
    return os.open(os.devnull, os.O_RDONLY), name


def _full(task):
    with open("/dev/full", "w") as file:
        file.write("x")
    yield Part(rows(0, 1))


def test_other_errors_of_the_disk_stay_what_they_are(tmp_path):
    def denied(task):
        raise PermissionError(errno.EACCES, "no")

    with pytest.raises(PermissionError):
        write_shards(tmp_path, tasks(), denied, SCHEMA, FACTS)


def test_a_build_that_failed_before_its_first_shard_claims_nothing(tmp_path):
    def broken(task):
        raise ValueError("a wrong option")
        yield

    with pytest.raises(ValueError, match="a wrong option"):
        write_shards(tmp_path, tasks(), broken, SCHEMA, FACTS)
    other = FACTS | {"version": "2"}
    assert len(write_shards(tmp_path, tasks(), make, SCHEMA, other)) == len(tasks())
    assert json.loads((tmp_path / "settings.json").read_text())["version"] == "2"


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (FACTS | {"version": "2"}, r"holds data with version = '1', not '2'; choose"),
        ({"version": "1", "settings": {"seed": 4, "range": [0, 1]}}, r"settings\.seed = 3, not 4"),
        ({"version": "1", "settings": {"seed": 3, "range": [0, 1], "i": 2}}, r"no settings\.i, not 2"),
        ({"version": "1", "settings": {"seed": 3}}, r"settings\.range = \[0, 1\], which this build has not"),
    ],
)
def test_a_folder_of_other_facts_is_refused_by_the_first_that_differs(tmp_path, facts, message):
    write_shards(tmp_path, tasks(1), make, SCHEMA, FACTS)
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=message):
        write_shards(tmp_path, tasks(1), make, SCHEMA, facts)
    assert contents(tmp_path) == before


def test_folders_of_this_machine_stay_on_it(tmp_path):
    facts = FACTS | {
        "source": {"folder": "/home/someone/spectra", "files": ["/data/a.fits", "b.fits"], "at": "http://x/y"}
    }
    write_shards(tmp_path, tasks(1), make, SCHEMA, facts)
    found = json.loads((tmp_path / "settings.json").read_text())["source"]
    assert found["folder"].startswith("spectra#") and found["files"][0].startswith("a.fits#")
    assert found["files"][1] == "b.fits" and found["at"] == "http://x/y"
    write_shards(tmp_path, tasks(1), make, SCHEMA, facts)
    with pytest.raises(ValueError, match=r"source\.folder = 'spectra#\w+', not 'spectra#\w+'"):
        write_shards(
            tmp_path, tasks(1), make, SCHEMA, facts | {"source": facts["source"] | {"folder": "/else/spectra"}}
        )


def test_a_folder_with_other_files_is_refused(tmp_path):
    pq.write_table(rows(0, 1), tmp_path / "mine.parquet")
    with pytest.raises(ValueError, match=r"holds mine\.parquet, which is no part of this data set"):
        write_shards(tmp_path, tasks(1), make, SCHEMA, FACTS)
    assert set(contents(tmp_path)) == {"mine.parquet"}


def test_two_builds_in_one_folder_are_refused(tmp_path):
    with (
        FileLock(tmp_path / shards.LOCK_FILE),
        pytest.raises(ValueError, match="another process is building in this folder"),
    ):
        write_shards(tmp_path, tasks(1), make, SCHEMA, FACTS)


def test_rows_that_do_not_fit_the_schema_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"train-00000-of-00001: the rows do not fit the schema: .*row"):
        write_shards(tmp_path, tasks(1), lambda task: [Part(pa.table({"value": [1.0]}))], SCHEMA, FACTS)


@pytest.mark.parametrize("arguments", [([], 1), (tasks(1) * 2, 1), (tasks(1), 0)])
def test_shards_and_processes_are_one_or_more(tmp_path, arguments):
    with pytest.raises(ValueError, match="need one or more"):
        write_shards(tmp_path, arguments[0], make, SCHEMA, FACTS, arguments[1])


SLOW_BUILD = """
    import time
    from pathlib import Path
    from hf_galaxy.data.shards import write_shards
    from tests.data import test_shards as t

    def make(task):
        for part in t.make(task):
            time.sleep(0.01)
            yield part

    if __name__ == "__main__":
        write_shards({out!r}, t.tasks(8, 40), make, t.SCHEMA, t.FACTS, num_proc={num_proc})
"""


def built_with_kills(script: Path, out: Path, kills: int, seed: int) -> int:
    """Run a build, kill it (SIGKILL, the parent alone) at random moments, let the last run end; kills that hit."""
    random, hits = np.random.default_rng(seed), 0
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, str(script)], env=environment, stderr=subprocess.DEVNULL)
        before = len(list(out.glob("*.parquet")))
        while process.poll() is None and not list(out.glob(f".train*{shards.TEMPORARY}")):
            time.sleep(0.002)  # not before it works on a shard: importing takes longest
        time.sleep(random.uniform(0, 0.12))
        process.send_signal(signal.SIGKILL)
        hits += process.wait() == -signal.SIGKILL
        assert len(list(out.glob("*.parquet"))) >= before, "a finished shard is kept"
    subprocess.run([sys.executable, str(script)], env=environment, check=True, stderr=subprocess.DEVNULL)
    return hits


@pytest.mark.parametrize(
    ("kills", "num_proc"),
    [(2, 1), pytest.param(10, 1, marks=pytest.mark.slow), pytest.param(10, 2, marks=pytest.mark.slow)],
)
def test_a_build_killed_at_random_equals_one_built_in_peace(tmp_path, kills, num_proc):
    script, out = tmp_path / "build.py", tmp_path / "killed"
    script.write_text(textwrap.dedent(SLOW_BUILD.format(out=str(out), num_proc=num_proc)))
    assert built_with_kills(script, out, kills, seed=kills) >= min(kills, 2)
    write_shards(tmp_path / "peace", tasks(8, 40), make, SCHEMA, FACTS)
    assert contents(out) == contents(tmp_path / "peace")


def _parent(queue) -> None:
    child = multiprocessing.get_context("spawn").Process(target=_worker, args=(queue,))
    child.start()
    child.join()


def _worker(queue) -> None:
    shards._start_worker()
    queue.put(os.getpid())
    time.sleep(60)


@pytest.mark.slow
def test_no_process_outlives_the_one_that_started_it():
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    parent = context.Process(target=_parent, args=(queue,))
    parent.start()
    worker = queue.get(timeout=60)
    os.kill(parent.pid, signal.SIGKILL)
    parent.join()
    for _ in range(500):
        if not _alive(worker):
            return
        time.sleep(0.01)
    pytest.fail("the worker is still alive five seconds after its parent was killed")


def _alive(pid: int) -> bool:
    """Whether a process runs; one that is dead but not yet collected by its reaper does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
