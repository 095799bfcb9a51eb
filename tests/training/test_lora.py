"""Low-rank adapters of ``peft`` on the model: only they learn, and saved, loaded or merged they answer alike."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModel

from .ecosystem import batch, small_model

peft = pytest.importorskip("peft", reason='adapters need peft: pip install "hf-galaxy[lora]"')

TARGETS = ["query", "key_value", "output", "up", "down"]


@pytest.fixture(scope="module")
def adapted():
    """A model, its adapters after 40 steps, and the loss before and after."""
    base = small_model()
    model = peft.get_peft_model(small_model(), peft.LoraConfig(r=4, lora_alpha=8, target_modules=TARGETS))
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer, inputs, losses = torch.optim.AdamW(trained, lr=2e-2), batch(128), []
    for _ in range(40):
        loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return base, model.eval(), losses


def answers(model) -> torch.Tensor:
    with torch.no_grad():
        return model(**batch(32, 5)).logits


def test_only_the_adapters_learn_and_the_loss_falls(adapted):
    base, model, losses = adapted
    names = {name for name, p in model.named_parameters() if p.requires_grad}
    assert names and all("lora_" in name for name in names)
    touched = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name in names}
    assert touched == set(TARGETS)
    assert losses[-1] < losses[0] - 0.1  # adapters of rank 4 in a new model; seen: more than 0.2
    with model.disable_adapter():
        assert torch.equal(answers(model), answers(base)), "the weights below are untouched"


def test_saved_and_loaded_the_adapters_answer_alike(adapted, tmp_path):
    base, model, _ = adapted
    model.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(small_model(), tmp_path).eval()
    assert torch.equal(answers(again), answers(model))
    assert not torch.allclose(answers(again), answers(base), atol=1e-2)


def test_merged_they_answer_alike_and_the_model_is_an_ordinary_one(adapted, tmp_path):
    _, model, _ = adapted
    model.save_pretrained(tmp_path / "adapters")
    merged = peft.PeftModel.from_pretrained(small_model(), tmp_path / "adapters").merge_and_unload().eval()
    # W + BA rounds once more than Wx + BAx: a few units in the last place of answers of order ten
    torch.testing.assert_close(answers(merged), answers(model), atol=2e-4, rtol=1e-4)
    merged.save_pretrained(tmp_path / "merged")
    loaded = AutoModel.from_pretrained(tmp_path / "merged").eval()
    assert torch.equal(answers(loaded), answers(merged))
