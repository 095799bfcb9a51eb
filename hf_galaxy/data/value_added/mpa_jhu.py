"""MPA-JHU galSpec (Brinchmann et al. 2004; Kauffmann et al. 2003; Tremonti et al. 2004; Salim et al. 2007), SDSS DR8.

``galSpecInfo``, ``galSpecLine``, ``galSpecIndx`` and ``galSpecExtra`` lie in one folder and are matched row by row (to
specObj); or one table joined by SPECOBJID, as CasJobs writes it. Columns as in the SDSS schema ``galSpecTables.sql``.

What it measures, and what it is to us:

================ =======================================================================================
redshift         Z, Z_ERR; 20 km/s added
log_mstar        LGM_TOT_P50, half of P84 - P16: whole galaxy, Kroupa; - 0.034 to Chabrier; ± 0.1 dex
log_sfr          SFR_TOT_P50, likewise: Kroupa; - 0.027 to Chabrier; of Hα (10 Myr) or of the photometry; ± 0.3 dex
dn4000           D4000_N_SUB, else D4000_N: Balogh et al., in the fibre; ± 0.02
ew_*             rest frame. EQW is negative in emission, sums blends within its band, and is turned here for Hβ and
                 [OIII]; FLUX / CONT for Hα, [NII] and the doublets, as the schema asks; ± 0.2 Å ± 5 %
flux_*           FLUX in 1e-17 erg/s/cm²: of the fibre, scaled to its magnitude in r, corrected for the dust of the
                 Milky Way; ± 10 %
log_zstar, av    not read: OH is that of the gas, TAUV_CONT that of the best of four metallicities without an error
log_age          not there
================ =======================================================================================

IMF: Madau & Dickinson (2014, ARA&A 52, 415), masses Salpeter to Kroupa 0.66, to Chabrier 0.61; rates 0.67 and 0.63.
Errors of lines are scaled by what repeated observations show (Juneau et al. 2014, ApJ 788, 88). -9999 is missing;
ids of -1 are spectra that the pipeline did not see; RELIABLE = 0 and Z_WARNING leave a row out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hf_galaxy.data.value_added.draft import LINE_FLUX, Draft
from hf_galaxy.data.value_added.identifiers import id_codes, keys_of, positions_of
from hf_galaxy.data.value_added.opening import Columns
from hf_galaxy.data.value_added.tables import LabelTable

NEEDS = "a folder with galSpecInfo, galSpecLine, galSpecExtra (and galSpecIndx), or one table with their columns"
SYSTEMATIC = {
    "redshift": (7e-5, 7e-5),
    "log_mstar": (0.1, 0.0),
    "log_sfr": (0.3, 0.0),
    "dn4000": (0.02, 0.0),
    "ew": (0.2, 0.05),
    "flux": (0.0, 0.1),
}
CHABRIER_MASS = float(np.log10(0.61 / 0.66))
CHABRIER_RATE = float(np.log10(0.63 / 0.67))
# Our line: its parts, and the factor of their errors
LINES = {
    "halpha": (("H_ALPHA",), 2.473),
    "hbeta": (("H_BETA",), 1.882),
    "oiii_5007": (("OIII_5007",), 1.566),
    "nii_6584": (("NII_6584",), 2.039),
    "oii_3727": (("OII_3726", "OII_3729"), 2.199),
    "sii_6717_6731": (("SII_6717", "SII_6731"), 1.621),
}
ISOLATED = ("hbeta", "oiii_5007")
EW, FLUX = "Angstrom", "1e-17 erg / (cm2 s)"
CONTINUUM = "1e-17 erg / (Angstrom cm2 s)"


def is_mpa_jhu(tables: Mapping[str, Columns]) -> bool:
    """Whether any table has columns of galSpecLine or galSpecExtra."""
    return any("H_ALPHA_EQW" in t or "H_ALPHA_FLUX" in t or "LGM_TOT_P50" in t for t in tables.values())


def read_mpa_jhu(tables: Mapping[str, Columns]) -> LabelTable:
    """Labels by ``plate-mjd-fiber``, else ``specobjid``, and by position.

    Raises:
        ValueError: The tables do not match row by row, there are no ids, a unit is another, or EQW is positive in
            emission.
    """
    joined = _matched(tables)
    keys = {kind: ids for columns in joined for kind, ids in keys_of(columns).items()}
    keys.pop("targetid", None)
    if not keys:
        raise ValueError(f"{joined[0].source}: no ids: PLATEID, MJD, FIBERID or SPECOBJID are needed (galSpecInfo)")
    key = "plate-mjd-fiber" if "plate-mjd-fiber" in keys else "specobjid"
    draft = Draft("mpa-jhu", joined[0].rows, SYSTEMATIC)
    codes = id_codes(keys[key], key)
    draft.names = np.asarray(keys[key])
    draft.skip(codes == 0, "not in MPA-JHU (ids of -1)")
    for column, bad, reason in (
        ("RELIABLE", lambda x: ~(x > 0), "RELIABLE is 0"),
        ("Z_WARNING", lambda x: x != 0, "Z_WARNING is set"),
    ):
        if (flags := _having(joined, column)) is not None:
            draft.skip(bad(flags.number(column)), reason)
        else:
            draft.notes.append(f"mpa-jhu: no column {column}, so no row is left out for it")
    _galaxies(draft, joined)
    for line, (parts, factor) in LINES.items():
        _line(draft, joined, line, parts, factor)
    position = next((p for p in map(positions_of, joined) if p[0] is not None), (None, None))
    return draft.table(key, keys, *position)


def _matched(tables: Mapping[str, Columns]) -> list[Columns]:
    joined = list(tables.values())
    first = joined[0]
    for other in joined[1:]:
        if other.rows != first.rows:
            raise ValueError(
                f"{other.source} has {other.rows} rows and {first.source} {first.rows}; galSpec files match row by row"
            )
        for kind in keys_of(first).keys() & keys_of(other).keys():
            here, there = (id_codes(keys_of(columns)[kind], kind) for columns in (first, other))
            if (here != there).any():
                row = int((here != there).argmax())
                raise ValueError(f"{other.source}: {kind} of row {row} is not that of {first.source}; rows must match")
    return joined


def _having(joined: list[Columns], *names: str) -> Columns | None:
    """The table that has all these columns."""
    return next((columns for columns in joined if all(name in columns for name in names)), None)


def _galaxies(draft: Draft, joined: list[Columns]) -> None:
    if (info := _having(joined, "Z", "Z_ERR")) is not None:
        draft.put("redshift", *draft.measured(info, "Z", error="Z_ERR"), "Z")
    for name, column, unit, shift in (
        ("log_mstar", "LGM_TOT", "log10 solMass", CHABRIER_MASS),
        ("log_sfr", "SFR_TOT", "log10 solMass / yr", CHABRIER_RATE),
    ):
        if (extra := _having(joined, f"{column}_P16", f"{column}_P50", f"{column}_P84")) is None:
            draft.notes.append(f"mpa-jhu: no columns {column}_P16, _P50, _P84; {name} is unknown")
            continue
        median = draft.value(extra, f"{column}_P50", unit)
        error = 0.5 * (draft.value(extra, f"{column}_P84", unit) - draft.value(extra, f"{column}_P16", unit))
        error = np.where(error > 0, error, np.nan)
        draft.count(f"{column}_P50", "without an error", np.isfinite(median) & ~np.isfinite(error))
        draft.put(name, median + shift, error, f"{column}_P50")
    for column in ("D4000_N_SUB", "D4000_N"):
        if (index := _having(joined, column, f"{column}_ERR")) is not None:
            draft.put("dn4000", *draft.measured(index, column, error=f"{column}_ERR"), column, fibre=True)
            return


def _line(draft: Draft, joined: list[Columns], line: str, parts: tuple[str, ...], factor: float) -> None:
    suffixes = ("FLUX", "FLUX_ERR", "CONT", "CONT_ERR")
    table = _having(joined, *(f"{part}_{suffix}" for part in parts for suffix in suffixes))
    if table is None:
        draft.notes.append(f"mpa-jhu: no columns {' and '.join(parts)} of FLUX and CONT with _ERR; {line} is unknown")
        return
    flux, flux_variance, width, width_variance = (np.zeros(draft.rows) for _ in range(4))
    for part in parts:
        f, sigma_f = draft.measured(table, f"{part}_FLUX", unit=FLUX, error=f"{part}_FLUX_ERR")
        c, sigma_c = draft.measured(table, f"{part}_CONT", unit=CONTINUUM, error=f"{part}_CONT_ERR")
        draft.count(f"{part}_CONT", "not positive", c <= 0)
        c = np.where(c > 0, c, np.nan)
        flux, flux_variance = flux + f, flux_variance + (factor * sigma_f) ** 2
        width, width_variance = (
            width + f / c,
            width_variance + ((factor * sigma_f) ** 2 + (f / c * sigma_c) ** 2) / c**2,
        )
    columns = " + ".join(f"{part}_FLUX" for part in parts)
    draft.put(f"flux_{line}", LINE_FLUX * flux, LINE_FLUX * np.sqrt(flux_variance), columns, fibre=True)
    ratio, error = width, np.sqrt(width_variance)
    columns = " + ".join(f"{part}_FLUX / {part}_CONT" for part in parts)
    if line in ISOLATED and f"{parts[0]}_EQW" in table and f"{parts[0]}_EQW_ERR" in table:
        columns = f"-{parts[0]}_EQW"
        width, error = draft.measured(table, f"{parts[0]}_EQW", unit=EW, error=f"{parts[0]}_EQW_ERR")
        width, error = -width, factor * error
        _check_sign(table, parts[0], width, ratio, flux / np.sqrt(flux_variance))
    draft.put(f"ew_{line}", width, error, columns, fibre=True)


def _check_sign(table: Columns, line: str, width: np.ndarray, ratio: np.ndarray, signal: np.ndarray) -> None:
    """Some copies of the catalogue have turned the sign of EQW already; turned twice, emission would be absorption."""
    strong = (signal > 10) & np.isfinite(width)
    if strong.sum() >= 3 and np.median(np.sign(width[strong] * ratio[strong])) < 0:
        raise ValueError(
            f"{table.source}: {line}_EQW is positive in {strong.sum()} rows with strong emission; MPA-JHU has it "
            "negative: was its sign turned already? turn it back"
        )


__all__ = ["NEEDS", "is_mpa_jhu", "read_mpa_jhu"]
