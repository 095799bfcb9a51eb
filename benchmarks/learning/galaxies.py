"""Simulated galaxies with a band and a property that the shipped model does not know, as a catalogue of a user.

The band is WISE W1, a top-hat of its pivot wavelength and width (Wright et al. 2010, AJ 140, 1868), stars and nebulae
alone: the simulation has no dust emission, which is small there below z = 1. Its depth is assumed.

The property is the mass of the central black hole, drawn from the relations of Reines & Volonteri (2015, ApJ 813, 82,
eqs. 4 and 5) with the total stellar mass: ellipticals and classical bulges where the specific star formation rate is
below 1e-11 / yr, else active galaxies of all types. The scatter is random: no photometry can know it, so that the best
possible error of the truth is 0.47 dex for the first kind and 0.24 dex for the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from astropy import units as u
from astropy.table import QTable

from benchmarks.harness import flux_table
from hf_galaxy.physics.filters import FilterCurve, FilterSet
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.physics.simulate import Simulator
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

W1 = {"name": "W1", "kind": "flux", "pivot": 33526.0, "width": 6626.0, "description": "AB flux density in WISE W1"}
HOLE = {"name": "log_mbh", "description": "log10 of the mass of the central black hole in M☉"}
W1_DEPTH = 20.7  # AB, 5σ; assumed, about that of the unWISE coadds
W1_FLOOR = 0.02
HOLE_ERROR = 0.3  # dex
QUIESCENT = -11.0  # log10 of the specific star formation rate, 1 / yr
# (intercept at 1e11 M☉, slope, intrinsic scatter in dex)
RELATIONS = {"quiescent": (8.95, 1.40, 0.47), "others": (7.45, 1.05, 0.24)}


@dataclass(frozen=True)
class Sample:
    """Galaxies with their truth.

    Attributes:
        flux, error: (n, 62) nJy, as observed at the plain assumed depths.
        w1, w1_error: (n,) nJy, as observed.
        hole, hole_error: (n,) dex, as measured.
        properties: (n, P) true properties, in the order of ``PROPERTIES``.
        true_w1, true_hole: (n,).
    """

    flux: np.ndarray
    error: np.ndarray
    w1: np.ndarray
    w1_error: np.ndarray
    hole: np.ndarray
    hole_error: np.ndarray
    properties: np.ndarray
    true_w1: np.ndarray
    true_hole: np.ndarray

    def __len__(self) -> int:
        return len(self.flux)

    def __getitem__(self, rows: slice) -> Sample:
        return Sample(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def catalogue(self) -> QTable:
        """What a user would have: photometry with W1, spectroscopic redshifts, and measured masses of black holes."""
        table = flux_table(torch.from_numpy(self.flux), torch.from_numpy(self.error))
        table["W1"], table["W1_err"] = self.w1 * u.nJy, self.w1_error * u.nJy
        table["redshift"] = self.properties[:, PROPERTIES.index("redshift")]
        table["log_mbh"], table["log_mbh_err"] = self.hole, self.hole_error
        return table


def top_hat(name: str, pivot: float, width: float, edge: float = 0.05) -> FilterCurve:
    """A band of constant throughput with linear edges, ``edge`` of the width wide."""
    at = np.array([-0.5 - edge / 2, -0.5 + edge / 2, 0.5 - edge / 2, 0.5 + edge / 2])
    return FilterCurve(name, pivot + width * at, np.array([0.0, 1.0, 1.0, 0.0]))


def simulate(n: int, seed: int) -> Sample:
    """``n`` galaxies of the mixed population."""
    filters = FilterSet([*FilterSet.embedded().values(), top_hat("W1", W1["pivot"], W1["width"])])
    rows = Simulator(filters=filters).rows(seed, 0, n)
    observed = NoiseModel(NoiseSettings.nominal(), BANDS).observe(
        rows.flux[:, : len(BANDS)], torch.Generator().manual_seed(seed)
    )
    rng = np.random.default_rng(seed)
    true_w1, properties = rows.flux[:, -1].double().numpy(), rows.properties.double().numpy()
    sky = 10 ** ((31.4 - W1_DEPTH) / 2.5) / 5
    w1_error = np.hypot(sky, W1_FLOOR * true_w1)
    true_hole = black_hole_masses(properties, rng)
    return Sample(
        flux=observed.flux.numpy(),
        error=observed.error.numpy(),
        w1=true_w1 + w1_error * rng.standard_normal(n),
        w1_error=w1_error,
        hole=true_hole + HOLE_ERROR * rng.standard_normal(n),
        hole_error=np.full(n, HOLE_ERROR),
        properties=properties,
        true_w1=true_w1,
        true_hole=true_hole,
    )


def black_hole_masses(properties: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n,) log10 of the mass in M☉, for the true properties (n, P)."""
    mass, rate = (properties[:, PROPERTIES.index(name)] for name in ("log_mstar", "log_sfr"))
    quiescent = rate - mass < QUIESCENT
    zero, slope, scatter = np.where(quiescent[:, None], RELATIONS["quiescent"], RELATIONS["others"]).T
    return zero + slope * (mass - 11) + scatter * rng.standard_normal(len(mass))


__all__ = ["HOLE", "QUIESCENT", "RELATIONS", "W1", "Sample", "black_hole_masses", "simulate", "top_hat"]
