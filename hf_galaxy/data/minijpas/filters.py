"""Which element of the arrays of the archive is which band: the order of FILTER_ID.

The photometric tables of miniJPAS and J-PAS hold one array a measurement, its elements in ascending FILTER_ID of the
table ``Filter`` of the same data release. miniJPAS has 60; for another release its own ``Filter`` table is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hf_galaxy.variables_galaxy import BANDS

from .columns import Columns

# (name, A / E(B-V)) in the order of FILTER_ID 1 … 60, from the table minijpas.Filter (columns name, kx) of the public
# data release 201912 (Bonoli et al. 2021, A&A 653, A31).
MINIJPAS_FILTERS = (
    ("uJAVA", 4.916), ("J0378", 4.567), ("J0390", 4.442), ("J0400", 4.341), ("J0410", 4.241),
    ("J0420", 4.143), ("J0430", 4.048), ("J0440", 3.953), ("J0450", 3.861), ("J0460", 3.771),
    ("J0470", 3.682), ("J0480", 3.596), ("J0490", 3.511), ("J0500", 3.428), ("J0510", 3.347),
    ("J0520", 3.268), ("J0530", 3.190), ("J0540", 3.115), ("J0550", 3.041), ("J0560", 2.969),
    ("J0570", 2.900), ("J0580", 2.832), ("J0590", 2.765), ("J0600", 2.701), ("J0610", 2.639),
    ("J0620", 2.578), ("J0630", 2.519), ("J0640", 2.462), ("J0650", 2.407), ("J0660", 2.354),
    ("J0670", 2.302), ("J0680", 2.251), ("J0690", 2.203), ("J0700", 2.155), ("J0710", 2.109),
    ("J0720", 2.064), ("J0730", 2.020), ("J0740", 1.977), ("J0750", 1.935), ("J0760", 1.894),
    ("J0770", 1.854), ("J0780", 1.815), ("J0790", 1.776), ("J0800", 1.739), ("J0810", 1.702),
    ("J0820", 1.666), ("J0830", 1.630), ("J0840", 1.595), ("J0850", 1.561), ("J0860", 1.528),
    ("J0870", 1.495), ("J0880", 1.462), ("J0890", 1.431), ("J0900", 1.400), ("J0910", 1.370),
    ("J1007", 1.119), ("uJPAS", 4.884), ("gSDSS", 3.629), ("rSDSS", 2.527), ("iSDSS", 1.825),
)  # fmt: skip
_EXTINCTION = dict(MINIJPAS_FILTERS)
_OURS = {name.casefold(): name for name in BANDS}


@dataclass(frozen=True)
class FilterOrder:
    """Names of the elements of the arrays.

    Attributes:
        names: (F,) in ascending FILTER_ID; those of ours are spelled as in BANDS.
        extinction: (F,) A / E(B-V) of the Milky Way in each; NaN is unknown.
        source: Where this order is from, for messages.
    """

    names: tuple[str, ...]
    extinction: tuple[float, ...]
    source: str

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def known(self) -> np.ndarray:
        """(F,) bool: elements that are bands of ours."""
        return np.array([name in BANDS for name in self.names])

    @cached_property
    def places(self) -> np.ndarray:
        """Places in BANDS of the elements that are known."""
        return np.array([BANDS.index(name) for name in self.names if name in BANDS], dtype=int)

    @property
    def strangers(self) -> tuple[str, ...]:
        """Filters of the survey that are no bands of ours; their fluxes are left out."""
        return tuple(name for name in self.names if name not in BANDS)


def minijpas_order() -> FilterOrder:
    """The 60 filters of miniJPAS."""
    names, extinction = zip(*MINIJPAS_FILTERS, strict=True)
    return FilterOrder(names, extinction, "miniJPAS PDR201912")


def read_filter_order(source: Any) -> FilterOrder:
    """The order that a table ``Filter`` gives: columns FILTER_ID, name and, if there, kx.

    Args:
        source: A path, or whatever else ``table_io.as_table`` takes.

    Raises:
        ValueError: A column is missing, an id or a name stands twice, or no filter is a band of ours.
    """
    columns = Columns(source)
    ids, names = columns.scalars("filter_id"), columns.texts("name")
    if not np.isfinite(ids).all():
        raise ValueError(f"{columns.source}: row {int(np.argmin(np.isfinite(ids)))} has no FILTER_ID")
    for what, values in (("FILTER_ID", ids.astype(int).tolist()), ("filter", [n.casefold() for n in names])):
        twice = sorted({v for v in values if values.count(v) > 1})
        if twice:
            raise ValueError(f"{columns.source}: {what} {twice[0]} stands {values.count(twice[0])} times; keep one")
    kx = columns.scalars("kx") if "kx" in columns else np.full(len(ids), np.nan)
    spelled = [_OURS.get(name.casefold(), name) for name in names]
    kx = [_EXTINCTION.get(name, np.nan) if np.isnan(k) else float(k) for name, k in zip(spelled, kx, strict=True)]
    order = np.argsort(ids)
    result = FilterOrder(tuple(spelled[i] for i in order), tuple(kx[i] for i in order), columns.source)
    if not result.known.any():
        raise ValueError(f"{columns.source}: none of the filters {', '.join(names[:4])}, … is a band of J-PAS")
    return result


__all__ = ["MINIJPAS_FILTERS", "FilterOrder", "minijpas_order", "read_filter_order"]
