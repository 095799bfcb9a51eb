"""What peers said, against the truth: figures of merit of every peer, noise and seed, and those relative to ours.

The functions are those of `hf_galaxy.evaluation`, the bins those of `hf_galaxy.assessment`; nothing is measured in
another way here than in the report on a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.comparison.answers import COMPARED, LEVELS, Floats
from benchmarks.comparison.cache import Outcome, Told
from benchmarks.comparison.catalogue import coordinate
from benchmarks.comparison.contenders import OURS
from benchmarks.comparison.galaxies import NOISE, Galaxies
from hf_galaxy.assessment.measure import MAGNITUDE_EDGES, WIDTH_EDGES
from hf_galaxy.evaluation.calibration import crps_from_quantiles, interval_coverage, pit_deviation, pit_from_quantiles
from hf_galaxy.evaluation.photoz import photoz_by_bin, photoz_statistics, residual_statistics, residuals_by_bin

LOW, HIGH = (int(np.argmin(np.abs(LEVELS - p))) for p in (0.16, 0.84))
MOST = 0.9  # a peer that answers for a smaller share of the galaxies is compared on those alone


def measure(outcomes: Mapping[str, Sequence[Outcome]], galaxies: Galaxies) -> dict[str, Any]:
    """Figures of merit: ``peers`` on all test galaxies, ``few`` of slow peers, all others on the same galaxies."""
    all_rows = np.arange(len(galaxies.test))
    slow = {
        key: rows for key, runs in outcomes.items() if len(rows := answered(runs[0].told)) < MOST * len(galaxies.test)
    }
    peers = {
        key: {
            "facts": [run.facts for run in runs],
            "noise": {noise: _seeds(runs, noise, galaxies, all_rows) for noise in NOISE},
        }
        for key, runs in outcomes.items()
        if key not in slow
    }
    few = {}
    for key, rows in slow.items():
        noises = [noise for noise in NOISE if noise in outcomes[key][0].told]
        few[key] = {
            "facts": [run.facts for run in outcomes[key]],
            "galaxies": rows,
            "noise": {
                noise: {
                    who: _seeds(runs, noise, galaxies, rows)
                    for who, runs in outcomes.items()
                    if who == key or who not in slow
                }
                for noise in noises
            },
        }
    return {"levels": LEVELS, "peers": peers, "relative_crps": relative_crps(peers), "few": few}


def answered(told: Mapping[str, Told]) -> np.ndarray:
    """Galaxies that have a redshift, or whatever comes first, under every noise."""
    first = next(iter(told.values())).point
    name = "redshift" if "redshift" in first else next(iter(first))
    return np.flatnonzero(np.all([np.isfinite(one.point[name]) for one in told.values()], axis=0))


def _seeds(runs: Sequence[Outcome], noise: str, galaxies: Galaxies, rows: np.ndarray) -> dict[str, Any]:
    """The mean over seeds of every figure, and where there are several its standard deviation under ``spread``."""
    each = [figures(run.told[noise], galaxies, rows) for run in runs]
    mean = _over(each, lambda values: float(np.mean(values)))
    return mean if len(each) == 1 else mean | {"spread": _over(each, lambda values: float(np.std(values, ddof=1)))}


def _over(each: Sequence[Any], reduce: Any) -> Any:
    first = each[0]
    if isinstance(first, dict):
        return {key: _over([one[key] for one in each], reduce) for key in first}
    return reduce(each)


def figures(told: Told, galaxies: Galaxies, rows: np.ndarray) -> dict[str, Any]:
    """Figures of merit of one run under one noise for some of the galaxies."""
    first = next(iter(told.point.values()))
    rows, n = rows[rows < len(first)], int(np.isfinite(first).sum())
    truth = {name: values[rows] for name, values in galaxies.truth.items()}
    magnitude = galaxies.magnitude[rows]
    found: dict[str, Any] = {
        "galaxies_per_second": n / max(told.seconds, 1e-9),
        "galaxies_per_processor_second": n / max(told.processor_seconds, 1e-9),
        "properties": {
            name: _property(name, told, truth[name], magnitude, rows) for name in COMPARED if name in told.point
        },
    }
    if "redshift" in told.point:
        found["redshift"] = _redshift(told.point["redshift"][rows], truth["redshift"], magnitude)
    for key in ("nll", "crps_coordinate", "pit_deviation", "coverage_68"):
        known = [row[key] for row in found["properties"].values() if key in row]
        if len(known) == len(COMPARED):  # a mean over fewer properties would not compare
            found[f"mean_{key}"] = float(np.mean(known))
    return found


def _redshift(z_phot: Floats, z_true: Floats, magnitude: Floats) -> dict[str, Any]:
    there = np.isfinite(z_phot)
    z_phot, z_true, magnitude = z_phot[there], z_true[there], magnitude[there]
    by_bin = photoz_by_bin(z_phot, z_true, magnitude, MAGNITUDE_EDGES)
    return {
        "all": photoz_statistics(z_phot, z_true)._asdict(),
        "by_i": {f"{one.lower:g}-{one.upper:g}": one.statistics._asdict() for one in by_bin},
    }


def _property(name: str, told: Told, truth: Floats, magnitude: Floats, rows: np.ndarray) -> dict[str, Any]:
    point = told.point[name][rows]
    there = np.isfinite(point)
    point, truth, magnitude, rows = point[there], truth[there], magnitude[there], rows[there]
    found: dict[str, Any] = residual_statistics(point, truth)._asdict() | {"unanswered": int((~there).sum())}
    in_coordinate = residual_statistics(coordinate(name, point), coordinate(name, truth))
    found |= {"bias_coordinate": in_coordinate.bias, "sigma_nmad_coordinate": in_coordinate.sigma_nmad}
    found["by_i"] = _binned(point, truth, magnitude, MAGNITUDE_EDGES)
    if name.startswith("ew_"):
        found["by_width"] = _binned(point, truth, truth, WIDTH_EDGES)
    if name in told.quantiles and len(truth):
        quantiles = told.quantiles[name][rows]
        found["crps"] = float(np.mean(crps_from_quantiles(quantiles, LEVELS, truth)))
        found["crps_coordinate"] = float(
            np.mean(crps_from_quantiles(coordinate(name, quantiles), LEVELS, coordinate(name, truth)))
        )
        found["pit_deviation"] = pit_deviation(pit_from_quantiles(quantiles, LEVELS, truth))
        found["coverage_68"] = interval_coverage(quantiles[:, LOW], quantiles[:, HIGH], truth)
    if name in told.log_prob and len(truth):
        found["nll"] = float(-np.mean(told.log_prob[name][rows]))
    return found


def _binned(point: Floats, truth: Floats, value: Floats, edges: Sequence[float]) -> dict[str, Any]:
    bins = residuals_by_bin(point, truth, value, edges)
    return {f"{one.lower:g} to {one.upper:g}": one.statistics._asdict() for one in bins if one.statistics.n}


def relative_crps(peers: Mapping[str, Any]) -> dict[str, Any]:
    """By noise, peer and property: CRPS in token coordinates over that of our model trained on the same galaxies."""
    if OURS not in peers:
        return {}
    relative: dict[str, Any] = {}
    for noise in NOISE:
        ours = peers[OURS]["noise"][noise]["properties"]
        relative[noise] = {
            key: {
                name: row["crps_coordinate"] / ours[name]["crps_coordinate"]
                for name, row in peer["noise"][noise]["properties"].items()
                if "crps_coordinate" in row
            }
            for key, peer in peers.items()
        }
    return relative


__all__ = ["answered", "figures", "measure", "relative_crps"]
