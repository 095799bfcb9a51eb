"""Densities on a grid as an ensemble of ``qp`` (https://qp.readthedocs.io), the format of the LSST DESC and of RAIL.

HDF5, parameterisation ``interp``: ``/meta`` has ``pdf_name``, ``pdf_version`` and ``xvals`` (1, m), ``/data`` the
densities ``yvals`` (n, m), ``/ancil`` what belongs to each galaxy. ``qp.read(path)`` reads it, and slices of it.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from .answers import PdfGrid
from .parts import Parts

MODE = "zmode"  # what RAIL calls the point estimate


def density_file(output: Path, folder: bool, name: str) -> Path:
    """Where the densities of a variable go: beside a file, or into a folder."""
    return output / f"pdf_{name}.hdf5" if folder else output.with_name(f"{output.stem}_pdf_{name}.hdf5")


def write_densities(parts: Parts, wanted: PdfGrid, path: Path) -> None:
    """Write the densities of all parts, one part in memory at a time; galaxies that were skipped have NaN.

    Raises:
        ImportError: h5py is not installed.
        OSError: The disk is full; the parts are kept.
    """
    import h5py

    temporary = parts.folder / "densities.hdf5"
    mode = f"{wanted.name}_mode"
    try:
        with h5py.File(temporary, "w") as file:
            file["meta/pdf_name"] = np.array([b"interp"])
            file["meta/pdf_version"] = np.array([0])
            file["meta/xvals"] = wanted.grid[None]
            values = file.create_dataset("data/yvals", (parts.rows, len(wanted.grid)), "f4")
            file["ancil/row"] = np.arange(parts.rows)
            point = None
            for i, rows in enumerate(parts.bounds):
                values[rows] = np.load(parts.density_path(i))
                table = pq.ParquetFile(parts.paths[i])
                if mode in table.schema_arrow.names:
                    point = point or file.create_dataset(f"ancil/{MODE}", (parts.rows,), "f8")
                    point[rows] = table.read([mode])[mode].to_numpy()
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise parts.no_room(error) from None


__all__ = ["density_file", "write_densities"]
