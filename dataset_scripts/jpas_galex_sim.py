"""Simulated J-PAS + GALEX galaxies: noiseless fluxes in 62 bands and every property.

As a command, Parquet shards that ``datasets.load_dataset(DIR)`` reads::

    python -m dataset_scripts.jpas_galex_sim --n 1000000 --out DIR --seed 1

A shard that is there already is kept, so that an interrupted run goes on where it stopped. Row i depends on the
settings, the seed and i alone. As a builder, ``JpasGalexSim(config_name="small").download_and_prepare()``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ClassVar

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tqdm.auto import tqdm

from hf_galaxy.data.features import galaxy_features, galaxy_table
from hf_galaxy.physics.settings import POPULATIONS
from hf_galaxy.physics.simulate import SimulationSettings, Simulator

VERSION = "2.0.0"  # to be raised whenever the same seed gives other galaxies
BLOCK = 4096
SETTINGS_FILE = "settings.json"


def simulate_table(simulator: Simulator, seed: int, start: int, n: int) -> pa.Table:
    """Rows start … start + n - 1 as an Arrow table."""
    galaxies = simulator.rows(seed, start, n)
    row = torch.arange(start, start + n).numpy()
    return galaxy_table(row, galaxies.flux.cpu().numpy(), galaxies.properties.cpu().numpy(), galaxies.survey)


@dataclass
class JpasGalexSimConfig(datasets.BuilderConfig):
    """Size and settings of a simulated data set; the splits are rows of different seeds, so they never meet.

    Attributes:
        n_train, n_validation, n_test: Rows of the splits.
        seed: Seed of ``train``; ``validation`` and ``test`` have the next two.
        rows_per_shard: Rows of one shard.
        population: See ``SimulationSettings``.
    """

    n_train: int = 100_000
    n_validation: int = 5_000
    n_test: int = 20_000
    seed: int = 1
    rows_per_shard: int = 50_000
    population: str = "mixed"


class JpasGalexSim(datasets.ArrowBasedBuilder):
    """Simulated J-PAS + GALEX galaxies as a builder of ``datasets``."""

    VERSION = datasets.Version(VERSION)
    BUILDER_CONFIG_CLASS = JpasGalexSimConfig
    BUILDER_CONFIGS: ClassVar = [
        JpasGalexSimConfig(name="tiny", version=VERSION, n_train=1_000, n_validation=100, n_test=100),
        JpasGalexSimConfig(name="small", version=VERSION),
        JpasGalexSimConfig(name="large", version=VERSION, n_train=1_000_000),
    ]
    DEFAULT_CONFIG_NAME = "small"

    def _info(self) -> datasets.DatasetInfo:
        description = "Simulated galaxies: noiseless J-PAS and GALEX fluxes (nJy) and their physical properties."
        return datasets.DatasetInfo(description=description, features=galaxy_features(), license="apache-2.0")

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        c = self.config
        sizes = {"train": c.n_train, "validation": c.n_validation, "test": c.n_test}
        return [
            datasets.SplitGenerator(
                name=split, gen_kwargs={"shards": [(c.seed + i, a, b) for a, b in shard_limits(0, n, c.rows_per_shard)]}
            )
            for i, (split, n) in enumerate(sizes.items())
        ]

    def _generate_tables(self, shards: list[tuple[int, int, int]]) -> Iterator[tuple[object, pa.Table]]:
        simulator = Simulator(SimulationSettings(population=self.config.population))
        for shard, (seed, start, stop) in enumerate(shards):
            for i, row in enumerate(range(start, stop, BLOCK)):
                key = datasets.builder.Key(shard, i) if hasattr(datasets.builder, "Key") else (shard, i)
                yield key, simulate_table(simulator, seed, row, min(BLOCK, stop - row))


def shard_limits(start: int, n: int, rows_per_shard: int) -> list[tuple[int, int]]:
    """First row and row after the last of every shard."""
    return [(i, min(i + rows_per_shard, start + n)) for i in range(start, start + n, rows_per_shard)]


_SIMULATORS: dict[tuple, Simulator] = {}


def _simulator(settings: SimulationSettings, device: str) -> Simulator:
    """One simulator a process, made when first needed."""
    if (settings, device) not in _SIMULATORS:
        _SIMULATORS[settings, device] = Simulator(settings, device=device)
    return _SIMULATORS[settings, device]


def write_shard(
    path: Path, settings: SimulationSettings, seed: int, limits: tuple[int, int], device: str, progress=None
) -> Path:
    """Simulate one shard; the file appears whole or not at all."""
    simulator = _simulator(settings, device)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        with pq.ParquetWriter(temporary, galaxy_features().arrow_schema) as writer:
            for row in range(limits[0], limits[1], BLOCK):
                n = min(BLOCK, limits[1] - row)
                writer.write_table(simulate_table(simulator, seed, row, n))
                if progress is not None:
                    progress.update(n)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _one_thread() -> None:
    torch.set_num_threads(1)


def _claim_folder(out: Path, facts: dict) -> None:
    """Write the settings, or check that the folder already holds data of the same ones.

    Raises:
        ValueError: the folder holds data of other settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / SETTINGS_FILE
    if path.exists():
        found = json.loads(path.read_text())
        different = sorted(k for k in facts if found.get(k) != facts[k])
        if different:
            k = different[0]
            raise ValueError(f"{out}: holds data with {k} = {found.get(k)!r}, not {facts[k]!r}; choose another folder")
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(facts, indent=2) + "\n")
    os.replace(temporary, path)


def generate(
    out: str | Path,
    n: int,
    settings: SimulationSettings | None = None,
    seed: int = 0,
    start: int = 0,
    rows_per_shard: int = 50_000,
    split: str = "train",
    num_proc: int = 1,
    device: str = "cpu",
) -> list[Path]:
    """Write rows start … start + n - 1 as Parquet shards into a folder; returns their paths.

    Raises:
        ValueError: the folder holds data of other settings, or a number is not positive.
        MissingGridsError: the stellar grids are not installed.
    """
    if n < 1 or rows_per_shard < 1 or num_proc < 1 or start < 0:
        raise ValueError(
            f"n {n}, rows per shard {rows_per_shard}, num_proc {num_proc} must be positive, start {start} not negative"
        )
    settings, out = settings or SimulationSettings(), Path(out)
    limits = shard_limits(start, n, rows_per_shard)
    paths = [out / f"{split}-{i:05d}-of-{len(limits):05d}.parquet" for i in range(len(limits))]
    shape = {"n": n, "start": start, "rows_per_shard": rows_per_shard, "split": split}
    _claim_folder(out, {"version": VERSION, "seed": seed, **shape, "settings": asdict(settings)})
    todo = [(path, part) for path, part in zip(paths, limits, strict=True) if not path.exists()]
    done = n - sum(b - a for _, (a, b) in todo)
    with tqdm(total=n, initial=done, unit="galaxy", unit_scale=True, desc=split) as progress:
        if num_proc == 1:
            for path, part in todo:
                write_shard(path, settings, seed, part, device, progress)
            return paths
        with ProcessPoolExecutor(num_proc, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
            jobs = {pool.submit(write_shard, path, settings, seed, part, device): part for path, part in todo}
            for job in as_completed(jobs):
                job.result()
                progress.update(jobs[job][1] - jobs[job][0])
    return paths


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m dataset_scripts.jpas_galex_sim", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--n", type=int, required=True, help="number of galaxies")
    parser.add_argument("--out", required=True, help="folder for the Parquet shards")
    parser.add_argument("--population", choices=POPULATIONS, default="mixed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="first row")
    parser.add_argument("--rows-per-shard", type=int, default=50_000)
    parser.add_argument("--split", default="train", help="name of the split in the file names")
    parser.add_argument("--redshift-max", type=float, default=SimulationSettings.redshift_max)
    parser.add_argument(
        "--i-max", type=float, default=SimulationSettings.i_max, help="faintest noiseless iSDSS magnitude"
    )
    parser.add_argument(
        "--num-proc", type=int, default=1, help="processes of one thread each; 1 uses the threads of torch"
    )
    parser.add_argument("--device", default="cpu")
    a = parser.parse_args(arguments)
    try:
        settings = SimulationSettings(population=a.population, redshift_max=a.redshift_max, i_max=a.i_max)
        generate(a.out, a.n, settings, a.seed, a.start, a.rows_per_shard, a.split, a.num_proc, a.device)
    except (ValueError, ImportError, OSError) as error:
        print(f"jpas_galex_sim: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
