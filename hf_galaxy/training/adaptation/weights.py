"""Which weights an adaptation moves: all, low-rank additions that are merged before they are saved, or none."""

from __future__ import annotations

import copy

from torch import nn

from ...modeling_galaxy import GalaxyModel
from .settings import AdaptationSettings

# The matrices of the layers. Embeddings and the head are small, and shared by everything that the model knows.
LORA_TARGETS = ("query", "key_value", "output", "up", "down")


def choose_weights(model: GalaxyModel, settings: AdaptationSettings) -> GalaxyModel:
    """Let those weights of a model be learnt, in place, that the settings name.

    Raises:
        ImportError: low-rank additions are asked for and peft is missing.
    """
    if settings.weights == "full":
        return model
    model.requires_grad_(False)
    if settings.weights == "lora":
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError:
            raise ImportError('adaptation: {weights: lora} needs peft: pip install "hf-galaxy[lora]"') from None
        names = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and "layers." in n]
        targets = [n for n in names if n.rpartition(".")[2] in LORA_TARGETS]
        inject_adapter_in_model(LoraConfig(r=settings.rank, lora_alpha=settings.alpha, target_modules=targets), model)
    return model


def merged(model: GalaxyModel) -> GalaxyModel:
    """A model of plain weights with the low-rank additions added in; the model itself if it has none."""
    if not any(hasattr(m, "lora_A") for m in model.modules()):
        return model
    plain = copy.deepcopy(model)
    for name, module in list(plain.named_modules()):
        if hasattr(module, "lora_A"):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(plain.get_submodule(parent), child, module.get_base_layer())
    return plain.requires_grad_(True)


__all__ = ["LORA_TARGETS", "choose_weights", "merged"]
