"""What a run starts from must fit: the model to its settings and to the data, the data to their units."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hf_galaxy.training import checkpoint
from hf_galaxy.training.plausibility import refuse_other_units
from hf_galaxy.training.warm_start import unlike
from hf_galaxy.variables_galaxy import PROPERTIES, default_variables
from tests.random_tables import random_table, write_table

from .conftest import MODEL


@pytest.fixture(scope="module")
def trained(tmp_path_factory, folder_of_galaxies) -> Path:
    """The model folder of a run of one step."""
    from hf_galaxy.training.building import build
    from hf_galaxy.training.settings import TrainSettings

    out = tmp_path_factory.mktemp("trained") / "out"
    plan = {"steps": 1, "batch_size": 8, "valid_rows": 10, "tracker": "none", "mixed_precision": "no", "num_threads": 1}
    build(TrainSettings(data=str(folder_of_galaxies), out=str(out), model=MODEL, **plan)).run()
    shutil.rmtree(out / "state")
    return out


def changed_config(folder: Path, **changes) -> None:
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))


def other_type(folder: Path) -> None:
    changed_config(folder, model_type="bert")


def no_type(folder: Path) -> None:
    changed_config(folder, model_type=...)


def without_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["head.bias"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def with_a_weight_too_many(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors") | {"old.weight": torch.zeros(2)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def of_another_width(folder: Path) -> None:
    changed_config(folder, intermediate_size=48)


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])


def with_other_units(folder: Path) -> None:
    variables = json.loads((folder / "variables.json").read_text())
    variables[10]["unit"] = "mJy"
    (folder / "variables.json").write_text(json.dumps(variables))
    changed_config(folder, variables=variables)


def with_other_names(folder: Path) -> None:
    variables = json.loads((folder / "variables.json").read_text())
    variables[10], variables[11] = variables[11], variables[10]
    (folder / "variables.json").write_text(json.dumps(variables))
    changed_config(folder, variables=variables)


def with_a_tokenizer_of_another_model(folder: Path) -> None:
    variables = json.loads((folder / "variables.json").read_text())
    (folder / "variables.json").write_text(json.dumps(variables[:10] + variables[11:]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (other_type, "a model of type 'bert'; one of type 'hf_galaxy' is wanted"),
        (no_type, "a model of type None"),
        (without_a_weight, "lacks the weights head.bias; it is of another version, or damaged"),
        (with_a_weight_too_many, "holds weights that this version does not know, old.weight"),
        (of_another_width, "holds weights of another shape, .* and .* more"),
        (cut, "--init-from .*: Error while deserializing header"),
        (with_other_units, "has the unit 'mJy' instead of 'nJy' in the model, but not in the data"),
        (with_other_names, "variable 10 is .* instead of .* in the model, but not in the data"),
        (with_a_tokenizer_of_another_model, "variable 10 is .* in its tokenizer, but not in its model"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_by_name(make, trained, tmp_path, damage, message):
    folder = tmp_path / "model"
    shutil.copytree(trained, folder)
    damage(folder)
    with pytest.raises(ValueError, match=message) as caught:
        make(init_from=str(folder), model={})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"hiden_size": 8}}, "model: unknown setting 'hiden_size'; did you mean 'hidden_size'"),
        ({"model": {"hidden_size": 8}}, "its hidden_size is 16, and model: hidden_size asks for 8; leave that out"),
        ({"model": {"num_hidden_layers": 0}}, "its num_hidden_layers is 1, and model: num_hidden_layers asks for 0"),
        ({"init_from": "nowhere/at/all"}, "--init-from nowhere/at/all: "),
    ],
)
def test_settings_that_do_not_fit_the_model_are_refused(make, trained, change, message):
    with pytest.raises(ValueError, match=message):
        make(**{"init_from": str(trained), "model": {}} | change)


def test_the_shipped_model_wants_the_rates_of_its_own_size(make):
    shipped = str(Path(__file__).parents[2] / "hf_galaxy" / "checkpoint")
    with pytest.raises(ValueError, match="128 wide, which is size tiny; the rates of size base do not fit"):
        make(init_from=shipped, model={}, size="base")


def test_a_warm_start_begins_with_the_weights_and_may_change_what_is_no_weight(make, trained):
    loop = make(init_from=str(trained), model={"min_log_scale": -5.0})
    weights = load_file(trained / "model.safetensors")
    assert all(torch.equal(p, weights[name]) for name, p in loop.raw.named_parameters())
    assert loop.raw.config.min_log_scale == -5.0
    loop.run()


def test_a_warm_start_may_grow_deeper_and_what_it_saves_is_as_deep(make, trained):
    layers = json.loads((trained / "config.json").read_text())["num_hidden_layers"]
    loop = make(init_from=str(trained), model={"num_hidden_layers": layers + 1}, steps=1)
    weights = load_file(trained / "model.safetensors")
    named = dict(loop.raw.named_parameters())
    assert torch.equal(named["head.weight"], weights["head.weight"])
    # The layer that was added follows the last one and adds nothing yet.
    assert not named[f"layers.{layers}.mlp.down.weight"].any()
    loop.run()
    saved = json.loads((Path(loop.settings.out) / "config.json").read_text())
    assert saved["num_hidden_layers"] == layers + 1 and "galaxy-inference" in saved["custom_pipelines"]


def test_a_state_of_another_model_is_refused_by_name(make, mapping):
    make(steps=1).run()
    state = checkpoint.latest(mapping["out"])
    counters = json.loads((state / "state.json").read_text())
    counters["settings"]["model"]["intermediate_size"] = 48  # as if the version had given the name another meaning
    (state / "state.json").write_text(json.dumps(counters))
    with pytest.raises(ValueError, match=r"of another model: layers.0.mlp.* is \(.*\) in it and \(.*\) in the model"):
        make(resume=True, model={**MODEL, "intermediate_size": 48})


def in_jansky(table):
    table.flux.mul_(1e-9)


def in_magnitudes_below_zero(table):
    table.flux.copy_(-table.flux)


def masses_not_logarithms(table):
    column = PROPERTIES.index("log_mstar")
    table.properties[:, column] = 10 ** table.properties[:, column]


def percent_of_the_speed_of_light(table):
    table.properties[:, 0] *= 299792.458


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (in_jansky, "column flux: the brightest band of the median galaxy is .*e-0.; AB flux densities in nJy"),
        (in_magnitudes_below_zero, "column flux"),
        (masses_not_logarithms, "column properties, log_mstar: the median is"),
        (percent_of_the_speed_of_light, "column properties, redshift: the median is"),
    ],
)
def test_other_units_are_refused(make, tmp_path, change, message):
    table = random_table(100)
    refuse_other_units(table, "as it should be")
    change(table)
    folder = write_table(table, tmp_path / "odd")
    with pytest.raises(ValueError, match=f"odd: {message}"):
        make(data=str(folder))


def test_unknown_and_missing_values_are_no_reason_to_refuse():
    table = random_table(10)
    table.flux[3] = torch.nan
    table.properties[:, 4] = torch.nan
    refuse_other_units(table, "gaps")


def test_what_is_added_at_the_end_is_no_difference():
    variables = default_variables()
    assert unlike(variables, variables) == unlike((*variables, variables[-1]), variables) == ""
    assert "nothing instead of survey" in unlike(variables[:-1], variables)
