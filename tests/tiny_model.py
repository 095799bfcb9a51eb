"""A model of some thousand parameters that has learnt nothing, but whose answers differ: for laws that always hold."""

from __future__ import annotations

import torch

from hf_galaxy import GalaxyConfig, GalaxyModel, GalaxyTokenizer

TINY = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_question_layers": 2,
    "num_attention_heads": 4,
    "value_hidden_size": 16,
    "num_components": 8,
}


def tiny_model(seed: int = 0, **changes) -> GalaxyModel:
    """In evaluation mode, its head so loud that every input moves densities some tenths to some units wide."""
    torch.manual_seed(seed)
    model = GalaxyModel(GalaxyConfig(**{**TINY, **changes})).eval()
    torch.nn.init.normal_(model.head.weight, std=0.7 * model.head.in_features**-0.5)
    return model


def some_inputs(n: int = 5, seed: int = 0) -> dict[str, torch.Tensor]:
    """`n` galaxies, six known bands and two known properties in the context, five questions, true answers."""
    tokenizer = GalaxyTokenizer()
    known = ["FUV", "J0378", "J0660", "J0670", "rSDSS", "survey", "log_mstar", "J0900"]
    asked = ["redshift", "J0500", "ew_halpha", "av", "J0660"]
    generator = torch.Generator().manual_seed(seed)
    ids = torch.tensor(tokenizer.convert_tokens_to_ids(known)).repeat(n, 1)
    values = torch.randn(ids.shape, generator=generator)
    values[:, 5] = torch.randint(0, 7, (n,), generator=generator).float()
    errors = 0.3 * torch.rand(ids.shape, generator=generator)
    labels = torch.rand(n, len(asked), generator=generator)
    questions = torch.tensor(tokenizer.convert_tokens_to_ids(asked)).repeat(n, 1)
    mask = torch.ones_like(ids)
    mask[0, 1], mask[-1, 4:] = 0, 0
    return {
        "input_ids": ids,
        "values": values,
        "errors": errors,
        "attention_mask": mask,
        "query_ids": questions,
        "query_errors": 0.2 * torch.rand(questions.shape, generator=generator),
        "labels": labels,
    }
