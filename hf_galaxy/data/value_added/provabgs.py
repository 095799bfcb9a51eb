"""PROVABGS (Hahn et al. 2023, ApJ 945, 16; Kwon et al. 2023): joint fits of spectra and photometry of the DESI BGS.

Layouts: the native table (HDF5 or FITS, ``BGS_ANY_full.provabgs.*``: TARGETID, PROVABGS_LOGMSTAR_BF, …) and that of the
Hub data set ``MultimodalUniverse/desi_provabgs`` (``object_id``, LOG_MSTAR, …; a Parquet file, or a ``Dataset``).

What it measures, and what it is to us:

================ =======================================================================================
redshift         Z_HP, ZERR; 20 km/s added
log_mstar        LOG_MSTAR = PROVABGS_LOGMSTAR_BF: surviving stars at the best fit, whole galaxy, Chabrier; error: std
                 of the 100 draws of log M_formed (PROVABGS_MCMC); ± 0.1 dex. Of PROVABGS_LOGMSTAR (n, 100): median, std
log_zstar        log10(Z_MW / 0.019): weighted by mass, best fit without an error of its own; ± 0.3 dex
log_age          log10(TAGE_MW): Gyr, weighted by mass, best fit without an error of its own; ± 0.2 dex
av               1.086 tau_ISM of the draws (median, std): screen before all stars; ± 0.1 mag
log_sfr          not read: AVG_SFR is of the last Gyr, ten times longer than ours
dn4000, lines    not there
================ =======================================================================================

A mass that is not positive is a fit that failed: the row is left out, as in the data set of the Hub.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hf_galaxy.data.value_added.draft import Draft
from hf_galaxy.data.value_added.identifiers import keys_of, positions_of
from hf_galaxy.data.value_added.opening import Columns
from hf_galaxy.data.value_added.tables import LabelTable

NEEDS = "TARGETID or object_id, and LOG_MSTAR or PROVABGS_LOGMSTAR_BF, with PROVABGS_MCMC"
SYSTEMATIC = {
    "redshift": (7e-5, 7e-5),
    "log_mstar": (0.1, 0.0),
    "log_zstar": (0.3, 0.0),
    "log_age": (0.2, 0.0),
    "av": (0.1, 0.0),
}
MASS = ("PROVABGS_LOGMSTAR_BF", "LOG_MSTAR", "PROVABGS_LOGMSTAR")
Z_SUN = 0.019  # of the MIST isochrones as PROVABGS uses them
TAU_TO_MAG = 2.5 * np.log10(np.e)
THETA = ("log_mformed", "beta1", "beta2", "beta3", "beta4", "fburst", "tburst", "gamma1", "gamma2", "tau_bc", "tau_ism")
N_THETA = 13
ERROR_WITHOUT_DRAWS = 0.1  # dex, of the mass


def is_provabgs(tables: Mapping[str, Columns]) -> bool:
    """Whether a table has the names of PROVABGS."""
    return any(
        t.first("TARGETID", "object_id") and t.first(*MASS) and any(n.upper().startswith("PROVABGS") for n in t.names)
        for t in tables.values()
    )


def read_provabgs(tables: Mapping[str, Columns]) -> LabelTable:
    """Labels by ``targetid``, and by position.

    Raises:
        ValueError: A column is missing, in another unit or of another shape.
    """
    table = next((t for t in tables.values() if t.first(*MASS)), next(iter(tables.values())))
    targetid = keys_of(table).get("targetid")
    targetid = table.raw(table.need("object_id", "TARGETID")) if targetid is None else targetid
    draft = Draft("provabgs", table.rows, SYSTEMATIC)
    draft.names = np.asarray(targetid)
    column = table.need(*MASS)
    samples = _draws(table, "PROVABGS_MCMC", (THETA.index("log_mformed"), THETA.index("tau_ism")))
    many = table.number(column).ndim == 2
    if many:
        mass, error = _median(_draws(table, column, None))
        draft.skip(~np.isfinite(mass), "the fit failed")
    else:
        draft.skip(~(table.number(column) > 0), "the fit failed")
        mass = draft.value(table, column, "log10 solMass")
        error = np.full(table.rows, ERROR_WITHOUT_DRAWS) if samples is None else _median(samples[:, :, 0])[1]
        draft.count(column, "without an error", np.isfinite(mass) & ~np.isfinite(error))
    draft.put("log_mstar", mass, error, column)
    if samples is not None:
        tau, spread = _median(samples[:, :, 1])
        draft.put("av", TAU_TO_MAG * tau, TAU_TO_MAG * spread, "PROVABGS_MCMC tau_ISM")
    else:
        draft.notes.append("provabgs: no column PROVABGS_MCMC, so the mass is ± 0.1 dex; av is unknown")
    if "Z_HP" in table and "ZERR" in table:
        draft.put("redshift", *draft.measured(table, "Z_HP", error="ZERR"), "Z_HP")
    for name, given, unit, one in (("log_zstar", "Z_MW", "", Z_SUN), ("log_age", "TAGE_MW", "Gyr", 1e-9)):
        if given in table:
            value = draft.value(table, given, unit)
            draft.count(given, "not positive", value <= 0)
            logarithm = np.log10(np.where(value > 0, value, np.nan) / one)
            draft.put(name, logarithm, np.zeros(table.rows), given)
    return draft.table("targetid", {"targetid": targetid}, *positions_of(table))


def _draws(table: Columns, name: str, parts: tuple[int, ...] | None) -> np.ndarray | None:
    """(n, draws[, parts]) draws of the posterior, NaN where one is a sentinel; ``None`` without the column."""
    if name not in table:
        return None
    values = table.raw(name)
    values = table.number(name) if values.dtype.kind == "O" else values
    if values.ndim != (2 if parts is None else 3) or (parts is not None and values.shape[2] != N_THETA):
        wanted = "(n, draws)" if parts is None else f"(n, draws, {N_THETA})"
        raise ValueError(f"{table.source}: column {name} has the shape {values.shape}; {wanted} is needed")
    values = np.ma.filled((values if parts is None else values[:, :, parts]).astype(np.float64), np.nan)
    return np.where(values <= -99.0, np.nan, values)


def _median(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) median and standard deviation of draws; NaN where any is unknown or all are the same (no chain)."""
    spread = draws.std(axis=1)
    good = np.isfinite(spread) & (spread > 0)
    return np.where(good, np.median(draws, axis=1), np.nan), np.where(good, spread, np.nan)


__all__ = ["NEEDS", "is_provabgs", "read_provabgs"]
