"""Is a real galaxy inside the cloud of simulated ones? For sets too small for a classifier.

Galaxies are points in the space of their magnitudes, with the brightness taken out. A real galaxy is as far from its
nearest simulated neighbours as it is; how often is a simulated galaxy, under the same errors, that far from its own?
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

FLOOR = 0.03  # mag, added to the errors: without it, bands of bright galaxies would count without limit
NEIGHBOURS = 5
OUTSIDE = 0.99


class Place(NamedTuple):
    """Where one real galaxy stands.

    Attributes:
        rank: Share of simulated galaxies that are nearer to their neighbours than it is.
        excess: Its distance over the median one of simulated galaxies.
        difference: (b,) its magnitudes minus the mean of its neighbours', mag, brightness taken out; NaN where it was
            not measured.
    """

    rank: float
    excess: float
    difference: np.ndarray


def locate(real: np.ndarray, error: np.ndarray, simulated: np.ndarray) -> Place:
    """Place of a real galaxy among simulated ones.

    Args:
        real: (b,) magnitudes; NaN is not measured.
        error: (b,) their errors, mag.
        simulated: (m, b) magnitudes with the same errors added.
    """
    seen = np.isfinite(real) & np.isfinite(simulated).all(0)
    weight = 1.0 / np.hypot(error[seen], FLOOR)
    points = np.concatenate([real[None, seen], simulated[:, seen]])
    points = points - (points @ weight**2 / (weight**2).sum())[:, None]
    scaled = points * weight / np.sqrt(seen.sum())
    square = (scaled**2).sum(1)
    distance = np.sqrt(np.clip(square[:, None] + square - 2 * scaled @ scaled.T, 0.0, None))
    # neighbours are simulated ones alone, and no galaxy is its own
    among = distance[:, 1:].copy()
    among[np.arange(1, len(points)), np.arange(len(simulated))] = np.inf
    nearest = np.sort(among, axis=1)[:, :NEIGHBOURS].mean(1)
    friends = np.argsort(among[0])[:NEIGHBOURS]
    difference = np.full(real.shape, np.nan)
    difference[seen] = points[0] - points[1 + friends].mean(0)
    return Place(float((nearest[1:] < nearest[0]).mean()), float(nearest[0] / np.median(nearest[1:])), difference)
