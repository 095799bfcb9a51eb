"""The library fit finds forged galaxies, and is the exact posterior where that can be written down."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.comparison.answers import COMPARED
from benchmarks.peers.library_fit import DRAWS, LibraryFit, effective_size, flattened, resampled
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.noise import Observation
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

N = 20_000
SLOPE = torch.linspace(-0.5, 0.5, len(BANDS))
MASS = PROPERTIES.index("log_mstar")


def forged(n: int, seed: int) -> GalaxyTable:
    """Galaxies of one colour parameter x ~ N(0, 1), written into every property; flux = 1000 (1 + 0.1 x slope)."""
    x = torch.randn(n, 1, generator=torch.Generator().manual_seed(seed))
    flux = 1000 * (1 + 0.1 * x * SLOPE)
    return GalaxyTable(flux, x.expand(-1, len(PROPERTIES)).clone(), torch.zeros(n, dtype=torch.long))


def quiet(flux, generator, error: float = 5.0):
    return Observation(flux, torch.full_like(flux, error), torch.ones_like(flux, dtype=torch.bool))


def fitted(**settings) -> LibraryFit:
    peer = LibraryFit(**({"amplitude": 1e-4, "least": 1.0, "floor": 0.0} | settings))
    peer.fit(forged(N, 0), quiet, seed=0)
    return peer


def test_a_galaxy_of_the_library_is_found():
    """Among galaxies of random colours, that differ by 30 % in every band, one that is measured to 2 %."""
    generator = torch.Generator().manual_seed(0)
    flux = 1000 * (1 + 0.3 * torch.randn(2000, len(BANDS), generator=generator))
    names = torch.arange(2000.0)[:, None].expand(-1, len(PROPERTIES))
    library = GalaxyTable(flux, names.clone(), torch.zeros(2000, dtype=torch.long))
    peer = LibraryFit(amplitude=1e-4, least=1.0, floor=0.0)
    peer.fit(library, quiet, seed=0)
    noisy = flux[[900, 1700]] + 20 * torch.randn(2, len(BANDS), generator=generator)
    found = peer.posterior(quiet(noisy, None, 20.0))
    assert (found.draws[..., 0] == torch.tensor([[900.0], [1700.0]])).all()
    assert torch.allclose(found.effective, torch.ones(2))


def test_the_posterior_of_a_linear_model_is_exact():
    """Prior N(0, 1), flux linear in x with Gaussian errors: the posterior is the conjugate one."""
    truth, error, generator = torch.tensor([[0.7], [-1.2]]), 60.0, torch.Generator().manual_seed(1)
    seen = 1000 * (1 + 0.1 * truth * SLOPE) + error * torch.randn(2, len(BANDS), generator=generator)
    design = 100 * SLOPE / error
    variance = 1 / (1 + design @ design)
    mean = variance * ((seen - 1000) / error @ design)
    found = fitted().posterior(quiet(seen, None, error))
    # 20,000 models, a few thousand under the posterior: the mean errs by 2 % of its width, the width by 2 %
    assert torch.allclose(found.draws[:, :, 0].mean(1), mean, atol=0.05 * math.sqrt(variance))
    assert torch.allclose(found.draws[:, :, 0].std(1), variance.sqrt().expand(2), rtol=0.06)
    assert (found.effective > 500).all()


def test_a_brighter_galaxy_is_a_more_massive_model():
    one = forged(N, 0)[:1000]
    found = fitted(amplitude=1.0).posterior(quiet(1.5 * one.flux, None, 15.0))
    shift = found.draws[..., MASS].mean(1) - one.properties[:, MASS]
    # noiseless fluxes with errors of 1 %: the mean of the posterior errs by less than its width
    assert abs(shift.median() - math.log10(1.5)) < 2e-3
    assert (shift - math.log10(1.5)).abs().quantile(0.99) < 0.04


def test_without_bands_the_answer_is_the_library():
    nothing = torch.full((1, len(BANDS)), torch.nan)
    found = fitted().posterior(Observation(nothing, nothing, torch.zeros_like(nothing, dtype=torch.bool)))
    assert abs(found.draws[0, :, 0].mean()) < 0.03 and abs(found.draws[0, :, 0].std() - 1) < 0.03
    assert found.effective[0] == pytest.approx(N - 200, rel=0.01)


def test_flattened_weights_have_the_size_that_is_asked_for():
    log_weight = -0.5 * (torch.arange(5000) / 0.3) ** 2
    share, before, temperature = flattened(log_weight, 30.0)
    assert before < 2 and temperature > 1
    assert effective_size(share) == pytest.approx(30, rel=0.01)
    assert flattened(torch.zeros(100), 30.0)[1:] == (100.0, 1.0), "what has the size is left as it is"


def test_resampling_keeps_the_shares():
    share = torch.tensor([0.0, 3.0, 1.0, 0.0])
    assert torch.bincount(resampled(share, 400), minlength=4).tolist() == [0, 300, 100, 0]


def test_answers_hold_every_compared_property():
    peer = fitted()
    answers = peer.predict(quiet(forged(50, 3).flux, None))
    assert answers.names == COMPARED
    assert answers.quantiles["redshift"].shape[0] == 50 and DRAWS >= 100
    assert "models near a galaxy" in peer.facts["note"]


def test_too_few_training_galaxies_are_refused():
    with pytest.raises(ValueError, match="more than 400 are needed"):
        LibraryFit().fit(forged(300, 0), quiet, seed=0)
