"""The prior: all parameters of galaxies, from their population to their dust."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hf_galaxy.physics.cosmology import CosmologyTables
from hf_galaxy.physics.priors.contents import draw_dispersion, draw_dust, draw_metals, draw_nucleus
from hf_galaxy.physics.priors.history import draw_history
from hf_galaxy.physics.priors.population import FIELD, FREE, Population
from hf_galaxy.physics.random import CounterRandom
from hf_galaxy.physics.settings import SimulationSettings

Parameters = dict[str, Tensor]


class Prior:
    """Draws the parameters of galaxies.

    Args:
        settings: What is simulated.
        age_edges: (k + 1,) edges of the bins of lookback time in yr.
        surviving_share: Surviving over formed mass (n,) of parameters.
        tables: Distances and ages, on the same device.
    """

    def __init__(
        self,
        settings: SimulationSettings,
        age_edges: Tensor,
        surviving_share: Callable[[Parameters], Tensor],
        tables: CosmologyTables,
    ) -> None:
        self.settings, self._edges, self._tables = settings, age_edges, tables
        self._surviving_share = surviving_share
        self._population = Population(settings, tables, age_edges.device)

    def draw(self, random: CounterRandom) -> Parameters:
        """What ``synthesis.Synthesizer`` takes, and ``component``, ``survey``, ``free``, ``passive``, ``log_mass``.

        ``free`` galaxies follow no relation between mass and metals, dust or star formation; the scatter about the
        relations is multiplied by ``spread``.
        """
        s, population = self.settings, self._population
        component = population.components(random)
        p: Parameters = {"component": component, "survey": component == FIELD, "free": component >= FREE}
        p["spread"] = torch.where(p["survey"], 1.0, s.broad_scatter).double()
        p["redshift"] = population.redshift(random, component)
        p["passive"], p["log_mass"] = population.mass_and_type(random, component, p["redshift"])
        p["weights"] = draw_history(random, p, s.histories, self._edges, 1e9 * self._tables.age(p["redshift"]))
        p |= draw_metals(random, p, s.metals)
        p |= draw_dust(random, p, s.dust)
        p |= draw_nucleus(random, p, s.nuclei)
        p |= draw_dispersion(random, p, s.dispersion_scatter)
        p["log_mass_formed"] = p["log_mass"] - torch.log10(self._surviving_share(p))
        return p


__all__ = ["Parameters", "Prior"]
