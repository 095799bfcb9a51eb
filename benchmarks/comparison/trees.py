"""The conventional way, in trees: a random forest and gradient-boosted trees, one model a property.

Both learn from one noisy catalogue of the training galaxies, missing bands left as NaN, which scikit-learn splits on.

*Forest*: the conditional distribution is that of the training galaxies that share a galaxy's leaves (quantile
regression forests: Meinshausen 2006, JMLR 7, 983; the way of TPZ, Carrasco Kind & Brunner 2013, MNRAS 432, 1483), a few
of them drawn from every leaf, as the package ``quantregForest`` does. Its density is theirs, smoothed.

*Boosting*: one model of the mean, one of the size of its error on galaxies that it has not seen, and the distribution
of the ratio on yet others (locally weighted split-conformal prediction: Lei et al. 2018, JASA 113, 1094, sect. 5.2). It
gives every quantile, ordered, where a model a quantile would cost 17 fits a property and let them cross.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import logsumexp
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from benchmarks.comparison import catalogue
from benchmarks.comparison.answers import COMPARED, LEVELS, Answers, Contender, Floats, Observe
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.noise import Observation

KEPT_A_LEAF = 5  # training galaxies; the smallest leaf has as many
HELD_SHARE = 0.2  # of the training galaxies: half for the size of errors, half for their distribution
WIDTHS = np.geomspace(0.005, 0.5, 13)  # of the kernel on a forest's galaxies, token coordinates
ROWS_AT_ONCE = 2000


class Forest(Contender):
    """Random forest.

    Args:
        trees: Trees a property.
        rows_a_tree: Galaxies that a tree is grown on, drawn with replacement.
    """

    def __init__(self, trees: int, rows_a_tree: int) -> None:
        note = (
            f"one forest a property, {trees} trees, each on {rows_a_tree:,} galaxies drawn from all; leaf distribution"
        )
        super().__init__("random forest", {"note": note})
        self.trees, self.rows_a_tree = trees, rows_a_tree

    def fit(self, train: GalaxyTable, observe: Observe, seed: int) -> None:
        """Grow the forests, and keep some galaxies of every leaf."""
        x, y = catalogue.features(catalogue.observed_catalogue(train, observe, seed)), catalogue.targets(train)
        held = max(1, len(x) // 20)
        self.models = [self._grow(x[held:], y[held:, i], seed) for i in range(len(COMPARED))]
        self.widths = [_best_width(_members(model, x[:held]), y[:held, i]) for i, model in enumerate(self.models)]
        nodes = sum(tree.tree_.node_count for model, _ in self.models for tree in model.estimators_)
        self.facts |= {"parameters": nodes, "seen": len(x)}  # a threshold or a value each

    def _grow(self, x: Floats, y: Floats, seed: int) -> tuple[RandomForestRegressor, list[Floats]]:
        model = RandomForestRegressor(
            self.trees,
            min_samples_leaf=KEPT_A_LEAF,
            max_features=1 / 3,
            max_samples=min(self.rows_a_tree, len(x)),
            random_state=seed,
        ).fit(x, y)
        leaves, rng = model.apply(x), np.random.default_rng(seed)
        return model, [
            _drawn_a_leaf(leaves[:, i], y, tree.tree_.node_count, rng) for i, tree in enumerate(model.estimators_)
        ]

    def predict(self, observation: Observation) -> Answers:
        """Quantiles of the training galaxies in the same leaves."""
        start = time.perf_counter()
        x = catalogue.features(observation)
        members = [_members(model, x) for model in self.models]
        t = np.stack([np.quantile(member, LEVELS, axis=1).T for member in members], -1)
        point = np.stack([np.median(member, axis=1) for member in members], -1)
        seconds = time.perf_counter() - start

        def log_prob(truth: dict[str, Floats]) -> dict[str, Floats]:
            return {
                name: _kernel_log_density(member, width, catalogue.coordinate(name, truth[name]))
                for name, member, width in zip(COMPARED, members, self.widths, strict=True)
            }

        return answers_of(t, point, log_prob, seconds)


class Boosting(Contender):
    """Gradient-boosted trees on histograms.

    Args:
        iterations: Trees of a model.
    """

    def __init__(self, iterations: int) -> None:
        note = f"one model a property, {iterations} trees; mean, size of its error, split-conformal intervals"
        super().__init__("boosted trees", {"note": note})
        self.iterations = iterations

    def fit(self, train: GalaxyTable, observe: Observe, seed: int) -> None:
        """The mean on most galaxies, its error on some of the others, the distribution of the ratio on the rest."""
        x, y = catalogue.features(catalogue.observed_catalogue(train, observe, seed)), catalogue.targets(train)
        held = int(HELD_SHARE * len(x))
        size, ratio = slice(0, held // 2), slice(held // 2, held)
        self.models = []
        for i in range(len(COMPARED)):
            mean = self._boost(x[held:], y[held:, i], seed)
            error = np.abs(y[size, i] - mean.predict(x[size]))
            spread = self._boost(x[size], np.log(error + 1e-4), seed, self.iterations // 4)
            found = (y[ratio, i] - mean.predict(x[ratio])) / np.exp(spread.predict(x[ratio]))
            self.models.append((mean, spread, np.quantile(found, LEVELS), stats.t(*stats.t.fit(found))))
        trees = [m for pair in self.models for m in pair[:2]]
        nodes = sum(len(p.nodes) for m in trees for stage in m._predictors for p in stage)
        self.facts |= {"parameters": nodes, "seen": len(x)}

    def _boost(self, x: Floats, y: Floats, seed: int, iterations: int | None = None) -> HistGradientBoostingRegressor:
        return HistGradientBoostingRegressor(
            learning_rate=0.1, max_iter=iterations or self.iterations, max_leaf_nodes=31, random_state=seed
        ).fit(x, y)

    def predict(self, observation: Observation) -> Answers:
        """Mean plus the quantiles of its error."""
        start = time.perf_counter()
        x = catalogue.features(observation)
        each = [(mean.predict(x), np.exp(spread.predict(x)), ratio, law) for mean, spread, ratio, law in self.models]
        t = np.stack([m[:, None] + s[:, None] * ratio for m, s, ratio, _ in each], -1)
        point = np.stack([m + s * ratio[len(LEVELS) // 2] for m, s, ratio, _ in each], -1)
        seconds = time.perf_counter() - start

        def log_prob(truth: dict[str, Floats]) -> dict[str, Floats]:
            return {
                name: law.logpdf((catalogue.coordinate(name, truth[name]) - m) / s) - np.log(s)
                for name, (m, s, _, law) in zip(COMPARED, each, strict=True)
            }

        return answers_of(t, point, log_prob, seconds)


def answers_of(t: Floats, point: Floats, log_prob: Any, seconds: float) -> Answers:
    """Answers about all compared properties from quantiles (n, L, 12) and points (n, 12) in token coordinates."""
    quantiles, points = catalogue.physical(t), catalogue.physical(point)
    return Answers(
        COMPARED,
        {name: np.sort(quantiles[..., i], axis=1) for i, name in enumerate(COMPARED)},
        {name: points[:, i] for i, name in enumerate(COMPARED)},
        log_prob,
        seconds,
    )


def _drawn_a_leaf(leaf: np.ndarray, y: Floats, nodes: int, rng: np.random.Generator) -> Floats:
    """(nodes, KEPT_A_LEAF) values of galaxies drawn from each leaf, with replacement; zero for inner nodes."""
    order = np.argsort(leaf, kind="stable")
    count = np.bincount(leaf, minlength=nodes)
    first = np.cumsum(count) - count
    chosen = first[:, None] + (rng.random((nodes, KEPT_A_LEAF)) * count[:, None]).astype(int)
    return np.where(count[:, None] > 0, y[order][np.minimum(chosen, len(y) - 1)], 0.0).astype(np.float32)


def _members(grown: tuple[RandomForestRegressor, list[Floats]], x: Floats) -> Floats:
    """(n, trees · KEPT_A_LEAF) values of training galaxies in the leaves of n galaxies."""
    model, values = grown
    leaves = model.apply(x)
    return np.concatenate([values[i][leaves[:, i]] for i in range(leaves.shape[1])], axis=1)


def _kernel_log_density(members: Floats, width: float, truth: Floats) -> Floats:
    """Log of the mean of Gaussians of that width around the members; never less than that of a wide bell."""
    parts = []
    for start in range(0, len(truth), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        z = (truth[rows, None] - members[rows]) / width
        kernel = logsumexp(-0.5 * z**2, axis=1) - np.log(members.shape[1] * width * np.sqrt(2 * np.pi))
        # One in a thousand may be anywhere: a truth far from all members is unlikely, not impossible.
        parts.append(np.logaddexp(np.log(0.999) + kernel, np.log(0.001) + stats.norm.logpdf(truth[rows], 0, 2)))
    return np.concatenate(parts)


def _best_width(members: Floats, truth: Floats) -> float:
    """The width of the kernel under which held-out galaxies are likeliest."""
    rows = slice(0, ROWS_AT_ONCE)
    likelihood = [_kernel_log_density(members[rows], width, truth[rows]).mean() for width in WIDTHS]
    return float(WIDTHS[int(np.argmax(likelihood))])


__all__ = ["Boosting", "Forest", "answers_of"]
