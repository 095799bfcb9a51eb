"""Does the photometry fit the model: which band is odd, and which galaxy.

Both rest on one law: the cumulative probability of what is measured, under the density that was predicted for the
measurement, is uniform if the prediction is right (Rosenblatt 1952, Ann. Math. Stat. 23, 470). Brought to a standard
normal it is a residual in units of sigma, whatever the shape of the density.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import astropy.units as u
import numpy as np
import torch
from astropy.table import Column, QTable
from scipy.special import chdtrc
from torch import Tensor

from ..densities_galaxy import MixtureDensity
from ..inference import Inference
from .answers import Answers

FARTHEST = 37.0  # sigma: beyond, the tail of a normal is no number of float64
LEVELS = (0.5, 0.16, 0.84)


def surprise(posterior: Answers, bands: Sequence[str] | None = None) -> QTable:
    """See `GalaxyPosterior.surprise`."""
    evidence = posterior._system.corrected()
    names = _observed(posterior, bands)
    parts = []
    for name in names:
        column = evidence.column(posterior.tokenizer.variable(name))
        rows = np.flatnonzero(evidence.known[:, column])
        parts.append((rows, _left_out(posterior, name, column, rows)))
    row = np.concatenate([rows for rows, _ in parts])
    band = np.repeat(np.array(names), [len(rows) for rows, _ in parts])
    columns = np.concatenate([found for _, found in parts])
    order = np.lexsort((np.repeat(np.arange(len(names)), [len(rows) for rows, _ in parts]), row))
    table = QTable({"row": row[order], "band": band[order]})
    flux, error, median, low, high, pit, residual, log_prob = columns[order].T
    fluxes = {"flux": flux, "flux_err": error, "predicted_p16": low, "predicted_p50": median, "predicted_p84": high}
    for name, values in fluxes.items():
        table[name] = values * u.nJy
    table["pit"] = Column(pit, description="probability of a lower measurement, given all other evidence")
    table["residual"] = Column(residual, description="the same in standard deviations of a normal")
    table["surprise"] = Column(-log_prob, description="minus the log density of the measurement per nJy")
    return table


def _observed(posterior: Answers, bands: Sequence[str] | None) -> list[str]:
    """Names of bands with a measurement of some galaxy."""
    known = {v.name: bool(known) for v, known in zip(posterior.variables, posterior.evidence.known.any(0), strict=True)}
    if bands is None:
        bands = [v.name for v in posterior.variables if v.kind == "flux" and known[v.name]]
        if not bands:
            raise ValueError("surprise: no flux of any galaxy is known; condition on photometry first")
    for name in bands:
        if posterior.tokenizer.variable(name).kind != "flux":
            raise ValueError(f"{name} is not a band; surprise is of measured fluxes")
        if not known[name]:
            raise ValueError(f"surprise: {name} is not observed in any galaxy; quantiles({name!r}, …) predicts it")
    if len(set(bands)) < len(bands) or not len(bands):
        raise ValueError(f"surprise: name each band once, and at least one; these are {list(bands)}")
    return list(bands)


def _left_out(posterior: Answers, name: str, column: int, rows: np.ndarray) -> np.ndarray:
    """Of galaxies `rows` that know a band `(rows, 8)`: flux, error, three quantiles, PIT, residual, log density."""
    evidence = posterior._system.corrected().rows(rows)
    x, error = (torch.as_tensor(table[:, [column]]) for table in (evidence.values, evidence.errors))
    coordinates = posterior._coordinates(name)
    t = coordinates.forward(x)

    def use(piece: slice, density: MixtureDensity) -> Tensor:
        density, mine = density.map(Tensor.double), t[piece].to(density.loc.device)
        levels = torch.tensor(LEVELS, dtype=torch.float64)
        quantiles = density.unsqueeze(2).quantile(levels)[:, 0]
        return torch.cat([quantiles, density.cdf(mine), normal_residual(density, mine), density.log_prob(mine)], dim=-1)

    rest = Inference(posterior._inference.model, evidence.without([column]))
    found = rest.ask(posterior._tokens(name), coordinates.error(error).float(), use)
    factor = torch.as_tensor(posterior._system.factors(name)).expand(len(posterior), 1)[rows]
    quantiles = coordinates.inverse(found[:, :3].unsqueeze(-1)).squeeze(-1) / factor
    given = torch.as_tensor(
        np.stack([x[rows, column] for x in (posterior.evidence.values, posterior.evidence.errors)], 1)
    )
    log_prob = found[:, 5:] + coordinates.log_slope(x) + factor.log()
    return torch.cat([given, quantiles, found[:, 3:5], log_prob], dim=1).numpy()


def normal_residual(density: MixtureDensity, t: Tensor) -> Tensor:
    """The standard normal deviate with the cumulative probability of `t` `(...)`; exact far into both tails."""
    flipped = MixtureDensity(density.log_weight, -density.loc, density.scale, -density.upper, -density.lower)
    low, high = density.cdf(t), flipped.cdf(-t)
    side = torch.where(low <= high, 1.0, -1.0).to(low)
    return (side * torch.special.ndtri(torch.minimum(low, high))).clamp(-FARTHEST, FARTHEST)


@torch.inference_mode()
def outlier_score(posterior: Answers) -> QTable:
    """See `GalaxyPosterior.outlier_score`."""
    squares = torch.zeros(len(posterior), dtype=torch.float64)
    count = torch.zeros(len(posterior), dtype=torch.int64)
    for rows, _, t, density in posterior._inference.photometry():
        known = torch.isfinite(t)
        residual = normal_residual(density.map(Tensor.double), t.nan_to_num().double())
        squares[rows] += (residual**2).where(known, 0.0).sum(-1).cpu()
        count[rows] += known.sum(-1).cpu()
    squares, count = squares.masked_fill(count == 0, math.nan).numpy(), count.numpy()
    p_value = chdtrc(np.maximum(count, 1), squares)
    table = QTable({"chi2": squares, "n_bands": count, "p_value": p_value})
    table["chi2"].info.description = "sum of the squared residuals of all bands, each given those before it"
    table["n_bands"].info.description = "known fluxes: the degrees of freedom"
    table["p_value"].info.description = "probability that a galaxy of the model is as odd or odder; NaN without fluxes"
    return table


__all__ = ["normal_residual", "outlier_score", "surprise"]
