"""The posterior that users hold: direct answers, and what is worked out of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .answers import Answers
from .facts import facts
from .highest_density import Profile

REDSHIFT_ODDS = 0.03  # (1 + z)
ONE_SIGMA = 0.6827


class GalaxyPosterior(Answers):
    """The posterior of every variable of `n` galaxies, given what is known of them; see `Answers` for its making."""

    # ---- where a density is highest

    def mode(self, name: str) -> np.ndarray:
        """Value `(n_galaxy,)` of the highest density per physical unit; of several peaks the highest.

        Raises:
            ValueError: There is no such variable, or it is a category.
        """
        coordinates = self._coordinates(name)

        def find(_: slice, density: Any) -> Tensor:
            profile = Profile.of(density, coordinates)
            return profile.physical(profile.mode())

        return self._system.back(self.ask([name], find).numpy(), [name])[:, 0]

    def odds(self, name: str = "redshift", width: Any = None) -> np.ndarray:
        """Probability `(n_galaxy,)` of lying within `width` of the mode: the odds of BPZ (Benítez 2000, ApJ 536, 571).

        Args:
            name: Variable.
            width: To each side, in the unit of the variable or a quantity, one number or one a galaxy; of the redshift
                in units of 1 + z, by default 0.03, as miniJPAS has it (Hernán-Caballero et al. 2021, A&A 654, A101).

        Raises:
            ValueError: A width that is not above zero; none, for another variable than the redshift.
        """
        width = self._width(name, width)
        coordinates, factor = self._coordinates(name), torch.as_tensor(self._system.factors(name))
        factor = factor.expand(len(self), 1)

        def integrate(rows: slice, density: Any) -> Tensor:
            profile = Profile.of(density, coordinates)
            x = profile.physical(profile.mode())
            half = (width[rows] * factor[rows]).to(x.device) * (1 + x if name == "redshift" else 1)
            return profile.cdf(x + half) - profile.cdf(x - half)

        return self.ask([name], integrate).numpy()[:, 0]

    def interval(self, name: str, mass: float = ONE_SIGMA) -> np.ndarray:
        """Ends `(n_galaxy, 2)` of the shortest interval that holds the probability `mass`.

        It holds the mode of a density with one peak. Of a density with several it may span a gap: `regions` does not.
        (The interval between two quantiles, which most catalogues state, is `quantiles(name, [0.16, 0.84])`.)
        """
        mass, coordinates = self._mass(mass), self._coordinates(name)
        found = self.ask([name], lambda _, density: Profile.of(density, coordinates).shortest(mass))
        return self._system.back(found.numpy()[:, None], [name])[:, 0]

    def regions(self, name: str, mass: float = ONE_SIGMA) -> list[np.ndarray]:
        """Of each galaxy the highest-density region with the probability `mass`: the smallest set that holds it.

        Returns:
            An array `(pieces, 3)` a galaxy: low end, high end, probability of each piece, in increasing order.
        """
        mass, coordinates = self._mass(mass), self._coordinates(name)
        found = self.ask([name], lambda _, density: Profile.of(density, coordinates).region(mass)).numpy()
        found[..., :2] = self._system.back(found[:, None, :, :2], [name])[:, 0]
        return [pieces[np.isfinite(pieces[:, 0])] for pieces in found]

    # ---- the model

    def facts(self) -> dict[str, str]:
        """What the model is, for people."""
        return facts(self)

    # ---- pieces

    def _width(self, name: str, width: Any) -> Tensor:
        if width is None:
            if name != "redshift":
                raise ValueError(f"odds({name!r}) needs a width, half of the range that counts as near the mode")
            width = REDSHIFT_ODDS
        width = self._physical(name, width)
        if width.shape not in ((), (len(self),)) or not (np.isfinite(width) & (width > 0)).all():
            raise ValueError(
                f"width={width.tolist()}: give a number above zero, or one for each of {len(self)} galaxies"
            )
        return torch.as_tensor(np.broadcast_to(width, (len(self),)).copy()).unsqueeze(-1)

    def _mass(self, mass: float) -> float:
        if not 0 < mass < 1:
            raise ValueError(f"mass={mass}: the probability of an interval lies between 0 and 1")
        return float(mass)


__all__ = ["GalaxyPosterior"]
