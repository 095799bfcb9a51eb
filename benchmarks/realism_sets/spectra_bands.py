"""Narrow-band colours of real spectra, and the clouds of simulated galaxies that should hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hf_galaxy.physics.cosmology import cosmology
from hf_galaxy.physics.filters import FilterSet

from .band_galaxies import NARROW, SDSS, UV, BandGalaxies, read_brown, read_fors2, read_kinney, read_sdss
from .cloud import OUTSIDE, locate
from .comparison import in_half, match
from .pool import Pool, draw_pool, sdss_filters
from .sample import Sample

BLOCK = 500  # Å of observed wavelength whose narrow bands make one colour
REFERENCE = 6000  # Å, start of the block that the others are compared with
PER_REAL = 8
CLOUD = 400  # simulated galaxies around a real one
CLOUD_LEAST = 60
WORST = 10


@dataclass(frozen=True)
class Source:
    """A set of spectra, and what is simulated for it.

    Args:
        folder: In the real data.
        read: Its reader.
        calibration: Smooth error of the flux calibration, tilt and bend over the spectrum, mag.
        uv_calibration: Error of each ultraviolet and broad band, mag.
        redshift: Tolerance in redshift.
        absolute: Tolerance in the absolute magnitude in g; infinite where the set has none.
        given: Matched quantities that the classifier is given too; a redshift that is not known is none.
        limits: Of the simulation.
        pool: Galaxies to draw.
    """

    folder: str
    read: Callable[[Path, Callable[[Path], bool]], BandGalaxies]
    calibration: float
    uv_calibration: float
    redshift: float
    absolute: float
    given: tuple[str, ...]
    limits: Mapping[str, float]
    pool: int = 15_000


SOURCES = {
    # errors of calibration are assumed: 4-5 % for fibres and drift scans, 8 % for slits and for spectra pieced together
    "sdss": Source(
        "sdss_spectra", read_sdss, 0.04, 0.0, 0.01, np.inf, ("redshift",), {"redshift_max": 0.3, "i_max": 17.8}
    ),
    "fors2": Source(
        "fors2_spectra",
        read_fors2,
        0.08,
        0.0,
        0.02,
        np.inf,
        ("redshift",),
        {"redshift_min": 0.03, "redshift_max": 1.02, "i_max": 22.5},
    ),
    "kinney": Source(
        "kinney_calzetti", read_kinney, 0.08, 0.15, 0.03, np.inf, (), {"redshift_max": 0.03, "i_max": 16.0}
    ),
    "brown": Source(
        "brown2014_atlas", read_brown, 0.05, 0.0, 0.025, 0.5, ("absolute g",), {"redshift_max": 0.06, "i_max": 16.0}
    ),
}


def samples(name: str, data: Path, half: str, most: int, seed: int, settings: Mapping[str, Any]) -> list[Sample]:
    """One comparison: colours of blocks of bands for the classifier, and the place of each galaxy in the cloud.

    Args:
        name: Of the source.
        data: Folder of the real data.
        half: ``development`` or ``test``.
        most: Real galaxies at most.
        seed: Of the simulation, the noise and the choices.
        settings: Changes to the default ``SimulationSettings``.
    """
    source = SOURCES[name]
    everything = source.read(data / source.folder, lambda path: bool(in_half([path.stem], half)[0]))
    real = _rows(everything, np.arange(min(len(everything.id), most)))
    filters = [FilterSet.embedded()[band] for band in (*UV, *NARROW)]
    pool = draw_pool([*filters, *sdss_filters(data / "filters")], source.pool, seed, settings, **source.limits)
    table = np.stack([pool.magnitude[band] for band in real.bands], 1)
    rng = np.random.default_rng(seed)
    keys, tolerance = _keys(real, pool, source)
    matched = match(keys[0], keys[1], tolerance, PER_REAL, seed)
    seen = observe(table[matched.simulated], real, matched.real, source, rng)
    used = np.unique(matched.real)
    given = dict(zip(("redshift", "absolute g"), zip(*keys, strict=True), strict=False))
    sides = [
        {name: given[name][side][rows] for name in source.given} for side, rows in enumerate((used, matched.simulated))
    ]
    notes = {"refused": everything.refused, "real_without_match": len(real.id) - len(used)}
    notes["cloud"] = _clouds(real, keys, tolerance, table, source, rng)
    truth = {key: value[matched.simulated] for key, value in pool.properties.items()}
    return [
        Sample(
            name,
            {**sides[0], **features(real.magnitude[used], real.bands)},
            {**sides[1], **features(seen, real.bands)},
            (used, matched.real),
            source.given,
            notes,
            truth | {"passive": pool.passive[matched.simulated]},
            real.id[used],
        )
    ]


def _rows(real: BandGalaxies, places: np.ndarray) -> BandGalaxies:
    columns = {
        name: getattr(real, name)[places] for name in ("id", "redshift", "magnitude", "error", "kind", "absolute")
    }
    return real._replace(**columns)


def _keys(real: BandGalaxies, pool: Pool, source: Source) -> tuple[Any, tuple[float, ...]]:
    """What is matched, real and simulated, and the tolerances."""
    z = pool.properties["redshift"]
    if not np.isfinite(source.absolute):
        return ((real.redshift,), (z,)), (source.redshift,)
    absolute = pool.magnitude["g"] - cosmology().distmod(z).value
    return ((real.redshift, real.absolute), (z, absolute)), (source.redshift, source.absolute)


def observe(
    magnitude: np.ndarray, real: BandGalaxies, partner: np.ndarray, source: Source, rng: np.random.Generator
) -> np.ndarray:
    """(m, b) simulated magnitudes (m, b) with the errors and the gaps of real galaxies ``partner`` (m,)."""
    wave = np.array([FilterSet.embedded()[b].pivot if b in NARROW else np.nan for b in real.bands]) / 1e4
    narrow = np.isfinite(wave)
    x = (wave[narrow] - 0.6) / 0.25
    tilt, bend = rng.standard_normal((2, len(magnitude), 1))
    out = magnitude + np.nan_to_num(real.error[partner]) * rng.standard_normal(magnitude.shape)
    out[:, narrow] += source.calibration * (tilt * x + bend * (1.5 * x**2 - 0.5))
    out[:, ~narrow] += source.uv_calibration * rng.standard_normal((len(out), int((~narrow).sum())))
    return np.where(np.isfinite(real.magnitude[partner]), out, np.nan)


def features(magnitude: np.ndarray, bands: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Colours of blocks of narrow bands and of broad bands (mag), and how rough the spectrum is from band to band.

    ``peak`` is the brightest band over the median of its six neighbours (a strong emission line), ``rough`` log10 of
    the rms about that median.
    """
    places = np.array([bands.index(b) for b in NARROW])
    narrow = magnitude[:, places]
    wave = np.array([10 * int(b[1:]) for b in NARROW])
    blocks = {}
    with np.errstate(invalid="ignore"):
        for start in range(3500, 9500, BLOCK):
            inside = narrow[:, (wave >= start) & (wave < start + BLOCK)]
            whole = np.isfinite(inside).all(1)
            blocks[start] = np.where(whole, np.where(np.isfinite(inside), inside, 0.0).mean(1), np.nan)
    out = {
        f"{start}-{REFERENCE}": value - blocks[REFERENCE]
        for start, value in blocks.items()
        if start != REFERENCE and np.isfinite(value).mean() > 0.3
    }
    out |= {f"{a}-{b}": magnitude[:, bands.index(a)] - magnitude[:, bands.index(b)] for a, b in _pairs(bands)}
    if "NUV" in bands and "u" not in bands:
        out[f"NUV-{REFERENCE}"] = magnitude[:, bands.index("NUV")] - blocks[REFERENCE]
    rest = np.stack([narrow[:, i] - _neighbours(narrow, i) for i in range(narrow.shape[1])], 1)
    there = np.isfinite(rest)
    rms = np.sqrt((np.where(there, rest, 0.0) ** 2).sum(1) / there.sum(1).clip(1))
    return out | {"peak": np.where(there, -rest, -np.inf).max(1), "rough": np.log10(rms.clip(1e-4))}


def _pairs(bands: tuple[str, ...]) -> list[tuple[str, str]]:
    order = [b for b in (*UV, *SDSS) if b in bands]
    return list(pairwise(order))


def _neighbours(narrow: np.ndarray, i: int) -> np.ndarray:
    """(n,) median of the three bands to either side; NaN where fewer than four are there."""
    places = [j for j in range(i - 3, i + 4) if j != i and 0 <= j < narrow.shape[1]]
    side = narrow[:, places]
    enough = np.isfinite(side).sum(1) >= 4
    out = np.full(len(side), np.nan)
    out[enough] = np.nanmedian(side[enough], axis=1)
    return out


def _clouds(
    real: BandGalaxies,
    keys: Any,
    tolerance: tuple[float, ...],
    table: np.ndarray,
    source: Source,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Place of every real galaxy among simulated ones like it in redshift, and the worst of them."""
    rows, alone = [], []
    scaled = [np.stack([k / t for k, t in zip(side, tolerance, strict=True)], 1) for side in keys]
    for i in range(len(real.id)):
        away = np.abs(scaled[1] - scaled[0][i]).max(1)
        near = np.argsort(away)[:CLOUD]
        near = near[away[near] <= 1.5]
        if len(near) < CLOUD_LEAST:
            alone.append(str(real.id[i]))
            continue
        seen = observe(table[near], real, np.full(len(near), i), source, rng)
        place = locate(real.magnitude[i], real.error[i], seen)
        worst = int(np.nanargmax(np.abs(place.difference)))
        rows.append(
            {
                "id": str(real.id[i]),
                "kind": str(real.kind[i]),
                "redshift": float(real.redshift[i]),
                "rank": place.rank,
                "excess": place.excess,
                "worst_band": real.bands[worst],
                "difference": float(place.difference[worst]),
                "differences": place.difference,
            }
        )
    if not rows:
        return {"galaxies": 0, "without_neighbours": alone}
    outside = [row["rank"] > OUTSIDE for row in rows]
    rows.sort(key=lambda row: -row["excess"])
    return {
        "galaxies": len(rows),
        "without_neighbours": alone,
        "outside_99": float(np.mean(outside)),
        "median_rank": float(np.median([row["rank"] for row in rows])),
        "difference": _by_band(real.bands, np.array([row["differences"] for row in rows])),
        "worst": [{k: v for k, v in row.items() if k != "differences"} for row in rows[:WORST]],
    }


def _by_band(bands: tuple[str, ...], difference: np.ndarray) -> dict[str, list[float]]:
    """16, 50 and 84 % of real minus simulated neighbours in each band that five galaxies have, mag."""
    enough = np.isfinite(difference).sum(0) >= 5
    return {
        name: np.nanpercentile(difference[:, i], [16, 50, 84]).tolist() for i, name in enumerate(bands) if enough[i]
    }
