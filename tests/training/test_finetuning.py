"""Runs of ``--stage finetune``: what is learnt, what stays, what is refused, and what a stranger can load."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from astropy import units as u
from astropy.table import Table

import train
from hf_galaxy import GalaxyModel, GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.data.conditioning import Conditioner
from hf_galaxy.new_variables_galaxy import extended
from hf_galaxy.training.finetuning.settings import FinetuningSettings
from hf_galaxy.training.settings import TrainSettings
from hf_galaxy.training.stages import build_stage
from hf_galaxy.variables_galaxy import BANDS, default_variables
from tests.hub.test_remote_code import run_elsewhere
from tests.random_tables import observed_table, random_table, write_table
from tests.tiny_model import some_inputs, tiny_model

W1 = {"name": "W1", "kind": "flux", "pivot": 33526.0, "width": 6626.0}
N = 120
HOLE = 84 + 1  # token id


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A model to start from, with a record of its training."""
    folder = tmp_path_factory.mktemp("start")
    model = tiny_model()
    model.config.training = {"galaxies_seen": 7, "ranges": {"redshift": [0.0, 9.0], "FUV": [0.0, 1.0]}}
    model.config.simulation = {"settings": {"i_max": 22.0}}
    model.save_pretrained(folder)
    GalaxyTokenizer().save_pretrained(folder)
    return folder


def catalogue(n: int = N) -> Table:
    """Photometry, redshifts, W1 = twice the i band, and a mass of a black hole that is a function of brightness."""
    galaxies, made = random_table(n), Table()
    for i, band in enumerate(BANDS):
        made[band] = galaxies.flux[:, i].double().numpy() * u.nJy
        made[f"{band}_err"] = 0.05 * made[band]
    made["W1"], made["W1_err"] = 2 * made["iSDSS"], 0.1 * made["iSDSS"]
    made["redshift"] = galaxies.properties[:, 0].double().numpy()
    made["log_mbh"] = np.log10(made["iSDSS"].value) + 3.0
    made["log_mbh_err"] = np.full(n, 0.1)
    return made


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("catalogue") / "table.fits"
    catalogue().write(file)
    return file


@pytest.fixture
def given(start, table, tmp_path) -> dict:
    return {
        "stage": "finetune",
        "init_from": str(start),
        "data": str(table),
        "out": str(tmp_path / "out"),
        "steps": 3,
        "batch_size": 8,
        "lr": 1e-3,
        "valid_every": 2,
        "log_every": 1,
        "tracker": "none",
        "mixed_precision": "no",
        "num_threads": 1,
        "finetuning": {"variables": [W1, "log_mbh"], "weights": "new"},
    }


def changed(given: dict, **finetuning) -> dict:
    return given | {"finetuning": given["finetuning"] | finetuning}


def run(given: dict) -> Path:
    build_stage(TrainSettings.from_mapping(given)).run()
    return Path(given["out"])


def test_new_weights_alone_leave_every_old_answer_bit_for_bit(given, start):
    out = run(given)
    before, after = (GalaxyModel.from_pretrained(folder) for folder in (start, out))
    with torch.no_grad():
        old, new = before(**some_inputs()), after(**some_inputs())
    assert torch.equal(old.logits, new.logits)
    grown = GalaxyModel.from_pretrained(start)
    grown.add_variables(GalaxyTokenizer.from_pretrained(out).variables[-2:])
    moved = (after.embeddings.variable.weight - grown.embeddings.variable.weight).abs().amax(-1)
    assert (moved[:84] == 0).all() and (moved[84:] > 1e-3).all()


@pytest.mark.parametrize("weights", ["all", "lora"])
def test_other_weights_move_and_are_saved_plain(given, start, weights, tmp_path):
    replay = str(write_table(random_table(50, seed=5), tmp_path / "replay"))
    out = run(changed(given, weights=weights, replay=0.5, replay_data=replay))
    before, loading = GalaxyModel.from_pretrained(out, output_loading_info=True)
    assert not any(loading[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    weight = GalaxyModel.from_pretrained(start).layers[0].mlp.up.weight
    assert not torch.equal(before.layers[0].mlp.up.weight, weight)
    assert "/" not in json.loads((out / "config.json").read_text())["training"]["settings"]["finetuning"]["replay_data"]


def test_what_the_model_says_of_itself(given, start):
    config = GalaxyModel.config_class.from_pretrained(run(given))
    training = config.training
    assert config.simulation == {"settings": {"i_max": 22.0}} and training["before"] == {"galaxies_seen": 7}
    assert training["finetuned"] == {"variables": ["W1", "log_mbh"], "galaxies": N - N // 10}
    assert training["ranges"]["redshift"][1] == 9.0 and training["ranges"]["FUV"][1] > 1.0
    assert 5.0 < training["ranges"]["log_mbh"][0] < training["ranges"]["log_mbh"][1]
    hole = config.variables[-1]
    # Standardised by the data.
    values = np.asarray(catalogue()["log_mbh"])
    assert hole["center"] == pytest.approx(values.mean(), abs=0.2) and hole["scale"] == pytest.approx(
        values.std(), rel=0.3
    )


def test_posterior_and_command_line_know_the_new_variables(given, table, tmp_path, capsys):
    from hf_galaxy.cli import main

    out = str(run(given))
    posterior = GalaxyPosterior.from_pretrained(out).condition(catalogue(3))
    assert (posterior.n_evidence == 63).all()
    assert posterior.quantiles("log_mbh", [0.5]).shape == (3, 1)
    assert posterior.condition(log_mbh=(7.0, 0.1)).predict_photometry(["W1"]).colnames[0] == "W1_p16"
    answers = tmp_path / "answers.ecsv"
    assert main(["predict", str(table), "--model", out, "--ask", "log_mbh,W1,redshift", "-o", str(answers)]) == 0
    found = Table.read(answers)
    assert len(found) == N and {"log_mbh_p50", "W1_p16", "redshift_p84"} <= set(found.colnames)
    assert main(["info", "--model", out]) == 0
    told = dict(
        line.split(maxsplit=2)[0:3:2] for line in capsys.readouterr().out.splitlines() if line[:4] in ("lear", "gala")
    )
    assert told == {"learnt": "W1 log_mbh", "galaxies": "24, before 7"}


def test_the_likelihood_of_old_bands_stays(given, start):
    bands = catalogue(4)[[c for b in BANDS[::7] for c in (b, f"{b}_err")]]
    likelihoods = [
        GalaxyPosterior.from_pretrained(str(f)).condition(bands).log_prob_photometry() for f in (start, run(given))
    ]
    np.testing.assert_array_equal(*likelihoods)


@pytest.mark.timeout(600)
def test_a_stranger_loads_it(given, tmp_path):
    """AutoModel and AutoTokenizer in a process that has no hf_galaxy."""
    out = run(given)
    records = [{"W1": (5200.0, 140.0), "log_mbh": (7.0, 0.3)}, {"J0660": (10.0, 1.0)}]
    answers = run_elsewhere(out, tmp_path / "elsewhere", records, ["log_mbh", "W1", "redshift"])
    tokenizer, model = GalaxyTokenizer.from_pretrained(out), GalaxyModel.from_pretrained(out).eval()
    with torch.no_grad():
        outputs = model(**tokenizer(records, query=["log_mbh", "W1", "redshift"], return_tensors="pt"))
    assert torch.equal(answers["logits"], outputs.logits)
    torch.testing.assert_close(answers["quantiles"], tokenizer.decode_quantiles(outputs, [0.16, 0.5, 0.84]))


def test_what_was_learnt_can_be_learnt_further(given, tmp_path):
    first = run(given)
    again = changed(given, variables=["log_mbh"]) | {"init_from": str(first), "out": str(tmp_path / "again")}
    config = GalaxyModel.config_class.from_pretrained(run(again))
    assert config.variables == GalaxyModel.config_class.from_pretrained(first).variables
    assert config.training["before"]["finetuned"]["variables"] == ["W1", "log_mbh"]


def test_a_run_that_was_cut_goes_on_with_the_same_weights(given, tmp_path):
    whole = run(given)
    halves = given | {"out": str(tmp_path / "halves")}
    run(halves | {"steps": 2, "decay_fraction": 0.25})
    state = GalaxyModel.from_pretrained(run(halves | {"resume": True}))
    other = GalaxyModel.from_pretrained(whole)
    # Not bit for bit: the first half had begun to decay.
    torch.testing.assert_close(
        state.embeddings.variable.weight[:HOLE], other.embeddings.variable.weight[:HOLE], rtol=0, atol=0.05
    )


@pytest.mark.parametrize(
    "changes, section, message",
    [
        ({}, {"variables": []}, "finetuning: variables is empty"),
        ({}, {"variables": [3]}, "variables: 3 is neither a name nor the fields"),
        ({}, {"variables": ["redshift"]}, "variable 'redshift': exists already, and every model learns it"),
        ({}, {"variables": [{"name": "log_mbh", "unit": "parsnip"}]}, "'parsnip' is no unit"),
        ({}, {"variables": ["log_mbx"]}, "there is no column log_mbx, the new variable; the nearest column is log_mbh"),
        ({}, {"variables": [{"name": "log_mbh", "unit": "kpc"}]}, None),
        ({}, {"weights": "some"}, "weights 'some' is not one of all, new, lora"),
        ({}, {"replay": 1.0}, "replay 1.0 must lie between 0 and 1"),
        ({}, {"new_rate": -1.0}, "new_rate -1.0 must be above zero"),
        ({}, {"held_out": 0.0}, "held_out 0 leaves no galaxy"),
        ({}, {"replya": 0.5}, "unknown setting 'replya'; did you mean 'replay'"),
        ({"data": None, "online": True}, {}, "learns from one catalogue or folder"),
        ({"data": "nowhere.fits"}, {}, "nowhere.fits: no such file or folder"),
        ({"init_from": None}, {}, "--stage finetune starts from a model"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, changes, section, message):
    wrong = changed(given, **section) | changes
    if message is None:  # a column without a unit is taken in that of the variable
        run(wrong)
        return
    with pytest.raises(ValueError, match=message) as error:
        build_stage(TrainSettings.from_mapping(wrong))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda t: t[:40], "log_mbh is known in 40 rows; at least 50 are needed|W1 is known in 40 rows"),
        (lambda t: t.replace_column("log_mbh", np.full(N, 7.0)) or t, "column log_mbh: every value is 7"),
        (lambda t: t.replace_column("W1", t["W1"].value * u.m) or t, "column W1: unit 'm'"),
    ],
)
def test_data_that_teach_nothing_are_refused_by_the_command(given, change, message, tmp_path, capsys):
    change(catalogue()).write(tmp_path / "bad.fits")
    (tmp_path / "config.json").write_text(json.dumps(given | {"data": str(tmp_path / "bad.fits")}))
    assert train.main(["--config", str(tmp_path / "config.json")]) == 2
    told = capsys.readouterr().err
    import re

    assert re.search(message, told) and "bad.fits" in told


# ---- what is shown and asked of new variables


def test_new_variables_are_asked_and_half_hidden():
    variables = extended(default_variables(), [W1, {"name": "log_mbh", "center": 7.0}])
    conditioner = Conditioner(variables, learnt=("W1", "log_mbh"))
    seen = observed_table(400, noisy=True).with_extra(2)
    extra, error = torch.full((400, 2), 7.0), torch.full((400, 2), 0.5)
    extra[:40], error[:40] = torch.nan, torch.nan
    from hf_galaxy.physics.noise import Observation

    observation = Observation(seen.flux, seen.flux_error, torch.isfinite(seen.flux))
    shown = asked = 0
    for seed in range(30):
        inputs = conditioner.draw(
            seen.flux, observation, seen.properties, seen.survey, torch.Generator().manual_seed(seed),
            flux_error=seen.flux_error, property_error=seen.property_error, extra=extra, extra_error=error,
        )  # fmt: skip
        labelled = torch.isfinite(inputs["labels"])
        for k, token in enumerate((84, 85)):
            in_context = ((inputs["input_ids"] == token) & (inputs["attention_mask"] == 1)).any(1)
            question = labelled & (inputs["query_ids"] == token)
            assert not in_context[:40].any() and not question[:40].any()
            assert not (in_context & question.any(1)).any()  # what was measured is shown or asked
            v = variables[token - 2]
            label = inputs["labels"][question]
            torch.testing.assert_close(label, torch.full_like(label, v.forward(7.0)))
            expected = torch.full_like(label, 0.5 / (v.softening * v.scale))
            torch.testing.assert_close(inputs["query_errors"][question], expected)
            # Every known value that is not shown is asked.
            assert (question.any(1) | in_context)[40:].all()
            if k == 0:
                shown, asked = shown + in_context.sum(), asked + question.sum()
    # In the scenarios that show bands half of the galaxies are shown W1.
    assert 0.15 < shown / (shown + asked) < 0.5


def test_galaxies_without_further_values_are_still_drawn():
    variables = extended(default_variables(), [{"name": "log_mbh", "center": 7.0}])
    table = random_table(6)
    from hf_galaxy.physics.noise import Observation

    observation = Observation(table.flux, 0.1 * table.flux, torch.ones_like(table.flux, dtype=torch.bool))
    inputs = Conditioner(variables).draw(
        table.flux, observation, table.properties, table.survey, torch.Generator().manual_seed(0)
    )
    assert not torch.isfinite(inputs["labels"][inputs["query_ids"] == 84]).any()
    assert not ((inputs["input_ids"] == 84) & (inputs["attention_mask"] == 1)).any()


def test_replay_by_default():
    section = {"variables": ({"name": "x"},)}
    assert FinetuningSettings(**section).replay == 0.5
    assert FinetuningSettings(**section, weights="new").replay == 0.0
