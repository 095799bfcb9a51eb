"""What a user would train on the same rows alone: a small neural network and boosted trees.

Both see what the model sees, 62 observed fluxes and their errors as coordinates, and learn a Gaussian of the true value
from noisy labels with known errors: the error is added to the width in the likelihood. Widths, early stopping and the
number of trees are chosen on a tenth of the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from torch import nn

HELD_OUT = 0.1
EPOCHS, PATIENCE, BATCH = 200, 20, 128


class Gaussians(NamedTuple):
    """Densities of the true values: (n,) mean and standard deviation."""

    mean: np.ndarray
    sigma: np.ndarray

    def nll(self, truth: np.ndarray) -> float:
        """Mean negative log density."""
        pull = (truth - self.mean) / self.sigma
        return float(np.mean(0.5 * pull**2 + np.log(self.sigma) + 0.5 * np.log(2 * np.pi)))


def features(flux: np.ndarray, error: np.ndarray) -> np.ndarray:
    """(n, 125): arcsinh fluxes relative to their mean, that mean, logarithms of the errors."""
    t = np.arcsinh(flux / 1000.0)
    mean = t.mean(1, keepdims=True)
    return np.concatenate([t - mean, mean, np.log(error)], axis=1)


def perceptron(x: np.ndarray, y: np.ndarray, error: np.ndarray, seed: int) -> Callable[[np.ndarray], Gaussians]:
    """Two hidden layers of 128, mean and log width, AdamW, stopped early."""
    torch.manual_seed(seed)
    center, scale = x.mean(0), x.std(0) + 1e-6
    middle, spread = y.mean(), y.std()
    inputs = torch.tensor((x - center) / scale, dtype=torch.float32)
    label, noise = (torch.tensor(v, dtype=torch.float32) for v in ((y - middle) / spread, error / spread))
    net = nn.Sequential(
        nn.Linear(x.shape[1], 128), nn.GELU(), nn.Dropout(0.1), nn.Linear(128, 128), nn.GELU(), nn.Linear(128, 2)
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)
    order = torch.randperm(len(x))
    n = max(1, round(HELD_OUT * len(x)))
    held, mine = order[:n], order[n:]

    def loss(rows: torch.Tensor) -> torch.Tensor:
        mean, log_width = net(inputs[rows]).unbind(-1)
        variance = torch.exp(2 * log_width) + noise[rows] ** 2
        return 0.5 * ((label[rows] - mean) ** 2 / variance + variance.log()).mean()

    best, kept, waited = np.inf, None, 0
    for _ in range(EPOCHS):
        net.train()
        for rows in mine[torch.randperm(len(mine))].split(BATCH):
            optimizer.zero_grad()
            loss(rows).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            now = float(loss(held))
        waited += 1
        if now < best:
            best, kept, waited = now, {k: v.clone() for k, v in net.state_dict().items()}, 0
        if waited >= PATIENCE:
            break
    net.load_state_dict(kept)

    def predict(x: np.ndarray) -> Gaussians:
        with torch.no_grad():
            out = net(torch.tensor((x - center) / scale, dtype=torch.float32)).double().numpy()
        return Gaussians(middle + spread * out[:, 0], spread * np.exp(out[:, 1]))

    return predict


def boosted_trees(x: np.ndarray, y: np.ndarray, error: np.ndarray, seed: int) -> Callable[[np.ndarray], Gaussians]:
    """Gradient-boosted trees of the mean, stopped early; one width for all, the most likely on held-out rows."""
    order = np.random.default_rng(seed).permutation(len(x))
    n = max(1, round(HELD_OUT * len(x)))
    held, mine = order[:n], order[n:]
    weight = 1 / (error**2 + np.var(y) * 0.1)
    trees = HistGradientBoostingRegressor(
        max_iter=300, learning_rate=0.05, early_stopping=True, n_iter_no_change=15, random_state=seed
    ).fit(x[mine], y[mine], sample_weight=weight[mine])
    residual = y[held] - trees.predict(x[held])
    widths = np.geomspace(0.01, 2.0, 200) * np.std(y)
    variance = widths[:, None] ** 2 + error[held] ** 2
    best = widths[np.argmin(np.mean(residual**2 / variance + np.log(variance), axis=1))]

    def predict(x: np.ndarray) -> Gaussians:
        return Gaussians(trees.predict(x), np.full(len(x), best))

    return predict


PEERS = {"perceptron": perceptron, "boosted_trees": boosted_trees}

__all__ = ["PEERS", "Gaussians", "boosted_trees", "features", "perceptron"]
