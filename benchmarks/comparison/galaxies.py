"""The galaxies of the comparison: training and test sets from folders or the simulator, and how they are observed."""

from __future__ import annotations

import bisect
import hashlib
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.comparison.answers import COMPARED, Floats
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.data.galaxy_files import GalaxyFiles, files_of_split, splits
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings, Observation
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, SURVEYS

NOISE = {"nominal": NoiseSettings.nominal(), "survey": NoiseSettings.survey()}
SIMULATION_SEEDS = {"train": 1, "test": 2}  # of the data sets that `make data` builds too
NOISE_SEED = 1


@dataclass(frozen=True)
class Galaxies:
    """What all peers share.

    Attributes:
        train: Noiseless galaxies to learn from.
        test: Noiseless galaxies to be asked about, never seen in training.
    """

    train: GalaxyTable
    test: GalaxyTable

    @property
    def truth(self) -> dict[str, Floats]:
        """name: (n,) of the test galaxies, physical units."""
        return {name: self.test.properties[:, PROPERTIES.index(name)].double().numpy() for name in COMPARED}

    @property
    def magnitude(self) -> Floats:
        """(n,) noiseless AB magnitude of the test galaxies in iSDSS."""
        return 31.4 - 2.5 * np.log10(self.test.flux[:, BANDS.index("iSDSS")].double().numpy())

    def observed(self, noise: str) -> Observation:
        """The test galaxies as all peers see them."""
        return NoiseModel(NOISE[noise], BANDS).observe(self.test.flux, torch.Generator().manual_seed(NOISE_SEED))

    def identity(self) -> str:
        """A digest of the galaxies."""
        digest = hashlib.sha256()
        for table in (self.train, self.test):
            digest.update(table.flux.numpy().tobytes())
            digest.update(table.properties.numpy().tobytes())
        return digest.hexdigest()

    def facts(self, sources: dict[str, str | None]) -> dict[str, Any]:
        """What a reader must know of the data."""
        named = {
            split: Path(source).resolve().name if source else f"simulated, seed {SIMULATION_SEEDS[split]}"
            for split, source in sources.items()
        }
        return {
            "sources": named,
            "training_galaxies": len(self.train),
            "test_galaxies": len(self.test),
            "i": [float(self.magnitude.min()), float(self.magnitude.max())],
            "noise_of_training": "survey",
            "noise_of_test": list(NOISE),
            "noise_seed_of_test": NOISE_SEED,
        }


def training_noise() -> NoiseModel:
    """The survey noise, that everybody learns with."""
    return NoiseModel(NOISE["survey"], BANDS)


def load(sources: dict[str, str | None], counts: dict[str, int]) -> Galaxies:
    """The first galaxies of two folders, or of the simulator where there is none.

    Raises:
        ValueError: A folder holds fewer galaxies than the size asks for.
    """
    tables = {}
    for split, n in counts.items():
        source = sources[split]
        table = _simulated(SIMULATION_SEEDS[split], n) if source is None else _stored(source, split, n)
        if len(table) < n:
            raise ValueError(f"--{split} {source}: {len(table):,} galaxies, and this size needs {n:,}; choose another")
        tables[split] = table
    return Galaxies(**tables)


def _stored(source: str, split: str, n: int) -> GalaxyTable:
    """The first n galaxies of a folder, without reading the others."""
    has = Path(source).is_dir() and split in splits(source)
    files = GalaxyFiles(files_of_split(Path(source), split if has else None))
    ends = list(accumulate(rows for _, _, rows in files.groups))
    return GalaxyTable(**files.read_all(range(min(len(ends), bisect.bisect_left(ends, n) + 1))))[:n]


def _simulated(seed: int, n: int) -> GalaxyTable:
    from hf_galaxy.physics.simulate import SimulationSettings, Simulator

    rows = Simulator(SimulationSettings()).rows(seed, 0, n)
    return GalaxyTable(rows.flux, rows.properties, torch.tensor([SURVEYS.index(s) for s in rows.survey]))


__all__ = ["NOISE", "Galaxies", "load", "training_noise"]
