"""Templates for photometric redshifts, made by hf_galaxy's stellar synthesis, and their photometry over redshift.

A code of the EAZY kind (Brammer et al. 2008, ApJ 686, 1503) fits sums of these with weights that are not negative: old
populations of four ages, young ones with their nebulae, each behind some dust. What the templates cannot be is left to
a *template error*, relative to the flux and a function of the wavelength in the rest frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.synthesis import Synthesizer
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

REDSHIFT_RANGE = (0.003, 1.0)  # of the simulation
# Populations: formed at a constant rate between two ages (yr), Z/Z☉ of stars and gas, log U, and then A_V
OLD = [
    (ages, z)
    for ages, metallicities in {
        (3e8, 1e9): (1.0,),
        (1e9, 3e9): (0.1, 0.4, 1.0, 2.0),
        (3e9, 7e9): (0.4, 1.0, 2.0),
        (7e9, 1.3e10): (0.1, 0.4, 1.0, 2.0),
    }.items()
    for z in metallicities
]
DUSTY = [(ages, av) for ages in ((1e9, 3e9), (7e9, 1.3e10)) for av in (1.5, 3.5)]
YOUNG = [
    (0.0, 1e7, 0.2, -2.3), (0.0, 1e7, 0.5, -2.8), (0.0, 1e7, 1.2, -3.4),
    (1e7, 5e7, 0.5, -3.0), (5e7, 3e8, 0.5, -3.0), (5e7, 3e8, 1.2, -3.0),
]  # fmt: skip
TEMPLATES = (
    [(*ages, z, -3.0, 0.0) for ages, z in OLD]
    + [(*ages, 1.0, -3.0, av) for ages, av in DUSTY]
    + [(*young, av) for young in YOUNG for av in (0.0, 1.5)]
    + [(*YOUNG[2], 3.5), (*YOUNG[5], 3.5)]
)
# Template error: relative, by rest-frame wavelength in Å, linear in between
ERROR_NODES = {
    500.0: 0.4,
    1200.0: 0.2,
    2000.0: 0.1,
    3500.0: 0.05,
    4500.0: 0.03,
    7000.0: 0.03,
    9500.0: 0.06,
    12000.0: 0.1,
}
MAGNITUDES = np.arange(11.25, 22.5, 0.5)  # centres of the bins of the prior in iSDSS


@dataclass(frozen=True, eq=False)
class TemplateGrid:
    """Photometry of templates over redshift.

    Attributes:
        redshift: (k,) uniform in ln(1 + z).
        flux: (k, t, band) nJy, in the order of ``BANDS``; the scale of each template is arbitrary.
    """

    redshift: np.ndarray
    flux: np.ndarray

    @classmethod
    def make(cls, step: float) -> TemplateGrid:
        """All templates at steps of ``step`` in ln(1 + z).

        Raises:
            MissingGridsError: The stellar grids are not installed.
        """
        low, high = np.log1p(REDSHIFT_RANGE)
        redshift = np.expm1(np.arange(low, high, step))
        synthesizer = Synthesizer(FilterSet.embedded().subset(BANDS), REDSHIFT_RANGE[1])
        edges = synthesizer.age_edges.numpy()
        each = [_photometry(synthesizer, edges, redshift, template) for template in TEMPLATES]
        flux = np.stack(each, 1)
        return cls(redshift, flux / flux.mean(axis=(0, 2), keepdims=True))


def _photometry(synthesizer: Synthesizer, edges: np.ndarray, redshift: np.ndarray, template: tuple) -> np.ndarray:
    """(k, band) of one template at every redshift."""
    youngest, oldest, metallicity, log_u, av = template
    overlap = np.clip(np.minimum(edges[1:], oldest) - np.maximum(edges[:-1], youngest), 0.0, None)
    n = len(redshift)

    def same(value: float) -> Tensor:
        return torch.full((n,), value, dtype=torch.float64)

    p = {
        "redshift": torch.as_tensor(redshift),
        "weights": torch.as_tensor(overlap / overlap.sum()).expand(n, -1),
        "log_mass_formed": same(10.0),
        "metallicity": same(metallicity),
        "gas_metallicity": same(metallicity),
        "log_u": same(log_u),
        "av": same(av),
        "birth_cloud": same(1.0),
        "dust_slope": same(-0.2),
        "dust_bump": same(0.7),
        "lya_escape": same(0.1),
        "nuclear_ew": same(0.0),
    }
    parts = [{name: value[i : i + 128] for name, value in p.items()} for i in range(0, n, 128)]
    return torch.cat([synthesizer.photometry(q, synthesizer.rest_frame(q)) for q in parts]).double().numpy()


def template_error(wavelength: np.ndarray) -> np.ndarray:
    """Relative error of the templates at rest-frame wavelengths in Å."""
    return np.interp(wavelength, list(ERROR_NODES), list(ERROR_NODES.values()))


def magnitude_prior(train: GalaxyTable, redshift: np.ndarray) -> np.ndarray:
    """(m, k) density of redshift at each of ``MAGNITUDES``, of the training galaxies, smoothed by 0.02 (1 + z)."""
    z = train.properties[:, PROPERTIES.index("redshift")].double().numpy()
    magnitude = 31.4 - 2.5 * np.log10(train.flux[:, BANDS.index("iSDSS")].double().numpy())
    grid = np.log1p(redshift)
    edges = np.concatenate([[-np.inf], 0.5 * (MAGNITUDES[1:] + MAGNITUDES[:-1]), [np.inf]])
    rows = []
    for low, high in pairwise(edges):
        inside = np.log1p(z[(magnitude >= low) & (magnitude < high)])
        count, borders = np.histogram(inside, bins=np.linspace(0, grid[-1] + 0.01, 201))
        middle = 0.5 * (borders[1:] + borders[:-1])
        kernel = np.exp(-0.5 * ((grid[:, None] - middle) / 0.02) ** 2)
        density = (kernel @ count + 1e-3 * (count.sum() + 1)) / (1 + redshift)
        rows.append(density / np.trapezoid(density, redshift))
    return np.array(rows)


__all__ = ["MAGNITUDES", "REDSHIFT_RANGE", "TEMPLATES", "TemplateGrid", "magnitude_prior", "template_error"]
