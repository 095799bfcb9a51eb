"""Random galaxies for tests: plausible numbers without physics, in no time."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.variables_galaxy import BANDS, SURVEYS, default_variables


def random_table(n: int, seed: int = 0) -> GalaxyTable:
    """``n`` galaxies: log-normal brightness, a smooth random spectrum, properties around their centres.

    The first property (redshift) moves the slope of the spectrum, so that there is something to learn.
    """
    generator = torch.Generator().manual_seed(seed)
    variables = default_variables()
    pivot = torch.tensor([v.pivot for v in variables if v.kind == "flux"])
    coordinate = torch.randn(n, sum(v.kind == "property" for v in variables), generator=generator)
    slope = torch.log(pivot / 6000.0) * (1 + coordinate[:, :1])
    brightness = 8.0 + torch.randn(n, 1, generator=generator)
    flux = torch.exp(brightness + slope + 0.1 * torch.randn(n, len(BANDS), generator=generator))
    properties = [v for v in variables if v.kind == "property"]
    columns = [[v.inverse(float(t)) for t in column] for v, column in zip(properties, coordinate.T, strict=True)]
    values = torch.tensor(columns).T.clone()
    for i, v in enumerate(properties):
        if v.lower is not None:
            values[:, i] = values[:, i].clamp(min=v.lower + 1e-3)
    return GalaxyTable(flux, values.float().contiguous(), torch.randint(0, 2, (n,), generator=generator))


def observed_table(n: int, seed: int = 0, noisy: bool | None = None) -> GalaxyTable:
    """Random galaxies as an instrument saw them: errors, gaps, some labels with errors and some without.

    Every other galaxy is ``noisy`` (as a survey measured it) unless one value is given for all.
    """
    table, generator = random_table(n, seed), torch.Generator().manual_seed(seed + 1)
    flux_error = 0.02 * table.flux + 5
    flux = table.flux + flux_error * torch.randn(flux_error.shape, generator=generator)
    gaps = torch.rand(flux.shape, generator=generator) < 0.2
    unknown = torch.rand(table.properties.shape, generator=generator) < 0.3
    property_error = 0.05 * table.properties.abs() * (torch.rand(unknown.shape, generator=generator) < 0.5)
    flags = torch.arange(n) % 2 == 1 if noisy is None else torch.full((n,), noisy)
    flux, flux_error = (x.masked_fill(gaps, torch.nan) for x in (flux, flux_error))
    properties, property_error = (x.masked_fill(unknown, torch.nan) for x in (table.properties, property_error))
    return GalaxyTable(flux, properties, table.survey + 2, flux_error, property_error, flags)


def arrow_table(table: GalaxyTable, fixed: bool = True, names: bool = False) -> pa.Table:
    """The same galaxies as an Arrow table; lists of fixed size or not, surveys as names or numbers."""

    def lists(matrix: torch.Tensor) -> pa.Array:
        flat = pa.array(matrix.reshape(-1).numpy())
        if fixed:
            return pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])
        return pa.ListArray.from_arrays(pa.array(range(0, matrix.numel() + 1, matrix.shape[1]), pa.int32()), flat)

    index = table.survey.tolist()
    survey = pa.array([SURVEYS[i] for i in index]) if names else pa.array(index, pa.int64())
    columns = {"row": pa.array(range(len(table))), "flux": lists(table.flux)}
    columns |= {"properties": lists(table.properties), "survey": survey}
    if table.has_errors:
        columns |= {name: lists(getattr(table, name)) for name in ("flux_error", "property_error")}
        columns["noisy"] = pa.array(table.noisy.numpy())
    return pa.table(columns)


def write_table(
    table: GalaxyTable, folder: Path, name: str = "train-00000-of-00001.parquet", row_group_size: int | None = None
) -> Path:
    """Write the galaxies as one Parquet file; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(arrow_table(table), folder / name, row_group_size=row_group_size)
    return folder
