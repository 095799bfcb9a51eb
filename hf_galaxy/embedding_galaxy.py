"""How a token becomes a vector: variables, values, errors and wavelengths.

Neighbouring narrow bands share one vector of the encoder (a *patch*, as in Dosovitskiy et al. 2021): this shortens the
context by more than a half and lets the first layer see the slope between neighbours, where lines and breaks show.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import initialization as init

from .configuration_galaxy import SPECIAL_TOKENS, GalaxyConfig
from .coordinates_galaxy import transform_slope
from .new_variables_galaxy import relatives
from .variables_galaxy import TRANSFORMS

NUM_SLOTS = 3
# Weight of a band in the brightness of its galaxy: 1 / (error^2 + floor^2), so that no single band decides.
BRIGHTNESS_FLOOR = 0.1
FINEST_PERIOD, COARSEST_PERIOD = 0.16, 16.0
LOG_ERROR_FLOOR = 1e-3
# Of the usual initial weights: what the wavelength says of a variable begins as large as what is learned of it (an rms
# of 0.1). Begun larger it drowns that, and learning is slower (DECISIONS.md).
WAVELENGTH_GAIN = 1 / 7


# The features repeat after 2 in position: 1500 Å to 1 µm take 1.76 of it as they are, what lies beyond shares the rest.
BLUE_END, RED_END = 1500.0, 10000.0
BLUE_ROOM, RED_ROOM = 0.07, 0.14


def wavelength_position(pivot: float) -> float:
    """A logarithmic wavelength, 0 at 3300 Å and 1 at 9700 Å; squeezed beyond the ends, so that no two bands coincide.

    Without the squeeze 3.35 µm would be 3950 Å.
    """

    def position(wavelength: float) -> float:
        return math.log(wavelength / 3300.0) / math.log(9700.0 / 3300.0)

    def squeezed(distance: float, room: float) -> float:
        return room * distance / (room + distance)

    if pivot > RED_END:
        return position(RED_END) + squeezed(position(pivot) - position(RED_END), RED_ROOM)
    if pivot < BLUE_END:
        return position(BLUE_END) - squeezed(position(BLUE_END) - position(pivot), BLUE_ROOM)
    return position(pivot)


class VariableFacts(nn.Module):
    """What the table of variables says, as tensors indexed by token id."""

    def __init__(self, config: GalaxyConfig):
        super().__init__()
        self.config = config
        for name, value in self.compute().items():
            self.register_buffer(name, value, persistent=False)

    def compute(self, size: int | None = None) -> dict[str, Tensor]:
        """The tensors, each of shape `(size, ...)`; `vocab_size` by default. Variables beyond are left out."""
        size, table = size or self.config.vocab_size, self.config.variable_table()
        facts = {
            "scale": torch.ones(size),
            "center": torch.zeros(size),
            "transform": torch.zeros(size, dtype=torch.long),
            "shifted": torch.zeros(size),
            "is_flux": torch.zeros(size),
            "lower": torch.full((size,), -math.inf),
            "upper": torch.full((size,), math.inf),
            "patch": torch.arange(size),
            "slot": torch.full((size,), NUM_SLOTS, dtype=torch.long),
            "category_offset": torch.full((size,), -1, dtype=torch.long),
            "num_categories": torch.zeros(size, dtype=torch.long),
            "wavelength": torch.zeros(size, 2 * self.config.wavelength_features),
        }
        patches: dict[int, int] = {}
        members: dict[int, int] = {}
        categories = 0
        for token, v in table.items():
            if token >= size:
                break
            facts["scale"][token], facts["center"][token] = v.scale, v.center
            facts["transform"][token] = TRANSFORMS.index(v.transform)
            facts["shifted"][token], facts["is_flux"][token] = float(v.shifted), float(v.kind == "flux")
            facts["lower"][token] = -math.inf if v.lower is None else v.forward(v.lower)
            facts["upper"][token] = math.inf if v.upper is None else v.forward(v.upper)
            facts["wavelength"][token] = self.wavelength_features(v.pivot if v.kind == "flux" else None)
            if v.categories:
                facts["category_offset"][token], facts["num_categories"][token] = categories, len(v.categories)
                categories += len(v.categories)
            if v.patch is not None:
                facts["slot"][token] = members.setdefault(v.patch, 0)
                members[v.patch] += 1
                facts["patch"][token] = patches.setdefault(v.patch, token)
                if members[v.patch] > NUM_SLOTS:
                    raise ValueError(
                        f"patch {v.patch} holds more than {NUM_SLOTS} variables, {v.name!r} is one too many"
                    )
        return facts

    def wavelength_features(self, pivot: float | None) -> Tensor:
        """Fourier features of the logarithm of a pivot wavelength; zeros without one."""
        count = self.config.wavelength_features
        if pivot is None:
            return torch.zeros(2 * count)
        phase = math.pi * wavelength_position(pivot) * torch.linspace(1, count, count)
        return torch.cat([phase.sin(), phase.cos()])

    def refresh(self, size: int | None = None) -> None:
        """Fill the buffers again, which a load from disk leaves empty, for `size` token ids."""
        for name, value in self.compute(size).items():
            buffer = getattr(self, name)
            if buffer.shape == value.shape:
                init.copy_(buffer, value)
            else:
                setattr(self, name, value.to(buffer.device))

    def rebuild(self) -> None:
        """Make the buffers anew after the table of variables has changed."""
        for name, value in self.compute().items():
            setattr(self, name, value.to(getattr(self, name).device))

    def slope(self, ids: Tensor, coordinate: Tensor) -> Tensor:
        """`g'(y)` at a token coordinate: how much of a token error remains there; `ids` broadcast."""
        g = coordinate * self.scale[ids] + self.center[ids]
        kind = self.transform[ids]
        return transform_slope(g, kind == TRANSFORMS.index("asinh"), kind == TRANSFORMS.index("log1p"))


class GalaxyEmbeddings(nn.Module):
    """Variables, values and errors to vectors: patches of the context, single answers, and questions."""

    def __init__(self, config: GalaxyConfig):
        super().__init__()
        self.config = config
        width, hidden, count = config.hidden_size, config.value_hidden_size, config.value_features
        self.facts = VariableFacts(config)
        self.variable = nn.Embedding(config.vocab_size, width, padding_idx=None)
        self.wavelength = nn.Linear(2 * config.wavelength_features, width, bias=False)
        self.wavelength.initial_gain = WAVELENGTH_GAIN
        self.value = nn.Linear(2 * count + 5, hidden)
        self.modulation = nn.Linear(width, 2 * hidden)
        self.category = nn.Embedding(max(1, sum(len(v.categories) for v in config.variable_table().values())), hidden)
        self.patch = nn.Linear((NUM_SLOTS + 1) * hidden, width)
        self.answer = nn.Linear(hidden, width)
        self.question = nn.Linear(width, width)
        self.brightness = nn.Sequential(nn.Linear(2 * count + 2, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.register_buffer("frequency", self.frequencies(), persistent=False)

    @torch.no_grad()
    def grow(self, added: Sequence[int]) -> None:
        """Rows for the variables that the configuration has now and had not before; the other rows stay.

        The learned part of a new variable starts as that of what is most like it (`relatives`). A band between those
        known has its own wavelength; to one beyond them the wavelength features mean nothing, and it starts as its
        neighbour altogether.
        """
        table = list(self.config.variable_table().values())
        known = table[: added[0] - len(SPECIAL_TOKENS)]
        pivots = [v.pivot for v in known if v.kind == "flux"]
        before = self.wavelength(self.facts.wavelength)
        self.facts.rebuild()
        self.variable = _longer(self.variable, self.config.vocab_size)
        weight = self.variable.weight
        for token in added:
            new = table[token - len(SPECIAL_TOKENS)]
            like = {i + len(SPECIAL_TOKENS): share for i, share in relatives(new, known).items()}
            weight[token] = sum(share * weight[i] for i, share in like.items())
            if new.kind == "flux" and pivots and not min(pivots) <= new.pivot <= max(pivots):
                weight[token] += sum(share * before[i] for i, share in like.items())
                weight[token] -= self.wavelength(self.facts.wavelength[token])
        self.category = _longer(self.category, max(1, sum(len(v.categories) for v in table)))

    def frequencies(self) -> Tensor:
        """Angular frequencies of the features of a value, geometric between the coarsest and the finest period."""
        count = self.config.value_features
        exponent = torch.linspace(0, 1, count)
        return 2 * math.pi / COARSEST_PERIOD * (COARSEST_PERIOD / FINEST_PERIOD) ** exponent

    def identity(self, ids: Tensor) -> Tensor:
        """Which variable: learned, plus a function of its wavelength, so that a new band starts with sense."""
        return self.variable(ids) + self.wavelength(self.facts.wavelength[ids])

    def fourier(self, x: Tensor, error: Tensor) -> Tensor:
        """Expected sine and cosine of an uncertain value: detail below its error fades (Barron et al. 2021, 8)."""
        phase = x.unsqueeze(-1) * self.frequency
        fade = torch.exp(-0.5 * (error.unsqueeze(-1) * self.frequency) ** 2)
        return torch.cat([phase.sin() * fade, phase.cos() * fade], dim=-1)

    def brightness_of(self, ids: Tensor, values: Tensor, error: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted mean coordinate of the known fluxes `(batch,)`, and whether there is any."""
        weight = self.facts.is_flux[ids] * mask / (error * error + BRIGHTNESS_FLOOR**2)
        total = weight.sum(-1)
        known = total > 0
        mean = (weight * values).sum(-1) / total.clamp(min=1e-12)
        return torch.where(known, mean, torch.full_like(mean, self.config.reference_brightness)), known

    def hidden_value(self, ids: Tensor, values: Tensor, errors: Tensor, reference: Tensor, identity: Tensor) -> Tensor:
        """One vector a token `(batch, n, value_hidden)` from its variable, value and token error.

        `ids` `(batch, n)` and `identity`, or `(1, n)` where they are the same for all rows.
        """
        error = errors * self.facts.slope(ids, values)
        x = values - reference.unsqueeze(-1) * self.facts.shifted[ids]
        log_error = torch.log(error + LOG_ERROR_FLOOR) / 3.0
        plain = torch.stack([x, torch.tanh(x), values / 4.0, log_error, error / (1.0 + error)], dim=-1)
        features = torch.cat([self.fourier(x, error), plain], dim=-1)
        gain, bias = self.modulation(identity).chunk(2, dim=-1)
        hidden = self.value(features.to(self.value.weight.dtype)) * (1.0 + gain) + bias
        offset = self.facts.category_offset[ids]
        # In training every parameter takes part in every step, on all processes alike.
        if not (torch.is_grad_enabled() or bool((offset >= 0).any())):
            return nn.functional.gelu(hidden)
        last = self.facts.num_categories[ids].clamp(min=1) - 1
        index = offset + torch.minimum(values.round().long().clamp(min=0), last)
        category = self.category(index.clamp(min=0, max=self.category.num_embeddings - 1))
        return nn.functional.gelu(torch.where((offset >= 0).unsqueeze(-1), category + bias, hidden))

    def forward(self, ids: Tensor, values: Tensor, errors: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Patches of a context: embeddings `(batch, 1 + patches, hidden)`, mask and brightness. Absent patches go."""
        ids = shared(ids)
        values = torch.where(mask, values, torch.zeros_like(values))
        errors = torch.where(mask, errors, torch.zeros_like(errors))
        reference, known = self.brightness_of(ids, values, errors * self.facts.slope(ids, values), mask)
        identity = self.identity(ids)
        hidden = self.hidden_value(ids, values, errors, reference, identity) * mask.unsqueeze(-1)
        present, position, mask = self._places(ids, mask)
        batch, slots, count = len(values), NUM_SLOTS + 1, present.numel()
        gathered = _summed(hidden, position * slots + self.facts.slot[ids], count * slots)
        names = _summed(identity * mask.unsqueeze(-1), position, count)
        patches = self.patch(gathered.view(batch, count, slots * hidden.shape[-1])) + names
        filled = _summed(mask.unsqueeze(-1).to(hidden.dtype), position, count).squeeze(-1) > 0
        r = reference - self.config.reference_brightness
        summary = torch.cat([self.fourier(r, torch.zeros_like(r)), r.unsqueeze(-1), known.unsqueeze(-1)], dim=-1)
        summary = self.brightness(summary.to(patches.dtype)).unsqueeze(1)
        filled = torch.cat([filled.new_ones(batch, 1), filled.expand(batch, -1)], dim=1)
        return torch.cat([summary, patches], dim=1), filled, reference

    def _places(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Patches that somebody has (0 stands for absent), the place of each token among them, and the mask.

        Rows that are alike in both are reduced to one, in the mask and in the places.
        """
        mask = shared(mask) if len(ids) == 1 else mask
        patch = self.facts.patch[ids]
        if len(ids) > 1 or len(mask) == 1:
            return *torch.unique(patch * mask, return_inverse=True), mask
        # What some have and some have not keeps its place, blank in those that have not.
        present = torch.unique(torch.cat([patch * mask.any(0), torch.zeros_like(patch[:, :1])], dim=1))
        return present, torch.searchsorted(present, patch * mask.any(0)), mask

    def answers(self, ids: Tensor, values: Tensor, errors: Tensor, reference: Tensor) -> Tensor:
        """Answers already given, one vector each `(batch, n, hidden)`."""
        ids = shared(ids)
        identity = self.identity(ids)
        return self.answer(self.hidden_value(ids, values, errors, reference, identity)) + identity

    def questions(self, ids: Tensor) -> Tensor:
        """Questions `(batch, n, hidden)` of token ids `(batch, n)`: the variable alone; no value enters."""
        identity = self.identity(ids)
        return identity + self.question(identity)


def shared(rows: Tensor) -> Tensor:
    """The first row `(1, ...)` where all rows are the same, so that what depends on it alone is worked out once."""
    return rows[:1] if len(rows) > 1 and bool((rows == rows[:1]).all()) else rows


def _summed(vectors: Tensor, place: Tensor, count: int) -> Tensor:
    """Sums `(batch, count, d)` of vectors `(batch, n, d)` by their places `(batch, n)`, or `(1, n)` for all rows."""
    total = vectors.new_zeros(len(vectors), count, vectors.shape[-1])
    if len(place) == 1:
        return total.index_add_(1, place[0], vectors)
    return total.scatter_add_(1, place.unsqueeze(-1).expand(len(vectors), -1, vectors.shape[-1]), vectors)


def _longer(old: nn.Embedding, size: int) -> nn.Embedding:
    """An embedding with more rows: the old ones, and their mean in the new ones."""
    if size <= old.num_embeddings:
        return old
    new = nn.Embedding(size, old.embedding_dim, device=old.weight.device, dtype=old.weight.dtype)
    new.weight[: old.num_embeddings] = old.weight
    new.weight[old.num_embeddings :] = old.weight.mean(0)
    new.weight.requires_grad_(old.weight.requires_grad)
    return new


__all__ = ["GalaxyEmbeddings", "VariableFacts", "shared", "wavelength_position"]
