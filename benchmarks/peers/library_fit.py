"""Bayesian fit by a library of models: every training galaxy is a model, its share of the library is the prior.

The way of MAGPHYS (da Cunha et al. 2008, MNRAS 388, 1595), CIGALE (Boquien et al. 2019, A&A 622, A103) and BayeSED:
χ² of a galaxy against every model, weights exp(-χ²/2), and quantiles of the models' properties under these weights.
With a library drawn from the population that the galaxies come from, and errors that are Gaussian and stated rightly,
this is the exact posterior in the limit of infinitely many models. Where the data are good, only few models are near a
galaxy: the *effective size* (Σw)² / Σw² says how many, and where it is below ``least`` the weights are flattened,
w^(1/T), until it is not, which makes the answer wider than it ought to be.

Models may be a little brighter or fainter than they were drawn: their amplitude has a Gaussian prior about one, and is
integrated over analytically. Two products of matrices give χ² of a block of galaxies against the library.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.comparison.answers import Answers, Contender, Observe
from benchmarks.peers.draws import answers_from_draws
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.noise import Observation
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

SELECTION = BANDS.index("iSDSS")
SCALED = [PROPERTIES.index(name) for name in ("log_mstar", "log_sfr")]  # go with the amplitude, as fluxes of lines do
LINE_FLUXES = [i for i, name in enumerate(PROPERTIES) if name.startswith("flux_")]
BLOCK = 32  # galaxies at once
NEAR = 6.0  # σ in i within which models are compared
HELD = 200  # training galaxies that choose the floor
# Relative errors tried; below the first, no error of photometry means anything, nor does χ² in float32
FLOORS = (0.005, 0.02, 0.05, 0.1)
STEPS = 14  # of the bisection for the temperature
TOP = 4096  # heaviest models, from which the temperature is found
DRAWS = 512


class Fitted(NamedTuple):
    """Posterior of n galaxies.

    Attributes:
        draws: (n, DRAWS, P) models of equal weight in physical units, in the order of ``PROPERTIES``.
        effective: (n,) models that the likelihood leaves, before it is flattened.
        temperature: (n,) one where it was not flattened.
    """

    draws: Tensor
    effective: Tensor
    temperature: Tensor


class LibraryFit(Contender):
    """The training galaxies as a library.

    Args:
        galaxies: Models: the first so many training galaxies; all if not given.
        amplitude: σ of a model's relative amplitude.
        least: Smallest effective size.
        floor: Relative error added to every band for what the stated errors lack; chosen on training galaxies that are
            kept out of the library if not given.
        limit: Galaxies that it is asked about.
    """

    def __init__(
        self,
        galaxies: int | None = None,
        amplitude: float = 1.0,
        least: float = 20.0,
        floor: float | None = None,
        limit: int | None = None,
    ) -> None:
        super().__init__("library fit", {}, limit)
        self.galaxies, self.amplitude, self.least, self.floor = galaxies, amplitude, least, floor

    def fit(self, train: GalaxyTable, observe: Observe, seed: int) -> None:
        """Sort the library by brightness; choose the floor by the likelihood of galaxies kept out of it.

        Raises:
            ValueError: Too few galaxies to keep some out.
        """
        if len(train) <= 2 * HELD:
            raise ValueError(f"library fit: {len(train)} training galaxies; more than {2 * HELD} are needed")
        held, library = train[:HELD], train[HELD : self.galaxies]
        order = library.flux[:, SELECTION].argsort()
        self._flux, self._properties = library.flux[order].float(), library.properties[order].float()
        self._square, self._selection = self._flux**2, self._flux[:, SELECTION].contiguous()
        self._seed = seed
        if self.floor is None:
            self.floor = self._best_floor(held, observe(held.flux, torch.Generator().manual_seed(seed)))
        self.facts |= {"galaxies": len(order), "seen": len(order)}

    def _best_floor(self, held: GalaxyTable, observation: Observation) -> float:
        truth = dict(zip(PROPERTIES, held.properties.double().numpy().T, strict=True))
        likelihood = []
        for floor in FLOORS:
            found = self.posterior(observation, floor)
            score = self._answers(found, 0.0).log_prob
            likelihood.append(np.mean(list(score(truth).values())))
        return FLOORS[int(np.argmax(likelihood))]

    def predict(self, observation: Observation) -> Answers:
        """Quantiles under the weights of the library."""
        start = time.perf_counter()
        found = self.posterior(observation)
        answers = self._answers(found, time.perf_counter() - start)
        size = found.effective
        self.facts["note"] = (
            f"floor {self.floor:g}; models near a galaxy: median {size.median():.0f}, fewer than {self.least:g} for "
            f"{(size < self.least).float().mean():.0%}"
        )
        return answers

    def _answers(self, found: Fitted, seconds: float) -> Answers:
        named = {name: found.draws[..., i].double().numpy() for i, name in enumerate(PROPERTIES)}
        return answers_from_draws(named, seconds, found.effective.clamp(min=self.least).double().numpy())

    def posterior(self, observation: Observation, floor: float | None = None) -> Fitted:
        """Models of equal weight for every galaxy.

        Args:
            observation: Of n galaxies.
            floor: In place of the one that was chosen.
        """
        floor = max(self.floor if floor is None else floor, FLOORS[0])
        n = len(observation.flux)
        # neighbours in brightness share the part of the library that is near them
        order = observation.flux[:, SELECTION].nan_to_num(torch.inf).argsort()
        generator = torch.Generator().manual_seed(self._seed)
        draws = torch.empty(n, DRAWS, len(PROPERTIES))
        effective, temperature = torch.empty(n), torch.empty(n)
        for rows in order.split(BLOCK):
            flux, weight = self._weighted(observation, rows, floor)
            window = self._window(flux, weight)
            log_weight, amplitude, spread = self._compare(flux, weight, window)
            for i, row in enumerate(rows.tolist()):
                share, effective[row], temperature[row] = flattened(log_weight[i], self.least)
                chosen = resampled(share, DRAWS)
                scale = amplitude[i, chosen] + spread[i, chosen] * torch.randn(DRAWS, generator=generator)
                draws[row] = self._scaled(self._properties[window][chosen], scale.clamp(min=1e-3))
        return Fitted(draws, effective, temperature)

    def _weighted(self, observation: Observation, rows: Tensor, floor: float) -> tuple[Tensor, Tensor]:
        """Fluxes (b, band), zero where not observed, and their inverse variances, zero there."""
        flux, error = observation.flux[rows].float(), observation.error[rows].float()
        weight = (error**2 + (floor * flux) ** 2).reciprocal()
        seen = flux.isfinite() & weight.isfinite()
        return torch.where(seen, flux, 0.0), torch.where(seen, weight, 0.0)

    def _window(self, flux: Tensor, weight: Tensor) -> slice:
        """The part of the library that is near a block in i; all of it where one lacks i: its error is infinite."""
        flux, weight = flux[:, SELECTION], weight[:, SELECTION]
        reach = NEAR * (1 / weight + (self.amplitude * flux) ** 2).sqrt()
        ends = torch.stack([(flux - reach).min(), (flux + reach).max()])
        low, high = torch.searchsorted(self._selection, ends).tolist()
        # at either end of the library, its last models are the nearest there are
        few = min(1000, len(self._selection))
        return slice(min(low, len(self._selection) - few), max(high, few))

    def _compare(self, flux: Tensor, weight: Tensor, window: slice) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights (b, m) of the models, and mean and σ of their amplitudes.

        χ²(a) = A - 2 B a + C a², with a Gaussian prior about one: the integral over a is that of a Gaussian. It is
        written about a = 1, for the inverse variance of a narrow prior is a large number.
        """
        prior = self.amplitude**-2
        square = (weight * flux**2).sum(1, keepdim=True)
        product = (weight * flux) @ self._flux[window].T
        own = weight @ self._square[window].T
        curvature = own + prior
        step = (product - own) / curvature
        chi2 = square - 2 * product + own - (product - own) * step
        return -0.5 * (chi2 + torch.log(curvature)), 1 + step, curvature.rsqrt()

    @staticmethod
    def _scaled(properties: Tensor, scale: Tensor) -> Tensor:
        properties = properties.clone()
        properties[:, SCALED] += torch.log10(scale)[:, None]
        properties[:, LINE_FLUXES] *= scale[:, None]
        return properties


def flattened(log_weight: Tensor, least: float) -> tuple[Tensor, float, float]:
    """Weights (m,) of an effective size of at least ``least``, their size before that, and the temperature."""
    log_weight = log_weight - log_weight.max()
    share = log_weight.exp()
    effective = effective_size(share)
    if effective >= least or len(share) <= least:
        return share, effective, 1.0
    top = log_weight.topk(min(TOP, len(log_weight))).values
    low, high = 0.0, 12.0  # ln of the temperature; the size grows with it
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective_size((top / np.exp(middle)).exp()) < least else (low, middle)
    return (log_weight / np.exp(high)).exp(), effective, float(np.exp(high))


def effective_size(share: Tensor) -> float:
    """(Σw)² / Σw², in double: sums of a million float32 numbers lose three digits."""
    share = share.double()
    return float(share.sum() ** 2 / share.square().sum())


def resampled(share: Tensor, n: int) -> Tensor:
    """(n,) places drawn in proportion to ``share`` (m,), systematically: no chance in it."""
    total = share.double().cumsum(0)
    places = torch.searchsorted(total, (torch.arange(n) + 0.5) / n * total[-1])
    return places.clamp(max=len(share) - 1)


__all__ = ["Fitted", "LibraryFit", "effective_size", "flattened", "resampled"]
