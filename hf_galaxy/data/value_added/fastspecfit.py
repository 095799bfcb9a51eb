"""fastspecfit (Moustakas et al. 2023, ASCL 2308.005), catalogues of DESI: ``fastspec-*.fits``.

Layouts, told by EXTNAME: v1 and v2 hold the properties inside FASTSPEC, v3 in SPECPHOT; METADATA holds the redshift.
The tables are row-matched; TARGETID, where two hold it, must agree row by row.

What it measures, and what it is to us:

================ =======================================================================================
redshift         Z of METADATA (redrock); 50 km/s added
log_mstar        LOGMSTAR: surviving stars, Chabrier, h = 1, whole galaxy; ± 0.1 dex
log_sfr          SFR: whole galaxy, Chabrier; of the last 100 Myr since v3.5, some 30 Myr before; ± 0.2 dex
log_zstar        ZZSUN: mass-weighted; ± 0.2 dex. Templates before v3.6 have one metallicity: constant = unknown
av               1.086 TAUV, or AV before v3.1: one screen before all stars; ± 0.1 mag
dn4000           DN4000: narrow, lines subtracted, in the fibre; ± 0.02
log_age          not read: AGE is weighted by light
ew_*             {LINE}_EW: rest frame, emission positive, in the fibre; ± 0.2 Å ± 5 %
flux_*           {LINE}_FLUX in 1e-17 erg/s/cm²: of the fibre, corrected for the dust of the Milky Way; ± 5 %
================ =======================================================================================

The fit bounds amplitudes at zero from below. A line at the bound has value 0 and inverse variance 0, the same as one
outside of the spectrum: taken as unknown alone, only bright lines would be known, and weak ones would seem to be
missing at random. So a line at the bound with pixels of its own (FLUX_LIMIT, CONT > 0) is 0 ± UNDETECTED_ERROR times
FLUX_LIMIT (EW: over CONT (1 + z)); all other zeros without inverse variance are unknown. Broad Hα and Hβ are added to
the narrow ones: photometry sees both.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hf_galaxy.data.value_added.draft import LINE_FLUX, Draft, check_unit
from hf_galaxy.data.value_added.identifiers import id_codes, positions_of
from hf_galaxy.data.value_added.opening import Columns
from hf_galaxy.data.value_added.tables import LabelTable

NEEDS = "extensions METADATA (TARGETID, Z) and FASTSPEC (HALPHA_EW, …)"
SYSTEMATIC = {
    "redshift": (1.7e-4, 1.7e-4),
    "log_mstar": (0.1, 0.0),
    "log_sfr": (0.2, 0.0),
    "log_zstar": (0.2, 0.0),
    "av": (0.1, 0.0),
    "dn4000": (0.02, 0.0),
    "ew": (0.2, 0.05),
    "flux": (0.0, 0.05),
}
LINES = {
    "halpha": ("HALPHA",),
    "hbeta": ("HBETA",),
    "oiii_5007": ("OIII_5007",),
    "nii_6584": ("NII_6584",),
    "oii_3727": ("OII_3726", "OII_3729"),
    "sii_6717_6731": ("SII_6716", "SII_6731"),
}
BROAD = {"halpha": "HALPHA_BROAD", "hbeta": "HBETA_BROAD"}
TAU_TO_MAG = 2.5 * np.log10(np.e)
# FLUX_LIMIT is the error of the mean continuum over the N ~ 30 pixels beside a line times the width of the line; that
# of the flux of a line of 3.5 σ effective width is some sqrt(N / 3.5) times larger.
UNDETECTED_ERROR = 3.0


def is_fastspecfit(tables: Mapping[str, Columns]) -> bool:
    """Whether the tables are those of fastspecfit, as extensions or joined to one."""
    fast = tables.get("FASTSPEC") or (next(iter(tables.values())) if len(tables) == 1 else None)
    return fast is not None and "TARGETID" in fast and ("HALPHA_EW" in fast or "OII_3729_EW" in fast)


def read_fastspecfit(tables: Mapping[str, Columns]) -> LabelTable:
    """Labels by ``targetid``, and by position where RA and DEC are there.

    Raises:
        ValueError: A column is missing or in another unit, or the tables do not match row by row.
    """
    fast = tables.get("FASTSPEC") or next(iter(tables.values()))
    meta = tables.get("METADATA", fast)
    phot = tables.get("SPECPHOT", fast)
    targetid = meta.raw(meta.need("TARGETID"))
    for other in (fast, phot):
        if other.rows != meta.rows or ("TARGETID" in other and not np.array_equal(other.raw("TARGETID"), targetid)):
            raise ValueError(f"{other.source}: TARGETID differs from that of {meta.source}; rows must match")
    draft = Draft("fastspecfit", meta.rows, SYSTEMATIC)
    draft.names = np.asarray(targetid)
    draft.skip(id_codes(targetid, "targetid") == 0, "no targetid")
    if "ZWARN" in meta:
        draft.skip(meta.number("ZWARN") != 0, "ZWARN is set")
    if "SPECTYPE" in meta:
        draft.skip(~np.isin(meta.text("SPECTYPE"), ("GALAXY", "")), "SPECTYPE is not GALAXY")
    redshift = draft.value(meta, meta.need("Z"))
    draft.put("redshift", redshift, np.zeros(meta.rows), "Z")
    _populations(draft, phot)
    for line, parts in LINES.items():
        if any(f"{part}_EW" not in fast for part in parts):
            draft.notes.append(f"fastspecfit: no columns of {' and '.join(parts)}; ew_{line} is unknown")
            continue
        _line(draft, fast, line, parts, redshift)
    return draft.table("targetid", {"targetid": targetid}, *positions_of(meta))


def _populations(draft: Draft, phot: Columns) -> None:
    if "LOGMSTAR" in phot:
        draft.put("log_mstar", *_with_ivar(draft, phot, "LOGMSTAR", "log10 solMass"), "LOGMSTAR")
    if "SFR" in phot:
        rate, error = _with_ivar(draft, phot, "SFR", "solMass / yr")
        draft.count("SFR", "not positive", rate <= 0)
        rate = np.where(rate > 0, rate, np.nan)
        draft.put("log_sfr", np.log10(rate), error / (rate * np.log(10)), "SFR")
    if "ZZSUN" in phot:
        metallicity, error = _with_ivar(draft, phot, "ZZSUN", "")
        if len(np.unique(metallicity[np.isfinite(metallicity)])) > 1:
            draft.put("log_zstar", metallicity, error, "ZZSUN")
        else:
            draft.notes.append("fastspecfit: ZZSUN is the same in all rows, so it was not fitted; log_zstar is unknown")
    tau = phot.first("TAUV", "AV", "CONTINUUM_AV")
    if tau is not None:
        value, error = _with_ivar(draft, phot, tau, "" if tau == "TAUV" else "mag")
        factor = TAU_TO_MAG if tau == "TAUV" else 1.0
        draft.put("av", factor * value, factor * error, tau)
    if "DN4000" in phot:
        draft.put("dn4000", *_with_ivar(draft, phot, "DN4000", ""), "DN4000", fibre=True)


def _with_ivar(draft: Draft, columns: Columns, name: str, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """A value and its error; where the layout has no inverse variance, the error is that of the definition alone."""
    if f"{name}_IVAR" in columns:
        return draft.measured(columns, name, unit=unit, ivar=f"{name}_IVAR")
    value = draft.value(columns, name, unit)
    return value, np.where(np.isfinite(value), 0.0, np.nan)


def _line(draft: Draft, fast: Columns, line: str, parts: tuple[str, ...], redshift: np.ndarray) -> None:
    """Sum of the parts of a doublet, errors in quadrature."""
    names = [*parts, *([BROAD[line]] if f"{BROAD.get(line)}_EW" in fast else [])]
    for kind, unit, scale in (("EW", "Angstrom", 1.0), ("FLUX", "1e-17 erg / (cm2 s)", LINE_FLUX)):
        total, variance = np.zeros(draft.rows), np.zeros(draft.rows)
        for name in names:
            value, error = _part(draft, fast, name, kind, unit, redshift)
            if name not in parts:  # no broad component is no component, not an unknown one
                value, error = np.nan_to_num(value), np.nan_to_num(error)
            total, variance = total + value, variance + error**2
        columns = " + ".join(f"{name}_{kind}" for name in names)
        draft.put(f"{kind.lower()}_{line}", scale * total, scale * np.sqrt(variance), columns, fibre=True)


def _part(
    draft: Draft, fast: Columns, name: str, kind: str, unit: str, redshift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    column = f"{name}_{kind}"
    value = draft.value(fast, column, unit)
    check_unit(fast, f"{column}_IVAR", unit, power=-2)
    ivar = fast.number(f"{column}_IVAR")
    error = np.where(ivar > 0, ivar, np.nan) ** -0.5
    zero = (value == 0) & ~np.isfinite(error)
    if f"{name}_FLUX_LIMIT" in fast and f"{name}_CONT" in fast:
        limit, continuum = fast.number(f"{name}_FLUX_LIMIT"), fast.number(f"{name}_CONT")
        limit = np.where((limit > 0) & (continuum > 0), UNDETECTED_ERROR * limit, np.nan)
        error = np.where(zero, limit / (continuum * (1 + redshift)) if kind == "EW" else limit, error)
    if name not in BROAD.values():
        draft.count(column, "without an error", np.isfinite(value) & ~np.isfinite(error))
    known = np.isfinite(value) & np.isfinite(error)
    return np.where(known, value, np.nan), np.where(known, error, np.nan)


__all__ = ["NEEDS", "is_fastspecfit", "read_fastspecfit"]
