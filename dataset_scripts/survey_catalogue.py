"""A catalogue of one's own survey as a data set to adapt a model to: ``train.py --stage adapt --data DIR``.

    python -m dataset_scripts.survey_catalogue CATALOGUE --out DIR [--labels redshift,log_mstar] [--unit uJy]

The catalogue is read as ``hf-galaxy predict`` reads it: columns ``<band>`` and ``<band>_err`` with their unit. Labels
are columns named like properties (the redshift may be ``redshift_spec``), with their errors ``<name>_err`` or exact;
NaN or masked is not known, and most galaxies of most surveys have none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hf_galaxy.data.catalogues import Catalogue, read_catalogue
from hf_galaxy.data.features import ObservedGalaxies
from hf_galaxy.data.shards import whole_file
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, SURVEYS

FILE = "train-00000-of-00001.parquet"


def observed_galaxies(catalogue: Catalogue, survey: str = "other") -> ObservedGalaxies:
    """The galaxies of a catalogue as rows that training takes as they are: the noise is in them.

    Args:
        catalogue: Fluxes with errors, and labels if they were given.
        survey: One of SURVEYS; ``other`` for a survey whose name the adaptation says.

    Raises:
        ValueError: a galaxy has neither flux nor label.
    """
    empty = ~catalogue.observed.any(axis=1)
    if empty.any():
        row = int(empty.argmax())
        raise ValueError(f"{catalogue.source}: row {row} and {int(empty.sum()) - 1} more hold no flux; leave them out")
    n, table = len(catalogue), catalogue.table
    flux, flux_error = _columns(catalogue, BANDS)
    properties, property_error = _columns(catalogue, PROPERTIES)
    names = np.asarray(table["id"]).astype(str) if "id" in table.colnames else np.arange(n).astype(str)
    unknown = np.full(n, np.nan)
    return ObservedGalaxies(
        id=names,
        draw=np.zeros(n, dtype=int),
        ra=unknown,
        dec=unknown,
        flux=flux,
        flux_error=flux_error,
        extrapolated=np.zeros(flux.shape, dtype=bool),
        properties=properties,
        property_error=property_error,
        survey=np.full(n, survey),
        noisy=np.ones(n, dtype=bool),
        source=np.full(n, Path(catalogue.source).name),
    )


def _columns(catalogue: Catalogue, names: Sequence[str]) -> tuple[NDArray, NDArray]:
    """Values and errors (n, names), NaN where the catalogue has none."""
    values, errors = np.full((2, len(catalogue), len(names)), np.nan)
    for column, name in enumerate(catalogue.names):
        if name in names:
            place = names.index(name)
            values[:, place], errors[:, place] = catalogue.values[:, column], catalogue.errors[:, column]
    return values, errors


def write(galaxies: ObservedGalaxies, folder: Path) -> Path:
    """One Parquet file in a folder, whole or not at all.

    Raises:
        ValueError: the folder holds one already.
    """
    if (folder / FILE).exists():
        raise ValueError(f"{folder / FILE}: is there already; choose another --out")
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / FILE) as temporary:
        table: pa.Table = galaxies.table()
        pq.write_table(table, temporary, compression="zstd")
    return folder / FILE


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m dataset_scripts.survey_catalogue", description=__doc__.splitlines()[0]
    )
    parser.add_argument("catalogue", help="FITS, ECSV, VOTable, Parquet or CSV")
    parser.add_argument("--out", type=Path, required=True, help="folder for the Parquet file")
    parser.add_argument("--labels", default="", metavar="A,B", help="properties that the catalogue has")
    parser.add_argument("--unit", help="unit of flux columns without one")
    parser.add_argument("--survey", choices=SURVEYS, default="other", help="where the galaxies are from (other)")
    a = parser.parse_args(arguments)
    try:
        labels = [name.strip() for name in a.labels.split(",") if name.strip()]
        catalogue = read_catalogue(a.catalogue, a.unit, labels)
        for line in catalogue.report.lines():
            print(f"survey_catalogue: {catalogue.source}: {line}", file=sys.stderr)
        galaxies = observed_galaxies(catalogue, a.survey)
        known = int(np.isfinite(galaxies.properties).any(axis=1).sum())
        print(f"{write(galaxies, a.out)}: {len(galaxies)} galaxies, {known} with labels")
    except (ValueError, ImportError, OSError) as error:
        print(f"survey_catalogue: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())


__all__ = ["main", "observed_galaxies", "write"]
