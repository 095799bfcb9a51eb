"""Every design that is compared is a model: it builds, learns, and its densities are densities."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from benchmarks import architecture
from benchmarks.harness import RESULTS
from benchmarks.variants import reporting, trial
from benchmarks.variants.bins import BinModel
from benchmarks.variants.flow import BOUND, PIECES, FlowModel, Spline
from benchmarks.variants.registry import BASELINE, NEW_HEADS, VARIANTS, Variant
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.modeling_galaxy import GalaxyModel
from hf_galaxy.physics.noise import NoiseModel, NoiseSettings
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES
from tests.tiny_model import some_inputs

ALL = {variant.name: variant for variant in (*VARIANTS, *NEW_HEADS)}
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "value_hidden_size": 8}
DESIGNS = [v.name for v in VARIANTS if v.model is not GalaxyModel or v.config] + [BASELINE]


@pytest.fixture(autouse=True)
def few_cells(monkeypatch):
    """A histogram of fewer cells, for speed."""
    monkeypatch.setattr(BinModel, "cells", 64)


def build(name: str) -> GalaxyModel:
    """A variant with small layers and a head so loud that densities differ."""
    model = ALL[name].build(0, **SMALL)
    torch.nn.init.normal_(model.head.weight, std=0.5 * model.head.in_features**-0.5)
    return model


def inputs(name: str, **changes) -> dict[str, torch.Tensor]:
    given = some_inputs() | changes
    return given | {"query_errors": 0 * given["query_errors"]} if issubclass(ALL[name].model, FlowModel) else given


@pytest.mark.parametrize("name", DESIGNS)
def test_a_design_learns_with_every_parameter(name):
    model = build(name)
    loss = model(**inputs(name)).loss
    loss.backward()
    assert torch.isfinite(loss)
    still = [
        n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all() or not p.grad.any()
    ]
    assert not still


def asked_errors(name: str) -> list[float]:
    """A flow refuses any error but none."""
    return [0.0] if issubclass(ALL[name].model, FlowModel) else [0.0, 0.4]


@pytest.mark.parametrize(("name", "error"), [(name, error) for name in DESIGNS for error in asked_errors(name)])
def test_a_density_is_normalised_and_agrees_with_its_integral(name, error):
    model = build(name).eval()
    given = inputs(name)
    ids, reference = given["query_ids"][1, [0, 2, 3]], torch.tensor([0.3])
    grid = torch.linspace(-12, 12, 2_401)
    with torch.no_grad():
        context = model.encode(*(given[k] for k in ("input_ids", "values", "errors", "attention_mask")))
        logits = model.answer(context, given["query_ids"])[1, [0, 2, 3]]
        t = grid[:, None].expand(-1, 3)
        density = model.density(logits.expand(len(grid), -1, -1), ids.expand(len(grid), -1), error + 0 * t, reference)
        height, below = density.log_prob(t).exp(), density.cdf(t)
    total = torch.trapezoid(height, grid, dim=0)
    # a cell of a histogram is 0.1 wide with edges blurred over 0.01, the grid 0.01
    torch.testing.assert_close(total, torch.ones(3), atol=2e-2, rtol=0)
    torch.testing.assert_close(torch.cumulative_trapezoid(height, grid, dim=0), below[1:], atol=2e-2, rtol=0)
    if not error:
        median = density.quantile(torch.tensor(0.5))
        # the histogram leaves its blur out of quantiles: a tenth of a cell
        torch.testing.assert_close(density.cdf(median), torch.full_like(median, 0.5), atol=1e-2, rtol=0)


@pytest.mark.parametrize("name", [n for n in DESIGNS if n != BASELINE])
def test_a_question_sees_answers_before_it_and_never_its_own(name):
    model = build(name).eval()
    given = inputs(name)
    with torch.no_grad():
        base = model(**given).logits
        given["labels"] = given["labels"].clone()
        given["labels"][:, 2] += 1.0
        moved = (model(**given).logits - base).abs().amax(dim=(0, 2))
    assert (moved[:3] < 1e-6).all(), "its own answer, or one after it, is seen"
    assert (moved[3:] > 1e-4).all(), "an answer before it is not seen"


def test_one_stack_reads_a_context_alone_as_with_questions():
    """What the context is encoded to does not depend on the questions, so encoding it once is exact."""
    model = build("one stack of 6").eval()
    given = some_inputs()
    with torch.no_grad():
        both = model(**given).logits
        few = {k: given[k][:, :2] for k in ("query_ids", "query_errors", "labels")}
        torch.testing.assert_close(model(**{**given, **few}).logits, both[:, :2])


def test_a_spline_is_undone_by_its_inverse_and_has_the_slope_it_says():
    generator = torch.Generator().manual_seed(0)
    raw = torch.randn(6, 3 * PIECES - 1, generator=generator, dtype=torch.float64)
    spline = Spline.from_logits(*raw.split([PIECES, PIECES, PIECES - 1], dim=-1))
    x = torch.linspace(-1.5 * BOUND, 1.5 * BOUND, 6, dtype=torch.float64).requires_grad_()
    y, log_slope = spline.forward(x)
    torch.testing.assert_close(spline.inverse(y), x)
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0].log(), log_slope)


def test_pairs_of_patches_shorten_the_context():
    lengths = {}
    for name in (BASELINE, "six bands a vector", "one band a vector"):
        ids = torch.arange(2, 2 + 62).expand(2, -1)
        hidden, filled, _ = build(name).embeddings(ids, ids / 60.0, 0.01 * ids, ids > 0)
        assert filled.all() and hidden.shape[1] == filled.shape[1]
        lengths[name] = hidden.shape[1]
    assert lengths == {BASELINE: 27, "six bands a vector": 18, "one band a vector": 63}


def test_what_is_frozen_stays_and_the_rest_learns():
    variant = replace(ALL["new head: bins, 256"], config=SMALL, batch=8)
    start = {k: v for k, v in build(BASELINE).state_dict().items() if not k.startswith("head.")}
    generator = torch.Generator().manual_seed(0)
    galaxies = GalaxyTable(
        torch.exp(9 + torch.randn(32, len(BANDS), generator=generator)),
        torch.rand(32, len(PROPERTIES), generator=generator),
        torch.zeros(32, dtype=torch.long),
    )
    observe = NoiseModel(NoiseSettings.survey(), BANDS).observe
    model, average, seconds = trial.train(variant, galaxies, observe, 16, 0, start)
    changed = {k for k, v in model.state_dict().items() if k in start and not torch.equal(v, start[k])}
    assert changed and all(name.startswith(("question_layers.", "head_norm.")) for name in changed)
    with average:
        figures = trial.measure(model, galaxies, observe)
    assert all(math.isfinite(x) for x in (*figures.values(), seconds))


def test_a_warm_start_takes_all_weights_but_the_dropped_ones():
    start = {k: v + 1 for k, v in build(BASELINE).state_dict().items()}
    model = build(BASELINE)
    before = model.head.weight.clone()
    trial.take_over(model, start, ("head.",))
    torch.testing.assert_close(model.head.weight, before)
    torch.testing.assert_close(model.embeddings.variable.weight, start["embeddings.variable.weight"])
    deeper = Variant("deeper", "").build(0, **SMALL | {"num_hidden_layers": 5})
    with pytest.raises(ValueError, match=r"weight layers.4.* has no place in the variant"):
        trial.take_over(model, deeper.state_dict(), ())
    assert trial.layers_of(deeper.state_dict()) == 5
    with pytest.raises(ValueError, match="has no equal in the checkpoint"):
        trial.take_over(Variant("wider", "", config={}).build(0, **SMALL | {"hidden_size": 32}), start, ())


def test_the_wavelength_begins_as_small_as_what_is_learned_and_was_seven_times_larger():
    was, now = (Variant("", "", small_wavelength=small).build(0).state_dict() for small in (False, True))
    name = "embeddings.wavelength.weight"
    torch.testing.assert_close(was.pop(name), 7 * now[name])
    identity = Variant("", "", small_wavelength=True).build(0).embeddings
    said, learned = identity.wavelength(identity.facts.wavelength)[2:64], identity.variable.weight[2:64]
    assert said.std().item() == pytest.approx(learned.std().item(), rel=0.2)
    for other, weight in was.items():
        torch.testing.assert_close(weight, now[other], rtol=0, atol=0)


def test_the_report_compares_with_what_is_there():
    known = architecture.known_runs(RESULTS / "architecture.json")
    assert {run["against"] for run in known} <= {run["name"] for run in known}
    assert {run["name"] for run in known} <= {variant.name for variant in (*VARIANTS, *NEW_HEADS)}


def runs(**changes) -> list[dict]:
    """Runs of two designs whose figures are round."""
    base = dict.fromkeys((*reporting.FIGURES, "answers_per_second", "parameters"), 1.0)
    base |= {"name": BASELINE, "against": BASELINE, "group": "baseline", "warm": False, "train_seconds": 10.0}
    own = {"name": "other", "group": "density", "nll": 0.7, "train_seconds": 20.0}
    made = [
        base | {"seed": 0, "galaxies": 1000},
        base | {"seed": 1, "galaxies": 1000, "nll": 1.2},
        base | {"seed": 0, "galaxies": 2000, "nll": 0.6},
        base | own | {"seed": 0, "galaxies": 1000},
    ]
    return [run | changes for run in made]


def test_a_difference_is_between_equal_seeds_and_pays_for_its_seconds():
    """Twice the galaxies gain 0.4; twice the seconds a galaxy cost that again."""
    row = next(row for row in reporting.summary(runs()) if row["name"] == "other")
    assert row["delta_nll"] == pytest.approx(-0.3)
    assert row["cost"] == pytest.approx(2.0)
    assert row["at_cost_nll"] == pytest.approx(-0.3 + 0.4)
    assert "between 2 seeds: NLL 0.1414" in reporting.table(runs())


def test_differences_over_several_seeds_have_a_standard_error():
    """Differences of -0.3 and -0.5, with one seed and with both."""
    second = runs()[-1] | {"seed": 1, "nll": 0.7}
    one, two = (reporting.summary(several)[1] for several in (runs(), [*runs(), second]))
    assert one["error_nll"] is None and "−0.300 |" in reporting.table(runs())
    assert two["delta_nll"] == pytest.approx(-0.4)
    assert two["error_nll"] == pytest.approx(0.1)
    assert "−0.400 ± 0.100" in reporting.table([*runs(), second])


def test_a_command_given_again_goes_on(tmp_path):
    out = tmp_path / "architecture.json"
    sections = {"model": {"a": 1}, "data": {"a": 1}, "machine": {"a": 1}}
    out.write_text(json.dumps({"format": 1, **sections, "metrics": {"runs": runs()}}))
    given = architecture.arguments().parse_args(["--out", str(out), "--galaxies", "1000"])
    left = [(variant.name, seed) for variant, seed in architecture.wanted(given)]
    assert (BASELINE, 0) not in left and (BASELINE, 1) not in left and (BASELINE, 2) in left
    assert len(left) == sum(v.seeds for v in VARIANTS) - 2
    with pytest.raises(ValueError, match="no variant 'bin'"):
        next(architecture.wanted(architecture.arguments().parse_args(["--out", str(out), "--only", "bin"])))
