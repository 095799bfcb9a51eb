"""Galaxies with truth: simulated on the spot, stored as Parquet, or a catalogue with columns to compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from astropy.table import Table
from numpy.typing import NDArray

from ..coordinates_galaxy import Coordinates
from ..data.catalogues import Catalogue, CatalogueReport, read_catalogue
from ..data.column_names import nearest
from ..data.galaxies import GalaxyTable, splits
from ..data.table_io import as_table, table_format
from ..physics.noise import NoiseModel, NoiseSettings
from ..physics.settings import SimulationSettings
from ..physics.simulate import Simulator
from ..variables_galaxy import BANDS, PROPERTIES, SURVEYS, Variable

NOISE = ("nominal", "survey", "none")
PIECE = 4096  # rows that are observed together: the noise of a row depends on the seed and on its piece
MAGNITUDE_BANDS = ("iSDSS", "rSDSS")
AB_ZERO_NJY = 31.4  # AB magnitude of 1 nJy
FARTHEST = 30.0  # token coordinate of a truth that is no number but a flag, such as a mass of -99
FEWEST = 2  # galaxies with truth that make a figure
SIMULATION_SEED = 20_261_122  # far from the seeds of training sets


@dataclass(frozen=True)
class HeldOut:
    """Galaxies with truth, in the order of their rows.

    Attributes:
        truth: (n,) of every property that has any, physical units; NaN is not known.
        magnitude: (n,) AB magnitude by which figures are binned; NaN is not known.
        survey: (n,) names of surveys, or None.
        measured: Whether the fluxes are as some instrument saw them, so that ``noise`` can only be ``none``.
        facts: What these galaxies are, for the report.
        observe: From a slice of rows, a kind of noise and a seed to their evidence.
    """

    truth: Mapping[str, NDArray[np.float64]]
    magnitude: NDArray[np.float64]
    survey: NDArray[np.str_] | None
    measured: bool
    facts: Mapping[str, Any]
    observe: Callable[[slice, str, int], Catalogue]

    def __len__(self) -> int:
        return len(self.magnitude)

    def pieces(self) -> list[slice]:
        """All rows, ``PIECE`` at a time."""
        return [slice(start, min(start + PIECE, len(self))) for start in range(0, len(self), PIECE)]


def held_out(data: str | None, n: int, seed: int, variables: Sequence[Variable], unit: str | None = None) -> HeldOut:
    """At most ``n`` galaxies of a folder, a Hub id or a catalogue, drawn by ``seed`` if there are more; or simulated.

    Args:
        data: Folder or Hub id of Parquet galaxies (its split ``test`` if it has one), or a catalogue with columns
            ``true_<name>`` or ``<name>_spec``, taken as exact; None simulates galaxies as the training did.
        variables: The table of variables of the model.
        unit: Unit of flux columns of a catalogue that have none.

    Raises:
        ValueError: Nothing there, no truth, or truth that cannot be meant.
        ImportError: Simulation is asked for, and its grids are not installed.
    """
    if data is None:
        return _simulated(n, seed, variables)
    if _is_catalogue(data):
        return _catalogue(data, n, seed, variables, unit)
    has_test = Path(data).is_dir() and "test" in splits(data)
    table = GalaxyTable.load(data, "test" if has_test else None)
    name = Path(data).resolve().name if Path(data).exists() else data
    return _from_table(table[_chosen(len(table), n, seed)], data, {"source": name, "of": len(table)}, variables)


def _is_catalogue(data: str) -> bool:
    """Whether this is, or by its ending should be, a table of a user rather than Parquet galaxies or a Hub id."""
    path = Path(data)
    try:
        table_format(path)
    except ValueError:
        return path.is_file()  # of a kind that the reader of catalogues will name
    if path.suffix.lower() != ".parquet" or not path.is_file():
        return not path.is_dir()
    try:
        return not {"flux", "properties"} <= set(pq.read_schema(path).names)
    except (OSError, ValueError):
        return True  # the reader of catalogues says what is wrong with it


def _chosen(total: int, n: int, seed: int) -> torch.Tensor:
    """Rows of a sample in their order; all rows if there are no more than n."""
    rows = np.random.default_rng(seed).choice(total, n, replace=False) if n < total else np.arange(total)
    return torch.as_tensor(np.sort(rows))


def _simulated(n: int, seed: int, variables: Sequence[Variable]) -> HeldOut:
    simulator = Simulator(SimulationSettings())
    seed = SIMULATION_SEED + seed
    rows = simulator.rows(seed, 0, n)
    table = GalaxyTable(rows.flux, rows.properties, torch.tensor([SURVEYS.index(s) for s in rows.survey]))
    facts = {"source": "simulated", "simulation": asdict(simulator.settings), "simulation_seed": seed}
    return _from_table(table, "simulation", facts, variables)


def _from_table(table: GalaxyTable, source: str, facts: Mapping[str, Any], variables: Sequence[Variable]) -> HeldOut:
    columns = dict(zip(PROPERTIES, table.properties.double().numpy().T, strict=True))
    known = {v.name: v for v in variables}
    truth = checked_truth({name: columns[name] for name in PROPERTIES if name in known}, known, source)
    measured = table.has_errors and bool(table.noisy.all())
    flux = table.flux[:, BANDS.index(MAGNITUDE_BANDS[0])].double().numpy()
    magnitude = _magnitude(flux)
    kind = f"{MAGNITUDE_BANDS[0]}, {'as observed' if table.has_errors else 'noiseless'}"
    limits = [float(np.nanmin(magnitude)), float(np.nanmax(magnitude))] if np.isfinite(magnitude).any() else None
    return HeldOut(
        truth,
        magnitude,
        np.asarray(SURVEYS)[table.survey.numpy()],
        measured,
        {**facts, "galaxies": len(table), "magnitude": kind, "i": limits},
        lambda rows, noise, seed: _observed(table[rows], rows, noise, seed, source),
    )


@cache
def _noise_model(kind: str) -> NoiseModel:
    return NoiseModel(NoiseSettings.survey() if kind == "survey" else NoiseSettings.nominal(), BANDS)


def _observed(table: GalaxyTable, rows: slice, noise: str, seed: int, source: str) -> Catalogue:
    """What a survey would see of some galaxies; without noise, the fluxes as they are, with the errors of the survey.

    Rows that are real photometry stay as they are; what was synthesised from a spectrum keeps the noise of that too.
    """
    state = np.random.SeedSequence([seed, rows.start]).generate_state(2, np.uint32)
    generator = torch.Generator().manual_seed(int(state[0]) << 31 | int(state[1]) >> 1)
    errors = {"flux_error": table.flux_error, "skip": table.noisy} if table.has_errors else {}
    seen = _noise_model(noise).observe(table.flux, generator, **errors)
    flux, error = (seen.flux if noise != "none" else table.flux).double().numpy(), seen.error.double().numpy()
    flux = np.where(np.isfinite(error), flux, np.nan)
    places = Table({"row": np.arange(rows.start, rows.start + len(table))})
    return Catalogue(flux, error, BANDS, CatalogueReport(), places, source)


def _catalogue(data: str, n: int, seed: int, variables: Sequence[Variable], unit: str | None) -> HeldOut:
    table, _, source = as_table(data)
    whole = read_catalogue(data, unit, (), variables)
    chosen = _chosen(len(whole), n, seed).numpy()
    catalogue, known = whole[chosen], {v.name: v for v in variables}
    columns = truth_columns(table.colnames, known, source)
    truth = {name: _column(table[chosen], name, column, source, variables) for name, column in columns.items()}
    names = [band for band in MAGNITUDE_BANDS if band in catalogue.names]
    flux = catalogue.values[:, catalogue.names.index(names[0])] if names else np.full(len(catalogue), np.nan)
    return HeldOut(
        checked_truth(truth, known, source, columns),
        _magnitude(flux),
        None,
        True,
        {
            "source": Path(data).name,
            "of": len(whole),
            "galaxies": len(catalogue),
            "magnitude": f"{names[0]}, as observed" if names else "none",
            "truth": columns,
        },
        lambda rows, noise, seed: catalogue[rows],
    )


def truth_columns(columns: Sequence[str], known: Mapping[str, Variable], source: str) -> dict[str, str]:
    """Property to the column that holds its truth: ``true_<name>``, else ``<name>_spec``.

    Raises:
        ValueError: There is none, or a column ``true_…`` is of no property.
    """
    properties = [name for name, v in known.items() if v.kind == "property"]
    for column in columns:
        if column.startswith("true_") and (name := column.removeprefix("true_")) not in properties:
            raise ValueError(
                f"{source}: column {column}: the model knows no property {name}; the nearest is "
                f"{nearest(name, properties)}; rename the column, or drop it"
            )
    forms = {name: (f"true_{name}", f"{name}_spec") for name in properties}
    found = {name: next((c for c in pair if c in columns), None) for name, pair in forms.items()}
    found = {name: column for name, column in found.items() if column}
    if not found:
        raise ValueError(
            f"{source}: no column of truth; name what the answers are compared with true_<name> or <name>_spec, "
            "such as true_log_mstar or redshift_spec"
        )
    return found


def _column(table: Table, name: str, column: str, source: str, variables: Sequence[Variable]) -> NDArray[np.float64]:
    """A column of truth in the unit of its variable; read by the rules of evidence."""
    alone = Table({name: table[column]})
    try:
        return read_catalogue(alone, given=[name], variables=variables).values[:, 0]
    except ValueError as error:
        reason = str(error).removeprefix("table: ").replace(f"column {name}", f"column {column}", 1)
        raise ValueError(f"{source}: {reason}") from None


def checked_truth(
    truth: Mapping[str, NDArray[np.float64]],
    known: Mapping[str, Variable],
    source: str,
    columns: Mapping[str, str] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """The properties of which two galaxies or more have a truth.

    Raises:
        ValueError: A truth lies beyond its limits or is a flag, a column is constant, or nothing is left.
    """
    kept = {}
    for name, values in truth.items():
        where = f"{source}: column {(columns or {}).get(name, name)}"
        there = np.isfinite(values)
        if np.isinf(values).any():
            raise ValueError(f"{where}, row {np.flatnonzero(np.isinf(values))[0]}: is infinite; NaN means not known")
        if there.sum() < FEWEST:
            continue
        _check_values(values, there, known[name], where)
        kept[name] = values
    if not kept:
        raise ValueError(f"{source}: no property has a truth in {FEWEST} galaxies or more; the others are NaN")
    return kept


def _check_values(values: NDArray, there: NDArray, variable: Variable, where: str) -> None:
    low = -np.inf if variable.lower is None else variable.lower
    high = np.inf if variable.upper is None else variable.upper
    t = Coordinates([variable], torch.float64).forward(torch.as_tensor(values)[:, None])[:, 0].numpy()
    with np.errstate(invalid="ignore"):
        wrong = there & ((values < low) | (values > high) | ~(np.abs(t) <= FARTHEST))
    if wrong.any():
        row = np.flatnonzero(wrong)[0]
        raise ValueError(f"{where}, row {row}: {values[row]:g} is no {variable.name}; NaN means not known")
    if np.ptp(values[there]) == 0:
        raise ValueError(
            f"{where}: all {there.sum()} values are {values[there][0]:g}; a constant is no truth, drop the column"
        )


def _magnitude(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    return AB_ZERO_NJY - 2.5 * np.log10(np.where(flux > 0, flux, np.nan))


__all__ = ["FEWEST", "NOISE", "PIECE", "HeldOut", "checked_truth", "held_out", "truth_columns"]
