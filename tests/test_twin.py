"""The twin that answers: the same answers as the model, weights that are shared, and a type that is said."""

from __future__ import annotations

import pytest
import torch

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.twin import chosen_dtype, has_bfloat16, twin
from tests.tiny_model import some_inputs, tiny_model

BF16 = torch.bfloat16
# bfloat16 keeps 8 bits: 0.4 % of hidden states of order one, through two layers, to logits of order one.
ROUNDING = 0.05


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def logits(model, n: int = 5) -> torch.Tensor:
    with torch.inference_mode():
        return model(**some_inputs(n)).logits


def test_the_twin_answers_as_the_model(model):
    # Sums in another order, single precision, over logits of order one.
    torch.testing.assert_close(logits(twin(model)), logits(model), rtol=1e-4, atol=2e-5)


def test_in_bfloat16_it_answers_nearly_so(model):
    exact, rounded = logits(model), logits(twin(model, BF16))
    assert rounded.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < ROUNDING


def test_joint_draws_are_those_of_the_model(model):
    inputs = some_inputs()
    asked = {k: v for k, v in inputs.items() if k != "labels"} | {"query_errors": None, "num_samples": 3}
    draws = [m.sample(**asked, generator=torch.Generator().manual_seed(0)) for m in (model, twin(model))]
    torch.testing.assert_close(*draws, rtol=1e-3, atol=1e-4)


def test_only_the_encoder_is_rounded(model):
    kinds = {name: p.dtype for name, p in twin(model, BF16).named_parameters()}
    rounded = {name for name, dtype in kinds.items() if dtype == BF16}
    assert rounded and all(name.startswith("layers.") for name in rounded)
    assert {"layers.0.mlp.up.weight", "layers.1.attention.key_value.weight"} <= rounded
    assert all(p.dtype == torch.float32 for p in model.parameters())


def test_the_model_stays_and_weights_are_shared():
    model = tiny_model()
    state, attention = {k: v.clone() for k, v in model.state_dict().items()}, model.config._attn_implementation
    quick, rounded = twin(model), twin(model, BF16)
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())
    assert model.config._attn_implementation == attention
    assert quick.state_dict().keys() == model.state_dict().keys() == rounded.state_dict().keys()
    with torch.no_grad():
        model.layers[0].mlp.up.weight.mul_(1.5)
    torch.testing.assert_close(logits(quick), logits(model), rtol=1e-4, atol=2e-5)


def test_the_twin_has_gradients(model):
    loss = twin(model)(**some_inputs()).loss
    expected = model(**some_inputs()).loss
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    loss.backward()
    assert model.layers[0].mlp.up.weight.grad.abs().sum() > 0
    model.zero_grad()


def test_the_type_of_a_name():
    assert chosen_dtype("float32", "cpu") == torch.float32 and chosen_dtype("bfloat16", "cpu") == BF16
    assert chosen_dtype("auto", "cpu") == (BF16 if has_bfloat16("cpu") else torch.float32)
    with pytest.raises(ValueError, match=r"dtype='half': give one of float32, bfloat16 or auto"):
        chosen_dtype("half", "cpu")


def test_auto_is_float32_without_instructions(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    assert chosen_dtype("auto", "cpu") == torch.float32


def test_a_posterior_says_its_arithmetic_and_keeps_it():
    posterior = GalaxyPosterior(tiny_model(), GalaxyTokenizer(), dtype="bfloat16")
    given = posterior.condition(iSDSS=(20_000.0, 300.0), J0660=(15_000.0, 400.0))
    exact = GalaxyPosterior(tiny_model(), GalaxyTokenizer()).condition(iSDSS=(20_000.0, 300.0), J0660=(15_000.0, 400.0))
    assert given.dtype == BF16 and given.facts()["arithmetic"] == "encoder bfloat16, the rest float32"
    assert exact.facts()["arithmetic"] == "encoder float32, the rest float32"
    low, median, high = exact.quantiles("log_mstar", [0.16, 0.5, 0.84])[0]
    shift = abs(given.quantiles("log_mstar", [0.5])[0, 0] - median)
    assert 0 < shift < ROUNDING * (high - low)


def test_a_saved_model_has_its_own_weights(tmp_path):
    posterior = GalaxyPosterior(tiny_model(), GalaxyTokenizer(), dtype="bfloat16")
    posterior.save_pretrained(str(tmp_path))
    loaded = GalaxyPosterior.from_pretrained(str(tmp_path))
    assert all(torch.equal(v, posterior.model.state_dict()[k]) for k, v in loaded.model.state_dict().items())
