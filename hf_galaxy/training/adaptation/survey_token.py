"""A new value of the variable ``survey``: the name of somebody's own survey."""

from __future__ import annotations

import copy

import torch

from ...modeling_galaxy import GalaxyModel
from ...tokenization_galaxy import GalaxyTokenizer
from ..building import tokenizer_of


def surveys_of(model: GalaxyModel) -> tuple[str, ...]:
    """The surveys that a model can be told.

    Raises:
        ValueError: the model has no variable ``survey``.
    """
    for variable in model.config.variable_table().values():
        if variable.name == "survey":
            return tuple(variable.categories)
    raise ValueError("--stage adapt: the model has no variable survey, by which it could be told where it is")


def with_survey(model: GalaxyModel, tokenizer: GalaxyTokenizer, name: str) -> tuple[GalaxyModel, GalaxyTokenizer]:
    """A model that knows the survey ``name``, and its tokenizer: the same ones if it does already.

    A new survey starts as the mean of those that the model has been told of. Its old answers do not change, but for the
    probabilities of ``survey`` itself, which now has one more value.

    Raises:
        ValueError: the name is no word, or the densities of the model have no place for another value.
    """
    known = surveys_of(model)
    if name in known:
        return model, tokenizer
    if not name.isidentifier():
        raise ValueError(f"adaptation: survey {name!r} must be one word of letters, digits and _")
    if len(known) >= model.config.num_components:
        raise ValueError(
            f"adaptation: survey {name!r}: the model has place for {len(known)} surveys, and knows as many"
        )
    config = copy.deepcopy(model.config)
    first = 0  # place of the surveys among the embeddings of all categories
    for entry in config.variables:
        if entry["name"] == "survey":
            entry["categories"] = (*known, name)
            break
        first += len(entry.get("categories", ()))
    state = model.state_dict()
    table = state["embeddings.category.weight"]
    mean = table[first : first + len(known)].mean(0, keepdim=True)
    last = first + len(known)
    state["embeddings.category.weight"] = torch.cat([table[:last], mean, table[last:]])
    grown = GalaxyModel._from_config(config, attn_implementation=model.config._attn_implementation)
    grown.load_state_dict(state)
    return grown.to(model.device), tokenizer_of(config)


__all__ = ["surveys_of", "with_survey"]
