"""Joint draws beside their truth: what a set of marginals cannot answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from ..coordinates_galaxy import Coordinates
from ..evaluation.calibration import calibration_test
from ..evaluation.joint import residual_correlation, tarp_ranks
from ..evaluation.lines import (
    CLASSES,
    balmer_decrements,
    below_case_b,
    bpt_class,
    class_probabilities,
    class_reliability,
    classification_statistics,
)
from ..evaluation.ranks import continuous_ranks, rank_test, sbc_ranks
from ..posterior import GalaxyPosterior
from ..variables_galaxy import Variable
from .held_out import HeldOut

JOINT = ("redshift", "log_mstar", "av", "log_sfr", "ew_halpha")  # in which TARP measures distances
LINES = ("ew_hbeta", "flux_halpha", "flux_hbeta", "flux_oiii_5007", "flux_nii_6584")
FEWEST = 50  # galaxies for a statement on joint draws
FEWEST_DRAWS = 20
# Name of a projection to the two properties whose token coordinates it subtracts: directions along which the posterior
# is narrow because its properties go together.
PROJECTIONS = {
    "log_sfr - log_mstar": ("log_sfr", "log_mstar"),
    "log_mstar - redshift": ("log_mstar", "redshift"),
    "flux_halpha - flux_hbeta": ("flux_halpha", "flux_hbeta"),
}
WITH_BALMER = ("flux_halpha", "flux_hbeta", "ew_halpha", "ew_hbeta")
WITH_BPT = ("flux_halpha", "flux_hbeta", "flux_oiii_5007", "flux_nii_6584", "ew_halpha")


@dataclass(frozen=True)
class Draws:
    """Joint draws of the galaxies whose truth is known in all of some properties.

    Attributes:
        samples: (m, S) by name, physical units.
        truth: (m,) by name.
        variables: Of the names.
    """

    samples: dict[str, NDArray[np.float64]]
    truth: dict[str, NDArray[np.float64]]
    variables: dict[str, Variable]

    def __len__(self) -> int:
        return len(next(iter(self.truth.values())))

    @property
    def count(self) -> int:
        """Draws a galaxy."""
        return next(iter(self.samples.values())).shape[1]

    def has(self, names: Sequence[str]) -> bool:
        """Whether all of these were drawn."""
        return set(names) <= set(self.samples)

    def coordinate(self, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Token coordinates of values of one property: wide ranges tamed, widths comparable."""
        x = torch.as_tensor(values).unsqueeze(-1)
        return Coordinates([self.variables[name]], torch.float64).forward(x).squeeze(-1).numpy()


def draw(
    galaxy: GalaxyPosterior,
    galaxies: HeldOut,
    names: Sequence[str],
    noise: str,
    seed: int,
    n: int,
    draws: int,
    progress: bool = False,
) -> Draws | None:
    """Joint draws of the first ``n`` galaxies with truth in all of ``names``; None if these are fewer than fifty."""
    wanted = [name for name in (*JOINT, *LINES) if name in names]
    if len(wanted) < 2:
        return None
    complete = np.all([np.isfinite(galaxies.truth[name]) for name in wanted], axis=0)
    chosen = np.flatnonzero(complete)[:n]
    if len(chosen) < FEWEST:
        return None
    parts: dict[str, list] = {name: [] for name in wanted}
    with tqdm(total=len(chosen), desc=f"{noise}, joint", unit=" galaxies", disable=None if progress else True) as bar:
        for rows in galaxies.pieces():
            mine = chosen[(chosen >= rows.start) & (chosen < rows.stop)] - rows.start
            if len(mine):
                posterior = galaxy.condition(galaxies.observe(rows, noise, seed)[mine])
                drawn = posterior.sample(draws, wanted, seed + rows.start)
                for name in wanted:
                    parts[name].append(drawn[name].astype(float))
                bar.update(len(mine))
    samples = {name: np.concatenate(columns) for name, columns in parts.items()}
    variables = {name: galaxy.tokenizer.variable(name) for name in wanted}
    return Draws(samples, {name: galaxies.truth[name][chosen] for name in wanted}, variables)


def joint_metrics(draws: Draws, seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures of merit of joint draws, and the arrays behind them for the pages.

    Returns:
        TARP (beside that of the same draws with their pairing broken), ranks of marginals and of projections,
        the correlation of the residuals of redshift and mass, the Balmer decrement and the class of the lines.
    """
    metrics: dict[str, Any] = {"galaxies": len(draws), "draws": draws.count}
    arrays: dict[str, Any] = {}
    _tarp(draws, seed, metrics, arrays)
    _ranks(draws, seed, metrics, arrays)
    if draws.count >= FEWEST_DRAWS:
        metrics["correlation"] = _correlations(draws)
    if draws.has(WITH_BALMER):
        _balmer(draws, metrics, arrays)
    if draws.has(WITH_BPT):
        _bpt(draws, metrics, arrays)
    return metrics, arrays


def _tarp(draws: Draws, seed: int, metrics: dict, arrays: dict) -> None:
    names = [name for name in JOINT if draws.has([name])]
    truth = np.stack([draws.coordinate(name, draws.truth[name]) for name in names], axis=-1)
    samples = np.stack([draws.coordinate(name, draws.samples[name]) for name in names], axis=-1)
    scale = truth.std(axis=0)
    truth, samples = truth / scale, samples / scale
    reference = np.random.default_rng(seed).permutation(truth)
    ranks = _spread(tarp_ranks(samples, truth, reference), draws.count, seed)
    broken = np.stack([np.roll(samples[..., i], i, axis=1) for i in range(len(names))], axis=-1)
    unpaired = _spread(tarp_ranks(broken, truth, reference), draws.count, seed)
    test = calibration_test(ranks)
    metrics["properties"] = names
    metrics |= {"tarp_deviation": test.deviation, "tarp_p_value": test.p_value, "tarp_verdict": test.verdict}
    metrics["tarp_deviation_independent"] = calibration_test(unpaired).deviation
    arrays["tarp"], arrays["tarp_independent"] = ranks, unpaired


def _spread(mid_ranks: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    """Mid-ranks spread over their cells, so that the steps of few draws are no deviation."""
    return continuous_ranks(np.rint(mid_ranks * (draws + 1) - 0.5).astype(int), draws, seed)


def _ranks(draws: Draws, seed: int, metrics: dict, arrays: dict) -> None:
    """Simulation-based calibration of every property drawn, and of projections of two."""
    columns = {name: (draws.samples[name], draws.truth[name]) for name in draws.samples}
    pairs = {name: pair for name, pair in PROJECTIONS.items() if draws.has(pair)}
    unpaired = {}
    for name, (first, second) in pairs.items():
        a, b = draws.coordinate(first, draws.samples[first]), draws.coordinate(second, draws.samples[second])
        truth = draws.coordinate(first, draws.truth[first]) - draws.coordinate(second, draws.truth[second])
        columns[name], unpaired[name] = (a - b, truth), (a - np.roll(b, 1, axis=1), truth)
    ranks = {name: sbc_ranks(*pair, seed=seed) for name, pair in columns.items()}
    metrics["sbc"] = {name: rank_test(rank, draws.count, seed=seed) for name, rank in ranks.items()}
    # Of the same draws with their pairing broken: what the projection would say of right marginals alone.
    metrics["sbc_independent"] = {
        name: rank_test(sbc_ranks(*pair, seed=seed), draws.count, seed=seed) for name, pair in unpaired.items()
    }
    arrays["sbc"] = {name: continuous_ranks(rank, draws.count, seed) for name, rank in ranks.items()}


def _correlations(draws: Draws) -> dict[str, Any]:
    """Of the residuals of every two of the properties of TARP."""
    samples, truth = draws.samples, draws.truth
    pairs = combinations([name for name in JOINT if draws.has([name])], 2)
    return {f"{a}, {b}": residual_correlation(samples[a], samples[b], truth[a], truth[b]) for a, b in pairs}


def _balmer(draws: Draws, metrics: dict, arrays: dict) -> None:
    """Share of draws with Hα/Hβ below case B: joint, with the pairing of the two lines broken, and of the truth."""
    joint = {name: draws.samples[name] for name in WITH_BALMER}
    broken = {name: np.roll(x, 1, axis=1) if "hbeta" in name else x for name, x in joint.items()}
    kinds = {"joint": joint, "independent": broken, "truth": draws.truth}
    lines = {kind: [x[name] for name in WITH_BALMER] for kind, x in kinds.items()}
    metrics["balmer"] = {kind: below_case_b(*four) for kind, four in lines.items()}
    arrays["balmer"] = {kind: balmer_decrements(*four) for kind, four in lines.items()}


def _bpt(draws: Draws, metrics: dict, arrays: dict) -> None:
    truth = bpt_class(*(draws.truth[name] for name in WITH_BPT))
    probability = class_probabilities(bpt_class(*(draws.samples[name] for name in WITH_BPT)))
    curves = class_reliability(probability, truth)
    metrics["bpt"] = {
        "classes": CLASSES,
        **classification_statistics(probability, truth)._asdict(),
        "reliability": {
            name: {"stated": c.probability, "observed": c.frequency, "n": c.count}
            for name, c in zip(CLASSES, curves, strict=True)
        },
    }
    arrays["bpt"] = curves


__all__ = ["FEWEST", "JOINT", "LINES", "Draws", "draw", "joint_metrics"]
