"""Columns of the simulated data sets, as Hugging Face ``Features``, and the Arrow tables that hold them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Features, List, Value

from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, SURVEYS


def galaxy_features() -> Features:
    """``row``, ``flux`` (nJy, noiseless, order of BANDS), ``properties`` (order of PROPERTIES), ``survey``.

    Vectors of fixed length are ten times faster to read than one column a value, or arrays.
    """
    return Features(
        {
            "row": Value("int64"),
            "flux": List(Value("float32"), length=len(BANDS)),
            "properties": List(Value("float32"), length=len(PROPERTIES)),
            "survey": ClassLabel(names=list(SURVEYS)),
        }
    )


def _vectors(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])


def galaxy_table(row: np.ndarray, flux: np.ndarray, properties: np.ndarray, survey: np.ndarray) -> pa.Table:
    """Arrow table with the schema of ``galaxy_features``.

    Args:
        row: (n,) int.
        flux: (n, n_band) nJy.
        properties: (n, P).
        survey: (n,) names, each one of SURVEYS.

    Raises:
        ValueError: a name is not in SURVEYS, or the vectors have another length.
    """
    if flux.shape[1:] != (len(BANDS),) or properties.shape[1:] != (len(PROPERTIES),):
        raise ValueError(
            f"flux {flux.shape} and properties {properties.shape}: (n, {len(BANDS)}), (n, {len(PROPERTIES)}) needed"
        )
    unknown = sorted(set(survey) - set(SURVEYS))
    if unknown:
        raise ValueError(f"survey {str(unknown[0])!r} is not one of {', '.join(SURVEYS)}")
    codes = np.array([SURVEYS.index(name) for name in survey], dtype=np.int64)
    columns = [
        pa.array(row.astype(np.int64)),
        _vectors(flux.astype(np.float32)),
        _vectors(properties.astype(np.float32)),
        pa.array(codes),
    ]
    return pa.Table.from_arrays(columns, names=list(galaxy_features())).cast(galaxy_features().arrow_schema)


__all__ = ["galaxy_features", "galaxy_table"]
