"""The configuration: presets, strictness, and what cannot be."""

from __future__ import annotations

import json

import pytest

from hf_galaxy import GalaxyConfig, GalaxyModel
from hf_galaxy.variables_galaxy import Variable, default_variables


@pytest.mark.parametrize("size, millions", [("tiny", 1.2), ("small", 6)])
def test_presets_have_the_sizes_of_their_names(size, millions):
    import torch

    with torch.device("meta"):
        model = GalaxyModel(GalaxyConfig.preset(size))
    count = sum(p.numel() for p in model.parameters()) / 1e6
    assert 0.7 * millions < count < 1.3 * millions


def test_unknown_preset():
    with pytest.raises(ValueError, match="size 'huge' is not one of tiny, small, base"):
        GalaxyConfig.preset("huge")


def test_the_default_table_of_variables():
    config = GalaxyConfig()
    assert tuple(config.variable_table().values()) == default_variables()
    assert config.vocab_size == len(default_variables()) + 2 and min(config.variable_table()) == 2


def test_survives_json(tmp_path):
    config = GalaxyConfig(num_components=9, variables=[Variable("x", lower=0.0).to_dict()], training={"ranges": {}})
    config.save_pretrained(tmp_path)
    assert GalaxyConfig.from_pretrained(tmp_path).to_diff_dict() == config.to_diff_dict()
    assert json.loads((tmp_path / "config.json").read_text())["variables"] == [{"name": "x", "lower": 0.0}]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"hidden_size": 30}, "hidden_size=30 is not a multiple"),
        ({"num_components": 4}, "num_components=4 is too few for survey, which has 7"),
        ({"hidden_size": "wide"}, "hidden_size"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(Exception, match=message):
        GalaxyConfig(**wrong)
