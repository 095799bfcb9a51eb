"""How a set of real galaxies is compared with simulated ones: halves, matching, and a classifier that tells them apart.

Arrays only. The figure of merit is the area under the ROC curve (AUC) of gradient-boosted trees, cross-validated:
0.5 is a simulation that cannot be told from the sky, 1 one that always can.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import rankdata

HALVES = ("development", "test")
FOLDS = 5
QUICK_TREES = 25  # for one feature at a time
BOOTSTRAPS = 200
SMALL = 600  # real rows below which the trees are held back, lest they learn the rows by heart
FEWEST = 25  # real rows with which a classifier is trained at all
NEIGHBOURS = 64  # simulated candidates of one real galaxy


class Matched(NamedTuple):
    """Pairs: row ``real[i]`` stands beside row ``simulated[i]``.

    Attributes:
        real: (m,) places of real rows, each up to ``per_real`` times.
        simulated: (m,) places of simulated rows, each at most once.
        alone: (k,) places of real rows that have no simulated one within the tolerances.
    """

    real: np.ndarray
    simulated: np.ndarray
    alone: np.ndarray


class Verdict(NamedTuple):
    """What the classifier found.

    Attributes:
        auc: Area under the ROC curve of predictions on rows not trained on.
        auc_error: Its standard deviation over bootstraps of pairs.
        matching_auc: The same of redshift and magnitude alone: 0.5 if they match; NaN if nothing is matched.
        importance: Loss of AUC when a feature is shuffled, by feature.
        single: AUC of a classifier of each feature alone (with redshift and magnitude), by feature.
        score: (n_real + n_simulated,) predicted probability of being real, held out.
    """

    auc: float
    auc_error: float
    matching_auc: float
    importance: dict[str, float]
    single: dict[str, float]
    score: np.ndarray


def in_half(ids: Iterable[Any], half: str) -> np.ndarray:
    """(n,) bool: which rows belong to a half. A row stays in its half, whatever else is in the set.

    Raises:
        ValueError: No such half.
    """
    if half not in HALVES:
        raise ValueError(f"half {half!r} is not one of {', '.join(HALVES)}")
    bits = [hashlib.sha256(str(name).encode()).digest()[0] & 1 for name in ids]
    return np.array(bits, dtype=int) == HALVES.index(half)


def subsample(chosen: np.ndarray, most: int, seed: int = 0) -> np.ndarray:
    """Places of at most ``most`` of the rows that are true in ``chosen`` (n,), in order."""
    places = np.nonzero(chosen)[0]
    if len(places) > most:
        places = np.sort(np.random.default_rng(seed).permutation(places)[:most])
    return places


def match(
    real: Sequence[np.ndarray],
    simulated: Sequence[np.ndarray],
    tolerance: Sequence[float],
    per_real: int = 1,
    seed: int = 0,
) -> Matched:
    """Give every real galaxy simulated ones of the same redshift and magnitude, no simulated one twice.

    Args:
        real: Redshift, magnitude, … of the real galaxies, (n,) each.
        simulated: The same of the simulated ones, (m,) each.
        tolerance: Largest difference in each; the nearest in units of it is taken.
        per_real: Simulated galaxies for each real one, fewer where there are no more.
        seed: Of the order in which real galaxies choose.
    """
    a, b = (np.stack([x / t for x, t in zip(side, tolerance, strict=True)], 1) for side in (real, simulated))
    k = min(NEIGHBOURS, len(b))
    near = cKDTree(b).query(a, k=k)[1].reshape(len(a), k)
    inside = (np.abs(b[near] - a[:, None]) <= 1).all(2)
    taken, pairs = np.zeros(len(b), dtype=bool), []
    order = np.random.default_rng(seed).permutation(len(a))
    for _ in range(per_real):
        for i in order:
            free = near[i][inside[i] & ~taken[near[i]]]
            if len(free):
                taken[free[0]] = True
                pairs.append((i, free[0]))
    left, right = np.array(pairs, dtype=int).reshape(-1, 2).T
    return Matched(left, right, np.setdiff1d(np.arange(len(a)), left))


def area(score: np.ndarray, real: np.ndarray) -> float:
    """AUC of scores (n,): chance that a real row (bool, n) scores above a simulated one; ties count half."""
    ranks, n = rankdata(score), int(real.sum())
    return float((ranks[real].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def tell_apart(
    real: Mapping[str, np.ndarray],
    simulated: Mapping[str, np.ndarray],
    pair: tuple[np.ndarray, np.ndarray],
    matched_on: Sequence[str],
    seed: int = 0,
) -> Verdict:
    """Train the classifier on folds and judge it on what it has not seen; all NaN for fewer than FEWEST real rows.

    Args:
        real, simulated: Features by name, (n,) and (m,) each, the same names; NaN is not measured.
        pair: (n,) and (m,) labels; rows of the same label are matched and stay in the same fold. Split between folds,
            the one in training would betray the class of the other by its redshift.
        matched_on: The features in which the two were matched. They are given to the classifier too, so that it judges
            colours at a redshift and a magnitude, but they are not counted as evidence.
        seed: Of folds, trees and bootstraps.
    """
    names = list(real)
    if len(pair[0]) < FEWEST:
        nothing = dict.fromkeys([name for name in names if name not in matched_on], float("nan"))
        return Verdict(*[float("nan")] * 3, nothing, nothing, np.full(len(pair[0]) + len(pair[1]), np.nan))
    x = np.concatenate([np.stack([side[name] for name in names], 1) for side in (real, simulated)]).astype(float)
    is_real = np.arange(len(x)) < len(pair[0])
    group = np.concatenate(pair)
    places = [names.index(name) for name in matched_on]
    evidence = [i for i in range(len(names)) if i not in places]
    score, importance = _cross_validate(x, is_real, group, evidence, seed)
    single = {}
    for i in evidence:
        alone = _cross_validate(x[:, [*places, i]], is_real, group, [], seed, QUICK_TREES)[0]
        single[names[i]] = area(alone, is_real)
    return Verdict(
        area(score, is_real),
        _bootstrap_error(score, is_real, group, seed),
        area(_cross_validate(x[:, places], is_real, group, [], seed, QUICK_TREES)[0], is_real)
        if places
        else float("nan"),
        {names[i]: float(value) for i, value in zip(evidence, importance, strict=True)},
        single,
        score,
    )


def _classifier(n_real: int, seed: int, trees: int | None) -> Any:
    """Boosted trees; shallow, few and smoothed where there are few real rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    small = n_real < SMALL
    return HistGradientBoostingClassifier(
        learning_rate=0.06 if small else 0.1,
        max_iter=trees or (60 if small else 120),
        max_leaf_nodes=4 if small else 15,
        min_samples_leaf=max(5, n_real // 40) if small else 25,
        l2_regularization=10.0 if small else 1.0,
        max_bins=127,
        early_stopping=False,
        random_state=seed,
    )


def _cross_validate(
    x: np.ndarray,
    is_real: np.ndarray,
    group: np.ndarray,
    evidence: Sequence[int],
    seed: int,
    trees: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Held-out scores (n,), and the mean loss of AUC when each column of ``evidence`` is shuffled in held-out rows."""
    rng = np.random.default_rng(seed)
    labels = np.unique(group)
    fold_of = dict(zip(rng.permutation(labels), np.arange(len(labels)) % FOLDS, strict=True))
    fold = np.array([fold_of[label] for label in group])
    score, losses = np.empty(len(x)), []
    for k in range(FOLDS):
        test = fold == k
        model = _classifier(int(is_real.sum()), seed, trees).fit(x[~test], is_real[~test])
        score[test] = model.predict_proba(x[test])[:, 1]
        whole = area(score[test], is_real[test])
        losses.append([whole - _shuffled_area(model, x[test], is_real[test], i, rng) for i in evidence])
    return score, np.mean(losses, axis=0)


def _shuffled_area(model: Any, x: np.ndarray, is_real: np.ndarray, column: int, rng: np.random.Generator) -> float:
    shuffled = x.copy()
    shuffled[:, column] = rng.permutation(shuffled[:, column])
    return area(model.predict_proba(shuffled)[:, 1], is_real)


def _bootstrap_error(score: np.ndarray, is_real: np.ndarray, group: np.ndarray, seed: int) -> float:
    """Standard deviation of the AUC when whole pairs are drawn again."""
    rng = np.random.default_rng(seed)
    _, label = np.unique(group, return_inverse=True)
    members = np.split(np.argsort(label, kind="stable"), np.cumsum(np.bincount(label))[:-1])
    values = []
    for _ in range(BOOTSTRAPS):
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        values.append(area(score[rows], is_real[rows]))
    return float(np.std(values))


def summary(real: np.ndarray, simulated: np.ndarray) -> dict[str, float]:
    """Median and half the 16–84 % range of both, ignoring what is not measured."""
    out = {}
    for name, values in (("real", real), ("simulated", simulated)):
        low, middle, high = np.nanpercentile(values, [16, 50, 84])
        out |= {f"{name}_median": float(middle), f"{name}_spread": float(0.5 * (high - low))}
    return out
