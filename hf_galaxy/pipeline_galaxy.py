"""The task "galaxy-inference" of transformers' pipelines: records of galaxies in, posteriors in physical units out."""

from collections.abc import Mapping, Sequence

import torch
from transformers import AutoModel, Pipeline

TASK = "galaxy-inference"
LEVELS = (0.16, 0.5, 0.84)


class GalaxyInferencePipeline(Pipeline):
    """Posteriors of galaxies, one dict a galaxy.

    ```python
    pipe = pipeline("galaxy-inference", model=repo, trust_remote_code=True)
    pipe({"J0660": (52000.0, 900.0), "iSDSS": (61000.0, 700.0)}, ask=["redshift", "survey"])
    # {"redshift": {"unit": "", "quantiles": {0.16: …, 0.5: …, 0.84: …}}, "survey": {"probabilities": {"sdss": …}}}
    ```

    A record is `{name: value or (value, error)}` in the units of the table of variables (fluxes in nJy), as the
    tokenizer takes it; a list of records, a generator or a data set gives a list of answers; `batch_size` as ever.

    Call arguments:
        ask (`Sequence`): Names, or (name, error) for the value as measured with that error. Default: all properties.
        quantiles (`Sequence[float]`): Levels between 0 and 1; default 0.16, 0.5, 0.84.
        num_samples (`int`): Joint draws besides, under the key `"samples"` of every answer; default none.
        seed (`int`): Of the draws; default 0, so that the same call gives the same draws.
    """

    _load_tokenizer = True
    _load_processor = False
    _load_feature_extractor = False
    _load_image_processor = False

    def __call__(self, inputs, **kwargs):
        """Answers about one record (a dict) or several (a list of dicts)."""
        if not isinstance(inputs, Mapping) and isinstance(inputs, (str, bytes, float, int)):
            raise ValueError(f"a record of a galaxy is {{name: value or (value, error)}}, not {inputs!r}")
        return super().__call__(inputs, **kwargs)

    def _sanitize_parameters(self, ask=None, quantiles=None, num_samples=None, seed=None, **unknown):
        if unknown:
            raise ValueError(f"unknown argument {next(iter(unknown))!r}; known are ask, quantiles, num_samples, seed")
        if isinstance(ask, str):
            raise ValueError(f"ask={ask!r}: give a list of names, such as [{ask!r}]")
        levels = None if quantiles is None else [float(level) for level in quantiles]
        if levels is not None and not all(0 < level < 1 for level in levels):
            raise ValueError(f"quantiles {levels} must lie between 0 and 1")
        before = {} if ask is None else {"ask": list(ask)}
        forward = {"num_samples": num_samples, "seed": seed}
        after = {"quantiles": levels, "num_samples": num_samples}
        return before, *({k: v for k, v in given.items() if v is not None} for given in (forward, after))

    def preprocess(self, record: Mapping, ask: Sequence | None = None) -> dict:
        """One record to tokens and questions."""
        if ask is None:
            ask = [v.name for v in self.tokenizer.variables if v.kind == "property"]
        return dict(self.tokenizer([record], query=ask, return_tensors="pt"))

    def _forward(self, inputs: dict, num_samples: int = 0, seed: int = 0) -> dict:
        outputs = self.model(**inputs)
        answer = {"logits": outputs.logits, "reference": outputs.reference}
        answer |= {"query_ids": outputs.query_ids, "query_errors": outputs.query_errors}
        if num_samples:
            generator = torch.Generator().manual_seed(seed)
            answer["samples"] = self.model.sample(**inputs, num_samples=num_samples, generator=generator)
        return answer

    def postprocess(self, answer: dict, quantiles: Sequence[float] = LEVELS, num_samples: int = 0) -> dict:
        """Densities of one record to a dict by name of what was asked."""
        outputs = _Attributes(answer)
        table = self.tokenizer.decode_quantiles(outputs, quantiles)[0].tolist()
        variables = [self.tokenizer.variable(name) for name in self._names(answer)]
        draws = self._draws(answer, variables) if num_samples else None
        answers = {}
        for i, variable in enumerate(variables):
            if variable.categories:
                chance = self.model.category_log_prob(answer["logits"], answer["query_ids"])[0, i].exp().tolist()
                answers[variable.name] = {"probabilities": dict(zip(variable.categories, chance, strict=False))}
            else:
                answers[variable.name] = {
                    "unit": variable.unit,
                    "quantiles": dict(zip(quantiles, table[i], strict=True)),
                }
            if draws is not None:
                answers[variable.name]["samples"] = draws[i]
        return answers

    def _names(self, answer: dict) -> list[str]:
        return self.tokenizer.convert_ids_to_tokens(answer["query_ids"][0].tolist())

    def _draws(self, answer: dict, variables: Sequence) -> list[list]:
        """Joint draws of every variable in physical units; of a category its names."""
        t = answer["samples"].double()
        ids = answer["query_ids"][:, None, :].expand_as(t)
        columns = self.tokenizer.coordinates(ids).inverse(t)[0].T.tolist()
        return [
            [v.categories[round(x)] for x in column] if v.categories else column
            for v, column in zip(variables, columns, strict=True)
        ]


class _Attributes(dict):
    """A dict whose entries are read as attributes, as those of a model's output are."""

    __getattr__ = dict.__getitem__


# Where this class was loaded from a saved folder nobody registers it, and it would be saved without its code.
GalaxyInferencePipeline._registered_impl = {
    TASK: {"impl": GalaxyInferencePipeline, "pt": (AutoModel,), "type": "multimodal"}
}

__all__ = ["TASK", "GalaxyInferencePipeline"]
