"""Answers and truth to figures of merit: redshift, every property, in bins of magnitude, odds and line width."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..evaluation.calibration import calibration_test, central_coverage, interval_coverage, quantile_coverage
from ..evaluation.photoz import (
    photoz_by_bin,
    photoz_statistics,
    residual_statistics,
    residuals_by_bin,
    scaled_error,
)
from .answers import Answer, Answers
from .held_out import HeldOut

MAGNITUDE_EDGES = (11.0, 20.0, 21.0, 22.0, 22.5)
ODDS_EDGES = (0.0, 0.3, 0.6, 0.8, 0.95, 1.0)
WIDTH_EDGES = (-30.0, 0.0, 3.0, 10.0, 30.0, 100.0, 300.0, 3000.0)  # Å
QUANTILE_LEVELS = (0.05, 0.16, 0.25, 0.5, 0.75, 0.84, 0.95)


def answer_metrics(answers: Answers, galaxies: HeldOut) -> dict[str, Any]:
    """All figures of merit of marginal answers."""
    metrics: dict[str, Any] = {}
    if "redshift" in answers.of:
        mine = answers.of["redshift"]
        metrics["redshift"] = redshift_metrics(mine, galaxies.magnitude[mine.rows], answers.odds[mine.rows])
    metrics["properties"] = {name: property_metrics(one) for name, one in answers.of.items()}
    metrics["mean_nll"] = float(np.mean([np.mean(one.nll) for one in answers.of.values()]))
    metrics["by_magnitude"] = {
        name: _binned(one.median, one.truth, galaxies.magnitude[one.rows], MAGNITUDE_EDGES)
        for name, one in answers.of.items()
        if name != "redshift"
    }
    metrics["by_width"] = {
        name: _binned(one.median, one.truth, one.truth, WIDTH_EDGES)
        for name, one in answers.of.items()
        if name.startswith("ew_")
    }
    if galaxies.survey is not None and "redshift" in answers.of:
        mine = answers.of["redshift"]
        metrics["by_survey"] = by_survey(mine, galaxies.survey[mine.rows])
    if nothing := int((answers.evidence == 0).sum()):
        metrics["without_evidence"] = nothing
    return metrics


def redshift_metrics(answer: Answer, magnitude: NDArray, odds: NDArray) -> dict[str, Any]:
    """Scatter, bias and outliers: of all, by magnitude and by odds; and how the 68 % and 95 % intervals do."""
    z_phot, z_true = answer.median, answer.truth
    binned = {
        "by_i": photoz_by_bin(z_phot, z_true, magnitude, MAGNITUDE_EDGES),
        "by_odds": photoz_by_bin(z_phot, z_true, odds, ODDS_EDGES),
    }
    inside = (magnitude >= MAGNITUDE_EDGES[0]) & (magnitude <= MAGNITUDE_EDGES[-1])
    return {
        "all": photoz_statistics(z_phot, z_true),
        **{key: {_name(b): b.statistics for b in bins} for key, bins in binned.items()},
        "outside_magnitude_bins": int((~inside).sum()),
        "median_abs_scaled_error": float(np.median(np.abs(scaled_error(z_phot, z_true)))),
        "median_half_width_68": float(np.median(0.5 * (answer.high - answer.low))),
        "mean_odds": float(np.mean(odds)),
        "inside_003": float(np.mean(np.abs(z_true - z_phot) <= 0.03 * (1 + z_phot))),  # what the mean odds promise
    }


def property_metrics(answer: Answer) -> dict[str, Any]:
    """In the unit of the property; ``*_coordinate`` in its standardised coordinate, which tames wide ranges."""
    truth = answer.truth
    in_coordinate = residual_statistics(answer.median_coordinate, answer.truth_coordinate)
    test = calibration_test(answer.pit)
    quantiles = quantile_coverage(answer.pit, QUANTILE_LEVELS)
    return {
        **residual_statistics(answer.median, truth)._asdict(),
        "crps": float(np.mean(answer.crps)),
        "bias_coordinate": in_coordinate.bias,
        "sigma_nmad_coordinate": in_coordinate.sigma_nmad,
        "crps_coordinate": float(np.mean(answer.crps_coordinate)),
        "nll": float(np.mean(answer.nll)),
        "pit_deviation": test.deviation,
        "pit_p_value": test.p_value,
        "verdict": test.verdict,
        "spread_score": test.spread_score,
        "shift_score": test.shift_score,
        "coverage_68": interval_coverage(answer.low, answer.high, truth),
        "coverage_95": float(central_coverage(answer.pit, [0.95]).observed[0]),
        "quantile_coverage": dict(zip(map(str, QUANTILE_LEVELS), quantiles.observed, strict=True)),
        "prior_sigma_nmad": residual_statistics(np.full_like(truth, np.median(truth)), truth).sigma_nmad,
    }


def by_survey(answer: Answer, survey: NDArray) -> dict[str, Any]:
    """Redshift statistics of each survey."""
    return {
        str(name): photoz_statistics(answer.median[survey == name], answer.truth[survey == name])
        for name in np.unique(survey)
    }


def _binned(predicted: NDArray, truth: NDArray, value: NDArray, edges: tuple[float, ...]) -> dict[str, Any]:
    """Residuals by bin; in bins of the true value the estimates of wide posteriors lean to the middle, as they must."""
    return {_name(one): one.statistics for one in residuals_by_bin(predicted, truth, value, edges)}


def _name(one: Any) -> str:
    return f"{one.lower:g}-{one.upper:g}" if one.lower >= 0 else f"{one.lower:g} to {one.upper:g}"


__all__ = ["WIDTH_EDGES", "answer_metrics", "by_survey", "property_metrics", "redshift_metrics"]
