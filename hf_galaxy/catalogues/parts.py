"""Finished parts of a run, kept in a hidden folder beside its output until all are there.

A part is written whole or not at all, and says in its own metadata what was counted in it; so a run that was killed
goes on with the parts that are missing, whoever makes them.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from ..data.shards import difference, public_facts, shard_names, whole_file

FACTS = "settings.json"
COUNTS = b"hf_galaxy"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Parts:
    """The parts of one run.

    Attributes:
        output: What they are going to be.
        rows: Number of rows of the catalogue.
        rows_per_part: Of every part but the last.
    """

    output: Path
    rows: int
    rows_per_part: int

    @property
    def folder(self) -> Path:
        """Where they are kept."""
        return parts_folder(self.output)

    @property
    def bounds(self) -> list[slice]:
        """The rows of each part."""
        starts = range(0, self.rows, self.rows_per_part)
        return [slice(start, min(start + self.rows_per_part, self.rows)) for start in starts]

    @property
    def paths(self) -> list[Path]:
        """The file of each part."""
        return [self.folder / f"{name}.parquet" for name in shard_names("part", len(self.bounds))]

    def density_path(self, number: int) -> Path:
        """The densities on a grid that belong to a part."""
        return self.folder / f"density-{number:05d}.npy"

    def done(self) -> list[bool]:
        """Which parts are there."""
        there = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        return [path.name in there for path in self.paths]

    def write(self, number: int, table: pa.Table, density: np.ndarray) -> None:
        """Keep a part; its densities first, so that they are there if it is.

        Raises:
            OSError: The disk is full; the part is not there, all others are.
        """
        try:
            if density.shape[1]:
                with whole_file(self.density_path(number)) as temporary, open(temporary, "wb") as stream:
                    np.save(stream, density)
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink, compression="zstd", use_dictionary=False)
            with whole_file(self.paths[number]) as temporary:
                temporary.write_bytes(sink.getvalue())
        except OSError as error:
            raise self.no_room(error) from None

    def no_room(self, error: OSError) -> OSError:
        """The same error in one line that says what is kept, if it is of a full disk."""
        if error.errno not in NO_ROOM:
            return error
        done = self.done()
        return OSError(
            f"{self.output}: no room to write ({error.strerror}); {sum(done)} of {len(done)} parts are finished and "
            "kept: make room, and go on with --resume"
        )

    def counts(self) -> list[dict[str, Any]]:
        """What every part says of itself."""
        return [json.loads(pq.read_schema(path).metadata[COUNTS]) for path in self.paths]


def parts_folder(output: Path) -> Path:
    """The hidden folder beside an output."""
    return output.with_name(f".{output.name}.parts")


def claim(parts: Parts, facts: Mapping[str, Any], resume: bool, overwrite: bool) -> None:
    """Make the folder of the parts, or find that of the same run that was interrupted.

    Args:
        parts: Of this run.
        facts: What decides the answers: JSON types.
        resume: Go on with an interrupted run.
        overwrite: Begin anew in place of an interrupted run.

    Raises:
        ValueError: A run was interrupted and it is not said what to do; or it was another run.
    """
    folder, wanted = parts.folder, public_facts(facts)
    if folder.exists() and not resume:
        if not overwrite:
            done = parts.done()
            raise ValueError(
                f"{parts.output}: a run that was interrupted left {sum(done)} of {len(done)} parts in {folder}; go on "
                "with --resume, or begin anew with --overwrite"
            )
        shutil.rmtree(folder)
    if (folder / FACTS).exists():
        found = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if differs := difference(found, wanted):
            raise ValueError(
                f"{parts.output}: the run that was interrupted had {differs}; give what it had, or begin anew with "
                "--overwrite and without --resume"
            )
        return
    folder.mkdir(exist_ok=True)
    with whole_file(folder / FACTS) as temporary:
        temporary.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")


@contextmanager
def alone(output: Path) -> Iterator[None]:
    """Keep other runs away from an output; a dead process locks nothing.

    Raises:
        ValueError: Another run is at work.
    """
    path = output.with_name(f".{output.name}.lock")
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(f"{output}: another run is writing it; wait for that, or give another output") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        lock.release()


__all__ = ["COUNTS", "Parts", "alone", "claim", "parts_folder"]
