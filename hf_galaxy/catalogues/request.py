"""What is to be made of a catalogue, whether it can be, and what decides the answers."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from ..data.layouts.column_map import read_column_map
from ..data.layouts.finding import LayoutSettings
from ..data.row_sources.base import RowSource
from ..data.table_io import check_output, table_format
from ..posterior import GalaxyPosterior
from .answers import ROWS_PER_DRAW, Question
from .densities import density_file
from .joining import check_folder

MOST_ROWS = 4096  # of a part
MOST_NUMBERS = 16_000_000  # of a part


@dataclass(frozen=True)
class Request:
    """What is to be made of a catalogue.

    Attributes:
        catalogue: Whatever ``open_rows`` takes.
        output: A file, whose ending says the format, or a folder.
        folder: Whether it is a folder.
        question: What is asked of every galaxy.
        layout: How to read the columns.
        split: Of a data set that has several.
        strict: A row that cannot be read is an error; otherwise it is skipped, and says why.
        resume, overwrite: Go on with an interrupted run; replace what is there.
        rows_per_part: At most; no answer depends on it.
    """

    catalogue: Any
    output: Path
    folder: bool
    question: Question
    layout: LayoutSettings = field(default_factory=LayoutSettings)
    split: str | None = None
    strict: bool = False
    resume: bool = False
    overwrite: bool = False
    rows_per_part: int = MOST_ROWS

    @property
    def densities(self) -> Path | None:
        """The file of densities on a grid, if any is asked for."""
        return density_file(self.output, self.folder, self.question.pdf.name) if self.question.pdf else None

    @property
    def part_rows(self) -> int:
        """Whole pieces of draws, and so few rows that a part is small whatever is asked."""
        most = min(self.rows_per_part, MOST_NUMBERS // self.question.numbers_a_row)
        return max(most // ROWS_PER_DRAW, 1) * ROWS_PER_DRAW


def check_request(request: Request) -> None:
    """Refuse what cannot be written, before any work.

    Raises:
        ValueError: The output exists, is the catalogue, is of no known format, or of one that holds no arrays.
        ImportError: h5py is missing, and densities are asked for.
    """
    output = request.output
    if isinstance(request.catalogue, (str, Path)) and output.resolve() == Path(request.catalogue).resolve():
        raise ValueError(f"{output}: is the catalogue itself; answers would replace it, give another output")
    if request.folder:
        check_output(output.with_name(output.name + ".parquet"), overwrite=True)  # the folder that it is to stand in
        check_folder(output, request.overwrite)
    else:
        kind = table_format(output)
        if kind == "ascii.csv" and request.question.samples:
            raise ValueError(f"{output}: CSV cannot hold the draws, which are arrays; write Parquet, FITS or ECSV")
        check_output(output, request.overwrite)
    if request.densities is None:
        return
    if request.densities.exists() and not request.overwrite:
        raise ValueError(f"{request.densities}: exists; give another output, or --overwrite")
    if find_spec("h5py") is None:
        raise ImportError('densities on a grid need h5py: pip install "hf-galaxy[qp]"')


def facts_of(request: Request, galaxy: GalaxyPosterior, source: RowSource) -> dict[str, Any]:
    """What decides the answers, as JSON types: a run may go on with the parts of another with the same facts."""
    question, layout = request.question, request.layout
    columns = read_column_map(layout.columns, galaxy.variables) if layout.columns is not None else None
    filters = Path(layout.filters).read_text(encoding="utf-8", errors="replace") if layout.filters else None
    evidence = galaxy.evidence
    known = zip(evidence.variables, evidence.values[0].tolist(), evidence.known[0].tolist(), strict=True)
    return {
        "catalogue": source.facts,
        "model": _digest(galaxy),
        "known": {variable.name: value for variable, value, there in known if there},
        "columns": {
            "unit": None if layout.unit is None else str(layout.unit),
            "given": list(layout.given),
            "map": None if columns is None else {name: asdict(where) for name, where in columns.where.items()},
            "layout": layout.layout,
            "aperture": layout.aperture,
            "filters": filters and hashlib.blake2b(filters.encode(), digest_size=8).hexdigest(),
            "ebv": layout.ebv or (columns and columns.ebv),
        },
        "ask": [v.name for v in question.asked],
        "quantiles": list(question.levels),
        "samples": question.samples,
        "seed": question.seed,
        "pdf": question.pdf and {"name": question.pdf.name, "grid": question.pdf.grid.tolist()},
        "log_prob": question.log_prob,
        "strict": request.strict,
        "rows_per_part": request.part_rows,
    }


def _digest(galaxy: GalaxyPosterior) -> str:
    """Of all weights."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(galaxy.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


__all__ = ["Request", "check_request", "facts_of"]
