"""Data sets as folders of Parquet shards: built by several processes, continued after a kill, equal byte by byte.

A shard is what one *task* makes, and nothing else. It is written under a hidden name, flushed to the disk and renamed,
so that it is there whole or not at all; a build that was killed goes on with the shards that are missing. Beside the
shards lie ``settings.json``, the facts that all of them were made with, and ``skipped.csv``, the rows that were left
out with their reasons.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

SETTINGS_FILE = "settings.json"
SKIPPED_FILE = "skipped.csv"
SKIPPED_FOLDER = ".skipped"
LOCK_FILE = ".lock"
TEMPORARY = ".part"
# Rows that are compressed, and later read and shuffled, together: some megabytes.
ROWS_PER_GROUP = 4096
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Part(NamedTuple):
    """Some rows of a shard.

    Attributes:
        table: The rows.
        skipped: (id, reason) of every row that was left out.
    """

    table: pa.Table
    skipped: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Shard:
    """One file of a data set.

    Attributes:
        name: Stem of the file, such as ``train-00003-of-00020``.
        task: What ``make`` is called with; picklable.
        rows: Rows that the task comes to, those left out included; None if it is not known before.
    """

    name: str
    task: Any
    rows: int | None = None


Make = Callable[[Any], Iterable[Part]]


def shard_names(split: str, count: int) -> list[str]:
    """``train-00000-of-00003`` and so on, as the Hub names them."""
    return [f"{split}-{i:05d}-of-{count:05d}" for i in range(count)]


def write_shards(
    out: str | Path,
    shards: Sequence[Shard],
    make: Make,
    schema: pa.Schema,
    facts: Mapping[str, Any],
    num_proc: int = 1,
    unit: str = "galaxy",
) -> list[Path]:
    """Write the shards that a folder lacks; returns the paths of all.

    Args:
        out: The folder; made if need be.
        shards: All files of the data set, of every split.
        make: ``make(shard.task)`` gives the parts of a shard in order. A top-level function or a partial of one, so
            that other processes can be given it. The same task must give the same rows.
        schema: Columns of every part, in the order of the file.
        facts: What decides the contents (version, settings, sources): JSON types. Kept in ``settings.json``
            (``public_facts``), and compared when the build goes on.
        num_proc: Processes of one thread each; 1 is this one, with the threads it has.
        unit: What a row is, for the progress bar.

    Raises:
        ValueError: the folder holds something else, another process builds in it, or an argument does not fit.
        OSError: the disk is full, or cannot be written to.
        RuntimeError: a process was ended by the system.
    """
    names = [shard.name for shard in shards]
    if num_proc < 1 or not names or len(set(names)) < len(names):
        raise ValueError(f"{len(names)} shards ({len(set(names))} names), num_proc {num_proc}: need one or more, once")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{name}.parquet" for name in names]
    try:
        with _alone(out):
            _claim(out, paths, facts)
            todo = [s for s, path in zip(shards, paths, strict=True) if not path.exists()]
            with _progress(shards, todo, out, unit) as progress:
                _build(out, todo, make, schema, num_proc, progress)
            _merge_skipped(out, names, unit)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        done = sum(path.exists() for path in paths)
        raise OSError(
            f"{out}: the disk is full; {done} of {len(paths)} shards are complete and kept: make room, run it again"
        ) from None
    return paths


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A hidden path to write to, which becomes ``path`` when the block ends well and vanishes when it does not."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o644)
        with open(temporary, "rb+") as opened:
            os.fsync(opened.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other builds out of the folder, and clear away what a killed one left; a dead process locks nothing."""
    try:
        lock = FileLock(out / LOCK_FILE, timeout=0)
        lock.acquire()
    except Timeout:
        raise ValueError(f"{out}: another process is building in this folder; wait for it, or choose another") from None
    try:
        for left in (*out.glob(f".*{TEMPORARY}"), *out.glob(f"{SKIPPED_FOLDER}/.*{TEMPORARY}")):
            left.unlink(missing_ok=True)
        yield
    finally:
        lock.release()


def _claim(out: Path, paths: Sequence[Path], facts: Mapping[str, Any]) -> None:
    """Write the facts, or check that the folder holds data of the same ones and no other data."""
    strange = sorted(set(out.glob("*.parquet")) - set(paths))
    path, wanted = out / SETTINGS_FILE, public_facts(facts)
    if path.exists():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: not valid JSON ({error}); choose another folder") from None
        if (differs := difference(found, wanted)) and any(out.glob("*.parquet")):
            raise ValueError(f"{out}: holds data with {differs}; choose another folder")
        if differs:  # of a build that failed before its first shard: nothing there is worth keeping
            path.unlink()
            (out / SKIPPED_FILE).unlink(missing_ok=True)
            shutil.rmtree(out / SKIPPED_FOLDER, ignore_errors=True)
    if strange:
        raise ValueError(f"{out}: holds {strange[0].name}, which is no part of this data set; choose another folder")
    if not path.exists():
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")


def public_facts(facts: Any) -> Any:
    """The same facts as JSON types, of every absolute path its last part and a digest.

    Data sets and models are published with them, and the folders of one machine are nobody else's business; the digest
    still tells one folder from another.
    """
    if isinstance(facts, Mapping):
        return {str(key): public_facts(value) for key, value in facts.items()}
    if isinstance(facts, (list, tuple)):
        return [public_facts(value) for value in facts]
    if isinstance(facts, str) and os.path.isabs(facts):
        return f"{Path(facts).name}#{hashlib.blake2b(facts.encode(), digest_size=4).hexdigest()}"
    return json.loads(json.dumps(facts))


def difference(found: Any, wanted: Any, where: str = "") -> str | None:
    """The first fact that differs, as ``settings.seed = 4, not 5``."""
    if found == wanted:
        return None
    if not (isinstance(found, dict) and isinstance(wanted, dict)):
        return f"{where or 'facts'} = {found!r}, not {wanted!r}"
    for key in (*wanted, *(k for k in found if k not in wanted)):
        inner = f"{where}.{key}" if where else key
        if key not in found:
            return f"no {inner}, not {wanted[key]!r}"
        if key not in wanted:
            return f"{inner} = {found[key]!r}, which this build has not"
        if differs := difference(found[key], wanted[key], inner):
            return differs
    return None


def _progress(shards: Sequence[Shard], todo: Sequence[Shard], out: Path, unit: str) -> tqdm:
    """A bar over rows; those of finished shards count at once."""
    known = all(shard.rows is not None for shard in shards)
    total = sum(shard.rows for shard in shards) if known else None
    done = [shard for shard in shards if shard not in todo]
    initial = sum(s.rows if known else pq.read_metadata(out / f"{s.name}.parquet").num_rows for s in done)
    return tqdm(total=total, initial=initial, unit=f" {unit}", unit_scale=True, desc=out.name)


def _build(out: Path, todo: Sequence[Shard], make: Make, schema: pa.Schema, num_proc: int, progress: tqdm) -> None:
    if num_proc == 1 or len(todo) < 2:
        for shard in todo:
            _write(out, shard, make, schema, progress.update)
        return
    context = multiprocessing.get_context("spawn")
    with (
        _environment(_ONE_THREAD),
        ProcessPoolExecutor(min(num_proc, len(todo)), mp_context=context, initializer=_start_worker) as pool,
    ):
        jobs = [pool.submit(_write, out, shard, make, schema) for shard in todo]
        try:
            for job in as_completed(jobs):
                progress.update(job.result())
        except BrokenProcessPool:
            raise RuntimeError(
                f"{out}: a process was ended by the system (memory?); finished shards are kept: run this again, "
                f"perhaps with fewer processes than {num_proc}"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """One thread a process; and no process outlives the one that started it, not even when that is killed."""
    torch.set_num_threads(1)

    def follow() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment of the processes that are started within; libraries read these names when they are loaded."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


def _write(
    out: Path, shard: Shard, make: Make, schema: pa.Schema, update: Callable[[int], object] = lambda n: None
) -> int:
    """Write one shard, after the list of the rows that it leaves out; returns the rows gone through."""
    skipped: list[tuple[str, str]] = []
    count = 0

    def tables() -> Iterator[pa.Table]:
        nonlocal count
        for part in make(shard.task):
            skipped.extend(part.skipped)
            n = len(part.table) + len(part.skipped)
            count += n
            update(n)
            yield _fitting(part.table, schema, shard.name)

    with whole_file(out / f"{shard.name}.parquet") as temporary:
        with pq.ParquetWriter(temporary, schema, **_encoding(schema)) as writer:
            for group in _groups(tables(), schema):
                writer.write_table(group)
        _write_skipped(out / SKIPPED_FOLDER / f"{shard.name}.csv", skipped)
    return count


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    """Half the size of the default, and faster to write: measured numbers hardly ever repeat, their high bytes do."""
    leaves: dict[bool, list[str]] = {True: [], False: []}
    for column in schema:
        nested = pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type)
        value = column.type.value_type if nested else column.type
        leaves[pa.types.is_floating(value)].append(f"{column.name}.list.element" if nested else column.name)
    return {"use_byte_stream_split": leaves[True], "use_dictionary": leaves[False], "compression": "zstd"}


def _fitting(table: pa.Table, schema: pa.Schema, name: str) -> pa.Table:
    try:
        return table.select(schema.names).cast(schema)
    except (KeyError, ValueError, pa.ArrowInvalid) as error:
        raise ValueError(f"{name}: the rows do not fit the schema: {str(error).splitlines()[0]}") from None


def _groups(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """The same rows in tables of ROWS_PER_GROUP, however they come, so that small parts make no small groups."""
    kept = schema.empty_table()
    for table in tables:
        kept = pa.concat_tables([kept, table])
        while len(kept) >= ROWS_PER_GROUP:
            yield kept.slice(0, ROWS_PER_GROUP).combine_chunks()
            kept = kept.slice(ROWS_PER_GROUP)
    if len(kept):
        yield kept.combine_chunks()


def _write_skipped(path: Path, skipped: Sequence[tuple[str, str]]) -> None:
    if not skipped:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(exist_ok=True)
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "reason"))
        writer.writerows(skipped)


def _merge_skipped(out: Path, names: Sequence[str], unit: str) -> None:
    """One list of all rows that were left out, and their number on the error stream."""
    rows: list[tuple[str, str]] = []
    for name in names:
        path = out / SKIPPED_FOLDER / f"{name}.csv"
        if path.exists():
            with open(path, newline="", encoding="utf-8") as file:
                rows += [tuple(row) for row in csv.reader(file)][1:]
    _write_skipped(out / SKIPPED_FILE, rows)
    if rows:
        print(f"{out}: left out {len(rows):,} ({unit}): {SKIPPED_FILE} says which and why", file=sys.stderr)


__all__ = [
    "SETTINGS_FILE",
    "SKIPPED_FILE",
    "TEMPORARY",
    "Part",
    "Shard",
    "difference",
    "public_facts",
    "shard_names",
    "whole_file",
    "write_shards",
]
