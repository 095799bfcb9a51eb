"""The re-implemented peer is the network that was described."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from peers import ojala


def published_tokens() -> ojala.OjalaTokens:
    """A vocabulary of OJALA's own size: 76 tokens, 61 of them observations."""
    wavelength = torch.cat([torch.linspace(0, 1, 60), torch.full((16,), torch.nan)])
    return ojala.OjalaTokens(wavelength, torch.arange(76) < 54, torch.arange(76) < 61, redshift=72)


def test_parameters_are_as_many_as_published():
    """4,699,665 with its 76 tokens and heads of three classes and six morphologies."""
    model = ojala.Ojala(published_tokens(), class_heads=(3, 6))
    assert sum(p.numel() for p in model.parameters()) == 4_699_665


def test_masking_leaves_what_the_released_code_leaves():
    """With all observations present the released code keeps a median of 12 in the context, and 55 or more in 1.3 %."""
    tokens = published_tokens()
    known = torch.ones(20_000, 76, dtype=torch.bool)
    generator = torch.Generator().manual_seed(0)
    shown, targets = ojala.draw_mask(known, tokens.observation, torch.ones(76), generator)
    kept = (shown & tokens.observation).sum(1).float()
    assert not shown.gather(1, targets).any(), "a target is never in the context"
    # Of a heavily cut galaxy less than five may be left to put back.
    assert (shown.sum(1) >= ojala.TARGETS).float().mean() > 0.9
    assert abs(kept.median() - 12) <= 2  # our vocabulary and weights are not theirs to the last token
    assert 0.002 < (kept >= 55).float().mean() < 0.03


def test_unknown_values_do_not_matter_and_known_ones_do():
    torch.manual_seed(0)
    tokens = ojala.OjalaTokens.default()
    model = ojala.Ojala(tokens).eval()
    values = torch.randn(2, len(tokens.wavelength))
    shown, queries = tokens.observation.expand(2, -1).clone(), torch.tensor([[62], [63]])
    shown[:, 5] = False
    base = model(values, shown, queries)[0]
    values[:, 5] = 100.0
    # NEGATIVE is not minus infinity, but exp(-10⁴) is zero in float32
    torch.testing.assert_close(model(values, shown, queries)[0], base)
    values[:, 6] = 100.0
    assert not torch.allclose(model(values, shown, queries)[0], base, atol=1e-3)


def test_losses_are_the_log_densities():
    """Against torch.distributions, up to the constants that OJALA drops."""
    generator = torch.Generator().manual_seed(0)
    tokens = ojala.OjalaTokens.default()
    properties = torch.rand(50, len(tokens.wavelength) - 62, generator=generator)
    flux = 100 * torch.rand(50, 62, generator=generator) + 1
    standardiser = ojala.Standardiser(tokens, flux, properties)
    mean, truth = torch.randn(2, 4, 3, generator=generator)
    log_variance = torch.full((4, 3), 0.5)
    column = tokens.redshift
    asked = torch.full((4, 3), column + 1)
    t = torch.distributions.StudentT(3.0, mean, (log_variance / 2).exp()).log_prob(truth)
    ours = ojala.negative_log_likelihood(mean, log_variance, truth, asked, standardiser)
    constant = (ours + t)[0, 0]
    torch.testing.assert_close(ours + t, constant.expand(4, 3))
    z = truth * standardiser.scale[column] + standardiser.center[column]
    sigma = (log_variance / 2).exp() * standardiser.scale[column] / (1 + z)
    error = (truth - mean) * standardiser.scale[column] / (1 + z)
    gauss = torch.distributions.Normal(0.0, sigma).log_prob(error)
    ours = ojala.negative_log_likelihood(mean, log_variance, truth, torch.full((4, 3), column), standardiser)
    constant = (ours + gauss)[0, 0]
    torch.testing.assert_close(ours + gauss, constant.expand(4, 3), atol=1e-4, rtol=1e-4)


def test_the_peer_learns():
    torch.manual_seed(0)
    tokens = ojala.OjalaTokens.default()
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(24, 1, generator=generator)
    flux = torch.exp(8 + shared + 0.1 * torch.randn(24, 62, generator=generator))
    properties = shared.expand(-1, len(tokens.wavelength) - 62) * 0.1 + 0.5
    standardiser = ojala.Standardiser(tokens, flux, properties)
    values, known = standardiser(flux, properties)
    model = ojala.Ojala(tokens)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        value = ojala.loss(model, standardiser, values, known, torch.Generator().manual_seed(1))
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    assert losses[-1] < losses[0] - 0.1  # seen: 0.23


@pytest.mark.parametrize("bias", [True, False])
def test_asking_one_by_one_is_asking_at_once(bias):
    torch.manual_seed(0)
    tokens = ojala.OjalaTokens.default()
    model = ojala.Ojala(tokens).eval()
    values, known = torch.randn(70, len(tokens.wavelength)), tokens.observation.expand(70, -1)
    one_by_one = ojala.request(model, values, known, [62, 70], wavelength_bias=bias)
    with torch.no_grad():
        memory = model.encode(values, known, bias)
        at_once = torch.stack(model.answer(memory, known, torch.tensor([[62, 70]]).expand(70, -1)), -1)
    torch.testing.assert_close(one_by_one, at_once)


@pytest.mark.parametrize("gain_on_padding", [True, False])
def test_packing_changes_the_speed_alone(gain_on_padding):
    torch.manual_seed(0)
    tokens = ojala.OjalaTokens.default()
    model = ojala.Ojala(tokens, gain_on_padding=gain_on_padding).eval()
    generator = torch.Generator().manual_seed(0)
    values, known = torch.randn(30, 81, generator=generator), torch.rand(30, 81, generator=generator) < 0.9
    shown, queries = ojala.draw_mask(known, tokens.observation, torch.ones(81), generator, full_share=0.5)
    full = (shown == (known & tokens.observation).scatter(1, queries, False)).all(1).float().mean()
    assert 0.2 < full < 0.8, "about half show all other observations"
    with torch.no_grad():
        whole, packed = model(values, shown, queries), ojala.answer_packed(model, values, shown, queries)
    torch.testing.assert_close(packed, whole, atol=2e-5, rtol=2e-5)  # other order of the same sums


def test_a_gain_that_spares_the_padding_leaves_it_hidden():
    """As released a gain near zero would show the padding; corrected it cannot."""
    torch.manual_seed(0)
    tokens = ojala.OjalaTokens.default()
    values, shown = torch.randn(2, 81), tokens.observation.expand(2, -1).clone()
    shown[:, 5] = False
    changed = values.clone()
    model = {gain: ojala.Ojala(tokens, gain_on_padding=gain).eval() for gain in (True, False)}
    for one in model.values():
        for block in one.encoder:
            torch.nn.init.zeros_(block.gain)
    # what is hidden still has a bias vector of its own, so that its presence is seen in the other tokens
    bias = {gain: one.bias.weight.data for gain, one in model.items()}
    for gain, seen in ((True, True), (False, False)):
        with torch.no_grad():
            before = model[gain].encode(values, shown)[:, 0].clone()
            bias[gain][6] += 10.0
            after = model[gain].encode(changed, shown)[:, 0]
        assert (not torch.allclose(before, after, atol=1e-4)) == seen
