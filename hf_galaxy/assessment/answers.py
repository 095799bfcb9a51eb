"""What a model answers about galaxies with truth: one reading of the evidence for all properties, in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ..coordinates_galaxy import Coordinates
from ..densities_galaxy import MixtureDensity
from ..evaluation.calibration import crps_from_quantiles
from ..evaluation.photoz import odds_interval
from ..posterior import GalaxyPosterior
from .held_out import HeldOut

_LOW = (0.01, 0.04, 0.1, 0.16, 0.22, 0.29, 0.36, 0.43)
LEVELS = np.array([*_LOW, 0.5, *(1 - p for p in reversed(_LOW))])
LOW, MEDIAN, HIGH = (int(np.argmin(np.abs(LEVELS - p))) for p in (0.16, 0.5, 0.84))


@dataclass(frozen=True)
class Answer:
    """What is asked of one property, about the galaxies whose truth of it is known.

    Attributes:
        rows: (m,) their rows.
        truth, low, median, high: (m,) physical units; 16, 50 and 84 % quantiles.
        pit: (m,) posterior cumulative distribution at the truth.
        nll: (m,) negative log density at the truth, nats of the token coordinate, so that properties compare.
        crps, crps_coordinate: (m,) in physical units and in the token coordinate.
        truth_coordinate, median_coordinate: (m,).
    """

    rows: NDArray[np.int64]
    truth: NDArray[np.float64]
    low: NDArray[np.float64]
    median: NDArray[np.float64]
    high: NDArray[np.float64]
    pit: NDArray[np.float64]
    nll: NDArray[np.float64]
    crps: NDArray[np.float64]
    crps_coordinate: NDArray[np.float64]
    truth_coordinate: NDArray[np.float64]
    median_coordinate: NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """Answers by property, and of all galaxies the odds of their redshift.

    Attributes:
        of: Answers by the name of the property.
        odds: (n,) probability within 0.03 (1 + z) of the median redshift; None if redshift was not asked.
        evidence: (n,) number of values that each answer rests on.
    """

    of: dict[str, Answer]
    odds: NDArray[np.float64] | None
    evidence: NDArray[np.int64]


def answer(
    galaxy: GalaxyPosterior, galaxies: HeldOut, names: Sequence[str], noise: str, seed: int, progress: bool = False
) -> Answers:
    """Ask every property of every galaxy, once; memory beyond the results is that of a piece.

    Args:
        names: Properties with truth.
        noise: ``nominal``, ``survey`` or ``none``.
        seed: Of the noise.
        progress: Show a bar on a terminal.
    """
    questions = _Questions(galaxy, names)
    parts, odds, evidence = [], [], []
    with tqdm(total=len(galaxies), desc=noise, unit=" galaxies", disable=None if progress else True) as bar:
        for rows in galaxies.pieces():
            posterior = galaxy.condition(galaxies.observe(rows, noise, seed))
            truth = np.stack([galaxies.truth[name][rows] for name in names], axis=1)
            part, certain = questions.ask(posterior, truth)
            parts.append(part)
            odds.append(certain)
            evidence.append(posterior.n_evidence)
            bar.update(rows.stop - rows.start)
    columns = {field: np.concatenate([part[field] for part in parts]) for field in parts[0]}
    asked = {}
    for i, name in enumerate(names):
        there = np.isfinite(galaxies.truth[name])
        mine = {field: column[there, i] for field, column in columns.items()}
        asked[name] = Answer(np.flatnonzero(there), galaxies.truth[name][there], **mine)
    known = np.concatenate(odds) if "redshift" in names else None
    return Answers(asked, known, np.concatenate(evidence))


class _Questions:
    """The same questions to galaxy after galaxy."""

    def __init__(self, galaxy: GalaxyPosterior, names: Sequence[str]) -> None:
        self.names = list(names)
        self.coordinates = Coordinates([galaxy.tokenizer.variable(name) for name in names], torch.float64)
        self.redshift = self.names.index("redshift") if "redshift" in self.names else None

    @torch.inference_mode()
    def ask(self, posterior: GalaxyPosterior, truth: NDArray) -> tuple[dict[str, NDArray], NDArray]:
        """Fields of ``Answer`` as (n, names), and the odds (n,), of galaxies with truth (n, names), NaN unknown."""
        t = self.coordinates.forward(torch.as_tensor(truth))

        def use(rows: slice, density: MixtureDensity) -> Tensor:
            mine = t[rows].float().to(density.loc.device)
            levels = [density.quantile(torch.tensor(level)) for level in LEVELS.tolist()]
            likely, below = density.log_prob(mine), density.cdf(mine)
            odds = self._odds(density, levels[MEDIAN])
            return torch.stack([*levels, below, -likely, odds.expand_as(below)], dim=-1)

        found = posterior.ask(self.names, use).double()
        quantiles, (pit, nll, odds) = found[..., :-3], found[..., -3:].unbind(-1)
        physical = torch.stack([self.coordinates.inverse(column) for column in quantiles.unbind(-1)], dim=-1)
        quantiles, physical, t = quantiles.numpy(), physical.numpy(), t.numpy()
        fields = {
            "low": physical[..., LOW],
            "median": physical[..., MEDIAN],
            "high": physical[..., HIGH],
            "pit": pit.numpy(),
            "nll": nll.numpy(),
            "crps": _crps(physical, truth),
            "crps_coordinate": _crps(quantiles, t),
            "truth_coordinate": t,
            "median_coordinate": quantiles[..., MEDIAN],
        }
        return fields, odds[:, 0].numpy()

    def _odds(self, density: MixtureDensity, median: Tensor) -> Tensor:
        """(n, 1) probability close to the median redshift; NaN if redshift is not asked."""
        if self.redshift is None:
            return torch.full_like(median[:, :1], torch.nan)
        column, coordinates = slice(self.redshift, self.redshift + 1), self.coordinates[[self.redshift]]
        z = coordinates.inverse(median[:, column].double().cpu())
        limits = [coordinates.forward(torch.as_tensor(x)).float() for x in odds_interval(z.numpy())]
        low, high = (density[:, column].cdf(x.to(median.device)) for x in limits)
        return high - low


def _crps(quantiles: NDArray, truth: NDArray) -> NDArray[np.float64]:
    return np.stack([crps_from_quantiles(quantiles[:, i], LEVELS, truth[:, i]) for i in range(truth.shape[1])], axis=1)


__all__ = ["LEVELS", "Answer", "Answers", "answer"]
