"""The posterior that users hold: direct answers, and what is worked out of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from astropy.table import QTable
from torch import Tensor

from . import derived
from .answers import Answers
from .expected_information import NODES, information_gain
from .facts import facts
from .highest_density import MODE_NODES, Profile
from .neighbours import nearest
from .photometry_checks import outlier_score, surprise
from .weighted_draws import WeightedDraws

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
            profile = Profile.of(density, coordinates, MODE_NODES)
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
        return self.mode_and_odds(name, width)[:, 1]

    def mode_and_odds(self, name: str = "redshift", width: Any = None) -> np.ndarray:
        """Both `(n_galaxy, 2)` from one reading of the evidence; arguments and errors are those of `odds`."""
        width = self._width(name, width)
        coordinates, factor = self._coordinates(name), torch.as_tensor(self._system.factors(name))
        factor = factor.expand(len(self), 1)

        def integrate(rows: slice, density: Any) -> Tensor:
            profile = Profile.of(density, coordinates, MODE_NODES)
            x = profile.physical(profile.mode())
            half = (width[rows] * factor[rows]).to(x.device) * (1 + x if name == "redshift" else 1)
            return torch.cat([x, profile.cdf(x + half) - profile.cdf(x - half)], dim=-1)

        found = self.ask([name], integrate).numpy()
        found[:, :1] = self._system.back(found[:, :1], [name])
        return found

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

    # ---- does the photometry fit

    def surprise(self, bands: Sequence[str] | None = None) -> QTable:
        """How each measured flux compares with what all other evidence predicts for it: which band is wrong?

        Each band is left out in turn, and asked as an instrument with its error would measure it; that costs one
        reading of the evidence a band. A wrong band also moves the predictions of its neighbours: the largest
        residual is the one to mend first.

        Args:
            bands: Names of measured bands; all by default.

        Returns:
            A row for each measurement, galaxy after galaxy: `row`, `band`, `flux`, `flux_err`, quantiles
            `predicted_p16`, `_p50`, `_p84` of the measurement (noise included), `pit` (probability of a lower value:
            uniform where the model is right), `residual` (the same as a standard normal, in sigma) and `surprise`
            (−ln of the density per nJy).

        Raises:
            ValueError: No flux is known, or a named one is not.
        """
        return surprise(self, bands)

    def outlier_score(self) -> QTable:
        """How odd the photometry of each galaxy is, with a p-value: columns `chi2`, `n_bands`, `p_value`.

        The bands are taken one after the other, each predicted from those before it and the other evidence, with its
        own error. The residuals of such a sequence are independent standard normal numbers if the galaxy is one of the
        model's (Rosenblatt 1952), so that the sum of their squares follows chi squared with a degree of freedom a band:
        a small `p_value` says that hardly any galaxy of the prior looks like this. Nothing is fitted, hence no degree
        is lost and the p-value is uniform for galaxies of the prior, unlike those of posterior predictive replicates,
        which use the photometry twice (Bayarri & Berger 2000, JASA 95, 1127). It costs what `log_prob_photometry` does.

        A galaxy without fluxes has `n_bands` 0 and NaN.
        """
        return outlier_score(self)

    # ---- what to observe next

    def information_gain(
        self, name: str, candidates: Sequence[str] | None = None, error: Any = None, nodes: int = NODES
    ) -> dict[str, np.ndarray]:
        """Information in nats `{candidate: (n_galaxy,)}` that measurements are expected to bring about a variable.

        It is the mutual information of the variable and the measurement, given the evidence: by so much the entropy of
        the posterior shrinks in the mean, ln 2 = 0.69 for a width halved. Each candidate counts alone: two bands that
        say the same bring less together than the sum.

        Args:
            name: Variable that is not evidence, no category.
            candidates: What could be measured; by default every band that is not observed of all galaxies. A property
                may be named too: a redshift from a spectrograph.
            error: Errors of the measurements, in nJy for bands: one number or a quantity, one a galaxy, or such by
                name, `{band: error}`.
            nodes: Measurements that the mean is taken over; a quadrature, without random numbers.

        Returns:
            NaN for a galaxy of which the candidate is known already.

        Raises:
            ValueError: No error, unknown names, categories, or `name` is evidence.
        """
        return information_gain(self, name, candidates, error, nodes)

    # ---- what follows from joint draws

    def derive(
        self, what: derived.What, n: int = 500, seed: int | None = None, variables: Sequence[str] | None = None
    ) -> dict[str, np.ndarray]:
        """Draws `{name: (n_galaxy, n)}` of quantities that follow from the variables.

        ```python
        draws = posterior.derive(["log_ssfr", "bpt"], n=500, seed=0)
        np.quantile(draws["log_ssfr"], [0.16, 0.5, 0.84], axis=1)
        (draws["bpt"] == "composite").mean(axis=1)
        ```

        Args:
            what: Names of `DERIVED` (`log_ssfr`, `log_nii_halpha`, `log_oiii_hbeta`, `bpt`, `balmer_decrement`,
                `halpha_extinction`, `log_lhalpha`, `log_sfr_halpha`) and functions of a dict of draws that return an
                array of their shape; or `{name: function}`.
            n: Draws a galaxy.
            seed: Same seed, same draws.
            variables: What your functions need; by default all properties that are not asked for by name already.

        Returns:
            NaN in draws in which a quantity has no value: a ratio or a luminosity of a line that is not in emission.

        Raises:
            ValueError: An unknown name, a function without a name or with an answer of another shape.
        """
        wanted = derived.functions(what)
        return derived.derive(wanted, self.sample(n, self._drawn(wanted, variables), seed))

    def bpt_probabilities(self, n: int = 500, seed: int | None = None) -> dict[str, np.ndarray]:
        """Probability `(n_galaxy,)` of each class of the BPT diagram, as shares of `n` joint draws.

        Classes by Kauffmann et al. (2003) and Kewley et al. (2001); `weak` where EW(Hα) < 3 Å or a line is not in
        emission.
        """
        classes = self.derive(["bpt"], n, seed)["bpt"]
        return {name: (classes == name).mean(axis=1) for name in derived.CLASSES}

    def reweight(
        self,
        function: Callable[[derived.Draws], Any],
        n: int = 2000,
        seed: int | None = None,
        variables: Sequence[str] | None = None,
        log: bool = True,
        min_effective: float = 100.0,
    ) -> WeightedDraws:
        """The posterior under another prior, by weights of joint draws.

        ```python
        steeper = posterior.reweight(lambda theta: -0.5 * ((theta["log_mstar"] - 10) / 0.3) ** 2, seed=0)
        steeper.quantiles("redshift", [0.16, 0.5, 0.84])
        ```

        Args:
            function: Of draws `{name: (n_galaxy, n)}` to the log of the weight of each, `log [new prior / old prior]`
                but for a constant; the prior of the simulation is `galaxy.log_prob`, or what is left in place.
            n: Draws a galaxy.
            seed: Same seed, same draws.
            variables: What is drawn: what the function needs and what is to be asked. All properties by default.
            log: Whether the function gives log weights; weights otherwise.
            min_effective: Effective draws below which a warning names the galaxies.

        Raises:
            ValueError: Weights that are no numbers, or not one a draw.
        """
        draws = self.sample(n, self._drawn({}, variables), seed)
        return WeightedDraws.of(draws, function, log, min_effective)

    # ---- galaxies like these

    def neighbours(self, k: int = 5, among: GalaxyPosterior | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The galaxies most like each: those whose embeddings (`embed`) are nearest.

        Args:
            k: How many.
            among: Galaxies to look among; by default these, each but itself.

        Returns:
            Rows in `among` and Euclidean distances, both `(n_galaxy, k)`, the nearest first.

        Raises:
            ValueError: `k` is not between 1 and the number of galaxies to look among.
        """
        mine = self.embed()
        return nearest(mine, mine if among is None else among.embed(), k, themselves=among is None)

    # ---- the model

    def facts(self) -> dict[str, str]:
        """What the model is, for people."""
        return facts(self)

    # ---- pieces

    def _drawn(self, wanted: dict[str, Any], variables: Sequence[str] | None) -> list[str]:
        """What to draw, in the order of the table of variables."""
        names = set(derived.needed(wanted)) if wanted else set()
        own = [name for name, item in wanted.items() if not isinstance(item, str)]
        if variables is not None:
            names |= {self._asked(name).name for name in variables}
        elif own or not wanted:
            names |= {v.name for v in self.variables if v.kind == "property"}
        return [v.name for v in self.variables if v.name in names]

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
