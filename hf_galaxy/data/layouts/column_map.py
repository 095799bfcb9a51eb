"""``--columns MAP.yaml``: which column is which variable, where no layout says so.

```yaml
rSDSS: {flux: MAG_R, error: MAGERR_R, unit: mag}      # unit in place of what the columns say
J0660: {flux: FLUX_NB, relative_error: RELERR_NB, index: 30}   # element of columns that hold arrays
gSDSS: {flux: flux_g, ivar: flux_ivar_g, unit: nmgy}
redshift: {value: Z_SPEC, error: ZERR}                # a property that is named here is evidence
ebv: EBV                                              # E(B-V), to take the dust of the Milky Way out
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hf_galaxy.variables_galaxy import Variable

from ..column_names import nearest
from .where import INVERSE_VARIANCE, RELATIVE, SIGMA, Where

EBV = "ebv"
_KEYS = ("flux", "value", SIGMA, RELATIVE, INVERSE_VARIANCE, "unit", "index")


@dataclass(frozen=True)
class ColumnMap:
    """Variables to columns.

    Attributes:
        where: Of each variable.
        ebv: Column of E(B-V), or None.
        source: The file, for messages.
    """

    where: Mapping[str, Where]
    ebv: str | None = None
    source: str = "column map"


def read_column_map(source: Any, variables: Sequence[Variable]) -> ColumnMap:
    """The map of a YAML file, or of a dict.

    Raises:
        ValueError: It is no map of variables to columns; names the key and the nearest that there is.
    """
    if isinstance(source, ColumnMap):
        return source
    said, content = "column map", source
    if not isinstance(source, Mapping):
        said = str(source)
        try:
            content = yaml.safe_load(Path(source).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"{said}: no such file") from None
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            raise ValueError(f"{said}: not YAML that can be read: {' '.join(str(error).split())}") from None
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{said}: a map of variables to columns is wanted, as rSDSS: {{flux: R, error: R_ERR}}")
    known = {v.name: v for v in variables}
    where, ebv = {}, None
    for name, entry in content.items():
        if name == EBV:
            ebv = _text(entry if isinstance(entry, str) else (entry or {}).get("value"), said, EBV)
            continue
        if name not in known:
            close = nearest(str(name), [*known, EBV])
            raise ValueError(f"{said}: {name} is no variable of the model; the nearest is {close}")
        where[name] = _entry(entry, known[name], said)
    if not where:
        raise ValueError(f"{said}: names no variable of the model")
    return ColumnMap(where, ebv, said)


def _entry(entry: Any, variable: Variable, said: str) -> Where:
    name = variable.name
    if not isinstance(entry, Mapping):
        raise ValueError(f"{said}: {name}: {entry!r} is no map such as {{flux: R, error: R_ERR, unit: mag}}")
    for key in entry:
        if key not in _KEYS:
            raise ValueError(f"{said}: {name}: there is no key {key}; the nearest is {nearest(str(key), _KEYS)}")
    values = [key for key in ("flux", "value") if key in entry]
    forms = [key for key in (SIGMA, RELATIVE, INVERSE_VARIANCE) if key in entry]
    if len(values) != 1:
        raise ValueError(f"{said}: {name}: give one of flux and value, the column of its values")
    if len(forms) > 1 or (not forms and variable.kind == "flux"):
        raise ValueError(
            f"{said}: {name}: give one of {SIGMA}, {RELATIVE} and {INVERSE_VARIANCE}, the column of errors"
        )
    if variable.kind != "flux" and forms and forms[0] != SIGMA:
        raise ValueError(f"{said}: {name}: a property has an {SIGMA}, not a {forms[0]}")
    index = entry.get("index")
    if index is not None and (not isinstance(index, int) or isinstance(index, bool) or index < 0):
        raise ValueError(f"{said}: {name}: index {index!r} is no element of an array, counted from 0")
    unit = entry.get("unit")
    return Where(
        _text(entry[values[0]], said, name),
        _text(entry[forms[0]], said, name) if forms else None,
        forms[0] if forms else SIGMA,
        unit=None if unit is None else str(unit),
        index=index,
    )


def _text(column: Any, said: str, name: str) -> str:
    if not isinstance(column, str) or not column:
        raise ValueError(f"{said}: {name}: {column!r} is no name of a column")
    return column


__all__ = ["ColumnMap", "read_column_map"]
