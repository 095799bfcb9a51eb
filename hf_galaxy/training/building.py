"""From settings to the parts of a run: data, noise, questions, model, tokenizer, loop."""

from __future__ import annotations

import json
import math
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedDataParallelKwargs,
    ProjectConfiguration,
    is_tensorboard_available,
    set_seed,
)
from huggingface_hub.errors import StrictDataclassError

from ..checkpoints import save_pretrained
from ..configuration_galaxy import GalaxyConfig
from ..data.conditioning import Conditioner, ConditioningSettings
from ..data.galaxies import GalaxyTable
from ..data.settings_input import settings_of
from ..modeling_galaxy import GalaxyModel
from ..physics.noise import NoiseModel, NoiseSettings
from ..tokenization_galaxy import GalaxyTokenizer
from ..variables_galaxy import BANDS, PROPERTIES, Variable
from . import checkpoint, warm_start
from .batches import Batcher, observation_of, validation_batches
from .feeding import feed, origin
from .loop import Loop
from .seeds import seed_of
from .settings import TrainSettings, refuse_unknown

# Units of a step, at least; each draws a kind of context of its own. Of several the gradient is less noisy
# (DECISIONS.md), and one, two and four processes see the same batches.
UNITS = 4


def build(settings: TrainSettings) -> Loop:
    """Everything that a run needs, ready for ``run()``.

    Raises:
        ValueError: settings, data or output folder do not fit.
    """
    if settings.num_threads:
        torch.set_num_threads(settings.num_threads)
    accelerator = make_accelerator(settings)
    settings = resolve_micro_batch(settings, accelerator.num_processes, UNITS)
    check_output(settings)
    source, held_out, sample = feed(settings, accelerator.device)
    model, tokenizer = model_and_tokenizer(settings, origin(settings), accelerator.device)
    variables = [Variable(**entry) for entry in model.config.variables]
    noise = NoiseModel(settings_of(NoiseSettings, settings.noise, "noise"), BANDS, accelerator.device)
    asking = settings_of(ConditioningSettings, settings.conditioning, "conditioning")
    draw = Conditioner(variables, asking, device=accelerator.device).draw
    batches = Batcher(source, noise.observe, draw, settings.seed, accelerator.device)
    validation = validation_batches(held_out, noise.observe, draw, settings.seed, accelerator.device)
    ranges = evidence_ranges(sample.to(accelerator.device), noise.observe, settings.seed)

    def save(folder: Path, record: dict[str, Any]) -> None:
        # All settings of the noise, defaults too: they may change with the version, the model will not.
        model.config.training = {**record, "noise": asdict(noise.settings), "ranges": ranges}
        save_pretrained(model, tokenizer, folder)

    return Loop(model, batches, validation, save, settings, accelerator)


def make_accelerator(settings: TrainSettings) -> Accelerator:
    """Accelerate's view of the machine: device, processes, precision and tracker."""
    tracker = settings.tracker
    if tracker == "tensorboard" and not is_tensorboard_available():
        warnings.warn(
            'no tracker: pip install "hf-galaxy[train]" brings tensorboard; history.jsonl is written all the same'
        )
        tracker = "none"
    cpu = not torch.cuda.is_available()
    precision = settings.mixed_precision
    if precision == "auto":
        precision = "bf16" if (_cpu_has_bf16() if cpu else torch.cuda.is_bf16_supported()) else "no"
    accelerator = Accelerator(
        mixed_precision=precision,
        log_with=None if tracker == "none" else tracker,
        project_config=ProjectConfiguration(project_dir=settings.out, logging_dir=str(Path(settings.out) / "logs")),
        # A question that no batch asks leaves its parameters without gradient.
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    set_seed(settings.seed)
    if tracker != "none":
        accelerator.init_trackers(
            "", config={k: v for k, v in settings.to_dict().items() if isinstance(v, int | float | str)}
        )
    return accelerator


def _cpu_has_bf16() -> bool:
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def resolve_micro_batch(settings: TrainSettings, processes: int, units_wanted: int = 1) -> TrainSettings:
    """Fill in the size of a unit: that of the state to resume, else so that a step has `units_wanted` or more.

    A batch that cannot be shared so has a unit a process.

    Raises:
        ValueError: a batch that the processes cannot share evenly.
    """
    state = checkpoint.latest(settings.out) if settings.resume else None
    if settings.micro_batch is None and state is not None:
        return replace(settings, micro_batch=checkpoint.read_counters(state)["settings"]["micro_batch"])
    if settings.micro_batch is None:
        units = processes * math.ceil(units_wanted / processes)
        if settings.batch_size % units:
            units = processes
        if settings.batch_size % units:
            raise ValueError(f"batch_size {settings.batch_size} cannot be shared evenly by {processes} processes")
        return replace(settings, micro_batch=settings.batch_size // units)
    return settings


def check_output(settings: TrainSettings) -> None:
    if not settings.resume and checkpoint.latest(settings.out) is not None:
        raise ValueError(
            f"{settings.out} holds the state of a run: add --resume to continue it, or choose another --out"
        )


def model_and_tokenizer(
    settings: TrainSettings, simulation: dict | None, device: torch.device
) -> tuple[GalaxyModel, GalaxyTokenizer]:
    """A new model, or the one of ``init_from``, and its tokenizer.

    Raises:
        ValueError: settings that make no model, or a model to start from that does not fit; see ``warm_start``.
    """
    # On a CPU the backward pass of SDPA in bf16 is slow: attention written out trains twice as many galaxies a second.
    attention = "eager" if device.type == "cpu" else "sdpa"
    if settings.init_from:
        model, tokenizer = warm_start.load(settings, attention)
        model.config.simulation = simulation  # the prior of the galaxies that it sees from now on
        return model, tokenizer
    refuse_unknown(settings.model, [f.name for f in fields(GalaxyConfig)], "model")
    try:
        config = GalaxyConfig.preset(settings.size, **settings.model)
    except StrictDataclassError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[-1].strip()
        raise ValueError(f"model: {reason}") from None
    config.simulation = simulation
    model = GalaxyModel._from_config(config, attn_implementation=attention)
    return model, tokenizer_of(config)


def tokenizer_of(config: GalaxyConfig) -> GalaxyTokenizer:
    """The tokenizer of the variables of a configuration."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / GalaxyTokenizer.vocab_files_names["vocab_file"]
        file.write_text(json.dumps(config.variables), encoding="utf-8")
        return GalaxyTokenizer(str(file))


def evidence_ranges(table: GalaxyTable, observe: Callable, seed: int) -> dict[str, list[float]]:
    """Lowest and highest value of every variable as observed in some training galaxies, in physical units."""
    device = table.flux.device
    generator = torch.Generator(device).manual_seed(seed_of(seed, "ranges"))
    observed = observation_of(table, observe, generator).flux
    ranges = {}
    for names, columns in ((BANDS, observed), (PROPERTIES, table.properties)):
        for name, column in zip(names, columns.double().cpu().unbind(1), strict=True):
            known = column[torch.isfinite(column)]
            if len(known):
                ranges[name] = [float(known.min()), float(known.max())]
    return ranges
