"""GSWLC (Salim et al. 2016, ApJS 227, 2; 2018, ApJ 859, 11): fits of UV, optical and IR photometry of SDSS galaxies.

Layouts: ``GSWLC-A2.dat`` … ``-X2.dat`` as published (24 columns without a header, in the order of COLUMNS), and tables
with names, in any of their spellings (``LOGMSTAR``, ``logMstar``, ``log_mstar``, …).

What it measures, and what it is to us:

================ =======================================================================================
redshift         Z of SDSS, without an error; 30 km/s
log_mstar        LOGMSTAR, LOGMSTARERR: whole galaxy, Chabrier, surviving; ± 0.1 dex
log_sfr          LOGSFRSED, LOGSFRSEDERR: whole galaxy, Chabrier, of the last 100 Myr; ± 0.15 dex
av               AV, AVERR: all stars, steep modified Calzetti laws; ours is of the diffuse dust; ± 0.2 mag
others           not there
================ =======================================================================================

-99 is missing. FLAG_SED other than 0 (broad lines, bad fits, missing photometry) leaves a row out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from hf_galaxy.data.value_added.draft import Draft
from hf_galaxy.data.value_added.identifiers import keys_of, positions_of
from hf_galaxy.data.value_added.opening import Columns
from hf_galaxy.data.value_added.tables import LabelTable

NEEDS = "LOGMSTAR and LOGSFRSED with errors, and plate, MJD, fiber or RA, DEC; or the published file of 24 columns"
SYSTEMATIC = {"redshift": (1e-4, 1e-4), "log_mstar": (0.1, 0.0), "log_sfr": (0.15, 0.0), "av": (0.2, 0.0)}
COLUMNS = (
    "OBJID", "GLXID", "PLATE", "MJD", "FIBER_ID", "RA", "DECL", "Z", "CHISQ_R", "LOGMSTAR", "LOGMSTARERR", "LOGSFRSED",
    "LOGSFRSEDERR", "AFUV", "AFUVERR", "AB", "ABERR", "AV", "AVERR", "FLAG_SED", "UV_SURVEY", "FLAG_UV", "FLAG_MIDIR",
    "FLAG_MGS",
)  # fmt: skip
SPELLINGS = {  # of names without case, underscores and the like
    "z": ("z", "redshift", "zspec"),
    "mass": ("logmstar", "logm"),
    "mass_error": ("logmstarerr", "elogmstar", "logmstarerror"),
    "rate": ("logsfrsed", "logsfr"),
    "rate_error": ("logsfrsederr", "elogsfrsed", "logsfrerr"),
    "av": ("av",),
    "av_error": ("averr", "eav"),
    "flag": ("flagsed",),
}


def is_gswlc(tables: Mapping[str, Columns]) -> bool:
    """Whether a table has masses and rates of GSWLC, or the 24 columns of the published file."""
    table = next(iter(tables.values()))
    names = _spelled(table)
    return len(tables) == 1 and ({"mass", "rate", "flag"} <= names.keys() or _published(table))


def read_gswlc(tables: Mapping[str, Columns]) -> LabelTable:
    """Labels by ``plate-mjd-fiber`` where the table has it, and by position.

    Raises:
        ValueError: A column is missing or in another unit; there are neither ids nor positions.
    """
    table = next(iter(tables.values()))
    table = _named(table) if _published(table) else table
    names = _spelled(table)
    for part in ("mass", "mass_error"):
        if part not in names:
            raise ValueError(f"{table.source}: no column {SPELLINGS[part][0].upper()}; GSWLC needs {NEEDS}")
    draft = Draft("gswlc", table.rows, SYSTEMATIC)
    keys = {kind: ids for kind, ids in keys_of(table).items() if kind == "plate-mjd-fiber"}
    position = positions_of(table)
    if not keys and position[0] is None:
        raise ValueError(f"{table.source}: neither plate, MJD and fiber nor RA and DEC; one of them is needed")
    if keys:
        draft.names = keys["plate-mjd-fiber"]
    if "flag" in names:
        draft.skip(table.number(names["flag"]) != 0, "FLAG_SED is not 0")
    else:
        draft.notes.append("gswlc: no column FLAG_SED, so no row is left out for it")
    if "z" in names:
        draft.put("redshift", draft.value(table, names["z"]), np.zeros(table.rows), names["z"])
    for name, part, unit in (
        ("log_mstar", "mass", "log10 solMass"),
        ("log_sfr", "rate", "log10 solMass / yr"),
        ("av", "av", "mag"),
    ):
        if part in names and f"{part}_error" in names:
            value = draft.measured(table, names[part], unit=unit, error=names[f"{part}_error"])
            draft.put(name, *value, names[part])
        else:
            draft.notes.append(f"gswlc: no column {part} with its error; {name} is unknown")
    return draft.table("plate-mjd-fiber" if keys else "position", keys, *position)


def _spelled(table: Columns) -> dict[str, str]:
    """Part to the name of its column in the table."""
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in table.names}
    return {
        part: plain[next(s for s in spellings if s in plain)]
        for part, spellings in SPELLINGS.items()
        if any(s in plain for s in spellings)
    }


def _published(table: Columns) -> bool:
    return list(table.names) == [f"col{i + 1}" for i in range(len(COLUMNS))]


def _named(table: Columns) -> Columns:
    given = dict(zip(COLUMNS, table.names, strict=True))
    return Columns(table.source, COLUMNS, table.rows, lambda name: table.raw(given[name]))


__all__ = ["COLUMNS", "NEEDS", "is_gswlc", "read_gswlc"]
