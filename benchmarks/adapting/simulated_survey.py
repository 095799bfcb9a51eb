"""A survey that is not what the model learnt from: other dust, depths, zero points and error estimates; truth known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from hf_galaxy.data.features import ObservedGalaxies
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.physics.noise.distortions import cosines
from hf_galaxy.physics.settings import DustSettings, SimulationSettings
from hf_galaxy.physics.simulate import Simulator
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, SURVEYS

# Dust as in the Milky Way's bump and a steep law, young stars hardly more reddened than old ones; what the model
# learnt from has a power of -0.2 (scatter 0.3), bumps of 1.0 (half-normal) and 2.4 times as much dust on young stars.
DUST = DustSettings(slope=-0.6, slope_scatter=0.15, bump_scatter=3.0, birth_cloud=1.5)
# Half a magnitude shallower, filter trays that differ; galaxies of imaging alone, calibrated as well as in training.
NOISE = NoiseSettings(
    depth_offset=-0.5, depth_scatter_tray=0.3, window_share=0.0, broad_only_share=0.0, galex_shares=(0.5, 0.3, 0.0)
)
ZERO_POINT_SCATTER, GALEX_ZERO_POINT_SCATTER = 0.04, 0.08  # mag, each band by itself
SMOOTH_ZERO_POINT = 0.02  # mag, σ of each of two cosines in ln λ, which colours of galaxies resemble
ERROR_RATIO, ERROR_RATIO_SCATTER = 0.15, 0.10  # ln of true over stated errors: mean, and scatter between bands
FAINTEST = 21.0  # in i: where photometric redshifts of narrow bands are limited by calibration as much as by noise
REDSHIFT_ERROR = 1e-4  # of a spectroscopic redshift, times 1 + z
KEY = {"noise": 1, "galaxies": 7, "zero points": 3}


@dataclass(frozen=True)
class SimulatedSurvey:
    """A survey and its truth.

    Attributes:
        galaxies: Noiseless galaxies with all properties.
        flux, flux_error: (n, 62) as the survey states them, nJy; NaN is not observed.
        zero_point: (62,) mag to add to its magnitudes, the mean over all bands zero.
        log_ratio: (62,) natural logarithm of true over stated errors.
    """

    galaxies: GalaxyTable
    flux: torch.Tensor
    flux_error: torch.Tensor
    zero_point: np.ndarray
    log_ratio: np.ndarray

    def rows(self, which: slice) -> SimulatedSurvey:
        """Some of the galaxies."""
        return SimulatedSurvey(
            self.galaxies[which], self.flux[which], self.flux_error[which], self.zero_point, self.log_ratio
        )


def simulate(settings: SimulationSettings, seed: int, n: int) -> GalaxyTable:
    """Noiseless galaxies."""
    rows = Simulator(settings).rows(seed, 0, n)
    survey = torch.tensor([SURVEYS.index(name) for name in rows.survey])
    return GalaxyTable(rows.flux, rows.properties, survey)


def simulated_survey(n: int, seed: int) -> SimulatedSurvey:
    """``n`` galaxies of a survey whose zero points, error ratios and galaxies follow from the seed."""
    galaxies = simulate(
        SimulationSettings(population="survey", dust=DUST, i_max=FAINTEST), 1000 * seed + KEY["galaxies"], n
    )
    rng = np.random.default_rng([seed, KEY["zero points"]])
    galex = np.isin(BANDS, ("FUV", "NUV"))
    zero_point = rng.normal(0, np.where(galex, GALEX_ZERO_POINT_SCATTER, ZERO_POINT_SCATTER))
    pivots = FilterSet.embedded().subset(BANDS).pivots
    zero_point += ~galex * (rng.normal(0, SMOOTH_ZERO_POINT, 2) @ cosines(pivots, 2))
    zero_point -= zero_point.mean()
    log_ratio = rng.normal(ERROR_RATIO, ERROR_RATIO_SCATTER, len(BANDS))
    generator = torch.Generator().manual_seed(1000 * seed + KEY["noise"])
    seen = NoiseModel(NOISE, BANDS).observe(galaxies.flux, generator)
    factor = torch.tensor(10 ** (0.4 * zero_point), dtype=torch.float32)
    ratio = torch.tensor(np.exp(log_ratio), dtype=torch.float32)
    return SimulatedSurvey(galaxies, seen.flux * factor, seen.error * factor / ratio, zero_point, log_ratio)


def write_survey(survey: SimulatedSurvey, folder: Path, redshifts: int = 0, labels: bool = False) -> Path:
    """The survey as Parquet, as training reads it.

    Args:
        survey: The galaxies.
        folder: Where to.
        redshifts: The first so many have a spectroscopic redshift; the galaxies come in no order.
        labels: All have all properties, exactly.
    """
    n = len(survey.galaxies)
    properties = np.full((n, len(PROPERTIES)), np.nan, dtype=np.float32)
    errors = properties.copy()
    if labels:
        properties, errors = survey.galaxies.properties.numpy(), np.zeros_like(properties)
    elif redshifts:
        z = PROPERTIES.index("redshift")
        properties[:redshifts, z] = survey.galaxies.properties[:redshifts, z].numpy()
        errors[:redshifts, z] = REDSHIFT_ERROR * (1 + properties[:redshifts, z])
    return write_observed(survey.flux, survey.flux_error, properties, errors, folder)


def write_observed(
    flux: torch.Tensor, flux_error: torch.Tensor, properties: np.ndarray, property_error: np.ndarray, folder: Path
) -> Path:
    """Galaxies as a survey measured them, as Parquet in a folder."""
    n = len(flux)
    unknown, text = np.full(n, np.nan), np.array(["benchmark"] * n)
    table = ObservedGalaxies(
        id=np.array([str(i) for i in range(n)]), draw=np.zeros(n, int), ra=unknown, dec=unknown,
        flux=np.asarray(flux), flux_error=np.asarray(flux_error), extrapolated=np.zeros(flux.shape, bool),
        properties=properties, property_error=np.where(np.isnan(properties), np.nan, property_error),
        survey=np.array(["other"] * n), noisy=np.ones(n, bool), source=text,
    ).table()  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "train-00000-of-00001.parquet")
    return folder


def facts() -> dict:
    """What is written of the survey."""
    return {
        "dust": asdict(DUST),
        "noise": asdict(NOISE),
        "i_max": FAINTEST,
        "zero_point_scatter": [ZERO_POINT_SCATTER, GALEX_ZERO_POINT_SCATTER, SMOOTH_ZERO_POINT],
        "ln_error_ratio": [ERROR_RATIO, ERROR_RATIO_SCATTER],
    }
