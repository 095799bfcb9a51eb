"""A model of a thousand parameters and galaxies as rows of inputs, for other people's ways to train."""

from __future__ import annotations

import torch

from hf_galaxy.configuration_galaxy import GalaxyConfig
from hf_galaxy.data.conditioning import Conditioner, ConditioningSettings
from hf_galaxy.modeling_galaxy import GalaxyModel
from hf_galaxy.physics.noise import NoiseModel
from hf_galaxy.training.batches import inputs_of
from hf_galaxy.variables_galaxy import BANDS, Variable
from tests.random_tables import random_table

from .conftest import MODEL

PHOTOMETRY = ConditioningSettings(subset=0, stretch=0, broad=0, given=0, properties=0, prior=0)


def small_model(seed: int = 0) -> GalaxyModel:
    torch.manual_seed(seed)
    return GalaxyModel(GalaxyConfig.preset("tiny", **MODEL)).eval()


def batch(n: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Inputs of ``n`` galaxies whose photometry is shown; every row asks 24 questions, seen as by the chain rule."""
    generator = torch.Generator().manual_seed(seed)
    variables = [Variable(**entry) for entry in GalaxyConfig().variables]
    draw = Conditioner(variables, PHOTOMETRY).draw
    inputs = inputs_of(random_table(n, seed), NoiseModel(bands=BANDS).observe, draw, generator)
    del inputs["answer_mask"]
    return inputs


def rows(n: int, seed: int = 0) -> list[dict[str, torch.Tensor]]:
    """The same, a dictionary a galaxy, as data sets have them."""
    inputs = batch(n, seed)
    return [{name: column[i] for name, column in inputs.items()} for i in range(n)]
