"""The density of one answer: normalised, consistent with its cdf, quantiles, draws and quadrature; deconvolution."""

from __future__ import annotations

import math

import pytest
import torch

from hf_galaxy.densities_galaxy import MixtureDensity, anchors, mixture_from_logits

ROWS, COMPONENTS = 12, 5


def mixtures(limits: str = "none", dtype: torch.dtype = torch.float64, seed: int = 0) -> MixtureDensity:
    """Random mixtures, broad and narrow components; a limit cuts through the bulk of most of them."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    log_weight = torch.log_softmax(normal(ROWS, COMPONENTS), -1)
    loc, scale = 1.5 * normal(ROWS, COMPONENTS), torch.exp(normal(ROWS, COMPONENTS) - 1)
    lower, upper = torch.full((ROWS,), -math.inf), torch.full((ROWS,), math.inf)
    if limits in ("lower", "both"):
        lower = loc.median(-1).values
    if limits in ("upper", "both"):
        upper = loc.amax(-1) + 0.3 if limits == "both" else loc.median(-1).values
    return MixtureDensity(*(x.to(dtype) for x in (log_weight, loc, scale, lower, upper)))


def grid_of(density: MixtureDensity, n: int = 4001) -> torch.Tensor:
    """A regular grid `(n, rows)` over everything that has probability."""
    low = torch.maximum((density.loc - 10 * density.scale).amin(-1), density.lower)
    high = torch.minimum((density.loc + 10 * density.scale).amax(-1), density.upper)
    return low + (high - low) * torch.linspace(0, 1, n, dtype=density.loc.dtype).unsqueeze(-1)


LIMITS = pytest.mark.parametrize("limits", ["none", "lower", "upper", "both"])
# The trapezium rule on 4,000 points with a step of 0.01 where the narrowest component is 0.04 wide, and a cut edge.
QUADRATURE = 5e-3


@LIMITS
def test_integrates_to_one(limits):
    density = mixtures(limits)
    x = grid_of(density)
    p = density.log_prob(x).exp()
    torch.testing.assert_close(torch.trapezoid(p, x, dim=0), torch.ones(ROWS).double(), rtol=0, atol=QUADRATURE)


@LIMITS
def test_cdf_is_the_integral_of_the_density(limits):
    density = mixtures(limits)
    x = grid_of(density)
    p = density.log_prob(x).exp()
    integral = torch.cumulative_trapezoid(p, x, dim=0)
    cdf = density.cdf(x)
    torch.testing.assert_close(cdf[1:], integral, rtol=0, atol=QUADRATURE)
    assert (cdf[0] < 1e-6).all() and (cdf[-1] > 1 - 1e-6).all()


@LIMITS
def test_quantile_inverts_the_cdf(limits):
    density = mixtures(limits)
    for p in (1e-4, 0.05, 0.16, 0.5, 0.84, 0.95, 1 - 1e-4):
        t = density.quantile(torch.tensor(p))
        assert ((t >= density.lower) & (t <= density.upper)).all()
        # 28 steps, each of which halves the bracket or the step before it; the worst of 500 random mixtures is 3e-6.
        torch.testing.assert_close(density.cdf(t), torch.full((ROWS,), p).double(), rtol=0, atol=1e-5)


def test_quantiles_in_single_precision():
    density = mixtures("both", torch.float32)
    for p in (0.025, 0.5, 0.975):
        cdf = density.cdf(density.quantile(torch.tensor(p)))
        # One rounding of the cdf (6e-8), divided by the share of the mass between the limits.
        torch.testing.assert_close(cdf, torch.full((ROWS,), p), rtol=0, atol=2e-5)


@pytest.mark.parametrize("p", [0.01, 0.5, 0.99])
def test_quantiles_of_hard_cases_converge(p):
    """A needle on a haystack, two needles with nothing between, and a bulk behind the limit."""
    weight = torch.tensor([[0.5, 0.5], [0.6, 0.4], [0.5, 0.5], [0.9999, 0.0001]]).log()
    loc = torch.tensor([[0.0, 0.0], [-30.0, 30.0], [5.0, 5.1], [0.0, 40.0]])
    scale = torch.tensor([[12.0, 0.007], [0.007, 0.007], [1.0, 1.0], [0.01, 0.01]])
    lower = torch.tensor([-math.inf, -math.inf, 7.0, -math.inf])
    density = MixtureDensity(*(x.double() for x in (weight, loc, scale, lower, torch.full((4,), math.inf))))
    cdf = density.cdf(density.quantile(torch.tensor(p)))
    torch.testing.assert_close(cdf, torch.full((4,), p).double(), rtol=0, atol=2e-3)


def test_levels_are_solved_together_as_alone():
    density = mixtures("both")
    levels = torch.tensor([0.025, 0.16, 0.5, 0.84, 0.975], dtype=torch.float64)
    together = density.unsqueeze(1).quantile(levels)
    assert together.shape == (ROWS, len(levels))
    # Others of the batch change nothing: each row stops on its own.
    torch.testing.assert_close(together, torch.stack([density.quantile(p) for p in levels], dim=-1), rtol=0, atol=1e-12)


def test_quantiles_of_needles_and_hills():
    """Thousands of mixtures as sharp as redshifts of bright galaxies, in single precision, solved in one batch."""
    generator = torch.Generator().manual_seed(3)
    weight = torch.log_softmax(3 * torch.randn(4000, 24, generator=generator), -1)
    loc = 3 * torch.randn(4000, 24, generator=generator)
    scale = torch.exp(2 * torch.randn(4000, 24, generator=generator) - 4).clamp(min=4e-4)
    beyond = torch.full((4000,), math.inf)
    density = MixtureDensity(weight, loc, scale, -beyond, beyond)
    p = torch.rand(4000, generator=generator)
    exact = MixtureDensity(*(x.double() for x in (weight, loc, scale, -beyond, beyond)))
    found = density.quantile(p).double()
    # Two roundings of a t of 8 (1e-6 each) move the cdf by 2e-3 at the top of the narrowest needle.
    torch.testing.assert_close(exact.cdf(found), p.double(), rtol=0, atol=2e-3)


def test_all_mass_beyond_a_limit_still_answers_within_the_limits():
    one = torch.tensor([[1.0]])
    density = MixtureDensity(one.log(), -50 * one, 0.1 * one, torch.zeros(1), torch.full((1,), math.inf))
    assert density.quantile(torch.tensor(0.5)) >= 0
    assert density.sample(torch.Generator().manual_seed(0)) >= 0
    assert torch.isfinite(density.log_prob(torch.zeros(1)))


@LIMITS
def test_draws_follow_the_cdf(limits):
    """Kolmogorov and Smirnov, at 5,000 draws for each of 12 mixtures, fixed seed; false alarms once in 10^5 runs."""
    n = 5000
    density = mixtures(limits)
    many = density.map(lambda x: x.unsqueeze(0).expand(n, *x.shape))
    draws = many.sample(torch.Generator().manual_seed(1))
    assert ((draws >= density.lower) & (draws <= density.upper)).all()
    p = many.cdf(draws).sort(dim=0).values
    step = torch.arange(n + 1).double().unsqueeze(-1) / n
    distance = torch.maximum((p - step[:-1]).abs(), (p - step[1:]).abs()).amax(0)
    # P(D > d) = 2 exp(-2 n d^2); 10^-5 shared by 12 mixtures.
    assert (distance < math.sqrt(math.log(2 * 12 / 1e-5) / (2 * n))).all()


@LIMITS
def test_quadrature_gives_the_moments(limits):
    density = mixtures(limits)
    x = grid_of(density)
    p = density.log_prob(x).exp()
    t, weight = density.nodes()
    torch.testing.assert_close(weight.sum(-1), torch.ones(ROWS).double())
    for power in (1, 2, 4):
        expected = torch.trapezoid(p * x**power, x, dim=0)
        size = torch.trapezoid(p * x.abs() ** power, x, dim=0)
        assert (((weight * t**power).sum(-1) - expected).abs() < 5e-3 * size).all(), power


def test_outside_the_limits_there_is_nothing():
    density = mixtures("lower")
    assert (density.log_prob(density.lower - 1e-6) == -math.inf).all()
    assert (density.cdf(density.lower - 1.0) == 0).all()


def test_a_choice_and_a_new_axis_are_views_of_the_same_densities():
    density, t = mixtures("both"), torch.zeros(ROWS).double()
    torch.testing.assert_close(density[3].log_prob(t[3]), density.log_prob(t)[3])
    wide = density.unsqueeze(1).log_prob(torch.zeros(ROWS, 4).double())
    torch.testing.assert_close(wide, density.log_prob(t).unsqueeze(1).expand(-1, 4))


# ---- from the network to a density


def from_logits(logits, error=0.0, lower=-math.inf, upper=math.inf, slope=torch.ones_like, shift=0.0):
    shape = logits.shape[:-1]
    full = [torch.full(shape, float(x), dtype=torch.float32) for x in (error, shift, lower, upper)]
    return mixture_from_logits(logits, full[0], full[1], slope, full[2], full[3])


def random_logits(rows: int = ROWS, components: int = 8, seed: int = 3) -> torch.Tensor:
    return torch.randn(rows, 3 * components, generator=torch.Generator().manual_seed(seed))


def test_zero_logits_are_the_flat_classification_of_the_anchors():
    density = from_logits(torch.zeros(1, 24))
    torch.testing.assert_close(density.loc[0], anchors(8))
    assert density.log_weight.exp().allclose(torch.tensor(1 / 8))


@pytest.mark.parametrize("error", [0.05, 0.4, 2.0])
def test_an_asked_error_convolves_the_density(error):
    """In a linear coordinate, against numerical convolution with the Gaussian of the instrument."""
    logits = random_logits()
    true, measured = from_logits(logits), from_logits(logits, error)
    x = torch.linspace(-30, 30, 6001)
    p = true.log_prob(x.unsqueeze(-1)).exp()
    for t in (-2.0, 0.0, 0.7, 3.0):
        kernel = torch.exp(-0.5 * ((t - x) / error) ** 2) / (error * math.sqrt(2 * math.pi))
        expected = torch.trapezoid(p * kernel.unsqueeze(-1), x, dim=0)
        # The trapezium rule with steps of 0.01, a fifth of the narrowest Gaussian.
        torch.testing.assert_close(measured.log_prob(torch.full((ROWS,), t)).exp(), expected, rtol=1e-3, atol=1e-5)


def test_a_measured_value_knows_no_limits_but_a_true_one_does():
    logits = random_logits()
    assert torch.isinf(from_logits(logits, 0.0, lower=0.0).log_prob(torch.full((ROWS,), -0.1))).all()
    assert torch.isfinite(from_logits(logits, 0.1, lower=0.0).log_prob(torch.full((ROWS,), -0.1))).all()


def test_an_error_counts_by_the_slope_of_the_coordinate():
    logits = random_logits()
    half = from_logits(logits, 0.4, slope=lambda t: 0.5 * torch.ones_like(t))
    torch.testing.assert_close(half.scale, from_logits(logits, 0.2).scale)


def test_the_answer_moves_with_the_brightness():
    logits, t = random_logits(), torch.linspace(-1, 1, ROWS)
    torch.testing.assert_close(from_logits(logits, shift=2.5).log_prob(t + 2.5), from_logits(logits).log_prob(t))


@pytest.mark.parametrize("lower, upper", [(-math.inf, math.inf), (0.0, math.inf), (-math.inf, 1.0), (0.0, 1.0)])
def test_gradients_are_finite(lower, upper):
    """Infinite limits, and components that are narrow and far away from the value."""
    logits = random_logits().mul(8).requires_grad_()
    density = from_logits(logits, lower=lower, upper=upper)
    value = density.log_prob(torch.full((ROWS,), 0.5))
    assert torch.isfinite(value).all()
    (gradient,) = torch.autograd.grad(value.sum(), logits)
    assert torch.isfinite(gradient).all() and (gradient != 0).any()


# ---- a measurement besides


@pytest.mark.parametrize("limits", ["none", "lower"])
def test_a_measurement_multiplies_the_density_by_its_likelihood(limits):
    density, error = mixtures(limits), 0.4
    value = density.quantile(torch.tensor(0.7))
    x = grid_of(density)
    product = density.log_prob(x).exp() * torch.exp(-0.5 * ((x - value) / error) ** 2)
    expected = product / torch.trapezoid(product, x, dim=0)
    updated = density.measured(value, torch.full((ROWS,), error).double())
    # The trapezium rule, relative to the height of the density.
    difference = (updated.log_prob(x).exp() - expected).abs().amax(0)
    assert (difference < 1e-2 * expected.amax(0)).all()


def test_an_exact_measurement_is_certain_and_none_changes_nothing():
    density, t = mixtures(), torch.zeros(ROWS).double()
    exact = density.measured(t + 0.3, torch.zeros(ROWS).double())
    torch.testing.assert_close(exact.quantile(torch.tensor(0.9)), t + 0.3, rtol=0, atol=1e-4)
    same = density.measured(torch.full_like(t, torch.nan), torch.full_like(t, torch.nan))
    torch.testing.assert_close(same.log_prob(t), density.log_prob(t))
