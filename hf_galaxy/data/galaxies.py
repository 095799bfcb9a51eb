"""A set of galaxies in memory, as tensors: fluxes, properties and the survey, and what is known of their errors.

Fluxes are AB flux densities in nJy in the order ``BANDS``, properties in the units and the order of ``PROPERTIES``.
NaN means *not known*. Simulated galaxies are noiseless and have no errors; of observed ones every number has its own.
Variables that a model was taught besides (``--stage finetune``) stand in ``extra``, in the order of the model's table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..variables_galaxy import BANDS, PROPERTIES
from .galaxy_files import GalaxyFiles, files_of_split, splits, tensors


@dataclass(frozen=True)
class GalaxyTable:
    """Galaxies as tensors. The errors are there all together, or, if no galaxy has errors, not at all.

    Attributes:
        flux: (N, 62) float32, AB flux density in nJy.
        properties: (N, P) float32, physical units.
        survey: (N,) int64, index into ``SURVEYS``.
        flux_error: (N, 62) float32, 1σ in nJy of the noise that the flux holds; 0 is noiseless.
        property_error: (N, P) float32, 1σ of the property; 0 is exact.
        noisy: (N,) bool, the flux is as a survey measured it, so that no noise of a survey is to be added.
        extra: (N, E) float32, further variables as measured: fluxes in nJy, properties, indices of categories.
        extra_error: (N, E) float32, their 1σ errors; 0 is exact. Only together with ``extra``, and with errors.
    """

    flux: Tensor
    properties: Tensor
    survey: Tensor
    flux_error: Tensor | None = None
    property_error: Tensor | None = None
    noisy: Tensor | None = None
    extra: Tensor | None = None
    extra_error: Tensor | None = None

    def __post_init__(self) -> None:
        n = len(self.flux)
        wanted = {"flux": (n, len(BANDS)), "properties": (n, len(PROPERTIES)), "survey": (n,)}
        if self.has_errors:
            wanted |= {"flux_error": wanted["flux"], "property_error": wanted["properties"], "noisy": (n,)}
        if self.extra is not None or self.extra_error is not None:
            width = self.n_extra
            wanted |= {"extra": (n, width), "extra_error": (n, width)}
            if not self.has_errors:
                raise ValueError("extra values come with errors; give those of the fluxes too, as with_errors() does")
        for name, shape in wanted.items():
            found = getattr(self, name)
            if found is None or tuple(found.shape) != shape:
                has = "is missing" if found is None else f"has the shape {tuple(found.shape)}"
                raise ValueError(f"{name} {has}; {shape} is wanted")

    def __len__(self) -> int:
        return len(self.flux)

    @property
    def has_errors(self) -> bool:
        """Whether any galaxy of the table was observed."""
        return not (self.flux_error is None and self.property_error is None and self.noisy is None)

    @property
    def n_extra(self) -> int:
        """Number of variables besides the usual ones."""
        return 0 if self.extra is None else self.extra.shape[-1]

    def __getitem__(self, index: Tensor | slice) -> GalaxyTable:
        """The galaxies of an index tensor (or slice), in its order."""
        return self._each(lambda column: column[index])

    def to(self, device: torch.device | str) -> GalaxyTable:
        """The same galaxies on another device."""
        return self._each(lambda column: column.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> GalaxyTable:
        columns = (getattr(self, name) for name in self.__dataclass_fields__)
        return GalaxyTable(*(column if column is None else change(column) for column in columns))

    def with_errors(self) -> GalaxyTable:
        """The same galaxies, with errors of zero where they have none."""
        if self.has_errors:
            return self
        noisy = torch.zeros_like(self.survey, dtype=torch.bool)
        zeros = torch.zeros_like(self.flux), torch.zeros_like(self.properties)
        return GalaxyTable(self.flux, self.properties, self.survey, *zeros, noisy)

    def with_extra(self, width: int) -> GalaxyTable:
        """The same galaxies with ``width`` further variables, unknown where they have none."""
        if self.n_extra == width:
            return self
        blank = self.flux.new_full((len(self), width - self.n_extra), torch.nan)
        extra, error = ([] if x is None else [x] for x in (self.extra, self.extra_error))
        joined = {"extra": torch.cat([*extra, blank], 1), "extra_error": torch.cat([*error, blank], 1)}
        return replace(self.with_errors(), **joined)

    @classmethod
    def join(cls, tables: Sequence[GalaxyTable]) -> GalaxyTable:
        """The galaxies of all tables, one after the other, on the device of the first."""
        tables = [table for table in tables if len(table)] or list(tables[:1])
        if any(table.has_errors for table in tables):
            tables = [table.with_errors() for table in tables]
        width = max(table.n_extra for table in tables)
        tables = [table.with_extra(width) for table in tables]
        device = tables[0].flux.device
        names = [name for name in cls.__dataclass_fields__ if getattr(tables[0], name) is not None]
        return cls(**{name: torch.cat([getattr(table, name).to(device) for table in tables]) for name in names})

    @classmethod
    def load(cls, path_or_hub_id: str | Path, split: str | None = None) -> GalaxyTable:
        """Read a folder of Parquet files, or a data set of the Hub; simulated, observed, or both.

        Args:
            path_or_hub_id: Folder (searched with its subfolders), one Parquet file, or ``organisation/name``.
            split: ``"train"``, ``"validation"`` or ``"test"``: only the files of that split. May be left out where
                there is but one.

        Raises:
            ValueError: nothing there, an unknown split, or columns that are missing or of the wrong kind.
        """
        path = Path(path_or_hub_id)
        if path.exists():
            files = GalaxyFiles(files_of_split(path, split))
            return cls(**files.read_all(range(len(files.groups))))
        if re.fullmatch(r"[\w.-]+/[\w.-]+", str(path_or_hub_id)):
            return cls(**_from_hub(str(path_or_hub_id), split))
        raise ValueError(f"{path_or_hub_id}: no such folder, and not the name of a data set (organisation/name) either")


def _from_hub(hub_id: str, split: str | None) -> dict[str, Tensor]:
    import datasets  # half a second, and only needed here

    try:
        data = datasets.load_dataset(hub_id, split=split or "train")
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{hub_id}: neither a folder here nor a data set that can be loaded ({reason})") from None
    return tensors(data.with_format("arrow")[:], hub_id, errors=False)


__all__ = ["GalaxyTable", "splits"]
