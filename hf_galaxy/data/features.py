"""Columns of the data sets, as Hugging Face ``Features``, and the Arrow tables that hold them.

Two schemas: simulated galaxies (noiseless, everything known) and observed ones (errors, gaps, labels of other people).
NaN is *not observed*, *not known*; what was looked at and not seen is a flux near zero with its error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
            "flux": _vector("float32", len(BANDS)),
            "properties": _vector("float32", len(PROPERTIES)),
            "survey": ClassLabel(names=list(SURVEYS)),
        }
    )


def observed_features() -> Features:
    """Columns of galaxies that an instrument saw; see ``ObservedGalaxies`` for their meaning."""
    return Features(
        {
            "id": Value("string"),
            "draw": Value("int32"),
            "ra": Value("float64"),
            "dec": Value("float64"),
            "flux": _vector("float32", len(BANDS)),
            "flux_error": _vector("float32", len(BANDS)),
            "extrapolated": _vector("bool", len(BANDS)),
            "properties": _vector("float32", len(PROPERTIES)),
            "property_error": _vector("float32", len(PROPERTIES)),
            "survey": ClassLabel(names=list(SURVEYS)),
            "noisy": Value("bool"),
            "source": Value("string"),
        }
    )


@dataclass(frozen=True, eq=False)
class ObservedGalaxies:
    """Galaxies that an instrument saw.

    Attributes:
        id: (n,) names, unique together with ``draw``.
        draw: (n,) 0 for the galaxy as it was observed, 1, 2, … for the same one moved to other redshifts.
        ra, dec: (n,) deg, ICRS; NaN is unknown.
        flux, flux_error: (n, n_band) nJy, order of BANDS; NaN is not observed, in both or in neither.
        extrapolated: (n, n_band) the flux is that of a template, beyond the spectrum; its error says so too.
        properties, property_error: (n, P) units and order of PROPERTIES; NaN is unknown; an error of 0 is exact.
        survey: (n,) names of SURVEYS.
        noisy: (n,) the fluxes hold all the noise of a survey; training adds none. False for what was synthesised from
            spectra of high signal-to-noise ratio.
        source: (n,) where fluxes and labels come from, comma-separated.
    """

    id: np.ndarray
    draw: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    flux: np.ndarray
    flux_error: np.ndarray
    extrapolated: np.ndarray
    properties: np.ndarray
    property_error: np.ndarray
    survey: np.ndarray
    noisy: np.ndarray
    source: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.id)
        wide = {"flux": len(BANDS), "flux_error": len(BANDS), "extrapolated": len(BANDS)}
        wide |= {"properties": len(PROPERTIES), "property_error": len(PROPERTIES)}
        for name in self.__dataclass_fields__:
            shape = (n, wide[name]) if name in wide else (n,)
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"{name} has the shape {np.shape(getattr(self, name))}; {shape} is needed")
        for value, error in (("flux", "flux_error"), ("properties", "property_error")):
            v, e = getattr(self, value), getattr(self, error)
            half = (np.isfinite(v) != np.isfinite(e)).any(1) | (e < 0).any(1)
            if half.any():
                i = int(half.argmax())
                raise ValueError(f"{self.id[i]}: {value} and {error} must be known together, and errors not negative")

    def __len__(self) -> int:
        return len(self.id)

    def table(self) -> pa.Table:
        """Arrow table with the schema of ``observed_features``."""
        columns = {}
        for name in observed_features():
            value = np.asarray(getattr(self, name))
            if name == "survey":
                columns[name] = pa.array(_survey_codes(value))
            elif value.ndim == 2:
                columns[name] = _vectors(value if value.dtype == bool else value.astype(np.float32))
            else:
                columns[name] = pa.array(value.astype(str).tolist() if name in ("id", "source") else value)
        return pa.table(columns).cast(observed_features().arrow_schema)


def _vector(kind: str, length: int) -> List:
    return List(Value(kind), length=length)


def _vectors(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])


def _survey_codes(names: Sequence[str]) -> np.ndarray:
    unknown = sorted(set(names) - set(SURVEYS))
    if unknown:
        raise ValueError(f"survey {str(unknown[0])!r} is not one of {', '.join(SURVEYS)}")
    return np.array([SURVEYS.index(name) for name in names], dtype=np.int64)


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
    columns = [
        pa.array(row.astype(np.int64)),
        _vectors(flux.astype(np.float32)),
        _vectors(properties.astype(np.float32)),
        pa.array(_survey_codes(survey)),
    ]
    return pa.Table.from_arrays(columns, names=list(galaxy_features())).cast(galaxy_features().arrow_schema)


__all__ = ["ObservedGalaxies", "galaxy_features", "galaxy_table", "observed_features"]
