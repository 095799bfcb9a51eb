"""Joint calibration: whether draws of several properties together are as likely as they claim.

Marginals can all be right and their correlation wrong. What sees that: the distance test of TARP, ranks of a
projection that the correlation decides (``ranks``), and the correlation of the residuals themselves.

Draws have shape (n_galaxy, n_draw, n_property).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

CONFIDENCE = 0.99


class ResidualCorrelation(NamedTuple):
    """Correlation over galaxies of the residuals of two properties, found and foretold.

    Attributes:
        n: Number of galaxies.
        observed: Spearman's rank correlation of (truth − posterior mean) of one property with that of the other.
        predicted: The same with draws in the place of truths: its mean over the draws.
        lower, upper: Central 99 % of what draws in the place of truths give; an honest joint posterior leaves
            ``observed`` outside once in a hundred.
    """

    n: int
    observed: float
    predicted: float
    lower: float
    upper: float


def tarp_ranks(samples: ArrayLike, truth: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """Joint coverage by TARP (Lemos et al. 2023, arXiv:2302.03026), counted by the package ``tarp``.

    For each galaxy, the share of its draws that lie closer to a random reference point than the truth does. Over honest
    posteriors it is uniform on [0, 1], so everything that applies to PIT values applies to it. A correlation that is
    wrong is seen where it moves distances: scale the properties before, and do not rely on this test alone, for of
    many properties a few wide ones make up the distance, and a wrong pairing of two narrow ones is lost in it. Ranks of
    projections and ``residual_correlation`` look at pairs.

    Args:
        samples: (n_galaxy, n_draw, n_property).
        truth: (n_galaxy, n_property).
        reference: (n_galaxy, n_property), drawn independently of the truths.

    Returns:
        (n_galaxy,) mid-ranks, **in ascending order**: the package counts galaxies and does not name them.

    Raises:
        ImportError: ``tarp`` is not installed.
        ValueError: Shapes do not fit, or a value is not finite.
    """
    samples, truth, reference = (np.asarray(a, dtype=float) for a in (samples, truth, reference))
    if samples.ndim != 3 or truth.shape != samples[:, 0].shape or reference.shape != truth.shape:
        raise ValueError(f"shapes {samples.shape}, {truth.shape}, {reference.shape} are not (n, s, d), (n, d), (n, d)")
    if not all(np.isfinite(a).all() for a in (samples, truth, reference)):
        raise ValueError("draws, truths and reference points must be finite: leave such galaxies out")
    n, draws, d = samples.shape
    # The package spreads its bins from the lowest to the highest share that occurs. One galaxy whose truth is its
    # reference and one whose truth is beyond all its draws make that 0 to 1: each possible share has its own bin.
    ends = np.zeros((2, d))
    far = np.array([np.zeros(d), np.full(d, 1.0)])
    samples = np.concatenate([samples.swapaxes(0, 1), np.full((draws, 2, d), 0.5)], axis=1)
    truth, reference = np.concatenate([truth, far]), np.concatenate([reference, ends])
    expected, level = _coverage(samples, truth, reference, draws + 1)
    counts = np.rint(np.diff(expected) * (n + 2)).astype(int)
    counts[[0, -1]] -= 1
    return np.repeat(0.5 * (level[1:] + level[:-1]), counts)


def residual_correlation(
    first: ArrayLike, second: ArrayLike, truth_first: ArrayLike, truth_second: ArrayLike
) -> ResidualCorrelation:
    """Whether the errors of two properties go together as the joint draws say.

    Each draw takes the place of the truth in turn. Truth and draws of an honest posterior are exchangeable, whatever
    the galaxies; the prediction comes with the scatter of so many galaxies.

    Args:
        first, second: (n_galaxy, n_draw) joint draws of either property.
        truth_first, truth_second: (n_galaxy,).

    Raises:
        ValueError: Shapes do not fit, fewer than three galaxies or twenty draws.
    """
    first, second, truth_first, truth_second = (
        np.asarray(a, dtype=float) for a in (first, second, truth_first, truth_second)
    )
    shapes = {first.shape[:1], second.shape[:1], truth_first.shape, truth_second.shape}
    if first.ndim != 2 or first.shape != second.shape or len(shapes) > 1:
        raise ValueError(f"draws {first.shape}, {second.shape}, truths {truth_first.shape}, {truth_second.shape}")
    if first.shape[0] < 3 or first.shape[1] < 20:
        raise ValueError(f"{first.shape[0]} galaxies of {first.shape[1]} draws: three and twenty are the least")
    centre = first.mean(axis=1, keepdims=True), second.mean(axis=1, keepdims=True)
    found = _spearman(truth_first[:, None] - centre[0], truth_second[:, None] - centre[1])[0]
    foretold = _spearman(first - centre[0], second - centre[1])
    tail = 0.5 * (1 - CONFIDENCE)
    lower, upper = np.quantile(foretold, [tail, 1 - tail])
    return ResidualCorrelation(len(first), float(found), float(foretold.mean()), float(lower), float(upper))


def _spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank correlation of each column of ``a`` with that of ``b``."""
    a, b = (rankdata(x, axis=0) - 0.5 * (len(x) + 1) for x in (a, b))
    return (a * b).sum(axis=0) / np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))


def _coverage(samples: NDArray, truth: NDArray, reference: NDArray, bins: int) -> tuple[NDArray, NDArray]:
    """The package's curve, with numpy's global random state left as it was: the package seeds it in any case."""
    try:
        from tarp import get_tarp_coverage
    except ImportError as error:
        raise ImportError(f'joint coverage needs tarp: pip install "hf-galaxy[eval]" ({error})') from None
    state = np.random.get_state()
    try:
        return get_tarp_coverage(samples, truth, references=reference, num_alpha_bins=bins, norm=False)
    finally:
        np.random.set_state(state)
