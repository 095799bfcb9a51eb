"""Evidence in, physical answers out: what the densities of a model say directly.

A posterior is evidence about `n` galaxies and a model; adding evidence gives a new one. It keeps no answers: each
question reads the evidence again, in pieces, so that the memory does not depend on the length of the catalogue.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import astropy.units as u
import numpy as np
import torch
from astropy.table import Column, QTable
from torch import Tensor

from ..checkpoints import load_pretrained, save_pretrained
from ..coordinates_galaxy import Coordinates
from ..data.catalogues import Catalogue, read_catalogue
from ..densities_galaxy import MixtureDensity
from ..evidence import Evidence
from ..inference import Inference
from ..modeling_galaxy import GalaxyModel
from ..survey_system import SurveySystem
from ..tokenization_galaxy import GalaxyTokenizer
from ..twin import chosen_dtype, twin
from ..variables_galaxy import Variable

SUMMARY_LEVELS = (0.16, 0.5, 0.84)


class Answers:
    """The posterior of every variable of `n` galaxies, given what is known of them.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        evidence: What is known; one galaxy of which nothing is known, by default: the prior.
        dtype: Of the matrix products of the encoder: `"float32"`, `"bfloat16"`, or `"auto"`: bfloat16 where the
            processor or the GPU has instructions for it. It is faster, and moves quantiles by some thousandths of the
            width of a posterior (DECISIONS.md); the weights are copied, and what is learnt later does not show.
    """

    def __init__(
        self,
        model: GalaxyModel,
        tokenizer: GalaxyTokenizer,
        evidence: Evidence | None = None,
        dtype: str = "float32",
    ) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.dtype = chosen_dtype(dtype, model.device)
        self._hold(Evidence.nothing(tokenizer.variables) if evidence is None else evidence, twin(model, self.dtype))

    def _hold(self, evidence: Evidence, model: GalaxyModel) -> None:
        self.evidence = evidence
        self._system = SurveySystem(evidence, model.config.calibration)
        self._inference = Inference(model, self._system.corrected())

    @classmethod
    def from_pretrained(
        cls,
        source: str | None = None,
        revision: str | None = None,
        device: str | torch.device = "cpu",
        dtype: str = "float32",
    ) -> Self:
        """Load the shipped checkpoint, or a folder, or a Hub id.

        Raises:
            ValueError: The folder lacks a file, or one is damaged; the message names it. There is no such `dtype`.
        """
        model, tokenizer = load_pretrained(source, revision)
        return cls(model.to(device), tokenizer, dtype=dtype)

    def save_pretrained(self, folder: str) -> None:
        """Write weights, tokenizer and code: a folder that `AutoModel` loads also where hf_galaxy is not installed."""
        save_pretrained(self.model, self.tokenizer, folder)

    # ---- evidence

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The table of variables."""
        return self.tokenizer.variables

    @property
    def n_galaxy(self) -> int:
        """Number of galaxies."""
        return len(self.evidence)

    def __len__(self) -> int:
        return self.n_galaxy

    def condition(
        self, catalogue: Any = None, *, unit: str | None = None, given: Sequence[str] = (), **known: Any
    ) -> Self:
        """A new posterior with more evidence; this one stays as it is.

        Args:
            catalogue: Table of bands, whatever `read_catalogue` takes, or a `Catalogue`.
            unit: Unit of flux columns that have none.
            given: Columns of properties that are evidence too.
            **known: `name=value` or `name=(value, error)`; numbers or arrays of `n_galaxy`, in the units of the table
                of variables, or astropy quantities. `survey="name"` says where the fluxes are from; with a model that
                was adapted to that survey they are corrected by the zero points and error ratios that it learnt
                (`model.config.calibration`), and answers about bands are given back in the survey's own system.

        Raises:
            ValueError: The evidence has no single meaning; the message names column, row and remedy.
        """
        evidence = self.evidence
        if catalogue is not None:
            if not isinstance(catalogue, Catalogue):
                catalogue = read_catalogue(catalogue, unit, given, self.variables)
            evidence = evidence.with_catalogue(catalogue)
        for name, item in known.items():
            evidence = evidence.with_value(self.tokenizer.variable(name), item)
        other = copy.copy(self)
        other._hold(evidence, self._inference.model)
        return other

    @property
    def n_evidence(self) -> np.ndarray:
        """`(n_galaxy,)` number of values that each answer rests on; zero means that it is the prior."""
        return self.evidence.known.sum(axis=1)

    @property
    def extrapolated(self) -> np.ndarray:
        """`(n_galaxy,)` number of values beyond the range that the model was trained on."""
        ranges = (self.model.config.training or {}).get("ranges", {})
        return self._system.corrected().outside(ranges)

    # ---- answers

    def ask(self, names: Sequence[str], use: Callable[[slice, MixtureDensity], Tensor], error: Any = 0.0) -> Tensor:
        """What `use(rows, densities)` makes of the densities `(rows, names)`, in coordinates of the model's system."""
        for name in names:
            if self._asked(name).categories:
                raise ValueError(f"{name} is a category; probabilities({name!r}) answers for it")
        asked = self._asked_errors(names, error)
        return self._inference.ask(self._tokens(*names), self._coordinates(*names).error(asked).float(), use)

    def quantiles(self, name: str, levels: Sequence[float], error: Any = 0.0) -> np.ndarray:
        """Quantiles `(n_galaxy, levels)` in physical units.

        Args:
            name: Variable.
            levels: In (0, 1).
            error: Ask for the value as an instrument with this Gaussian error would measure it: a number in the unit
                of the variable or a quantity, one for all galaxies or one for each; or such by name.
        """
        return self.quantiles_of([name], levels, error)[:, 0]

    def quantiles_of(self, names: Sequence[str], levels: Sequence[float], error: Any = 0.0) -> np.ndarray:
        """Quantiles `(n_galaxy, names, levels)` of several variables; the evidence is read once for all of them."""
        levels = np.atleast_1d(np.asarray(levels, dtype=np.float64))
        if levels.size == 0 or not ((levels > 0) & (levels < 1)).all():
            raise ValueError(f"quantile levels {levels.tolist()} must lie between 0 and 1")

        def solve(_: slice, density: MixtureDensity) -> Tensor:
            return density.unsqueeze(2).quantile(torch.as_tensor(levels, dtype=torch.float32))

        t = self.ask(names, solve, error).double()
        coordinates = self._coordinates(*names)
        values = torch.stack([coordinates.inverse(column) for column in t.unbind(-1)], dim=-1).numpy()
        return self._system.back(values, names)

    def mean(self, name: str) -> np.ndarray:
        """Posterior mean `(n_galaxy,)` in physical units."""
        return self._moments(name)[0]

    def std(self, name: str) -> np.ndarray:
        """Posterior standard deviation `(n_galaxy,)` in physical units."""
        return self._moments(name)[1]

    def pdf(self, name: str, grid: Sequence[float] | u.Quantity, error: Any = 0.0) -> np.ndarray:
        """Density `(n_galaxy, grid)` per physical unit, on a grid of physical values."""
        factor = torch.as_tensor(self._system.factors(name))
        x = factor * torch.as_tensor(self._physical(name, grid))
        coordinates = self._coordinates(name)
        t = coordinates.forward(x.unsqueeze(-1)).squeeze(-1)
        log_slope = coordinates.log_slope(x.unsqueeze(-1)).squeeze(-1) + factor.log()

        def evaluate(rows: slice, density: MixtureDensity) -> Tensor:
            mine = t if len(t) == 1 else t[rows]
            return density.log_prob(mine.float().to(density.loc.device)).double()

        # A value that the transform cannot take (below -1 for log(1 + y)) has no density.
        return torch.exp(self.ask([name], evaluate, error) + log_slope).nan_to_num(0.0).numpy()

    def cdf(self, name: str, value: Sequence[float] | float) -> np.ndarray:
        """Cumulative probability `(n_galaxy,)` at one value for all, or at a value for each galaxy."""
        x = np.broadcast_to(self._physical(name, value), (self.n_galaxy,)) * self._system.factors(name)[:, 0]
        x = torch.as_tensor(x)
        t = self._coordinates(name).forward(x.unsqueeze(-1)).float()
        answer = self.ask([name], lambda rows, density: density.cdf(t[rows].to(density.loc.device)))
        return answer[:, 0].double().numpy()

    def probabilities(self, name: str) -> dict[str, np.ndarray]:
        """Probability `(n_galaxy,)` of every value of a category."""
        variable = self._asked(name)
        if not variable.categories:
            raise ValueError(f"{name} is not a category; quantiles({name!r}, …) answers for it")
        columns = self._inference.category_log_prob(self._tokens(name)).exp().double().numpy().T
        own = self.evidence.values[:, self.evidence.column(variable)]
        columns = [np.where(np.isnan(own), p, own == i) for i, p in enumerate(columns)]
        return dict(zip(variable.categories, columns, strict=False))

    def log_prob(self, table: Any, errors: Mapping[str, Any] | None = None) -> np.ndarray:
        """Joint log density `(n_galaxy,)` of values of some variables, by the chain rule, per physical units.

        Args:
            table: `{name: values}`, of `n_galaxy` values each, or a table with such columns.
            errors: Asked errors by name, each one number or one a galaxy.

        Raises:
            ValueError: A variable is evidence already, of any galaxy: its own measurement would count twice.
        """
        names = list(table.keys() if hasattr(table, "keys") else table.columns)
        if not names:
            raise ValueError("log_prob needs at least one column, named like a variable")
        if own := [n for n in names if self.evidence.known[:, self.evidence.column(self._asked(n))].any()]:
            raise ValueError(f"log_prob: {own[0]} is evidence already; leave it out of the table")
        x = np.stack([np.broadcast_to(self._physical(n, table[n]), (self.n_galaxy,)) for n in names], axis=1)
        factor = torch.as_tensor(self._system.factors(*names))
        x = torch.as_tensor(np.ascontiguousarray(x, dtype=np.float64)) * factor
        coordinates = self._coordinates(*names)
        asked = self._asked_errors(names, errors or 0.0)
        t = coordinates.forward(x).float()
        chain = self._inference.chain(self._tokens(*names), t, coordinates.error(asked).float())
        return (chain.double() + coordinates.log_slope(x) + factor.log()).sum(-1).numpy()

    def log_prob_photometry(self) -> np.ndarray:
        """Log density `(n_galaxy,)` of the known fluxes as measured, given the other evidence; NaN without fluxes.

        Per coordinate (arcsinh flux), so that values compare between galaxies with the same bands.
        """
        return self._inference.log_prob_photometry().numpy() + self._system.log_slope()

    def sample(self, n: int, names: Sequence[str], seed: int | None = None) -> dict[str, np.ndarray]:
        """Joint draws: `{name: (n_galaxy, n)}` in physical units; of a category its names.

        Args:
            n: Draws a galaxy.
            names: Variables, each once; drawn one after the other in this order.
            seed: Same seed, same draws: whatever the device, and of the first galaxies however many follow.
        """
        if n < 1 or not names:
            raise ValueError("sample needs at least one draw and one name")
        variables = [self._asked(name) for name in names]
        if len(set(names)) < len(names):
            raise ValueError(f"a variable is named twice in {list(names)}; joint draws need each once")
        generator = torch.Generator()  # of the processor, whatever the device: the same draws on all
        generator.manual_seed(seed) if seed is not None else generator.seed()
        t = self._inference.draws(self._tokens(*names), n, generator)
        draws = self._coordinates(*names).inverse(t.double()).numpy()
        draws = self._system.back(np.swapaxes(draws, 1, 2), names)
        answer = {}
        for i, variable in enumerate(variables):
            column = draws[:, i]
            if variable.categories:
                column = np.asarray(variable.categories)[np.rint(column).astype(int)]
            answer[variable.name] = column
        return answer

    def predict_photometry(
        self, bands: Sequence[str], levels: Sequence[float] = SUMMARY_LEVELS, error: Any = 0.0
    ) -> QTable:
        """Quantiles of the fluxes of bands: columns `<band>_p16`, `<band>_p50`, …, in nJy.

        Args:
            bands: Names of bands; of one that is evidence too the true flux, by its measurement and all others.
            levels: Quantile levels.
            error: Predict what an instrument with this error would measure: in nJy or a quantity, one for all galaxies
                or one for each; or such by name, `{band: error}`, and the true flux of bands that are not named.
        """
        for name in bands:
            if self._asked(name).kind != "flux":
                raise ValueError(f"{name} is not a band; quantiles() answers for properties")
        return self._table(bands, levels, error)

    def summary(self, names: Sequence[str] | None = None, levels: Sequence[float] = SUMMARY_LEVELS) -> QTable:
        """Quantiles of some variables (all properties by default) with units, and what they rest on."""
        if names is None:
            names = [v.name for v in self.variables if v.kind == "property"]
        table = self._table(names, levels, 0.0)
        table["n_evidence"] = Column(self.n_evidence, description="known values; 0: the answer is the prior")
        table["n_extrapolated"] = Column(self.extrapolated, description="known values beyond the training range")
        return table

    @torch.inference_mode()
    def embed(self, catalogue: Any = None, **keywords: Any) -> np.ndarray:
        """Vector `(n_galaxy, d)` that sums up the evidence about each galaxy."""
        posterior = self if catalogue is None else self.condition(catalogue, **keywords)
        parts = [context.hidden_states[:, 0].cpu() for _, context in posterior._inference.contexts()]
        return torch.cat(parts).numpy()

    # ---- pieces

    def _asked(self, name: str) -> Variable:
        return self.tokenizer.variable(name)

    def _tokens(self, *names: str) -> Tensor:
        ids = [self.tokenizer.convert_tokens_to_ids(self._asked(name).name) for name in names]
        return torch.tensor(ids, device=self.model.device)

    def _coordinates(self, *names: str) -> Coordinates:
        return Coordinates([self._asked(name) for name in names], torch.float64)

    def _asked_errors(self, names: Sequence[str], error: Any) -> Tensor:
        """Asked errors `(n_galaxy or 1, names)` in the system of the model, float64."""
        if isinstance(error, Mapping):
            for name in error:
                if self._asked(name).name not in names:
                    raise ValueError(f"error of {name}: it is not asked for; name one of {', '.join(names)}")
        columns = []
        for name in names:
            column = error.get(name, 0.0) if isinstance(error, Mapping) else error
            column = np.zeros(1) if self._asked(name).categories else self._physical(name, column)
            if column.shape not in ((), (1,), (len(self),)):
                raise ValueError(f"error of {name} has shape {column.shape}; one number, or {len(self)}, is wanted")
            if not (np.isfinite(column) & (column >= 0)).all():
                raise ValueError(f"error={error}: an asked error is a number, zero or above")
            columns.append(np.atleast_1d(column))
        table = np.stack(np.broadcast_arrays(*columns), axis=-1)
        return torch.as_tensor(self._system.factors(*names) * table)

    def _physical(self, name: str, value: Any) -> np.ndarray:
        """Numbers in the unit of the table of variables; of a category its indices."""
        variable = self._asked(name)
        try:
            if variable.categories:
                place = {category: i for i, category in enumerate(variable.categories)}
                return np.reshape([float(place[str(v)]) for v in np.ravel(value)], np.shape(value))
            if isinstance(value, u.Quantity):
                value = value.to_value(u.Unit(variable.unit))
            return np.asarray(np.ma.filled(np.ma.asarray(value, dtype=np.float64), np.nan))
        except KeyError as error:
            raise ValueError(f"{name}: {error} is not one of {', '.join(variable.categories)}") from None
        except u.UnitConversionError:
            raise ValueError(f"{name}: values in {value.unit}; {variable.unit or 'no unit'} is wanted") from None
        except (TypeError, ValueError):
            raise ValueError(f"{name}: {value!r} are not numbers") from None

    def _moments(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        coordinates = self._coordinates(name)

        def integrate(_: slice, density: MixtureDensity) -> Tensor:
            t, weight = density[:, 0].nodes()
            x = coordinates.to(t.device).inverse(t.double().unsqueeze(-1)).squeeze(-1)
            mean = (weight * x).sum(-1)
            return torch.stack([mean, (weight * (x - mean.unsqueeze(-1)) ** 2).sum(-1).sqrt()], dim=-1)

        mean, std = self._system.back(self.ask([name], integrate).numpy()[:, None], [name])[:, 0].T
        return mean, std

    def _table(self, names: Sequence[str], levels: Sequence[float], error: Any) -> QTable:
        table = QTable()
        quantiles = self.quantiles_of(names, levels, error)
        for i, name in enumerate(names):
            variable = self._asked(name)
            for level, column in zip(levels, quantiles[:, i].T, strict=True):
                unit = u.Unit(variable.unit) if variable.unit else None
                data = u.Quantity(column, unit) if unit is not None else Column(column)
                data.info.description = variable.description
                table[f"{name}_{quantile_suffix(level)}"] = data
        return table


def quantile_suffix(level: float) -> str:
    """`p16` of 0.16, `p05` of 0.05, `p97_5` of 0.975."""
    whole, _, fraction = f"{100 * level:.10g}".partition(".")
    return f"p{whole:>02}" + (f"_{fraction}" if fraction else "")


__all__ = ["Answers", "quantile_suffix"]
