"""What galaxies there are: the distributions that the parameters of simulated galaxies are drawn from."""

from hf_galaxy.physics.priors.population import COMPONENTS
from hf_galaxy.physics.priors.prior import Parameters, Prior

__all__ = ["COMPONENTS", "Parameters", "Prior"]
