"""The conventional way, in networks: a multilayer perceptron a property, mean and sigma by the Gaussian likelihood.

All the networks are trained side by side, which is faster; no weight is shared. Missing bands are set to the mean of
the training galaxies, with a flag, as is usual. Fresh noise is drawn in every epoch.
"""

from __future__ import annotations

import math
import time
from itertools import pairwise

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from benchmarks.comparison import catalogue
from benchmarks.comparison.answers import COMPARED, LEVELS, Answers, Contender, Floats, Observe
from benchmarks.comparison.trees import answers_of
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.noise import Observation

BATCH = 256
RATE = 1e-3
LOG_SIGMA = (-7.0, 3.0)
NOISE_AT_ONCE = 20_000


class SideBySide(nn.Module):
    """A linear layer in each of several networks: (networks, n, a) to (networks, n, b)."""

    def __init__(self, networks: int, a: int, b: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(a)
        self.weight = nn.Parameter(torch.empty(networks, a, b).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(networks, 1, b))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


class Perceptrons(Contender):
    """Networks of two hidden layers.

    Args:
        epochs: Visits to every training galaxy.
        width: Units of a hidden layer.
    """

    def __init__(self, epochs: int, width: int = 256) -> None:
        note = f"one network a property, two hidden layers of {width}, {epochs} epochs with fresh noise, Gaussian"
        super().__init__("MLP", {"note": note})
        self.epochs, self.width = epochs, width

    def fit(self, train: GalaxyTable, observe: Observe, seed: int) -> None:
        """AdamW with a cosine schedule."""
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        y = torch.as_tensor(catalogue.targets(train), dtype=torch.float32)
        first = torch.cat(catalogue.magnitudes(observe(train.flux[:NOISE_AT_ONCE], generator)), 1)
        self.center, self.scale = first.nanmean(0), _nanstd(first)
        x = self._inputs(observe(train.flux[:2], generator))
        sizes = (x.shape[1], self.width, self.width, 2)
        layers = [SideBySide(len(COMPARED), a, b) for a, b in pairwise(sizes)]
        self.net = nn.Sequential(layers[0], nn.SiLU(), layers[1], nn.SiLU(), layers[2])
        optimizer = torch.optim.AdamW(self.net.parameters(), RATE, weight_decay=1e-4, fused=True)
        steps = self.epochs * (len(y) // BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
        for _ in range(self.epochs):
            self._epoch(train.flux, y, observe, generator, optimizer, schedule)
        parameters = sum(p.numel() for p in self.net.parameters())
        self.facts |= {"parameters": parameters, "seen": self.epochs * len(y)}

    def _epoch(self, flux, y, observe, generator, optimizer, schedule) -> None:
        order = torch.randperm(len(y), generator=generator)
        for part in order.split(NOISE_AT_ONCE):
            x = self._inputs(observe(flux[part], generator))
            # The last few galaxies of a part wait for the next epoch.
            for rows in torch.arange(len(part)).split(BATCH):
                if len(rows) < min(BATCH, len(y)):
                    continue
                mean, log_sigma = self._answer(x[rows])
                loss = (log_sigma + 0.5 * ((y[part[rows]].T - mean) * torch.exp(-log_sigma)) ** 2).mean(1).sum()
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
                optimizer.step()
                schedule.step()

    def _inputs(self, observation: Observation) -> Tensor:
        """(n, 186) standardised magnitudes and errors, zero where missing, and flags of the bands."""
        x = (torch.cat(catalogue.magnitudes(observation), 1) - self.center) / self.scale
        return torch.cat([x.nan_to_num(0.0).clamp(-10, 10), torch.isfinite(observation.flux).float()], 1)

    def _answer(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log sigma (12, n)."""
        out = self.net(x.expand(len(COMPARED), -1, -1))
        return out[..., 0], out[..., 1].clamp(*LOG_SIGMA)

    @torch.inference_mode()
    def predict(self, observation: Observation) -> Answers:
        """Gaussians in token coordinates."""
        start = time.perf_counter()
        mean, log_sigma = (a.T.double().numpy() for a in self._answer(self._inputs(observation)))
        sigma = np.exp(log_sigma)
        t = mean[:, None] + sigma[:, None] * stats.norm.ppf(LEVELS)[:, None]
        seconds = time.perf_counter() - start

        def log_prob(truth: dict[str, Floats]) -> dict[str, Floats]:
            return {
                name: stats.norm.logpdf(catalogue.coordinate(name, truth[name]), mean[:, i], sigma[:, i])
                for i, name in enumerate(COMPARED)
            }

        return answers_of(t, mean, log_prob, seconds)


def _nanstd(x: Tensor) -> Tensor:
    spread = ((x - x.nanmean(0)) ** 2).nanmean(0).sqrt()
    return torch.where(spread > 0, spread, torch.ones_like(spread))


__all__ = ["Perceptrons"]
