"""The designs that are compared: what each changes of the model as it was, in the order in which they are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from hf_galaxy.configuration_galaxy import GalaxyConfig
from hf_galaxy.data.conditioning import SCENARIOS
from hf_galaxy.embedding_galaxy import WAVELENGTH_GAIN
from hf_galaxy.modeling_galaxy import GalaxyModel

from .bins import BinModel
from .embeddings import BinnedValues, NoErrors, NoWavelength, PairedPatches, PlainValues, own_tokens, with_embeddings
from .flow import FlowModel
from .one_stack import OneStackModel

# What all are compared with is the model and the training as they were when the comparison began. Two things that won
# have been taken over since: a wavelength that begins small, and four kinds of context in a step.
BASELINE, TRUE_ONLY = "as it was", "true values asked only"
BATCH, RATE = 128, 1.5e-3


@dataclass(frozen=True)
class Variant:
    """One change of the model or of its training as they were when the comparison began.

    Attributes:
        name: As in the table.
        group: The question that it answers.
        model: The class.
        config: What differs from the preset ``tiny``.
        conditioning: What differs from the default of ``ConditioningSettings``.
        batch, lr: Galaxies a step, and the peak rate.
        units: Parts of a batch with a scenario each.
        optimizer: ``"auto"`` is Muon.
        against: The variant that it is compared with, which differs in this one thing.
        dropped: Beginnings of the names of the weights that a warm start does not take over.
        frozen: Beginnings of the names of the weights that are not trained.
        seeds: Runs, with the seeds 0, 1, …
        warm: Whether it is also trained on from a checkpoint.
        small_wavelength: Whether what the wavelength says begins as small as it does now.
    """

    name: str
    group: str
    model: type[GalaxyModel] = GalaxyModel
    config: Mapping[str, Any] = field(default_factory=dict)
    conditioning: Mapping[str, float] = field(default_factory=dict)
    batch: int = BATCH
    lr: float = RATE
    units: int = 1
    optimizer: str = "auto"
    against: str = BASELINE
    dropped: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    seeds: int = 1
    warm: bool = False
    small_wavelength: bool = False

    def build(self, seed: int, **size: int) -> GalaxyModel:
        """The model with its initial weights; like all training on a CPU, with attention written out."""
        torch.manual_seed(seed)
        config = GalaxyConfig.preset("tiny", **{**self.config, **size})
        model = self.model._from_config(config, attn_implementation="eager")
        if not self.small_wavelength and hasattr(model.embeddings, "wavelength"):
            with torch.no_grad():
                model.embeddings.wavelength.weight /= WAVELENGTH_GAIN
        return model


def _size(width: int, depth: int, heads: int = 4) -> dict[str, int]:
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
    }


def _layers(encoder: int, questions: int) -> dict[str, int]:
    return {"num_hidden_layers": encoder, "num_question_layers": questions}


def _batch(size: int) -> Variant:
    return Variant(f"batch {size}", "batch", batch=size, lr=RATE * (size / BATCH) ** 0.5)


def only(scenario: str) -> dict[str, float]:
    """Frequencies of a single scenario."""
    return {name: float(name == scenario) for name in SCENARIOS}


VARIANTS = (
    Variant(BASELINE, "baseline", seeds=3, warm=True),
    Variant(TRUE_ONLY, "errors", conditioning={"measured": 0.0}),
    Variant("spline flow", "density", FlowModel, conditioning={"measured": 0.0}, against=TRUE_ONLY),
    Variant("bins, 256", "density", BinModel),
    Variant("4 scenarios a batch", "contexts", units=4, warm=True),
    Variant("16 scenarios a batch", "contexts", units=16, warm=True),
    Variant("photometry only", "contexts", conditioning=only("photometry")),
    Variant("one stack of 6", "stack", OneStackModel, config=_layers(6, 0)),
    Variant("six bands a vector", "pooling", with_embeddings(PairedPatches)),
    Variant("values without Fourier", "value", with_embeddings(PlainValues)),
    Variant("no wavelength", "wavelength", with_embeddings(NoWavelength)),
    Variant("wavelength begins small", "wavelength", small_wavelength=True),
    Variant("as it is now", "baseline", units=4, small_wavelength=True),
    Variant("one stack of 4", "stack", OneStackModel, config=_layers(4, 0)),
    _batch(64),
    _batch(256),
    Variant("12 questions", "questions", conditioning={"num_questions": 12}, warm=True),
    Variant("width 192, 2 layers", "shape", config=_size(192, 2)),
    Variant("width 96, 7 layers", "shape", config=_size(96, 7)),
    Variant("one band a vector", "pooling", config={"variables": own_tokens()}),
    Variant("uniform subsets only", "contexts", conditioning=only("subset")),
    Variant("3 + 3 layers", "stack", config=_layers(3, 3)),
    Variant("rate 3e-3", "rate", lr=3e-3, warm=True),
    Variant("no errors in tokens", "errors", with_embeddings(NoErrors)),
    Variant("values in 256 bins", "value", with_embeddings(BinnedValues)),
    Variant("no answers seen", "seen answers", conditioning={"seen_answers": 0.0}),
    Variant("mixture of 12", "density", config={"num_components": 12}),
    Variant("mixture of 48", "density", config={"num_components": 48}),
    Variant("40 questions", "questions", conditioning={"num_questions": 40}, warm=True),
    Variant("5 + 1 layers", "stack", config=_layers(5, 1)),
    Variant("rate 7.5e-4", "rate", lr=7.5e-4, warm=True),
    Variant("all answers seen", "seen answers", conditioning={"seen_answers": 1.0}),
    _batch(32),
    _batch(512),
    Variant("width 160, 3 layers", "shape", config=_size(160, 3)),
    Variant("AdamW", "rate", optimizer="adamw"),
)

# A new density on the encoder of a trained checkpoint, which stays as it is: which is sharper where redshifts are known
# to half a per cent? After a short training from nothing no density is sharp.
_MIXTURE, _MIXTURE_TRUE = "new head: mixture of 24", "new head: mixture of 24, true values"


def _new_head(name: str, model: type[GalaxyModel], against: str, **more: Any) -> Variant:
    encoder = ("embeddings.", "layers.", "norm.")
    return Variant(name, "density", model, against=against, dropped=("head.",), frozen=encoder, **more)


_TRUE = {"measured": 0.0}
NEW_HEADS = (
    _new_head(_MIXTURE, GalaxyModel, _MIXTURE),
    _new_head("new head: bins, 256", BinModel, _MIXTURE),
    _new_head(_MIXTURE_TRUE, GalaxyModel, _MIXTURE_TRUE, conditioning=_TRUE),
    _new_head("new head: spline flow", FlowModel, _MIXTURE_TRUE, conditioning=_TRUE),
    _new_head("new head: mixture of 12", GalaxyModel, _MIXTURE, config={"num_components": 12}),
    _new_head("new head: mixture of 48", GalaxyModel, _MIXTURE, config={"num_components": 48}),
)


__all__ = ["BASELINE", "NEW_HEADS", "VARIANTS", "Variant", "only"]
