"""``transformers.Trainer`` trains the model as any other: falling loss, evaluation, resume, a model that loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModel, Trainer, TrainingArguments

from .ecosystem import rows, small_model


def trainer(out: Path, **changes) -> Trainer:
    plan = {"max_steps": 40, "per_device_train_batch_size": 32, "learning_rate": 1e-2, "weight_decay": 0.05}
    quiet = {"use_cpu": True, "report_to": [], "disable_tqdm": True, "logging_steps": 5, "dataloader_pin_memory": False}
    saving = {"save_steps": 20, "per_device_eval_batch_size": 64, "seed": 0}
    arguments = TrainingArguments(str(out), **plan | quiet | saving | changes)
    return Trainer(small_model(), arguments, train_dataset=rows(256), eval_dataset=rows(64, 1))


@pytest.fixture
def trained(tmp_path) -> Trainer:
    made = trainer(tmp_path / "whole")
    made.train()
    return made


def test_the_loss_falls_and_the_model_loads(trained, tmp_path):
    losses = [entry["loss"] for entry in trained.state.log_history if "loss" in entry]
    # A density that knows nothing of its galaxy starts at 2.0; seen: 0.5 less after 40 steps.
    assert losses[-1] < losses[0] - 0.3
    found = trained.evaluate()["eval_loss"]
    assert found < losses[0] - 0.3
    trained.save_model(str(tmp_path / "saved"))
    loaded = AutoModel.from_pretrained(tmp_path / "saved")
    inputs = {name: column.unsqueeze(0) for name, column in rows(1, 2)[0].items()}
    with torch.no_grad():
        answers = [model.eval()(**inputs).logits for model in (trained.model, loaded)]
    torch.testing.assert_close(*answers, atol=1e-5, rtol=0)  # float32, of order one


def test_resumed_from_a_checkpoint_of_its_own_it_is_the_same_run(trained, tmp_path):
    again = trainer(tmp_path / "parts")
    again.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-20"))
    assert again.state.global_step == 40
    for one, other in zip(trained.model.parameters(), again.model.parameters(), strict=True):
        # the same steps in the same order; Trainer does not promise bits
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
