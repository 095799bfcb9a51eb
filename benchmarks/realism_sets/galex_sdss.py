"""Optical and ultraviolet colours: SDSS galaxies with 2MASS and GALEX photometry.

The set is limited in Ks by 2MASS and in r by the SDSS main sample. Simulated galaxies are therefore matched in redshift
and Ks (in r, red galaxies would be too many among the real ones), and must pass the same limit in r.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_galaxy.physics.filters import FilterCurve, FilterSet

from .comparison import in_half, match, subsample
from .pool import Pool, draw_pool, sdss_filters
from .sample import Sample

FOLDER = "galex_sdss_gst"
BANDS = "ugriz"
REDSHIFTS = (0.01, 0.30)
R_LIMIT, R_BRIGHT = 17.77, 13.5  # Petrosian, without Galactic extinction: Strauss et al. (2002, AJ 124, 1810)
SDSS_TO_AB = dict(zip(BANDS, (-0.04, 0.0, 0.0, 0.0, 0.02), strict=True))  # photometric calibration notes of SDSS
KS_TO_AB = 1.85  # Vega to AB: Blanton & Roweis (2007, AJ 133, 734), table 1
# A(λ)/E(B-V): r as in the EXTINCTION column (Stoughton et al. 2002, table 22), GALEX for R_V = 3.1 (Cardelli et al.)
R_EXTINCTION, GALEX_EXTINCTION = 2.751, {"NUV": 7.95, "FUV": 8.06}
NJY_PER_NANOMAGGY = 3631.0
GALEX_ZERO = {"NUV": 20.08, "FUV": 18.82}  # of counts/s: Morrissey et al. (2007, ApJS 173, 682)
# count rate of the sky inside a galaxy's aperture, counts/s: turns an error into an exposure time
GALEX_SKY = {"NUV": 1.0, "FUV": 0.1}
LEAST_SIGNIFICANCE = 2.0  # of a detection; the weakest real one has 2.1
# errors of calibration from field to field, mag: Padmanabhan et al. (2008, ApJ 674, 1217); Morrissey et al. (2007)
CALIBRATION = {"u": 0.02, "g": 0.01, "r": 0.01, "i": 0.01, "z": 0.01, "NUV": 0.03, "FUV": 0.05}
TOLERANCE = (0.01, 0.25)  # of redshift and Ks
UV_TRIES, UV_KEPT = 16, 4  # simulated candidates and chosen ones of each real galaxy seen by GALEX
POOL_SIZE = 40_000
OPTICAL = ("u-g", "g-r", "r-i", "i-z")


def read(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Columns of the galaxies used, magnitudes AB without Galactic extinction, and counts of those left out by reason.

    GALEX magnitudes are NaN where there is no detection; whether the place was observed is not known.
    """
    from astropy.io import fits

    with fits.open(folder / "gst_tests_small.fits") as hdus:
        table = hdus[1].data
        flux, ivar = (np.asarray(table[name], dtype=float) for name in ("MODELFLUX", "MODELFLUX_IVAR"))
        extinction = np.asarray(table["EXTINCTION"], dtype=float)
        petro = np.asarray(table["PETROFLUX"], dtype=float)[:, 2]
        ks, ks_error = (np.asarray(table[f"K_{name}_EXT"], dtype=float) for name in ("M", "MSIG"))
        galex = {
            band: [np.asarray(table[f"{band}_{name}_AUTO"], dtype=float) for name in ("FLUX", "FLUXERR")]
            for band in GALEX_ZERO
        }
        z = np.asarray(table["Z"], dtype=float)
        ids = [f"{ra:.5f}{dec:+.5f}" for ra, dec in zip(table["RA"], table["DEC"], strict=True)]
    with np.errstate(divide="ignore", invalid="ignore"):
        petro = 22.5 - 2.5 * np.log10(petro) - extinction[:, 2]
        columns = {"id": np.array(ids), "redshift": z, "r_petro": petro, "Ks": ks + KS_TO_AB, "Ks_error": ks_error}
        for i, band in enumerate(BANDS):
            columns[band] = 22.5 - 2.5 * np.log10(flux[:, i]) - extinction[:, i] + SDSS_TO_AB[band]
            columns[f"{band}_error"] = NJY_PER_NANOMAGGY / np.sqrt(ivar[:, i]) * 10 ** (0.4 * extinction[:, i])
        reddening = extinction[:, 2] / R_EXTINCTION
        for band, (rate, error) in galex.items():
            seen = (rate > LEAST_SIGNIFICANCE * error) & (error > 0)
            columns[f"{band}_dim"] = GALEX_EXTINCTION[band] * reddening
            columns[band] = np.where(seen, GALEX_ZERO[band] - 2.5 * np.log10(rate), np.nan) - columns[f"{band}_dim"]
            columns[f"{band}_time"] = np.where(seen, (GALEX_SKY[band] + rate) / error**2, np.nan)
    reasons = {
        "flux not positive in a band": ~((flux > 0) & (ivar > 0)).all(1),
        "no Ks magnitude": ks <= 0,
        f"r outside {R_BRIGHT}-{R_LIMIT}": ~((petro > R_BRIGHT) & (petro < R_LIMIT)),
        f"redshift outside {REDSHIFTS[0]}-{REDSHIFTS[1]}": ~((z > REDSHIFTS[0]) & (z < REDSHIFTS[1])),
    }
    left_out = {reason: int(bad.sum()) for reason, bad in reasons.items()}
    good = ~np.any(list(reasons.values()), axis=0)
    return {name: column[good] for name, column in columns.items()}, left_out


def samples(data: Path, half: str, most: int, seed: int, settings: Mapping[str, Any]) -> list[Sample]:
    """Optical colours of all, and ultraviolet ones of those that GALEX detected in NUV, and in NUV and FUV.

    Args:
        data: Folder of the real data.
        half: ``development`` or ``test``.
        most: Real galaxies at most.
        seed: Of the simulation, the noise and the choices.
        settings: Changes to the default ``SimulationSettings``.
    """
    columns, left_out = read(data / FOLDER)
    half_places = np.nonzero(in_half(columns["id"], half))[0]
    columns = {name: column[half_places] for name, column in columns.items()}
    pool = draw_pool(
        _filters(data / "filters"),
        POOL_SIZE,
        seed,
        settings,
        redshift_min=REDSHIFTS[0],
        redshift_max=REDSHIFTS[1],
        i_max=R_LIMIT + 0.1,
    )
    rng = np.random.default_rng(seed)
    in_optical = subsample(np.ones(len(half_places), dtype=bool), most, seed)
    made = [_optical(_rows(columns, in_optical), pool, rng)]
    for name, bands in (("galex_nuv", ("NUV",)), ("galex_fuv", ("NUV", "FUV"))):
        seen = np.all([np.isfinite(columns[band]) for band in bands], axis=0)
        made.append(_ultraviolet(name, bands, _rows(columns, subsample(seen, most, seed)), pool, rng))
    for sample in made:
        sample.notes["left_out"] = left_out
    return made


def _filters(folder: Path) -> list[FilterCurve]:
    """SDSS, GALEX and 2MASS Ks (half-power points of Cohen et al. 2003, AJ 126, 1090, as a trapezoid)."""
    ks = FilterCurve("Ks", np.array([19_700.0, 20_200.0, 22_900.0, 23_400.0]), np.array([0.0, 1.0, 1.0, 0.0]))
    embedded = FilterSet.embedded()
    return [*sdss_filters(folder), ks, embedded["NUV"], embedded["FUV"]]


def _rows(columns: dict[str, np.ndarray], places: np.ndarray) -> dict[str, np.ndarray]:
    return {name: column[places] for name, column in columns.items()}


def _paired(real: dict[str, np.ndarray], pool: Pool, per_real: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Pairs in redshift and Ks, and the noisy magnitudes of the simulated ones: each has the errors of its real one."""
    bright = np.nonzero(pool.magnitude["r"] < R_LIMIT + 0.1)[0]
    ks = pool.magnitude["Ks"][bright] + 0.1 * rng.standard_normal(len(bright))  # typical error of the extended source
    z = pool.properties["redshift"][bright]
    seed = int(rng.integers(2**31))
    matched = match((real["redshift"], real["Ks"]), (z, ks), TOLERANCE, per_real, seed)
    seen = {"redshift": z[matched.simulated], "Ks": ks[matched.simulated]}
    rows = bright[matched.simulated]
    for band in BANDS:
        flux = 10 ** (-0.4 * (pool.magnitude[band][rows] - 31.4))
        flux = flux + real[f"{band}_error"][matched.real] * rng.standard_normal(len(rows))
        with np.errstate(invalid="ignore", divide="ignore"):
            seen[band] = 31.4 - 2.5 * np.log10(flux) + CALIBRATION[band] * rng.standard_normal(len(rows))
    truth = {name: value[rows] for name, value in pool.properties.items()} | {"passive": pool.passive[rows]}
    # the limit in r again with its error; a flux that noise made negative has no magnitude in the real set either
    good = np.all([np.isfinite(seen[band]) for band in BANDS], axis=0) & (seen["r"] < R_LIMIT)
    seen, truth = ({k: v[good] for k, v in side.items()} for side in (seen, truth | {"row": rows}))
    return matched._replace(real=matched.real[good], simulated=rows[good]), (seen, truth)


def _colours(columns: dict[str, np.ndarray], bands: Sequence[str] = ()) -> dict[str, np.ndarray]:
    features = {name: columns[name] for name in ("redshift", "Ks")}
    features |= {name: columns[name[0]] - columns[name[2]] for name in OPTICAL}
    if "NUV" in bands:
        features["NUV-r"] = columns["NUV"] - columns["r"]
    if "FUV" in bands:
        features["FUV-NUV"] = columns["FUV"] - columns["NUV"]
    return features


def _optical(real: dict[str, np.ndarray], pool: Pool, rng: np.random.Generator) -> Sample:
    matched, (seen, truth) = _paired(real, pool, 1, rng)
    used = np.unique(matched.real)
    return Sample(
        "galex_optical",
        _colours(_rows(real, used)),
        _colours(seen),
        (used, matched.real),
        ("redshift", "Ks"),
        {"real_without_match": len(real["id"]) - len(used)},
        truth,
        real["id"][used],
    )


def _ultraviolet(
    name: str, bands: Sequence[str], real: dict[str, np.ndarray], pool: Pool, rng: np.random.Generator
) -> Sample:
    """Every real galaxy stands beside simulated ones that GALEX would have detected in the exposure that it had."""
    matched, (seen, truth) = _paired(real, pool, UV_TRIES, rng)
    detected = np.ones(len(matched.real), dtype=bool)
    for band in bands:
        dim, time = real[f"{band}_dim"][matched.real], real[f"{band}_time"][matched.real]
        rate = 10 ** (-0.4 * (pool.magnitude[band][matched.simulated] + dim - GALEX_ZERO[band]))
        error = np.sqrt((rate + GALEX_SKY[band]) / time)
        rate = rate + error * rng.standard_normal(len(rate))
        detected &= rate > LEAST_SIGNIFICANCE * error
        with np.errstate(invalid="ignore", divide="ignore"):
            calibration = CALIBRATION[band] * rng.standard_normal(len(rate))
            seen[band] = GALEX_ZERO[band] - 2.5 * np.log10(rate) - dim + calibration
    share = float(detected.mean())
    kept = np.nonzero(detected)[0]
    kept = kept[_first(matched.real[kept], UV_KEPT)]
    seen, truth = ({k: v[kept] for k, v in side.items()} for side in (seen, truth))
    partner = matched.real[kept]
    used = np.unique(partner)
    return Sample(
        name,
        _colours(_rows(real, used), bands),
        _colours(seen, bands),
        (used, partner),
        ("redshift", "Ks"),
        {"real_without_match": len(real["id"]) - len(used), "simulated_share_detected": share},
        truth,
        real["id"][used],
    )


def _first(label: np.ndarray, most: int) -> np.ndarray:
    """Places of the first ``most`` rows of each label."""
    order = np.argsort(label, kind="stable")
    starts = np.r_[0, np.nonzero(np.diff(label[order]))[0] + 1] if len(order) else np.array([], dtype=int)
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return np.sort(order[rank < most])
