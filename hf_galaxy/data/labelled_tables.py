"""Tables of galaxies to learn new variables from: catalogues of users, and folders of ours with more columns.

A catalogue has ``<band>`` with ``<band>_err``, properties by name (``redshift_spec`` is a redshift too) with
``<name>_err`` where they are not exact, and columns of the new variables, all in any unit. A folder holds Parquet files
of ``features``, in which every new variable is a column of numbers beside them, in the unit of the variable.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from ..variables_galaxy import BANDS, PROPERTIES, Variable
from .catalogues import Catalogue, read_catalogue
from .column_names import ERROR_SUFFIX, SPECTROSCOPIC_REDSHIFT, nearest
from .galaxies import GalaxyTable
from .galaxy_files import COLUMNS, files_of_split, splits
from .table_io import as_table


def read_labelled(
    path: str | Path, variables: Sequence[Variable], new: Sequence[str], unit: str | None = None
) -> tuple[GalaxyTable, GalaxyTable | None]:
    """Galaxies to train on and, where a folder has a split of that name, to validate on.

    Args:
        path: A file of a catalogue, a Parquet file or folder of ours.
        variables: The table of variables: the usual ones, then others.
        new: Names among them that must be there.
        unit: Unit of flux columns that have none.

    Raises:
        ValueError: nothing there, a column that is missing or has no single meaning.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path}: no such file or folder; give a catalogue, or a folder of Parquet files")
    if path.is_file() and not _is_ours(path):
        return _of_catalogue(path, variables, new, unit), None
    present = splits(path) if path.is_dir() else []
    train = _of_folder(path, "train" if "train" in present else None, variables, new)
    held_out = _of_folder(path, "validation", variables, new) if "validation" in present else None
    return train, held_out


def _is_ours(file: Path) -> bool:
    with open(file, "rb") as stream:
        if stream.read(4) != b"PAR1":
            return False
    return set(COLUMNS) <= set(pq.read_schema(file).names)


def _check_columns(new: Sequence[str], columns: Sequence[str], where: str) -> None:
    for name in new:
        if name not in columns:
            close = nearest(name, list(columns)) if columns else "none"
            raise ValueError(f"{where}: there is no column {name}, the new variable; the nearest column is {close}")


# ---- catalogues


def _of_catalogue(path: Path, variables: Sequence[Variable], new: Sequence[str], unit: str | None) -> GalaxyTable:
    columns = as_table(path)[1]
    _check_columns(new, columns, str(path))
    known = [v.name for v in variables if v.kind != "flux" and v.name in columns]
    if "redshift" not in known and SPECTROSCOPIC_REDSHIFT in columns:
        known.append("redshift")
    catalogue = read_catalogue(path, unit, known, variables)
    if ignored := catalogue.report.ignored:
        warnings.warn(f"{path}: columns that nothing is learnt from: {', '.join(ignored)}")
    return galaxies_of(catalogue, variables)


def galaxies_of(catalogue: Catalogue, variables: Sequence[Variable]) -> GalaxyTable:
    """A catalogue as galaxies that a survey measured: no noise is added to them.

    Args:
        catalogue: Values and errors in canonical units.
        variables: The table of variables; those beyond the usual ones become ``extra``.
    """
    usual = {*BANDS, *PROPERTIES, "survey"}
    flux, flux_error = _columns(catalogue, BANDS)
    properties, property_error = _columns(catalogue, PROPERTIES)
    extra, extra_error = _columns(catalogue, [v.name for v in variables if v.name not in usual])
    survey = torch.full((len(catalogue),), -1)
    if "survey" in catalogue.names:
        survey = _columns(catalogue, ["survey"])[0][:, 0].nan_to_num(-1.0).long()
    noisy = torch.ones(len(catalogue), dtype=torch.bool)
    return GalaxyTable(flux, properties, survey, flux_error, property_error, noisy, extra, extra_error)


def _columns(catalogue: Catalogue, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """(n, names) values and errors; NaN where the catalogue has none."""
    values, errors = np.full((2, len(catalogue), len(names)), np.nan, dtype=np.float32)
    for i, name in enumerate(names):
        if name in catalogue.names:
            column = catalogue.names.index(name)
            values[:, i], errors[:, i] = catalogue.values[:, column], catalogue.errors[:, column]
    return torch.from_numpy(values), torch.from_numpy(errors)


# ---- folders


def _of_folder(path: Path, split: str | None, variables: Sequence[Variable], new: Sequence[str]) -> GalaxyTable:
    table = GalaxyTable.load(path, split).with_errors()
    extra = [v for v in variables if v.name not in {*BANDS, *PROPERTIES, "survey"}]
    parts = [_extra_of(file, extra, new) for file in files_of_split(path, split)]
    values, errors = (torch.cat(column) for column in zip(*parts, strict=True))
    return GalaxyTable(
        table.flux, table.properties, table.survey, table.flux_error, table.property_error, table.noisy, values, errors
    )


def _extra_of(file: Path, extra: Sequence[Variable], new: Sequence[str]) -> tuple[Tensor, Tensor]:
    """(n, E) values and errors of the further variables in one file."""
    present = pq.read_schema(file).names
    _check_columns(new, present, str(file))
    values, errors = torch.full((2, pq.read_metadata(file).num_rows, len(extra)), torch.nan)
    for i, variable in enumerate(extra):
        name = variable.name
        if name not in present:
            continue
        values[:, i] = _numbers(file, name, variable)
        if name + ERROR_SUFFIX in present:
            errors[:, i] = _numbers(file, name + ERROR_SUFFIX)
        elif variable.kind == "flux":
            raise ValueError(f"{file}: column {name} has no errors; add a column {name}{ERROR_SUFFIX}")
        else:
            errors[:, i] = torch.where(torch.isfinite(values[:, i]), 0.0, torch.nan)
        known = torch.isfinite(values[:, i])
        wrong = (known & ~(errors[:, i] >= 0)) | (known & (errors[:, i] == 0) & (variable.kind == "flux"))
        if wrong.any():
            row = int(wrong.nonzero()[0])
            raise ValueError(
                f"{file}: column {name}{ERROR_SUFFIX}, row {row}: {float(errors[row, i]):g}; every value needs an error"
                f"{' above zero' if variable.kind == 'flux' else ', zero or above'}"
            )
    return values, errors


def _numbers(file: Path, name: str, variable: Variable | None = None) -> Tensor:
    """(n,) float32; null is NaN, the name of a category its index."""
    column = pq.read_table(file, columns=[name])[name]
    if variable is not None and variable.categories:
        place = {category: float(i) for i, category in enumerate(variable.categories)}
        items = column.to_pylist()
        wrong = [item for item in items if item is not None and item not in place]
        if wrong:
            raise ValueError(f"{file}: column {name}: {wrong[0]!r} is not one of {', '.join(place)}")
        return torch.tensor([place.get(item, float("nan")) for item in items])
    try:
        values = torch.from_numpy(column.to_numpy().astype(np.float32))
    except (TypeError, ValueError):
        raise ValueError(f"{file}: column {name} is of type {column.type}; numbers are wanted") from None
    if torch.isinf(values).any():
        row = int(torch.isinf(values).nonzero()[0])
        raise ValueError(f"{file}: column {name}, row {row}: infinite value; use NaN for what is not known")
    return values


__all__ = ["galaxies_of", "read_labelled"]
