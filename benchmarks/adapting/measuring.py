"""Redshifts of a model, against the truth: accuracy and calibration, with the scatter of resampled galaxies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.harness import flux_table
from hf_galaxy import GalaxyPosterior
from hf_galaxy.coordinates_galaxy import Coordinates
from hf_galaxy.densities_galaxy import MixtureDensity
from hf_galaxy.evaluation.calibration import pit_deviation
from hf_galaxy.evaluation.photoz import photoz_statistics

LEVELS = (0.16, 0.5, 0.84)
RESAMPLED = 500


@dataclass(frozen=True)
class Redshifts:
    """Answers about n galaxies.

    Attributes:
        truth, low, median, high: (n,) redshifts: true, and quantiles 0.16, 0.5, 0.84.
        pit: (n,) cumulative probability of the truth.
        nll: (n,) negative log density of the truth, nats of the token coordinate.
    """

    truth: NDArray[np.float64]
    low: NDArray[np.float64]
    median: NDArray[np.float64]
    high: NDArray[np.float64]
    pit: NDArray[np.float64]
    nll: NDArray[np.float64]

    def __getitem__(self, rows: NDArray) -> Redshifts:
        """Those of some galaxies."""
        return Redshifts(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @classmethod
    def join(cls, parts: list[Redshifts]) -> Redshifts:
        """All of them, one after the other."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.__dataclass_fields__))


@torch.inference_mode()
def redshifts(
    galaxy: GalaxyPosterior, flux: Tensor, flux_error: Tensor, truth: NDArray, survey: str | None = None
) -> Redshifts:
    """Redshifts of galaxies of given photometry (n, 62), told which survey it is from or not."""
    posterior = galaxy.condition(flux_table(flux, flux_error))
    posterior = posterior if survey is None else posterior.condition(survey=survey)
    coordinates = Coordinates([galaxy.tokenizer.variable("redshift")], torch.float64)
    t = coordinates.forward(torch.as_tensor(truth, dtype=torch.float64).unsqueeze(-1)).float()

    def use(rows: slice, density: MixtureDensity) -> Tensor:  # one reading of the evidence for everything
        quantiles = [density.quantile(torch.tensor(level)) for level in LEVELS]
        return torch.stack([*quantiles, density.cdf(t[rows]), -density.log_prob(t[rows])], dim=-1)

    found = posterior.ask(["redshift"], use)[:, 0].double()
    low, median, high = (coordinates.inverse(found[:, [i]])[:, 0].numpy() for i in range(3))
    return Redshifts(np.asarray(truth, float), low, median, high, found[:, 3].numpy(), found[:, 4].numpy())


def figures(of: Redshifts) -> dict[str, float]:
    """Accuracy and calibration; ``spread`` is the scatter of the errors over the half widths of the intervals."""
    statistics = photoz_statistics(of.median, of.truth)
    return {
        "sigma_nmad": statistics.sigma_nmad,
        "bias": statistics.bias,
        "outliers_003": statistics.outliers_003,
        "outliers_015": statistics.outliers_015,
        "nll": float(np.mean(of.nll)),
        "coverage_68": float(np.mean((of.truth >= of.low) & (of.truth <= of.high))),
        "pit_deviation": pit_deviation(of.pit),
    }


def measured(of: Redshifts, seed: int = 0) -> dict[str, Any]:
    """``figures``, and the standard deviation of each over resampled galaxies (bootstrap)."""
    rng = np.random.default_rng(seed)
    draws = [figures(of[rng.integers(0, len(of.truth), len(of.truth))]) for _ in range(RESAMPLED)]
    found = figures(of)
    return {"n": len(of.truth), **found, "std": {k: float(np.std([d[k] for d in draws])) for k in found}}


def improvement(before: Redshifts, after: Redshifts, seed: int = 0) -> dict[str, list[float]]:
    """After minus before of every figure of the same galaxies: value, and 2.5 and 97.5 % of resampled galaxies."""
    rng = np.random.default_rng(seed)
    n = len(before.truth)
    draws = []
    for _ in range(RESAMPLED):
        rows = rng.integers(0, n, n)
        old, new = figures(before[rows]), figures(after[rows])
        draws.append({k: new[k] - old[k] for k in new})
    old, new = figures(before), figures(after)
    return {k: [new[k] - old[k], *np.percentile([d[k] for d in draws], [2.5, 97.5]).tolist()] for k in new}


def print_row(name: str, row: dict[str, Any], show: Callable[[str], None] = print) -> None:
    """One line of a table."""
    std = row["std"]
    nll = f"{row['nll']:+.3f} ± {std['nll']:.3f}"
    show(
        f"{name:34s} sigma_NMAD {row['sigma_nmad']:.4f} ± {std['sigma_nmad']:.4f}  bias {row['bias']:+.4f}"
        f"  >0.03 {row['outliers_003']:6.2%}  >0.15 {row['outliers_015']:6.2%}  NLL {nll}"
        f"  68 % holds {row['coverage_68']:.1%}  PIT {row['pit_deviation']:.2%}"
    )


__all__ = ["LEVELS", "Redshifts", "figures", "improvement", "measured", "print_row", "redshifts"]
