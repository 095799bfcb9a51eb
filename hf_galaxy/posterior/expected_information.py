"""What to observe next: the information that a measurement not yet made is expected to bring about a property.

The expected information of a measurement `f` about `θ`, when `D` is known, is their mutual information

    I = ∫ p(f | D) ∫ p(θ | f, D) ln [p(θ | f, D) / p(θ | D)] dθ df,        p(θ | D) = ∫ p(f | D) p(θ | f, D) df

(Lindley 1956, Ann. Math. Stat. 27, 986, eq. 7), in nats: the mean relative entropy that it will bring. What may be
measured follows the density of the measurement with its noise; each such measurement is read as evidence, and gives a
posterior. The outer integrals are over one number, and are taken by Gauss-Legendre quadrature in its cumulative
probability, hence without random numbers; the inner one component by component.

Two ways that cost less were measured and left. The chain rule answers all measurements from one reading, but its light
layers see less in an answer than the encoder sees in evidence: a tenth of the gain of a narrow band. And p(θ | D) as
the model says it is not quite the mean of its posteriors, as it would be for a coherent model: relative to it,
measurements without any information would seem to bring some. So the mean itself is the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..densities_galaxy import MixtureDensity
from ..evidence import Evidence
from ..inference import Inference
from .answers import Answers

NODES = 16  # measurements of each candidate
POINTS = 128  # of a quadrature of one posterior
ROWS_AT_ONCE, DIVERGENCES_AT_ONCE = 64, 8  # galaxies


@torch.inference_mode()
def information_gain(
    posterior: Answers, name: str, candidates: Sequence[str] | None = None, error: Any = None, nodes: int = NODES
) -> dict[str, np.ndarray]:
    """See `GalaxyPosterior.information_gain`."""
    names = _candidates(posterior, name, candidates, error)
    if nodes < 2:
        raise ValueError(f"nodes={nodes}: the mean over what may be measured needs at least two")
    errors = posterior._asked_errors(names, error).expand(len(posterior), -1)
    for i, candidate in enumerate(names):
        if posterior.tokenizer.variable(candidate).kind == "flux" and not (errors[:, i] > 0).all():
            raise ValueError(f"information_gain: the error of {candidate} must be above zero, as that of any flux")
    evidence, model = posterior._system.corrected(), posterior._inference.model
    gain = np.full((len(posterior), len(names)), np.nan)
    for start in range(0, len(posterior), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(posterior)))
        inference = Inference(model, evidence.rows(rows))
        for i, candidate in enumerate(names):
            measured = _measurements(posterior, inference, candidate, errors[rows, i], nodes)
            gain[rows, i] = _gain(inference, posterior._tokens(name), measured)
    known = posterior.evidence.known
    return {n: np.where(known[:, _column(posterior, n)], np.nan, gain[:, i]) for i, n in enumerate(names)}


def _candidates(posterior: Answers, name: str, candidates: Sequence[str] | None, error: Any) -> list[str]:
    variable, known = posterior.tokenizer.variable(name), posterior.evidence.known
    if variable.categories:
        raise ValueError(f"{name} is a category; information_gain is about numbers")
    if known[:, _column(posterior, name)].any():
        raise ValueError(f"information_gain: {name} is evidence already; ask about what is not known")
    if candidates is None:
        bands = [v.name for v in posterior.variables if v.kind == "flux"]
        candidates = [n for n in bands if n != name and not known[:, _column(posterior, n)].all()]
        if not candidates:
            raise ValueError("information_gain: every band of every galaxy is observed already")
    if not len(candidates) or len(set(candidates)) < len(candidates) or name in candidates:
        raise ValueError(
            f"information_gain about {name}: name each candidate once, at least one, and not {name} itself"
        )
    for candidate in candidates:
        if posterior.tokenizer.variable(candidate).categories:
            raise ValueError(f"{candidate} is a category; a candidate is a measurement of a number")
    if error is None:
        raise ValueError("information_gain needs error=, the errors of the measurements to be made, in nJy for bands")
    return list(candidates)


def _column(posterior: Answers, name: str) -> int:
    return posterior.evidence.column(posterior.tokenizer.variable(name))


def _collected(inference: Inference, ids: Tensor, errors: Tensor) -> MixtureDensity:
    """Densities `(n, 1)` of the answers of all galaxies to one question, on the CPU."""
    fields = ("log_weight", "loc", "scale")

    def flat(_: slice, density: MixtureDensity) -> Tensor:
        limits = torch.stack([density.lower, density.upper], dim=-1)
        return torch.cat([*(getattr(density, field) for field in fields), limits], dim=-1)

    table = inference.ask(ids, errors, flat)
    count = (table.shape[-1] - 2) // len(fields)
    return MixtureDensity(*table[..., :-2].split(count, dim=-1), *table[..., -2:].unbind(-1))


def _measurements(posterior: Answers, inference: Inference, name: str, error: Tensor, nodes: int) -> Evidence:
    """The evidence of `n` galaxies with one variable measured besides, `nodes` times each; galaxy after galaxy."""
    level = 0.5 * (1 + np.polynomial.legendre.leggauss(nodes)[0])
    coordinates, evidence = posterior._coordinates(name), inference.evidence
    column = _column(posterior, name)
    unknown = Inference(inference.model, evidence.without([column]))
    density = _collected(unknown, posterior._tokens(name), coordinates.error(error.unsqueeze(-1)).float())
    t = density.unsqueeze(2).quantile(torch.as_tensor(level))[:, 0].double()
    repeated = evidence.rows(np.repeat(np.arange(len(evidence)), nodes))
    values, errors = repeated.values.copy(), repeated.errors.copy()
    values[:, column] = coordinates.inverse(t.unsqueeze(-1)).flatten()
    errors[:, column] = np.repeat(error.numpy(), nodes)
    return replace(repeated, values=values, errors=errors)


def _gain(inference: Inference, ids: Tensor, measured: Evidence) -> np.ndarray:
    """Mean relative entropy `(n,)` of the posteriors with the measurements from the mean of these posteriors."""
    nodes = len(measured) // len(inference.evidence)
    weight = torch.as_tensor(0.5 * np.polynomial.legendre.leggauss(nodes)[1])
    posteriors = _collected(Inference(inference.model, measured), ids, torch.zeros(1, 1))[:, 0]
    posteriors = posteriors.map(lambda x: x.view(-1, nodes, x.shape[-1]).to(inference.model.device))
    pieces = torch.arange(len(inference.evidence)).split(DIVERGENCES_AT_ONCE)
    return torch.cat([information(posteriors[piece], weight).cpu() for piece in pieces]).numpy()


def information(posteriors: MixtureDensity, weight: Tensor) -> Tensor:
    """Mutual information `(n,)` of a number and what it is known by: densities `(n, m)` with probabilities `(m,)`."""
    n, m = posteriors.lower.shape
    t, share = posteriors.nodes()
    # Most components weigh nothing: of the points `(n, m, points)` those that matter.
    share, place = share.topk(min(POINTS, share.shape[-1]))
    t, share = t.gather(-1, place), share / share.sum(-1, keepdim=True)
    # Every posterior at the points of every other: (n, m others, m points).
    log_prob = posteriors.unsqueeze(2).log_prob(t.view(n, 1, -1)).view(n, m, m, -1)
    mean = torch.logsumexp(log_prob + weight.log().to(log_prob).view(1, m, 1, 1), dim=1)
    own = log_prob.diagonal(dim1=1, dim2=2).movedim(-1, 1)
    gain = (share * (own - mean)).sum(-1).double()
    return (gain @ weight.to(gain.device)).clamp(min=0.0)


__all__ = ["information", "information_gain"]
