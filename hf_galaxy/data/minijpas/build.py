"""Files of the archive to the shards of a data set: who is who, what belongs together, what is written where.

Names, duplicates and redshifts are settled over all files before anything is written; fluxes are read shard by shard.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hf_galaxy.data.shards import Part, Shard, shard_names
from hf_galaxy.data.value_added.galex import read_galex

from .assemble import Beside, Settings, assemble
from .columns import Columns
from .filters import FilterOrder
from .photometry import Layout, find_layout, read_photometry
from .redshifts import Labels, RedshiftTable, match_redshifts, read_redshifts
from .side_tables import galactic_extinction, has_extinction, rows_by_id, star_probability, taken

BLOCK = 8192  # rows that are worked on together: bounds the memory


@dataclass(frozen=True)
class Source:
    """A file of photometry and what belongs to it.

    Attributes:
        path: The file.
        extinction, stars: Files of MWExtinction and StarGalClass that hold its rows; none is none.
        archive: It came by TAP: its rows have no order of their own, and are put in that of TILE_ID and NUMBER.
    """

    path: Path
    extinction: tuple[Path, ...] = ()
    stars: tuple[Path, ...] = ()
    archive: bool = False


class Rows(NamedTuple):
    """Rows start … stop - 1 of a source, with what was settled about them."""

    source: Source
    start: int
    stop: int
    labels: Labels
    galex: tuple[np.ndarray, np.ndarray] | None
    left_out: dict[int, str]


@dataclass(frozen=True)
class Plan:
    """A data set that is not yet written.

    Attributes:
        shards: Its files; their tasks are for ``make_parts``.
        settings: With the layout and the aperture that were found.
        order: Filters of the survey.
        facts: What decides the contents, for ``write_shards``.
        lines: What a user should know, a sentence a line.
    """

    shards: list[Shard]
    settings: Settings
    order: FilterOrder
    facts: dict[str, Any]
    lines: list[str]


def plan(
    sources: Sequence[Source],
    order: FilterOrder,
    settings: Settings,
    redshifts: Sequence[tuple[str, Sequence[Path]]] = (),
    radius: float = 1.0,
    galex: Path | None = None,
    galex_layer: str | None = None,
    rows_per_shard: int = 50_000,
    split: str = "train",
    origin: dict[str, Any] | None = None,
) -> Plan:
    """Settle names, duplicates and redshifts.

    Args:
        sources: Files of photometry.
        order: Filters of the survey.
        settings: What to keep.
        redshifts: Name and files of every table of redshifts, in order of preference.
        radius: Largest distance in arcsec of a match by position.
        galex: A table of GALEX, matched by position; see ``value_added.galex``.
        galex_layer: AIS, MIS or DIS, its depth where it says none.
        rows_per_shard: Rows of one file of the data set.
        split: Name of the split.
        origin: Where the files are from; None records their names and SHA-256.

    Raises:
        ValueError: A file cannot be read, the files are of different layouts, or a table belongs to no galaxy.
    """
    if not sources:
        raise ValueError("no files of photometry were given")
    if rows_per_shard < 1 or radius <= 0:
        raise ValueError(f"rows per shard {rows_per_shard} and radius {radius} arcsec must be positive")
    ids, ra, dec, lengths, settings, voided = _survey(sources, order, settings)
    settings = replace(settings, deredden=_dereddened(sources, settings))
    tables = [_redshift_table(name, paths) for name, paths in redshifts]
    labels = match_redshifts(tables, ids, ra, dec, radius)
    if origin is None:
        _check_redshifts(tables, labels, ids, radius)
    uv, uv_lines = _galex(galex, galex_layer, ra, dec, settings) if galex else (None, [])
    lines = _lines(len(ids), len(sources), settings, voided, order)
    lines += _label_lines(tables, labels, ids) + uv_lines
    rows = _cut(sources, lengths, labels, uv, _duplicates(ids, sources, lengths), rows_per_shard)
    names = shard_names(split, len(rows))
    shards = [Shard(n, task, sum(r.stop - r.start for r in task)) for n, task in zip(names, rows, strict=True)]
    kx = {name: None if np.isnan(k) else k for name, k in zip(order.names, order.extinction, strict=True)}
    matched = {"radius_arcsec": radius, "galex": galex and identity(galex), "galex_layer": galex_layer}
    facts = {"origin": _files(sources, redshifts) if origin is None else origin, "settings": asdict(settings)}
    facts |= {"filters": kx, **matched, "rows_per_shard": rows_per_shard, "split": split}
    return Plan(shards, settings, order, facts, lines)


def _lines(rows: int, files: int, settings: Settings, voided: Counter, order: FilterOrder) -> list[str]:
    """What was read, and what of it is not observed."""
    state = (
        "corrected for" if settings.deredden else "as observed (the model expects them dereddened): not corrected for"
    )
    kind = f"{settings.layout}, aperture {settings.aperture.upper() or 'not said'}"
    lines = [f"{rows} rows in {files} files: {kind}; {state} the dust of the Milky Way"]
    if voided:
        lines.append("band values not observed: " + ", ".join(f"{n:,} {reason}" for reason, n in voided.items()))
    if order.strangers:
        lines.append(f"filters that are no bands of ours, left out: {', '.join(order.strangers)}")
    return lines


def make_parts(task: Sequence[Rows], order: FilterOrder, settings: Settings) -> Iterator[Part]:
    """The galaxies of one shard.

    Raises:
        ValueError: A file cannot be read as it could when the plan was made.
    """
    for rows in task:
        whole = _columns(rows.source)
        layout = _layout(whole, order, settings)
        for start in range(rows.start, rows.stop, BLOCK):
            block = slice(start, min(start + BLOCK, rows.stop))
            columns = whole[block]
            beside = _beside(rows, columns, block, order, settings)
            galaxies, skipped, _ = assemble(columns, order, layout, settings, beside)
            yield Part(galaxies.table(), skipped)


def _beside(rows: Rows, columns: Columns, block: slice, order: FilterOrder, settings: Settings) -> Beside:
    """What other tables know of a block of rows."""
    ids, star = columns.ids(), None
    if settings.max_star_probability is not None:
        star = _star(rows.source, columns, ids)
    here = slice(block.start - rows.start, block.stop - rows.start)
    labels = _labels_of(rows.labels, here)
    galex = None if rows.galex is None else (rows.galex[0][here], rows.galex[1][here])
    left_out = {row - here.start: rows.left_out[row] for row in range(here.start, here.stop) if row in rows.left_out}
    return Beside(_extinction(rows.source, columns, ids, order, settings), star, labels, galex, left_out)


def _labels_of(labels: Labels, rows: slice) -> Labels:
    return Labels(*(getattr(labels, k)[rows] for k in ("redshift", "error", "kind", "source")), Counter())


def _columns(source: Source) -> Columns:
    return _read(source.path, source.archive, _stamp(source.path))


def _side(path: Path) -> Columns:
    return _read(path, False, _stamp(path))


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does, so that none is remembered that was replaced."""
    if not path.is_file():
        raise ValueError(f"{path}: {'is a folder, not a table' if path.is_dir() else 'no such file'}")
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4)  # a file is read for the plan, and again for its rows: small sets are read once
def _read(path: Path, archive: bool, stamp: tuple[int, int]) -> Columns:
    columns = Columns(str(path))
    if not archive:
        return columns
    order = np.lexsort([columns.scalars("number"), columns.scalars("tile_id")])
    return Columns(columns.table[order], str(path))


def _layout(columns: Columns, order: FilterOrder, settings: Settings) -> Layout:
    return find_layout(columns, order, settings.layout, settings.aperture or None)


def _survey(sources: Sequence[Source], order: FilterOrder, settings: Settings) -> tuple:
    """Ids and positions of all rows, the number of each file, the settings with layout and aperture, what is voided."""
    ids, ra, dec, lengths, voided = [], [], [], [], Counter()
    for source in sources:
        columns = _columns(source)
        layout = _layout(columns, order, settings)
        found = replace(settings, layout=layout.kind, aperture=layout.aperture)
        if lengths and found != settings:
            raise ValueError(
                f"{columns.source}: holds {layout.kind} of aperture {layout.aperture.upper() or 'none'}, the files "
                f"before {settings.layout} of {settings.aperture.upper() or 'none'}; build one data set of each"
            )
        settings = found
        for start in range(0, len(columns), BLOCK):
            part = columns[start : start + BLOCK]
            voided += read_photometry(part, order, layout, settings.tolerated_flags, settings.tolerated_mask).voided
        ids += columns.ids()
        lengths.append(len(columns))
        for all_of_them, values in zip((ra, dec), columns.positions(), strict=True):
            all_of_them.append(values)
    return ids, np.concatenate(ra), np.concatenate(dec), lengths, settings, voided


def _duplicates(ids: Sequence[str], sources: Sequence[Source], lengths: Sequence[int]) -> dict[int, str]:
    """Row, counted over all files, to the reason why it is left out: an id that stood before."""
    ends, seen, reasons = np.cumsum(lengths), {}, {}
    for row, name in enumerate(ids):
        first = seen.setdefault(name, row)
        if name and first != row:
            file = int(np.searchsorted(ends, first, side="right"))
            reasons[row] = f"duplicate of row {first - int(ends[file]) + lengths[file]} of {sources[file].path.name}"
    return reasons


def _redshift_table(name: str, paths: Sequence[Path]) -> RedshiftTable:
    parts = [read_redshifts(Columns(str(path)), name) for path in paths]
    if len({part.ids is None for part in parts}) > 1:
        raise ValueError(f"{name}: some of its files have ids and some have not; make them alike")
    joined = {key: np.concatenate([getattr(p, key) for p in parts]) for key in ("ra", "dec", "redshift", "error")}
    joined |= {key: np.concatenate([getattr(p, key) for p in parts]) for key in ("kind", "distance")}
    ids = None if parts[0].ids is None else [i for p in parts for i in p.ids]
    return RedshiftTable(name=name, ids=ids, unusable=sum((p.unusable for p in parts), Counter()), **joined)


def _label_lines(tables: Sequence[RedshiftTable], labels: Labels, ids: Sequence[str]) -> list[str]:
    known, lines = set(ids), []
    for table in tables:
        used = int((labels.source == table.name).sum())
        line = f"{table.name}: redshifts of {used} galaxies, from {len(table.redshift)} usable rows"
        if table.ids is not None:
            line += f", {sum(name not in known for name in table.ids)} of them of no galaxy here"
        line += "".join(f"; {reason}: {count}" for reason, count in table.unusable.items())
        lines.append(line)
    return lines + [f"{reason}: {count} galaxies without a label for it" for reason, count in labels.dropped.items()]


def _check_redshifts(tables: Sequence[RedshiftTable], labels: Labels, ids: Sequence[str], radius: float) -> None:
    """Refuse a table that a user gave and that belongs to no galaxy: that is never what was meant."""
    known = set(ids)
    for table in tables:
        matched = (labels.source == table.name).any() or (table.ids is not None and not known.isdisjoint(table.ids))
        if len(table.redshift) and not matched:
            by = f"by position within {radius:g} arcsec" if table.ids is None else "by id"
            raise ValueError(
                f"{table.name}: none of its {len(table.redshift)} usable rows is a galaxy of the photometry, {by}"
            )


def _dereddened(sources: Sequence[Source], settings: Settings) -> bool:
    """Whether fluxes are to be corrected for the dust of the Milky Way.

    Raises:
        ValueError: They should be, and some cannot.
    """
    given = [bool(s.extinction) or has_extinction(_columns(s)) for s in sources]
    if settings.deredden is False or (settings.deredden is None and not any(given)):
        return False
    if not all(given):
        path = sources[given.index(False)].path
        raise ValueError(f"{path}: no column EBV or AX, and no table MWExtinction; give it, or --no-deredden")
    return True


def _galex(
    path: Path, layer: str | None, ra: np.ndarray, dec: np.ndarray, settings: Settings
) -> tuple[tuple[np.ndarray, np.ndarray], list[str]]:
    """(n, 2) fluxes and errors of FUV and NUV; what several galaxies share is given to none."""
    found = read_galex(str(path), layer=layer, deredden=bool(settings.deredden)).lookup(ra=ra, dec=dec)
    flux, error = found.flux.copy(), found.error.copy()
    seen = np.flatnonzero(found.detected.any(axis=1))
    _, first, counts = np.unique(np.nan_to_num(flux[seen]), axis=0, return_inverse=True, return_counts=True)
    shared = seen[counts[first.ravel()] > 1]
    flux[shared], error[shared] = np.nan, np.nan
    line = f"{path.name}: {int(found.matched.sum())} galaxies have a source of GALEX"
    return (flux, error), [f"{line}; {len(shared)} of them share theirs, and are given none" if len(shared) else line]


def _cut(
    sources: Sequence[Source],
    lengths: Sequence[int],
    labels: Labels,
    galex: tuple[np.ndarray, np.ndarray] | None,
    left_out: dict[int, str],
    rows_per_shard: int,
) -> list[tuple[Rows, ...]]:
    """Rows of every shard: consecutive parts of files, together at most ``rows_per_shard``."""
    shards: list[list[Rows]] = [[]]
    room, base = rows_per_shard, 0
    for source, length in zip(sources, lengths, strict=True):
        start = 0
        while start < length:
            if not room:
                shards.append([])
                room = rows_per_shard
            stop = min(length, start + room)
            here = slice(base + start, base + stop)
            reasons = {row - here.start: left_out[row] for row in range(here.start, here.stop) if row in left_out}
            uv = None if galex is None else (galex[0][here], galex[1][here])
            shards[-1].append(Rows(source, start, stop, _labels_of(labels, here), uv, reasons))
            room, start = room - (stop - start), stop
        base += length
    if not shards[0]:
        raise ValueError(f"{sources[0].path}: there are no rows")
    return [tuple(shard) for shard in shards]


def _extinction(
    source: Source, columns: Columns, ids: Sequence[str], order: FilterOrder, settings: Settings
) -> np.ndarray | None:
    """(n, F) mag, or None if it is not to be corrected for."""
    if not settings.deredden:
        return None
    if not source.extinction:
        return galactic_extinction(columns, order)
    result = np.full((len(ids), len(order)), np.nan)
    for path in source.extinction:
        table = _side(path)
        rows = rows_by_id(ids, table)
        result[rows >= 0] = taken(galactic_extinction(table, order), rows)[rows >= 0]
    return result


def _star(source: Source, columns: Columns, ids: Sequence[str]) -> np.ndarray:
    if not source.stars:
        return star_probability(columns)
    result = np.full(len(ids), np.nan)
    for path in source.stars:
        table = _side(path)
        rows = rows_by_id(ids, table)
        result[rows >= 0] = taken(star_probability(table), rows)[rows >= 0]
    return result


def _files(sources: Sequence[Source], redshifts: Sequence[tuple[str, Sequence[Path]]]) -> dict[str, Any]:
    """Names and contents of all files that the galaxies are from."""
    beside = {kind: dict.fromkeys(p for s in sources for p in getattr(s, kind)) for kind in ("extinction", "stars")}
    given = {"files": [s.path for s in sources], **beside, **dict(redshifts)}
    return {kind: [identity(path) for path in paths] for kind, paths in given.items()}


def identity(path: Path) -> dict[str, str]:
    """Name and SHA-256 of a file."""
    with open(path, "rb") as file:
        return {"name": path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


__all__ = ["Plan", "Rows", "Source", "identity", "make_parts", "plan"]
