"""Emission lines against the shape of the continuum: DESI galaxies of the bright survey at 0.06 < z < 0.3.

The set holds a line only where its measured equivalent width is positive. Simulated widths get the errors of real
galaxies of the same redshift, luminosity and width, and the same cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from hf_galaxy.physics.cosmology import cosmology
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.galactic_extinction import extinction_factor

from .comparison import in_half, match, subsample
from .pool import Pool, draw_pool
from .rest_bins import RestBins
from .sample import Sample

FOLDER, FILE = "desi_bgs_ew", "desi_sv3_bgs_binned_ew.parquet"
CENTRES = tuple(range(3550, 6851, 300))  # of the rest-frame bins in Å
HALF_BIN = 150.0
REFERENCE = 6550
REDSHIFTS = (0.06, 0.30)
# The measured line and the lines of the grid that it consists of. [OIII] 4959 and [NII] 6548 were tied to their
# stronger partners when they were measured, and are left out.
LINES = {
    "oii_doublet": ("O  2  3726.03A", "O  2  3728.81A"),
    "hgamma": ("H  1  4340.46A",),
    "hbeta": ("H  1  4861.32A",),
    "oiii_5007": ("O  3  5006.84A",),
    "halpha": ("H  1  6562.80A",),
    "nii_6584": ("N  2  6583.45A",),
    "sii_6716": ("S  2  6716.44A",),
    "sii_6731": ("S  2  6730.82A",),
}
CONTINUUM_AT = dict(zip(LINES, (3729.0, 4341.7, 4862.7, 5008.2, 6564.6, 6585.3, 6718.3, 6732.7), strict=True))
LARGEST_WIDTH = 500.0  # Å; above it fits have failed more often than not
SMALLEST_WIDTH = 0.3  # Å; of the galaxies that errors are borrowed from: below it noise decides on the width
R_FAINT = 20.175  # r of the faint sample: Hahn et al. (2023, AJ 165, 253)
# The spectra are of a fibre of 1.5": the light lost, in dex of luminosity, and its scatter. Assumed: fibre magnitudes
# of the survey are about 1 mag fainter than total ones. Colours and lines change from the centre outwards; that is not
# simulated.
FIBRE, FIBRE_SCATTER = -0.4, 0.12
CALIBRATION = 0.02  # of the spectra, a smooth error, relative; assumed
# E(B-V) of the Milky Way, which the spectra are not corrected for: median, and scatter in ln, of the fields at high
# latitude that the bright survey began with
REDDENING, REDDENING_SCATTER = 0.03, 0.5
TOLERANCE = (0.015, 0.08)  # of redshift and log luminosity
POOL_SIZE = 40_000
ALL_COLOURS = tuple((centre, REFERENCE) for centre in CENTRES if centre != REFERENCE)
# the break at 4000 Å and the slope: few enough that small faults of the stellar templates do not decide
COARSE_COLOURS = ((3850, 4150), (4450, 5650), (5650, 6850))
VARIANTS = (
    ("desi_continuum", (), ALL_COLOURS),
    ("desi_lines", tuple(LINES), COARSE_COLOURS),
    ("desi_joint", tuple(LINES), ALL_COLOURS),
)


def read(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Columns of the galaxies used, and counts of those left out by reason.

    ``log_bin_<centre>`` is log10 of the mean flux in the bin; ``ew_<line>`` and ``ew_error_<line>`` are in Å of the
    rest frame, NaN where the set has none; ``log_luminosity`` is log10 of the flux in the bin at 6550 Å times the
    luminosity distance in Mpc squared.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(folder / FILE)
    raw = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
    flux = np.stack([raw[f"flux_{centre}"] for centre in CENTRES], 1)
    z = raw["z"].astype(float)
    widths = np.stack([raw[f"ew_{line}"] for line in LINES], 1)
    reasons = {
        "flux not positive in a bin": ~(flux > 0).all(1),
        "flat spectrum of a failed interpolation": raw["flux_3550"] > 95,
        f"EW above {LARGEST_WIDTH:g} Å": (np.nan_to_num(widths) > LARGEST_WIDTH).any(1),
        f"redshift outside {REDSHIFTS[0]}-{REDSHIFTS[1]}": ~((z > REDSHIFTS[0]) & (z < REDSHIFTS[1])),
    }
    good = ~np.any(list(reasons.values()), axis=0)
    columns = {"id": raw["targetid"][good], "redshift": z[good]}
    for i, centre in enumerate(CENTRES):
        columns[f"log_bin_{centre}"] = np.log10(flux[good, i].astype(float))
    distance = cosmology().luminosity_distance(columns["redshift"]).value
    columns["log_luminosity"] = columns[f"log_bin_{REFERENCE}"] + 2 * np.log10(distance)
    for i, line in enumerate(LINES):
        columns[f"ew_{line}"] = widths[good, i].astype(float)
        with np.errstate(divide="ignore"):
            columns[f"ew_error_{line}"] = 1.0 / np.sqrt(raw[f"ewivar_{line}"][good].astype(float))
    return columns, {reason: int(bad.sum()) for reason, bad in reasons.items()}


def samples(data: Path, half: str, most: int, seed: int, settings: Mapping[str, Any]) -> list[Sample]:
    """The continuum of all galaxies; of those with all lines positive, lines with coarse colours, and everything.

    Args:
        data: Folder of the real data.
        half: ``development`` or ``test``.
        most: Real galaxies at most.
        seed: Of the simulation, the noise and the choices.
        settings: Changes to the default ``SimulationSettings``.
    """
    columns, left_out = read(data / FOLDER)
    mine = in_half(columns["id"], half)
    pool = draw_pool(
        [FilterSet.embedded()["rSDSS"]],
        POOL_SIZE,
        seed,
        settings,
        RestBins(CENTRES, HALF_BIN, LINES),
        redshift_min=REDSHIFTS[0] - TOLERANCE[0],
        redshift_max=REDSHIFTS[1] + TOLERANCE[0],
        i_max=R_FAINT,
    )
    rng = np.random.default_rng(seed)
    simulated = observe(pool, rng)
    donors = _rows(columns, subsample(mine, 5 * most, seed))
    add_widths(simulated, pool, donors, rng)
    made = []
    for name, lines, colours in VARIANTS:
        real = _rows(columns, subsample(mine & positive(columns, lines), most, seed))
        made.append(_compare(name, lines, colours, real, simulated, pool, seed))
        made[-1].notes["left_out"] = left_out
    return made


def observe(pool: Pool, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Bins as a fibre would see them through the Milky Way, in the units of ``read``."""
    z = pool.properties["redshift"]
    n = len(z)
    wave = np.array(CENTRES) / 1e4
    x = (wave - wave.mean()) / (wave.max() - wave.mean())
    tilt, bend = rng.standard_normal((2, n, 1))
    smooth = 1 + CALIBRATION * (tilt * x + bend * (1.5 * x**2 - 0.5))
    lost = FIBRE + FIBRE_SCATTER * rng.standard_normal(n)
    log_flux = np.log10(pool.measured["bins"] * smooth) + (pool.measured["log_scale"] - np.log10(1 + z) + 17)[:, None]
    reddening = REDDENING * np.exp(REDDENING_SCATTER * rng.standard_normal(n))
    observed = np.outer(1 + z, CENTRES)
    log_flux -= reddening[:, None] * np.log10(extinction_factor(observed.ravel(), 1.0)).reshape(observed.shape)
    log_flux += lost[:, None]
    columns = {"redshift": z} | {f"log_bin_{c}": log_flux[:, i] for i, c in enumerate(CENTRES)}
    distance = cosmology().luminosity_distance(z).value
    columns["log_luminosity"] = columns[f"log_bin_{REFERENCE}"] + 2 * np.log10(distance)
    return columns


def add_widths(
    columns: dict[str, np.ndarray], pool: Pool, donors: dict[str, np.ndarray], rng: np.random.Generator
) -> None:
    """Equivalent widths with the errors of real galaxies of like redshift, luminosity and width; NaN below zero."""

    def place(side: dict[str, np.ndarray], width: np.ndarray) -> np.ndarray:
        log_width = np.log10(width.clip(SMALLEST_WIDTH))
        return np.stack([side["redshift"] / 0.05, side["log_luminosity"] / 0.2, log_width / 0.2], 1)

    for line in LINES:
        continuum = np.array([np.interp(CONTINUUM_AT[line], CENTRES, row) for row in pool.measured["bins"]])
        width = pool.measured[f"line {line}"] / continuum
        usable = np.isfinite(donors[f"ew_{line}"]) & np.isfinite(donors[f"ew_error_{line}"])
        there = _rows(donors, np.nonzero(usable)[0])
        tree = cKDTree(place(there, there[f"ew_{line}"]))
        near = tree.query(place(columns, width), k=5)[1][np.arange(len(width)), rng.integers(5, size=len(width))]
        seen = width + there[f"ew_error_{line}"][near] * rng.standard_normal(len(width))
        columns[f"ew_true_{line}"] = width
        columns[f"ew_{line}"] = np.where((seen > 0) & (seen < LARGEST_WIDTH), seen, np.nan)


def positive(columns: dict[str, np.ndarray], lines: Sequence[str]) -> np.ndarray:
    """(n,) bool: all of these lines were measured above zero. The selection of both sides."""
    rows = [columns[f"ew_{line}"] > 0 for line in lines]
    return np.all(rows, axis=0) if rows else np.ones(len(columns["redshift"]), dtype=bool)


def features(
    columns: dict[str, np.ndarray], lines: Sequence[str], colours: Sequence[tuple[int, int]]
) -> dict[str, np.ndarray]:
    """Redshift and luminosity, colours between bins (mag, of f_λ), and log10 of the widths in Å."""
    out = {name: columns[name] for name in ("redshift", "log_luminosity")}
    for a, b in colours:
        out[f"{a}-{b}"] = -2.5 * (columns[f"log_bin_{a}"] - columns[f"log_bin_{b}"])
    return out | {f"log EW {line}": np.log10(columns[f"ew_{line}"]) for line in lines}


def _compare(
    name: str,
    lines: Sequence[str],
    colours: Sequence[tuple[int, int]],
    real: dict[str, np.ndarray],
    simulated: dict[str, np.ndarray],
    pool: Pool,
    seed: int,
) -> Sample:
    chosen = np.nonzero(positive(simulated, lines) & (pool.magnitude["rSDSS"] < R_FAINT))[0]
    side = _rows(simulated, chosen)
    keys = ("redshift", "log_luminosity")
    matched = match([real[key] for key in keys], [side[key] for key in keys], TOLERANCE, 1, seed)
    rows = chosen[matched.simulated]
    truth = {key: value[rows] for key, value in pool.properties.items()} | {"passive": pool.passive[rows]}
    used = _rows(real, matched.real)
    return Sample(
        name,
        features(used, lines, colours),
        features(_rows(simulated, rows), lines, colours),
        (matched.real, matched.real),
        keys,
        {"real_without_match": len(matched.alone), "fibre_dex": FIBRE},
        truth,
        used["id"],
    )


def _rows(columns: dict[str, np.ndarray], places: np.ndarray) -> dict[str, np.ndarray]:
    return {name: column[places] for name, column in columns.items()}
