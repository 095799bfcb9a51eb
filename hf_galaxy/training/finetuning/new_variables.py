"""From what people say of a new variable, and the data, to a variable of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import astropy.units as u
import torch

from ...data.galaxies import GalaxyTable
from ...new_variables_galaxy import extended, propose_variable
from ...variables_galaxy import BANDS, PROPERTIES, Variable

# Fewer known values than this teach nothing that could be checked on the held-out tenth.
MIN_ROWS = 50


def provisional(known: Sequence[Variable], wanted: Sequence[dict[str, Any]]) -> tuple[Variable, ...]:
    """The table of variables with the new ones, properties not yet standardised, so that the data can be read.

    Raises:
        ValueError: a name that exists with other fields, or a variable that makes no sense.
    """
    usual = (*BANDS, *PROPERTIES, "survey")
    found = tuple(v.name for v in known[: len(usual)])
    if found != usual:
        wrong = next((a for a, b in zip(found, usual, strict=False) if a != b), "fewer variables")
        raise ValueError(
            f"--init-from: the model's table of variables is not that of J-PAS and GALEX ({wrong}); it cannot be "
            "fine-tuned on such data"
        )
    names = {v.name for v in known}
    if further := next((fields["name"] for fields in wanted if fields.get("name") in usual), None):
        raise ValueError(
            f"finetuning: variable {further!r}: exists already, and every model learns it; choose another name"
        )
    for fields in wanted:
        if fields.get("name") in names and len(fields) > 1:
            raise ValueError(
                f"finetuning: variable {fields['name']!r}: exists already; name it alone to learn it further"
            )
    try:
        table = extended(known, [fields for fields in wanted if fields.get("name") not in names])
    except ValueError as error:
        raise ValueError(f"finetuning: {error}") from None
    for variable in table[len(known) :]:
        try:
            u.Unit(variable.unit)
        except ValueError:
            raise ValueError(
                f"finetuning: variable {variable.name!r}: {variable.unit!r} is no unit that astropy knows"
            ) from None
    return table


def standardised(
    table: Sequence[Variable], known: int, wanted: Sequence[dict[str, Any]], galaxies: GalaxyTable, where: str
) -> tuple[Variable, ...]:
    """The table with every new property standardised by the data, where its fields do not say how.

    Args:
        table: The usual variables, then those of ``galaxies.extra``.
        known: How many of them the model knows already; their coordinates stay.
        wanted: Fields of those that are to be learnt.
        galaxies: What they are to be learnt from.
        where: What to call the data in a message.

    Raises:
        ValueError: a variable of which too few values are known, or all the same.
    """
    first, done = len(BANDS) + len(PROPERTIES) + 1, list(table)
    for fields in wanted:
        place = [v.name for v in table].index(fields["name"])
        variable, values = table[place], galaxies.extra[:, place - first]
        values = values[torch.isfinite(values)].double().numpy()
        if len(values) < MIN_ROWS:
            raise ValueError(
                f"{where}: {variable.name} is known in {len(values)} rows; at least {MIN_ROWS} are needed to learn it"
            )
        if values.min() == values.max():
            raise ValueError(f"{where}: column {variable.name}: every value is {values[0]:g}; nothing can be learnt")
        if place >= known and variable.kind == "property" and not {"center", "scale"} <= fields.keys():
            try:
                done[place] = propose_variable(**{**fields, "values": values})
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
    return tuple(done)


__all__ = ["MIN_ROWS", "provisional", "standardised"]
