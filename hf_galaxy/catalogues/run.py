"""A catalogue of any length to a file of answers."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from astropy.table import Table, hstack
from tqdm import tqdm

from ..data.catalogue_report import CatalogueReport
from ..data.catalogues import HEAD_ROWS, CatalogueReader
from ..data.column_names import ERROR_SUFFIX
from ..data.row_sources.base import Block, RowSource
from ..data.row_sources.opening import open_rows
from ..posterior import GalaxyPosterior
from .answers import answers
from .columns import plain, to_arrow
from .densities import write_densities
from .joining import join
from .parts import COUNTS, Parts, alone, claim
from .request import Request, check_request, facts_of
from .team import Team

LISTED = 6  # names of columns in a message
QUIET_ROWS = 4096  # no progress bar for fewer


def predict(request: Request, galaxy: GalaxyPosterior, team: Team) -> None:
    """Answer every row of a catalogue; one line a matter on stderr.

    Args:
        request: What is to be made.
        galaxy: The model.
        team: The processes that do it, all of which call this.

    Raises:
        ValueError: The catalogue cannot be read, or the output not be written; finished parts are kept.
        OSError: The disk is full; finished parts are kept.
        ImportError: What the output needs is not installed.
        SystemExit: The main process failed, and says why.
    """
    team.lead(lambda: check_request(request))
    with alone(request.output) if team.leads else nullcontext():
        _Run(request, galaxy, team).work()


class _Run:
    """One process's share of the work, and the main one's duties."""

    source: RowSource
    reader: CatalogueReader
    parts: Parts

    def __init__(self, request: Request, galaxy: GalaxyPosterior, team: Team) -> None:
        self.request, self.galaxy, self.team = request, galaxy, team
        bands = {v.name for v in galaxy.variables if v.kind == "flux"}
        self._bands = {form for band in bands for form in (band, band + ERROR_SUFFIX)}

    def work(self) -> None:
        todo = self.team.lead(self._begin)
        if not self.team.leads:
            self._open()
        try:
            self._answer(todo[self.team.rank :: self.team.size])
        except BaseException:
            if self.team.size == 1 and not any(self.parts.done()):
                shutil.rmtree(self.parts.folder, ignore_errors=True)
            raise
        self.team.wait()
        if self.team.leads:
            self._finish()

    # ---- before

    def _open(self) -> list[str]:
        """The catalogue, and how its columns are read; what is to be said of them."""
        request = self.request
        self.source = source = open_rows(request.catalogue, request.split)
        self.parts = Parts(request.output, source.rows, request.part_rows)
        bounds = [slice(0, min(HEAD_ROWS, source.rows))] if source.rows else []
        head = next(iter(source.blocks(bounds)), None) or Block(0, Table(names=list(dict.fromkeys(source.names))))
        self.reader = CatalogueReader(head.table, source.names, source.source, request.layout, self.galaxy.variables)
        catalogue = self.reader.read(head.table, 0, not request.strict, head.problems)
        if catalogue.skipped is not None and (catalogue.skipped != "").all():
            self.reader.read(head.table, 0, False, head.problems)  # all rows: that is the fault of a column
        lines = catalogue.report.of_columns()
        if arrays := plain(head.table, self._identity(head.table, ()))[1]:
            more = f" and {len(arrays) - LISTED} more" if len(arrays) > LISTED else ""
            lines.append(f"columns that are no single values, not in the output: {', '.join(arrays[:LISTED])}{more}")
        return lines

    def _begin(self) -> list[int]:
        """Open the catalogue, claim the output; the numbers of the parts that are missing."""
        lines = self._open()
        request, parts = self.request, self.parts
        claim(parts, facts_of(request, self.galaxy, self.source), request.resume, request.overwrite)
        todo = [number for number, done in enumerate(parts.done()) if not done]
        if done := len(parts.bounds) - len(todo):
            lines.append(f"going on after {done} of {len(parts.bounds)} parts")
        self._say(lines)
        return todo

    # ---- a part at a time

    def _answer(self, todo: Sequence[int]) -> None:
        bounds, rows = self.parts.bounds, self.source.rows
        quiet = not self.team.leads or (rows <= QUIET_ROWS) or None
        done = sum(b.stop - b.start for b, there in zip(bounds, self.parts.done(), strict=True) if there)
        with tqdm(total=rows, initial=done, desc="predict", unit=" galaxies", disable=quiet) as bar:
            for number, block in zip(todo, self.source.blocks([bounds[i] for i in todo]), strict=True):
                self._part(number, block)
                if not bar.disable:
                    there = sum(b.stop - b.start for b, t in zip(bounds, self.parts.done(), strict=True) if t)
                    bar.update(there - bar.n)

    def _part(self, number: int, block: Block) -> None:
        request = self.request
        catalogue = self.reader.read(block.table, block.start, not request.strict, block.problems)
        table, density = answers(self.galaxy, catalogue, request.question, block.start)
        kept, _ = plain(block.table, self._identity(block.table, table.colnames))
        counts = {**vars(catalogue.report), "extrapolated": int((table["n_extrapolated"] > 0).sum())}
        whole = hstack([kept, table], metadata_conflicts="silent") if kept.colnames else table
        self.parts.write(number, to_arrow(whole, {COUNTS: json.dumps(counts).encode()}), density)

    def _identity(self, table: Table, taken: Sequence[str]) -> list[str]:
        """Columns of the user's table other than bands: identities, positions, values to compare with."""
        read = self.reader.layout.band_columns
        return [c for c in table.colnames if c not in self._bands and c not in read and c not in taken]

    # ---- after

    def _finish(self) -> None:
        request, parts = self.request, self.parts
        counts = parts.counts()
        if request.densities is not None:
            write_densities(parts, request.question.pdf, request.densities)
        join(parts, request.folder)
        beyond = sum(part.pop("extrapolated") for part in counts)
        lines = CatalogueReport.together(CatalogueReport(**part) for part in counts).of_rows()
        if beyond:
            text = "rows with evidence beyond the range of the training (n_extrapolated); are the units right?"
            lines.append(f"{text}: {beyond}")
        self._say(lines)

    def _say(self, lines: Sequence[str]) -> None:
        for line in lines:
            print(f"hf-galaxy: {self.source.source}: {line}", file=sys.stderr)


__all__ = ["predict"]
