"""Galaxies that miniJPAS, J-NEP or J-PAS observed: fluxes with errors, and spectroscopic redshifts where there are.

From the TAP service of the archive, without an account; what was received is kept, so that a stop costs little::

    python -m dataset_scripts.minijpas --tap --cache DIR/tap --out DIR

or from files that were downloaded (FITS, VOTable, CSV, ECSV, Parquet), of any of the three layouts::

    python -m dataset_scripts.minijpas --files FNuDualObj.fits --layout fnu --extinction MWExtinction.fits \\
        --redshifts xmatch_sdss_dr12.csv xmatch_deep2_spec.csv --out DIR

``datasets.load_dataset(DIR)`` reads the result. As a builder,
``MiniJpas(config_name="files", files=[…]).download_and_prepare()``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from hf_galaxy.data.dataset_card import write_card
from hf_galaxy.data.dataset_upload import upload_dataset
from hf_galaxy.data.features import observed_features
from hf_galaxy.data.minijpas.assemble import Settings
from hf_galaxy.data.minijpas.build import Plan, Source, identity, make_parts, plan
from hf_galaxy.data.minijpas.download import EXTINCTION, FILTERS_FILE, MINIJPAS_URL, STARS, Request, download
from hf_galaxy.data.minijpas.filters import FilterOrder, minijpas_order, read_filter_order
from hf_galaxy.data.minijpas.photometry import LAYOUTS
from hf_galaxy.data.shards import write_shards
from hf_galaxy.variables_galaxy import SURVEYS

VERSION = "1.0.0"  # to be raised whenever the same tables give other rows
JNEP_URL = "https://archive.cefca.es/catalogues/vo/tap/jnep-pdr202107"
REDSHIFTS = ("xmatch_sdss_dr12", "xmatch_deep2_spec")
LICENCE = "other"  # the terms of the archive, not ours to change
DESCRIPTION = """Galaxies as the J-PAS camera system saw them: AB flux densities with their errors in up to 60 bands,
all noise of the survey included, and redshifts of spectroscopic surveys where there are. Fluxes that are not
positive are kept; a band that was not measured, or is flagged or masked, is NaN. Tiles of one field overlap, so that a
galaxy can be there twice, with two names."""
ACKNOWLEDGEMENTS = (
    "miniJPAS: Bonoli et al. (2021, A&A 653, A31); J-NEP: Hernán-Caballero et al. (2023, A&A 671, A71).",
    "Based on observations made with the JST/T250 telescope and the JPAS-Pathfinder camera at the Observatorio "
    "Astrofísico de Javalambre (OAJ) in Teruel, owned, managed, and operated by the Centro de Estudios de Física del "
    "Cosmos de Aragón (CEFCA). Data processed and provided by the OAJ Data Processing and Archiving Unit (UPAD); the "
    "archive asks for the wording of the release that was used.",
    "Redshifts: SDSS DR12 (Alam et al. 2015) and DEEP2 (Newman et al. 2013), where these tables were given.",
)


@dataclass
class MiniJpasConfig(datasets.BuilderConfig):
    """Where the tables are from and what is kept of them.

    Attributes:
        request: What to ask a TAP service for; None for files.
        cache: Folder of what the service sends; None is one beside the data set.
        files, extinction, stars, redshifts: Files of photometry, MWExtinction, StarGalClass, spectroscopic redshifts.
        filters: The table Filter of the release; None is that of miniJPAS.
        galex, galex_layer: A table of GALEX, and its depth where it says none.
        radius: Largest distance in arcsec of a match by position.
        settings: What is kept.
        split, rows_per_shard: Name of the split, rows of one file.
    """

    request: Request | None = None
    cache: str | None = None
    files: Sequence[str] = ()
    extinction: Sequence[str] = ()
    stars: Sequence[str] = ()
    redshifts: Sequence[str] = ()
    filters: str | None = None
    galex: str | None = None
    galex_layer: str | None = None
    radius: float = 1.0
    settings: Settings = field(default_factory=Settings)
    split: str = "train"
    rows_per_shard: int = 50_000


class MiniJpas(datasets.ArrowBasedBuilder):
    """Observed galaxies as a builder of ``datasets``."""

    VERSION = datasets.Version(VERSION)
    BUILDER_CONFIG_CLASS = MiniJpasConfig
    BUILDER_CONFIGS: ClassVar = [
        MiniJpasConfig(name="pdr201912", version=VERSION, request=Request()),
        MiniJpasConfig(
            name="jnep",
            version=VERSION,
            request=Request(url=JNEP_URL, schema="jnep", beside=(EXTINCTION, REDSHIFTS[0])),
        ),
        MiniJpasConfig(name="files", version=VERSION),
    ]
    DEFAULT_CONFIG_NAME = "pdr201912"

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(description=DESCRIPTION, features=observed_features(), license=LICENCE)

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        cache = self.config.cache or str(Path(self._cache_dir_root) / "downloads" / f"hf_galaxy-{self.config.name}")
        made = make_plan(self.config, cache)
        given = {"tasks": [shard.task for shard in made.shards], "order": made.order, "settings": made.settings}
        return [datasets.SplitGenerator(name=self.config.split, gen_kwargs=given)]

    def _generate_tables(
        self, tasks: list, order: FilterOrder, settings: Settings
    ) -> Iterator[tuple[object, pa.Table]]:
        for shard, task in enumerate(tasks):
            for i, part in enumerate(make_parts(task, order, settings)):
                key = datasets.builder.Key(shard, i) if hasattr(datasets.builder, "Key") else (shard, i)
                yield key, part.table


def make_plan(config: MiniJpasConfig, cache: str | Path) -> Plan:
    """Fetch what is to be fetched, and settle what is written where.

    Args:
        config: What to make.
        cache: Folder of what a TAP service sends.

    Raises:
        ValueError: Tables that cannot be read, do not belong together, or are refused by the service.
        ConnectionError: The service does not answer.
    """
    settings, common = config.settings, _common(config)
    if config.request is None:
        order = read_filter_order(config.filters) if config.filters else minijpas_order()
        beside = tuple(map(Path, config.extinction)), tuple(map(Path, config.stars))
        sources = [Source(Path(path), *beside) for path in config.files]
        return plan(sources, order, settings, [(Path(p).stem, [Path(p)]) for p in config.redshifts], **common)
    request = config.request
    if config.files or config.extinction or config.stars:
        raise ValueError("give a TAP service or files of photometry, not both")
    pieces = download(request, cache)
    order = read_filter_order(config.filters or Path(cache) / FILTERS_FILE)
    sources = [Source(p.path, p.beside.get(EXTINCTION, ()), p.beside.get(STARS, ()), archive=True) for p in pieces]
    tables = [(name, [path for p in pieces for path in p.beside.get(name, ())]) for name in request.beside]
    tables = [(name, paths) for name, paths in tables if name not in (EXTINCTION, STARS) and paths]
    tables += [(Path(p).stem, [Path(p)]) for p in config.redshifts]
    settings = Settings(**{**asdict(settings), "layout": request.layout, "aperture": request.aperture})
    own = [Path(p) for p in (*config.redshifts, *([config.filters] if config.filters else []))]
    origin = {"tap": request.facts(), "files": [identity(path) for path in own]}
    return plan(sources, order, settings, tables, origin=origin, **common)


def _common(config: MiniJpasConfig) -> dict[str, Any]:
    galex = Path(config.galex) if config.galex else None
    place = {"rows_per_shard": config.rows_per_shard, "split": config.split}
    return {"radius": config.radius, "galex": galex, "galex_layer": config.galex_layer, **place}


def generate(out: str | Path, config: MiniJpasConfig, num_proc: int = 1) -> list[Path]:
    """Write a data set into a folder, with its card; returns the shards.

    Args:
        out: The folder; finished shards of the same data set are kept.
        config: What to make.
        num_proc: Processes.

    Raises:
        ValueError: As ``make_plan``, or the folder holds something else, or no galaxy is left.
        ConnectionError: The service does not answer.
        OSError: The disk is full.
    """
    out = Path(out)
    made = make_plan(config, config.cache or out / ".tap")
    for line in made.lines:
        print(line, file=sys.stderr)
    make = partial(make_parts, order=made.order, settings=made.settings)
    facts = {"builder": "minijpas", "version": VERSION, **made.facts}
    paths = write_shards(out, made.shards, make, observed_features().arrow_schema, facts, num_proc)
    rows = sum(pq.read_metadata(path).num_rows for path in paths)
    if not rows:
        raise ValueError(f"{out}: no galaxy is left, the reasons are in skipped.csv")
    write_card(
        out,
        title=f"Galaxies observed by {config.settings.survey}",
        features=observed_features(),
        facts=facts,
        description=DESCRIPTION,
        licence=LICENCE,
        acknowledgements=ACKNOWLEDGEMENTS,
        sizes={config.split: rows},
    )
    return paths


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dataset_scripts.minijpas", description=__doc__.splitlines()[0], allow_abbrev=False
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--files", nargs="+", metavar="FILE", help="photometric tables of the archive")
    where.add_argument("--tap", nargs="?", const=MINIJPAS_URL, metavar="URL", help=f"default {MINIJPAS_URL}")
    parser.add_argument("--out", required=True, help="folder for the data set")
    parser.add_argument("--layout", choices=LAYOUTS, help="of FLUX columns; by TAP the table to ask for (default fnu)")
    parser.add_argument("--aperture", help="PSFCOR, AUTO, APER_3_0, APER_COR_3_0, …; default: PSFCOR if it is there")
    parser.add_argument("--filters", metavar="FILE", help="table Filter of the release, for arrays of another order")
    parser.add_argument("--survey", choices=SURVEYS, help="default minijpas, or jpas with --schema jpas")
    parser.add_argument("--flags", type=int, default=Settings.tolerated_flags, help="bits of FLAGS that are tolerated")
    parser.add_argument("--mask-flags", type=int, default=0, help="bits of MASK_FLAGS that are tolerated")
    parser.add_argument("--extinction", nargs="+", default=[], metavar="FILE", help="table MWExtinction")
    parser.add_argument("--deredden", action=argparse.BooleanOptionalAction, help="default: if the extinction is given")
    parser.add_argument("--stars", nargs="+", default=[], metavar="FILE", help="table StarGalClass")
    parser.add_argument("--max-star-probability", type=float, metavar="P", help="leave out likelier stars")
    parser.add_argument("--redshifts", nargs="+", default=[], metavar="FILE", help="spectroscopic redshifts")
    parser.add_argument("--radius", type=float, default=1.0, help="arcsec, of a match by position")
    parser.add_argument("--galex", metavar="FILE", help="table of GALEX, matched by position")
    parser.add_argument("--galex-layer", choices=("AIS", "MIS", "DIS"), help="its depth, where it says none")
    parser.add_argument("--split", default="train")
    parser.add_argument("--rows-per-shard", type=int, default=50_000)
    parser.add_argument("--num-proc", type=int, default=1)
    parser.add_argument("--push", metavar="ORG/NAME", help="upload the finished data set to the Hub")
    parser.add_argument("--private", action="store_true", help="nobody else sees what --push uploads")
    tap = parser.add_argument_group("with --tap")
    tap.add_argument("--schema", default="minijpas", help="minijpas, jnep, jpas, …")
    tap.add_argument("--tables", nargs="*", default=[EXTINCTION, *REDSHIFTS], help="tables beside the photometry")
    tap.add_argument("--tiles", nargs="+", type=int, default=[], metavar="TILE_ID")
    tap.add_argument("--where", default="", metavar="ADQL", help="a further condition on the photometric table")
    tap.add_argument("--rows-per-query", type=int, default=Request.rows)
    tap.add_argument("--cache", metavar="DIR", help="folder of what the service sends; default OUT/.tap")
    return parser


def _config(a: argparse.Namespace) -> MiniJpasConfig:
    survey = a.survey or ("jpas" if a.schema == "jpas" else "minijpas")
    settings = Settings(
        survey=survey,
        layout=a.layout,
        aperture=a.aperture,
        tolerated_flags=a.flags,
        tolerated_mask=a.mask_flags,
        deredden=a.deredden,
        max_star_probability=a.max_star_probability,
    )
    request = None
    if a.tap:
        beside = tuple(a.tables) + ((STARS,) if a.max_star_probability is not None and STARS not in a.tables else ())
        request = Request(
            url=a.tap,
            schema=a.schema,
            layout=a.layout or Request.layout,
            aperture=a.aperture or Request.aperture,
            beside=beside,
            tiles=tuple(a.tiles),
            where=a.where,
            rows=a.rows_per_query,
        )
    names = ("cache", "extinction", "stars", "redshifts", "filters", "galex", "galex_layer", "radius", "split")
    given = {name: getattr(a, name) for name in (*names, "rows_per_shard")}
    return MiniJpasConfig(
        name="tap" if a.tap else "files", request=request, files=a.files or (), settings=settings, **given
    )


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    a = _parser().parse_args(arguments)
    try:
        generate(a.out, _config(a), a.num_proc)
        if a.push:
            print(upload_dataset(a.out, a.push, a.private))
    except (ValueError, ImportError, OSError, RuntimeError) as error:
        print(f"minijpas: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
