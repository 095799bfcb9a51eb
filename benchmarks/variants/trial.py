"""One short training of one variant, and what it is worth on held-out galaxies."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hf_galaxy.configuration_galaxy import SPECIAL_TOKENS
from hf_galaxy.coordinates_galaxy import Coordinates
from hf_galaxy.data.conditioning import SCENARIOS, Conditioner, ConditioningSettings
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.evaluation.calibration import crps_from_quantiles, pit_deviation
from hf_galaxy.evaluation.photoz import photoz_statistics
from hf_galaxy.modeling_galaxy import GalaxyModel
from hf_galaxy.training.batches import Batcher, inputs_of
from hf_galaxy.training.optimization import WeightAverage, make_optimizer
from hf_galaxy.training.schedule import Schedule
from hf_galaxy.training.seeds import seed_of
from hf_galaxy.training.sources import SequenceSource, TableSequence
from hf_galaxy.variables_galaxy import PROPERTIES, default_variables

from .registry import Variant, only

WARMUP, DECAY = 0.1, 0.4  # shares of the run
WEIGHT_DECAY, BETAS, EMA, CLIP = 0.05, (0.9, 0.98), 0.999, 1.0
ROWS_AT_ONCE, SCENARIO_ROWS, CRPS_ROWS = 512, 256, 1024
LEVELS = (np.arange(16) + 0.5) / 16
VARIABLES = default_variables()
PROPERTY_IDS = torch.tensor([i + len(SPECIAL_TOKENS) for i, v in enumerate(VARIABLES) if v.name in PROPERTIES])
REDSHIFT = PROPERTIES.index("redshift")
COORDINATES = Coordinates([v for v in VARIABLES if v.name in PROPERTIES])


def train(
    variant: Variant, galaxies: GalaxyTable, observe: Callable, seen: int, seed: int, start: dict | None = None
) -> tuple[GalaxyModel, WeightAverage, float]:
    """A model that has seen `seen` galaxies, the mean of its weights, and the processor seconds that it took.

    Args:
        start: Weights to start from; what has another shape, or is dropped by the variant, starts anew.
    """
    model = variant.build(seed, **({} if start is None else {"num_hidden_layers": layers_of(start)}))
    if start is not None:
        take_over(model, start, variant.dropped)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(variant.frozen or "\0"))
    steps, unit = seen // variant.batch, variant.batch // variant.units
    source = SequenceSource(TableSequence(galaxies, seed), variant.batch, unit)
    asking = Conditioner(VARIABLES, ConditioningSettings(**variant.conditioning))
    batches = Batcher(source, observe, asking.draw, seed, "cpu")
    schedule = Schedule.plan(steps, round(WARMUP * steps), DECAY)
    optimizer = make_optimizer(model, variant.lr, WEIGHT_DECAY, BETAS, variant.optimizer)
    average = WeightAverage(model.parameters(), EMA)
    clock = time.process_time()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = variant.lr * schedule.factor(step)
        for part in range(variant.units):
            with torch.autocast("cpu", torch.bfloat16):
                loss = model(**batches(step, part)).loss / variant.units
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)
    return model.eval(), average, time.process_time() - clock


def take_over(model: GalaxyModel, start: dict[str, Tensor], dropped: tuple[str, ...]) -> None:
    """Weights of another model of the same shape.

    Raises:
        ValueError: a weight that one of the two has and the other has not, or with another shape.
    """
    own = model.state_dict()
    left = [name for name in start if name not in own and not name.startswith(dropped or "\0")]
    if left:
        raise ValueError(f"weight {left[0]} of the checkpoint has no place in the variant: it needs the same shape")
    for name, value in own.items():
        if name.startswith(dropped or "\0"):
            continue
        if name not in start or start[name].shape != value.shape:
            raise ValueError(f"weight {name} has no equal in the checkpoint: only a variant of its shape starts warm")
        value.copy_(start[name])


def layers_of(weights: dict[str, Tensor]) -> int:
    """Layers of the encoder that these weights belong to."""
    return len({name.split(".")[1] for name in weights if name.startswith("layers.")})


def slices(n: int) -> Iterator[slice]:
    return (slice(i, min(i + ROWS_AT_ONCE, n)) for i in range(0, n, ROWS_AT_ONCE))


@torch.inference_mode()
def measure(model: GalaxyModel, held: GalaxyTable, observe: Callable, brief: bool = False) -> dict[str, float]:
    """Figures of merit on held-out galaxies, in token coordinates; observed with the same noise for every model.

    Returns:
        `nll`: mean negative log density of the properties given all bands; `nll_redshift`: of the redshift alone;
        `nll_chain`: given the answers before as well, in one order; `nll_mixed`: over all scenarios, as often as
        they are trained by default and asked for true values; `crps`, `pit_deviation`, both means over the
        properties; `sigma_nmad` of the redshift; `answers_per_second`. Only the first when `brief`.
    """
    truth = COORDINATES.forward(held.properties)
    nll, chain, pit, quantiles, medians, seconds = [], [], [], [], [], 0.0
    for rows in slices(len(held)):
        inputs = all_bands(held[rows], observe, seed_of("held out", rows.start))
        ids = PROPERTY_IDS.expand(rows.stop - rows.start, -1)
        exact = torch.zeros(ids.shape)
        with torch.autocast("cpu", torch.bfloat16):
            clock = time.process_time()
            context = model.encode(**inputs)
            logits = model.answer(context, ids)
            seconds += time.process_time() - clock
            nll.append(-model.log_prob(logits, ids, exact, context.reference, truth[rows]))
            if brief:
                continue
            order = torch.randperm(ids.shape[1], generator=torch.Generator().manual_seed(rows.start))
            chain.append(-model(**inputs, query_ids=ids[:, order], labels=truth[rows][:, order]).log_prob)
        density = model.density(logits, ids, exact, context.reference)
        pit.append(density.cdf(truth[rows]))
        medians.append(density.quantile(torch.tensor(0.5))[:, REDSHIFT])
        if rows.start < CRPS_ROWS:
            quantiles.append(torch.stack([density.quantile(torch.tensor(p)) for p in LEVELS.tolist()], dim=-1))
    nll = torch.cat(nll).double()
    if brief:
        return {"nll": float(nll.mean())}
    return {
        "nll": float(nll.mean()),
        "nll_redshift": float(nll[:, REDSHIFT].mean()),
        "nll_chain": float(torch.cat(chain).double().mean()),
        "nll_mixed": mixed(model, held, observe),
        **calibration(torch.cat(pit), torch.cat(quantiles), truth),
        "sigma_nmad": scatter(torch.cat(medians), held.properties[:, REDSHIFT]),
        "answers_per_second": len(held) / seconds,
    }


def calibration(pit: Tensor, quantiles: Tensor, truth: Tensor) -> dict[str, float]:
    """Means over the properties; the quantiles are of the first galaxies only."""
    q, t, u = (x.double().numpy() for x in (quantiles, truth[: len(quantiles)], pit))
    crps = [crps_from_quantiles(q[:, i], LEVELS, t[:, i]).mean() for i in range(t.shape[1])]
    return {"crps": float(np.mean(crps)), "pit_deviation": float(np.mean([pit_deviation(column) for column in u.T]))}


def scatter(medians: Tensor, redshift: Tensor) -> float:
    """sigma_NMAD of the medians of the redshift, given as coordinates."""
    estimate = np.expm1(
        medians.double().numpy() * float(COORDINATES.scale[REDSHIFT]) + float(COORDINATES.center[REDSHIFT])
    )
    return photoz_statistics(estimate, redshift.double().numpy()).sigma_nmad


def all_bands(rows: GalaxyTable, observe: Callable, seed: int) -> dict[str, Tensor]:
    """The context of some galaxies with every observed band."""
    asking = Conditioner(VARIABLES, replace(ConditioningSettings(), **only("photometry")))
    inputs = inputs_of(rows, observe, asking.draw, torch.Generator().manual_seed(seed))
    return {name: inputs[name] for name in ("input_ids", "values", "errors", "attention_mask")}


def mixed(model: GalaxyModel, held: GalaxyTable, observe: Callable) -> float:
    """Mean loss over the scenarios, with their default frequencies, of questions about true values."""
    default, total, weight = ConditioningSettings(measured=0.0), 0.0, 0.0
    for scenario in SCENARIOS:
        asking = Conditioner(VARIABLES, replace(default, **only(scenario)))
        losses = []
        for rows in slices(min(SCENARIO_ROWS, len(held))):
            generator = torch.Generator().manual_seed(seed_of(scenario, rows.start))
            with torch.autocast("cpu", torch.bfloat16):
                losses.append(float(model(**inputs_of(held[rows], observe, asking.draw, generator)).loss))
        total += getattr(default, scenario) * math.fsum(losses) / len(losses)
        weight += getattr(default, scenario)
    return total / weight


__all__ = ["layers_of", "measure", "take_over", "train"]
