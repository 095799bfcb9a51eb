"""Whether numbers can be what they are said to be: fluxes in nJy, properties in their own units."""

from __future__ import annotations

import torch

from ..coordinates_galaxy import Coordinates
from ..data.galaxies import GalaxyTable
from ..variables_galaxy import PROPERTIES, default_variables

# Of the brightest band of the median galaxy: AB magnitudes 30 to 5 (m = 31.4 - 2.5 log10 f).
FLUX_NJY = (3.6, 3.6e10)
# A property whose median is so many of its usual scatters from its usual centre is in another unit.
FAR = 25.0


def refuse_other_units(table: GalaxyTable, where: str) -> None:
    """Refuse galaxies whose fluxes or properties can only be in other units than ours.

    Args:
        table: Some galaxies of a data set; their median tells.
        where: What to call the data set.

    Raises:
        ValueError: names the column, its median and the unit that is wanted.
    """
    brightest = table.flux.nan_to_num(-torch.inf).amax(1)
    known = brightest[torch.isfinite(brightest)]
    if len(known):
        median = float(known.median())
        if not FLUX_NJY[0] < median < FLUX_NJY[1]:
            raise ValueError(
                f"{where}: column flux: the brightest band of the median galaxy is {median:.3g}; AB flux densities in "
                f"nJy are wanted, of which galaxies have {FLUX_NJY[0]:g} to {FLUX_NJY[1]:g}"
            )
    variables = [v for v in default_variables() if v.kind == "property"]
    coordinates = Coordinates(variables)
    for i, (name, variable) in enumerate(zip(PROPERTIES, variables, strict=True)):
        column = table.properties[:, i]
        column = column[torch.isfinite(column)]
        if not len(column):
            continue
        median = column.median()
        far = coordinates[torch.tensor([i])].forward(median.cpu().reshape(1))
        low, high = variable.lower, variable.upper
        outside = (low is not None and median < low) or (high is not None and median > high)
        if outside or not far.abs() < FAR:
            raise ValueError(
                f"{where}: column properties, {name}: the median is {float(median):.3g}; "
                f"{variable.unit or 'a number without unit'} is wanted ({variable.description})"
            )


__all__ = ["refuse_other_units"]
