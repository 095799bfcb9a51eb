"""Tokenizer of galaxies: records in physical units to tokens, densities back to physical units."""

import json
import math
import os
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import BatchEncoding, PreTrainedTokenizer

from .configuration_galaxy import SPECIAL_TOKENS
from .coordinates_galaxy import Coordinates
from .densities_galaxy import mixture_from_logits
from .new_variables_galaxy import extended, propose_variable
from .variables_galaxy import Variable, default_variables


class GalaxyTokenizer(PreTrainedTokenizer):
    """Names, values and errors to token ids, coordinates and token errors.

    ```python
    tokenizer([{"J0660": (5200.0, 140.0), "redshift": 0.31}], query=["log_mstar"], return_tensors="pt")
    ```

    A record is a dict of a value, or of (value, error), in the units of the table of variables (fluxes in nJy). NaN
    and `None` are not observed. Text is split at white space into names of variables, as any tokenizer does.

    Args:
        vocab_file (`str`, *optional*): `variables.json`, the table of variables; default: J-PAS + GALEX.
    """

    vocab_files_names = {"vocab_file": "variables.json"}  # noqa: RUF012 (the library's interface)
    model_input_names = ["input_ids", "values", "errors", "attention_mask"]  # noqa: RUF012
    padding_side = "right"

    def __init__(self, vocab_file=None, pad_token="<pad>", unk_token="<unk>", **kwargs):
        if vocab_file is None:
            self.variables = default_variables()
        else:
            with open(vocab_file, encoding="utf-8") as handle:
                self.variables = tuple(Variable(**entry) for entry in json.load(handle))
        self._number_names()
        super().__init__(pad_token=pad_token, unk_token=unk_token, **kwargs)

    def _number_names(self) -> None:
        names = [*SPECIAL_TOKENS, *(v.name for v in self.variables)]
        self._ids = {name: i for i, name in enumerate(names)}
        self._names = dict(enumerate(names))

    # ---- the vocabulary

    @property
    def vocab_size(self) -> int:
        return len(self._ids)

    def get_vocab(self) -> dict[str, int]:
        return {**self._ids, **self.added_tokens_encoder}

    def _tokenize(self, text, **kwargs):
        return text.split()

    def _convert_token_to_id(self, token):
        return self._ids.get(token, self._ids[SPECIAL_TOKENS[1]])

    def _convert_id_to_token(self, index):
        return self._names.get(index, SPECIAL_TOKENS[1])

    def convert_tokens_to_string(self, tokens):
        return " ".join(tokens)

    def save_vocabulary(self, save_directory, filename_prefix=None):
        path = os.path.join(save_directory, (filename_prefix + "-" if filename_prefix else "") + "variables.json")
        with open(path, "w", encoding="utf-8") as handle:
            json.dump([v.to_dict() for v in self.variables], handle, indent=1, ensure_ascii=False)
        return (path,)

    def variable(self, name: str) -> Variable:
        """The variable of a name; raises ValueError for an unknown one."""
        index = self._ids.get(name, 0) - len(SPECIAL_TOKENS)
        if index < 0:
            raise ValueError(f"no variable is called {name!r}; the table of variables is tokenizer.variables")
        return self.variables[index]

    def add_variables(self, variables: Sequence[Variable | Mapping]) -> list[int]:
        """Know more variables; those known keep their ids. The model needs the same: `model.add_variables`.

        Args:
            variables: Of each a `Variable` or its fields: of a band `{"name": "W1", "kind": "flux", "pivot": 33526.0,
                "width": 6626.0}` is enough; the standardisation of a property can come from `propose_variable`.

        Returns:
            The new token ids.

        Raises:
            ValueError: A name that exists, is reserved or no name, or a variable that makes no sense.
        """
        foreign = [name for name in self.get_vocab() if name not in self._ids]
        if foreign:
            raise ValueError(f"token {foreign[0]!r} was added as text and is no variable; its id would be that of one")
        first = len(self._ids)
        self.variables = extended(self.variables, variables)
        self._number_names()
        self._update_total_vocab_size()  # which len() gives
        return list(range(first, len(self._ids)))

    def propose_variable(self, name: str, values: Sequence[float], **given) -> Variable:
        """A property with transform, softening, center and scale read off known values, for `add_variables`."""
        return propose_variable(name, values, **given)

    # ---- records to tokens

    def __call__(self, text=None, *args, query: Sequence | None = None, **kwargs) -> BatchEncoding:
        """Text as any tokenizer; or a record or a list of records, and questions about them.

        Args:
            text: Text, or `{name: value or (value, error)}`, or a list of either.
            query: Names to ask of every record, or (name, error) to ask for the value as measured with that error.
            return_tensors, padding, max_length, pad_to_multiple_of: As for text; tensors are always padded.
        """
        if isinstance(text, Mapping):
            return self._encode_records([text], query, single=True, **kwargs)
        if isinstance(text, (list, tuple)) and text and isinstance(text[0], Mapping):
            return self._encode_records(text, query, single=False, **kwargs)
        if query is not None:
            raise ValueError("query= needs records, {name: value or (value, error)}, not text")
        return super().__call__(text, *args, **kwargs)

    def _encode_records(self, records, query, single, return_tensors=None, padding=None, truncation=False, **kwargs):
        rows = [self._encode_record(record, i) for i, record in enumerate(records)]
        if truncation and kwargs.get("max_length"):
            rows = [{key: value[: kwargs["max_length"]] for key, value in row.items()} for row in rows]
        single = single and return_tensors is None
        batch = rows[0] if single else {key: [row[key] for row in rows] for key in rows[0]}
        padding = bool(return_tensors) if padding is None else padding
        if padding != "max_length":
            kwargs.pop("max_length", None)
        encoded = self.pad(batch, padding=padding, return_tensors=return_tensors, **kwargs)
        if return_tensors == "pt":
            # Of records without any token, torch would make floats.
            encoded.update({key: encoded[key].long() for key in ("input_ids", "attention_mask") if key in encoded})
        if query is None:
            return encoded
        ids, errors = zip(*(self._encode_question(item) for item in query), strict=True)
        ids, errors = list(ids), list(errors)
        if not single:
            ids, errors = [ids] * len(rows), [errors] * len(rows)
        extra = BatchEncoding({"query_ids": ids, "query_errors": errors}, tensor_type=return_tensors)
        return BatchEncoding({**encoded, **extra})

    def _encode_record(self, record: Mapping, row: int) -> dict[str, list]:
        encoded = {"input_ids": [], "values": [], "errors": []}
        for name, item in record.items():
            variable = self.variable(name)
            value, error = item if isinstance(item, (tuple, list)) and len(item) == 2 else (item, 0.0)
            # NaN of any library differs from itself.
            if value is None or value is np.ma.masked or (not isinstance(value, (str, tuple, list)) and value != value):
                continue
            coordinate, token_error = self._encode_value(variable, value, error, row)
            encoded["input_ids"].append(self._ids[name])
            encoded["values"].append(coordinate)
            encoded["errors"].append(token_error)
        return encoded

    def _encode_value(self, variable: Variable, value, error, row: int) -> tuple[float, float]:
        where = f"record {row}, {variable.name}"
        if variable.kind == "category":
            if value not in variable.categories:
                raise ValueError(f"{where}: {value!r} is not one of {', '.join(variable.categories)}")
            return float(variable.categories.index(value)), 0.0
        try:
            value, error = float(value), 0.0 if error is None else float(error)
        except (TypeError, ValueError):
            raise ValueError(f"{where}: {value!r} is not a number; give a value, or (value, error)") from None
        if not (math.isfinite(value) and math.isfinite(error)) or error < 0:
            raise ValueError(f"{where}: value {value} and error {error} must be finite, and the error not negative")
        if variable.transform == "log1p" and value <= -variable.softening:
            raise ValueError(f"{where}: {value} is below the lowest possible value {-variable.softening}")
        return variable.forward(value), error / (variable.softening * variable.scale)

    def _encode_question(self, item) -> tuple[int, float]:
        name, error = item if isinstance(item, (tuple, list)) else (item, 0.0)
        variable, error = self.variable(name), float(error)
        if not (math.isfinite(error) and error >= 0):
            raise ValueError(f"question {name}: the asked error {error} must be finite and not negative")
        return self._ids[name], error / (variable.softening * variable.scale)

    def _pad(self, encoded_inputs, *args, **kwargs):
        before = len(encoded_inputs["input_ids"])
        side = kwargs.get("padding_side") or self.padding_side
        padded = super()._pad(encoded_inputs, *args, **kwargs)
        fill = [0.0] * (len(padded["input_ids"]) - before)
        for key in ("values", "errors"):
            if key in padded and fill:
                padded[key] = padded[key] + fill if side == "right" else fill + padded[key]
        return padded

    # ---- densities to physical units

    def coordinates(self, ids: Tensor, dtype: torch.dtype = torch.float64) -> Coordinates:
        """Transforms of the variables of token ids, of the shape of `ids`."""
        return Coordinates(self.variables, dtype, device=ids.device)[ids - len(SPECIAL_TOKENS)]

    def density(self, outputs):
        """Densities of the answers of a model's output, in token coordinates: a `MixtureDensity`."""
        ids = outputs.query_ids
        chosen = np.asarray([self.variables[i] for i in (ids - len(SPECIAL_TOKENS)).flatten().tolist()], dtype=object)

        def column(function):
            return torch.tensor([function(v) for v in chosen], device=ids.device, dtype=torch.float32).view(ids.shape)

        lower = column(lambda v: -math.inf if v.lower is None else v.forward(v.lower))
        upper = column(lambda v: math.inf if v.upper is None else v.forward(v.upper))
        shift = outputs.reference.unsqueeze(-1) * column(lambda v: float(v.shifted))
        slope = self.coordinates(ids.unsqueeze(-1), torch.float32).slope
        return mixture_from_logits(outputs.logits, outputs.query_errors, shift, slope, lower, upper)

    def decode_quantiles(self, outputs, quantiles: Sequence[float]) -> Tensor:
        """Quantiles of the answers `(batch, questions, quantiles)` in physical units; NaN for categories."""
        density = self.density(outputs)
        columns = [density.quantile(torch.tensor(float(q))) for q in quantiles]
        t = torch.stack(columns, dim=-1).double()
        coordinates = self.coordinates(outputs.query_ids)
        physical = torch.stack([coordinates.inverse(column) for column in t.unbind(-1)], dim=-1)
        categories = {self._ids[v.name] for v in self.variables if v.kind == "category"}
        is_category = torch.isin(outputs.query_ids, torch.tensor(sorted(categories), device=outputs.query_ids.device))
        return physical.masked_fill(is_category.unsqueeze(-1), math.nan)


__all__ = ["GalaxyTokenizer"]
