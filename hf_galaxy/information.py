"""What each part of the evidence said: the information that a band, or a stretch of the spectrum, brought.

The information that a part brought, when all the rest was known, is the relative entropy

    D = ∫ p(θ | all) ln [p(θ | all) / p(θ | all but the part)] dθ

of the posterior with the part from that without it (Lindley 1956; Kullback & Leibler 1951), in nats: zero if the part
changed nothing. It does not depend on the coordinate of θ. Parts that say the same share what they say: each of them
alone may bring nothing, and both together much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from .densities_galaxy import MixtureDensity
from .posterior import GalaxyPosterior
from .variables_galaxy import Variable

STRETCH = 250.0  # Å to each side of a band
# Quadrature of one component: so many standard deviations to each side, in so many panels of so many points.
REACH, PANELS, POINTS = 6.0, 8, 8
NEGLIGIBLE = 1e-8  # weight of a node that is left out, relative to the largest


def information(posterior: GalaxyPosterior, parts: Sequence[Sequence[str]], names: Sequence[str]) -> np.ndarray:
    """What parts of the evidence brought about some variables, in nats.

    Args:
        posterior: Given all the evidence.
        parts: Names of variables that are taken away together, one part after the other.
        names: Variables asked about, no categories.

    Returns:
        `(n_galaxy, parts, names)`; NaN where nothing of the part is known of the galaxy.

    Raises:
        ValueError: No part, an empty one, no variable is asked, or a name is unknown.
    """
    if not parts or not names or not all(parts):
        raise ValueError("information needs at least one part of the evidence, none empty, and one variable to ask")
    evidence = posterior.evidence
    columns = [[evidence.column(posterior.tokenizer.variable(name)) for name in part] for part in parts]
    answer = np.stack([_of_one(posterior, i, columns, names) for i in range(len(posterior))])
    known = np.stack([evidence.known[:, part].any(axis=1) for part in columns], axis=1)
    return np.where(known[..., None], answer, np.nan)


def stretches(variables: Sequence[Variable], names: Sequence[str], reach: float = STRETCH) -> list[list[str]]:
    """Around each of some bands, those of them that lie within `reach` (Å) and are no wider than that; itself always.

    Args:
        variables: The table of variables.
        names: Bands.
    """
    table = {v.name: v for v in variables}
    bands = [table[name] for name in names]
    return [
        [b.name for b in bands if b is centre or (b.width <= reach and abs(b.pivot - centre.pivot) <= reach)]
        for centre in bands
    ]


def divergence(p: MixtureDensity, q: MixtureDensity) -> Tensor:
    """Relative entropy `(rows, names)` in nats of densities `p` `(1, names)` from `q` `(rows, names)`; float64.

    Rounding may leave a little less than zero, which is set to zero.
    """
    p, q = (density.map(lambda x: x.double()) for density in (p, q))
    columns = []
    for i in range(p.lower.shape[-1]):
        mine, other = p[:, i], q[:, i]
        t, weight = _nodes(mine)
        gap = mine.log_prob(t) - other.unsqueeze(1).log_prob(t)  # (rows, nodes)
        columns.append((weight * gap).sum(-1))
    return torch.stack(columns, dim=-1).clamp(min=0.0)


def _nodes(density: MixtureDensity) -> tuple[Tensor, Tensor]:
    """Points `(n,)` and weights of expectations under one density `(1,)`, by Gauss-Legendre in panels.

    Finer than `MixtureDensity.nodes`: the logarithm of a ratio of mixtures turns within a component, where another
    begins to weigh more.
    """
    log_weight, loc, scale = (x[0] for x in (density.log_weight, density.loc, density.scale))
    x, w = (torch.as_tensor(a).to(loc) for a in np.polynomial.legendre.leggauss(POINTS))
    low, high = (
        torch.minimum(torch.maximum(loc + side * REACH * scale, density.lower), density.upper) for side in (-1, 1)
    )
    panel = ((high - low) / PANELS)[:, None, None]
    t = low[:, None, None] + panel * (torch.arange(PANELS).to(loc)[:, None] + 0.5 * (1 + x))  # (K, panels, points)
    z = (t - loc[:, None, None]) / scale[:, None, None]
    weight = torch.exp((log_weight - scale.log())[:, None, None] - 0.5 * z * z) * panel * w
    kept = weight > NEGLIGIBLE * weight.max()
    return t[kept], weight[kept] / weight[kept].sum()


def _of_one(
    posterior: GalaxyPosterior, galaxy: int, parts: Sequence[Sequence[int]], names: Sequence[str]
) -> np.ndarray:
    """`information` `(parts, names)` of one galaxy, as often as there are parts, each copy without one of them."""
    everything = _of_rows(posterior, [galaxy], [[]])
    copies = _of_rows(posterior, [galaxy] * len(parts), parts)
    columns = []
    for name in names:
        whole: list[MixtureDensity] = []

        def remember(_: slice, density: MixtureDensity, whole: list = whole) -> Tensor:
            whole.append(density)
            return density.lower

        everything.ask([name], remember)
        columns.append(copies.ask([name], lambda _, density, whole=whole: divergence(whole[0], density)))
    return torch.cat(columns, dim=1).numpy()


def _of_rows(posterior: GalaxyPosterior, rows: Sequence[int], without: Sequence[Sequence[int]]) -> GalaxyPosterior:
    """A posterior of some rows, each without some of its evidence."""
    values, errors = posterior.evidence.values[rows].copy(), posterior.evidence.errors[rows].copy()
    for i, columns in enumerate(without):
        values[i, columns] = errors[i, columns] = np.nan
    evidence = replace(posterior.evidence, values=values, errors=errors)
    dtype = str(posterior.dtype).removeprefix("torch.")
    return GalaxyPosterior(posterior.model, posterior.tokenizer, evidence, dtype)


__all__ = ["STRETCH", "divergence", "information", "stretches"]
