"""Joint draws with weights: a posterior under another prior, by importance sampling.

Draws `θ` of the posterior under the prior of the simulation become draws under the prior `π'` with weights
`w(θ) = π'(θ) / π(θ)` (Hogg, Myers & Bovy 2010, ApJ 725, 2166). What the weights leave is told by the effective number
of draws, `(Σ w)² / Σ w²` (Kish 1965): where the new prior lives where hardly a draw does, one draw stands for all.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .derived import Draws, What, derive


@dataclass(frozen=True)
class WeightedDraws:
    """Joint draws of `n_galaxy` galaxies and their weights.

    Attributes:
        draws: `{name: (n_galaxy, n)}` in physical units.
        weights: `(n_galaxy, n)`, the sum of each galaxy is one; zeros where no draw has a weight.
        log_mean_weight: `(n_galaxy,)` log of the mean of the weights: with weights π'/π of normalised priors the log of
            the ratio of the evidences, p(data | π') / p(data | π).
    """

    draws: dict[str, np.ndarray]
    weights: np.ndarray
    log_mean_weight: np.ndarray

    @classmethod
    def of(
        cls, draws: Draws, function: Callable[[Draws], Any], log: bool = True, min_effective: float = 100.0
    ) -> WeightedDraws:
        """Weigh draws by a function of them; see `GalaxyPosterior.reweight`."""
        shape = np.shape(next(iter(draws.values())))
        try:
            value = np.asarray(function(draws), dtype=np.float64)
        except KeyError as error:
            raise ValueError(f"reweight: the function needs draws of {error}; name it in variables=") from None
        if value.shape != shape:
            raise ValueError(f"reweight: the weights have shape {value.shape}; {shape}, one a draw, is wanted")
        wrong = np.isnan(value) | (value == np.inf) | (False if log else value < 0)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            kind = "a log weight is a number below infinity" if log else "a weight is a number, zero or above"
            raise ValueError(f"reweight: the weight of draw {column} of galaxy {row} is {value[row, column]}; {kind}")
        with np.errstate(divide="ignore"):
            log_weight = value if log else np.log(value)
        top = log_weight.max(axis=1, keepdims=True)
        weight = np.exp(log_weight - np.where(np.isfinite(top), top, 0.0))
        total = weight.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            log_mean = (np.log(total) + top)[:, 0] - np.log(shape[1])
        made = cls(dict(draws), np.divide(weight, total, out=np.zeros(shape), where=total > 0), log_mean)
        made._warn(min_effective)
        return made

    def _warn(self, least: float) -> None:
        few = np.flatnonzero(self.effective_size < least)
        if len(few):
            size = self.effective_size[few].min()
            warnings.warn(
                f"reweight: {len(few)} of {len(self.weights)} galaxies, the first in row {few[0]}, keep fewer than "
                f"{least:g} effective draws of {self.weights.shape[1]} (the least {size:.3g}): their answers rest on a "
                "few draws; take more draws, give the knowledge as evidence, or leave these galaxies out",
                stacklevel=4,
            )

    @property
    def effective_size(self) -> np.ndarray:
        """`(n_galaxy,)` effective number of draws; 0 where no draw has a weight."""
        squares = (self.weights**2).sum(axis=1)
        return np.divide(1.0, squares, out=np.zeros(len(squares)), where=squares > 0)

    def quantiles(self, name: str, levels: Sequence[float]) -> np.ndarray:
        """Quantiles `(n_galaxy, levels)` of the draws in which the quantity has a value (`defined` tells how many).

        NaN for a galaxy of which no such draw has a weight.
        """
        levels = np.atleast_1d(np.asarray(levels, dtype=np.float64))
        if levels.size == 0 or not ((levels > 0) & (levels < 1)).all():
            raise ValueError(f"quantile levels {levels.tolist()} must lie between 0 and 1")
        values, weights = self._numbers(name)
        order = values.argsort(axis=1)
        values, weights = (np.take_along_axis(x, order, axis=1) for x in (values, weights))
        # Each draw stands for the middle of its share of the probability; between draws it runs straight.
        middle = weights.cumsum(axis=1) - 0.5 * weights
        found = [
            np.interp(levels, p[w > 0], x[w > 0]) if w.any() else np.full(len(levels), np.nan)
            for p, x, w in zip(middle, values, weights, strict=True)
        ]
        return np.array(found)

    def mean(self, name: str) -> np.ndarray:
        """Mean `(n_galaxy,)`; as for quantiles."""
        values, weights = self._numbers(name)
        return np.where(weights.any(axis=1), (weights * values).sum(axis=1), np.nan)

    def std(self, name: str) -> np.ndarray:
        """Standard deviation `(n_galaxy,)`; as for quantiles."""
        values, weights = self._numbers(name)
        return np.sqrt((weights * (values - self.mean(name)[:, None]) ** 2).sum(axis=1))

    def defined(self, name: str) -> np.ndarray:
        """Probability `(n_galaxy,)` that a quantity has a value: that the lines of a ratio are in emission."""
        return (self.weights * ~np.isnan(self._values(name))).sum(axis=1)

    def probabilities(self, name: str) -> dict[str, np.ndarray]:
        """Probability `(n_galaxy,)` of every value of a category, or of a class that was derived."""
        column = self._column(name)
        if column.dtype.kind != "U":
            raise ValueError(f"{name} is not a category; quantiles({name!r}, …) answers for it")
        return {str(value): (self.weights * (column == value)).sum(axis=1) for value in np.unique(column)}

    def sample(self, n: int, seed: int | None = None) -> dict[str, np.ndarray]:
        """Draws without weights `{name: (n_galaxy, n)}`, taken with replacement: heavy draws come several times.

        Raises:
            ValueError: A galaxy of which no draw has a weight.
        """
        if n < 1:
            raise ValueError("sample needs at least one draw")
        if len(empty := np.flatnonzero(~self.weights.any(axis=1))):
            raise ValueError(f"sample: no draw of galaxy {empty[0]} has a weight; leave it out")
        generator = np.random.default_rng(seed)
        chosen = np.stack([generator.choice(len(w), n, p=w) for w in self.weights])
        return {name: np.take_along_axis(column, chosen, axis=1) for name, column in self.draws.items()}

    def derive(self, what: What) -> WeightedDraws:
        """The same with derived quantities besides."""
        return replace(self, draws={**self.draws, **derive(what, self.draws)})

    def _column(self, name: str) -> np.ndarray:
        if name not in self.draws:
            raise ValueError(f"{name} was not drawn; name it in variables= of {', '.join(self.draws)}")
        return self.draws[name]

    def _values(self, name: str) -> np.ndarray:
        column = self._column(name)
        if column.dtype.kind == "U":
            raise ValueError(f"{name} is a category; probabilities({name!r}) answers for it")
        return column

    def _numbers(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Values, and weights of which those of a galaxy sum to one; both zero where there is no value."""
        values = self._values(name)
        without = np.isnan(values)
        if not without.any():
            return values, self.weights
        weights = np.where(without, 0.0, self.weights)
        total = weights.sum(axis=1, keepdims=True)
        return np.where(without, 0.0, values), np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


__all__ = ["WeightedDraws"]
