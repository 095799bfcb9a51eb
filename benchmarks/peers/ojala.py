"""An OJALA-like network (arXiv:2604.00661), written anew from a description of its layers, masking and losses.

What it keeps of the original: one token a variable, value times embedding plus bias, no errors of the photometry; two
post-norm self-attention blocks with a bias by relative wavelength; three cross-attention blocks for questions that do
not see one another; a wide read-out to a Student t (a Gaussian in z / (1 + z) for the redshift); five targets a galaxy
from a random subset. What it leaves: stars and quasars, morphology, and the adaptation to unlabelled data.

Token ids: 0 is padding, variable v of the table is v + 1. Values are standardised by median and MAD.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hf_galaxy.variables_galaxy import BANDS, NARROW_BANDS, PROPERTIES, default_variables

WIDTH = 128
TARGETS = 5
MAX_WEIGHT = 1000.0
FREEDOM = 3.0  # of the Student t
LOG_VARIANCE = (math.log(1e-4), math.log(150.0))
MAX_LOSS = 50.0
NEGATIVE = -1e4
PACKS = 4  # groups of galaxies with as much to show, in training
WIDTH_STEP = 16  # tokens, of the widths of such groups
BATCH_ASKED = 64  # galaxies a batch when it is asked, as its authors do


@dataclass(frozen=True)
class OjalaTokens:
    """What the network knows of its variables.

    Attributes:
        wavelength: (V,) log10 wavelength scaled to 0 … 1; NaN without one.
        narrow: (V,) bool, narrow bands.
        observation: (V,) bool, bands in contrast to properties.
        redshift: Column of the redshift.
    """

    wavelength: Tensor
    narrow: Tensor
    observation: Tensor
    redshift: int

    @classmethod
    def default(cls) -> OjalaTokens:
        """The 62 bands, then the properties."""
        pivot = {v.name: v.pivot for v in default_variables() if v.kind == "flux"}
        log = torch.log10(torch.tensor([pivot[b] for b in BANDS]))
        none = torch.full((len(PROPERTIES),), torch.nan)
        wavelength = torch.cat([(log - log.min()) / (log.max() - log.min()), none])
        names = [*BANDS, *PROPERTIES]
        return cls(
            wavelength,
            torch.tensor([name in NARROW_BANDS for name in names]),
            torch.tensor([name in BANDS for name in names]),
            names.index("redshift"),
        )


class WavelengthBias(nn.Module):
    """Additive attention bias w exp(-(Δλ/σ)²), one (w, σ) for pairs of narrow bands and one for the other pairs."""

    def __init__(self, tokens: OjalaTokens) -> None:
        super().__init__()
        has = torch.isfinite(tokens.wavelength)
        x = tokens.wavelength.nan_to_num()
        self.register_buffer("distance", (x[:, None] - x[None, :]).abs())
        both = tokens.narrow[:, None] & tokens.narrow[None, :]
        self.register_buffer("kinds", torch.stack([both, (has[:, None] & has[None, :]) & ~both]).float())
        self.log_sigma = nn.Parameter(torch.tensor([-2.30, -1.61]))
        self.weight = nn.Parameter(torch.tensor([0.10, 0.10]))

    def forward(self) -> Tensor:
        """(V, V)."""
        sigma, weight = self.log_sigma.exp()[:, None, None], self.weight[:, None, None]
        return (self.kinds * weight * torch.exp(-((self.distance / sigma) ** 2))).sum(0)


class Attention(nn.Module):
    """Multi-head attention, written out because its additive mask is shared by the heads.

    Args:
        extra_slot: Add one learned key and value to what is looked at.
    """

    def __init__(self, heads: int, extra_slot: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key_value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH)
        self.output, self.dropout = nn.Linear(WIDTH, WIDTH), nn.Dropout(0.1)
        self.slot = nn.Parameter(0.02 * torch.randn(2 * WIDTH)) if extra_slot else None

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """``x`` (B, Q, D), ``memory`` (B, V, D), additive ``mask`` (B, Q or 1, V)."""
        keys = self.key_value(memory)
        if self.slot is not None:
            keys = torch.cat([keys, self.slot.to(keys.dtype).expand(len(keys), 1, -1)], 1)
            mask = F.pad(mask, (0, 1))
        key, value = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in keys.chunk(2, -1))
        query = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
        weights = self.dropout(torch.softmax(scores + mask.unsqueeze(1), -1).to(value.dtype))
        return self.output((weights @ value).transpose(1, 2).flatten(2))


class EncoderBlock(nn.Module):
    """Post-norm self-attention with a bias by wavelength that has a gain of its own.

    Args:
        gain_on_padding: The gain multiplies what hides the padding too, as released.
    """

    def __init__(self, heads: int, hidden: int, gain_on_padding: bool) -> None:
        super().__init__()
        self.gain_on_padding = gain_on_padding
        self.attention = Attention(heads)
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, hidden), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden, WIDTH))
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, padding: Tensor, bias: Tensor) -> Tensor:
        """``x`` (B, V, D), what hides the ``padding`` and ``bias`` by wavelength (B, V, V)."""
        mask = self.gain * (padding + bias) if self.gain_on_padding else padding + self.gain * bias
        x = self.first(x + self.attention(x, x, mask))
        return self.second(x + self.mlp(x))


class DecoderBlock(nn.Module):
    """Post-norm cross-attention from questions to the context, with one learned slot."""

    def __init__(self, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = Attention(heads, extra_slot=True)
        self.first, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, hidden), nn.GELU(), nn.Dropout(0.1), nn.Linear(hidden, WIDTH))

    def forward(self, x: Tensor, memory: Tensor, hidden: Tensor) -> Tensor:
        """``x`` (B, Q, D), ``memory`` (B, V, D), ``hidden`` (B, V) true where nothing is known."""
        x = self.first(x + self.attention(x, memory, NEGATIVE * hidden.unsqueeze(1).to(x.dtype)))
        return self.second(x + self.mlp(x))


class Ojala(nn.Module):
    """The network; 4.7 M parameters with its own vocabulary and class heads.

    Args:
        tokens: The variables.
        class_heads: Sizes of further linear heads on the read-out; counted and trained, never asked here.
        gain_on_padding: See ``EncoderBlock``.
    """

    def __init__(self, tokens: OjalaTokens, class_heads: Sequence[int] = (), gain_on_padding: bool = True) -> None:
        super().__init__()
        count = len(tokens.wavelength)
        self.embedding, self.bias = nn.Embedding(count + 1, WIDTH), nn.Embedding(count + 1, WIDTH)
        self.wavelength_mlp = nn.Sequential(nn.Linear(3, 64), nn.SiLU(), nn.Linear(64, WIDTH))
        has = torch.isfinite(tokens.wavelength)
        facts = torch.stack([tokens.wavelength.nan_to_num(), has.float(), tokens.narrow.float()], -1)
        self.register_buffer("facts", facts)
        self.wavelength_bias = WavelengthBias(tokens)
        self.encoder = nn.ModuleList([EncoderBlock(16, 1024, gain_on_padding), EncoderBlock(8, 512, gain_on_padding)])
        self.decoder = nn.ModuleList([DecoderBlock(16, 2048), DecoderBlock(8, 1024), DecoderBlock(4, 512)])
        sizes = (WIDTH, 2048, 1024, 512, 256)
        layers = [(nn.Linear(a, b), nn.GELU(), nn.Dropout(0.1)) for a, b in pairwise(sizes)]
        self.readout = nn.Sequential(*(module for group in layers for module in group))
        self.mean, self.log_variance = nn.Linear(256, 1), nn.Linear(256, 1)
        self.class_heads = nn.ModuleList(nn.Linear(256, n) for n in class_heads)

    def variable_vectors(self) -> Tensor:
        """(V, D)."""
        return self.embedding.weight[1:] + self.facts[:, 1:2] * self.wavelength_mlp(self.facts)

    def encode(
        self, values: Tensor, shown: Tensor, wavelength_bias: bool = True, columns: Tensor | None = None
    ) -> Tensor:
        """Encoded context (B, V, D) of standardised values (B, V) and what of them is shown (B, V).

        ``wavelength_bias=False`` is what the released inference does, though training had the bias. ``columns`` (B, V)
        says which variables these are, if not all in their order.
        """
        vectors, offset, bias = self.variable_vectors(), self.bias.weight[1:], self.wavelength_bias()
        if columns is not None:
            vectors, offset, bias = vectors[columns], offset[columns], bias[columns[:, :, None], columns[:, None, :]]
        x = F.gelu(vectors * (values * shown).unsqueeze(-1) + offset)
        pair = shown[:, :, None] & shown[:, None, :]
        padding = NEGATIVE * (~pair).to(x.dtype)
        for block in self.encoder:
            x = block(x, padding, bias if wavelength_bias else torch.zeros_like(bias))
        return x

    def answer(self, memory: Tensor, shown: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, Q), standardised, of the variables ``queries`` (B, Q)."""
        x = self.variable_vectors()[queries]
        for block in self.decoder:
            x = block(x, memory, ~shown)
        features = self.readout(x)
        return self.mean(features).squeeze(-1), self.log_variance(features).squeeze(-1)

    def forward(self, values: Tensor, shown: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, Q) of the questions."""
        return self.answer(self.encode(values, shown), shown, queries)


class Standardiser:
    """Fluxes and properties to OJALA's values: f_λ over f_λ(iSDSS) for narrow bands, magnitudes for broad ones.

    Args:
        flux, properties: Training galaxies (N, 62) as observed in nJy, and (N, P); NaN is unknown.
    """

    def __init__(self, tokens: OjalaTokens, flux: Tensor, properties: Tensor) -> None:
        self.tokens = tokens
        pivot = torch.tensor([v.pivot for v in default_variables() if v.kind == "flux"])
        self.to_i = (pivot[BANDS.index("iSDSS")] / pivot) ** 2
        raw = self._raw(flux, properties)
        self.center = raw.nanmedian(0).values
        spread = 1.4826 * (raw - self.center).abs().nanmedian(0).values
        self.scale = torch.where(spread > 0, spread, torch.ones_like(spread))

    def _raw(self, flux: Tensor, properties: Tensor) -> Tensor:
        reference = flux[:, BANDS.index("iSDSS"), None]
        ratio = torch.where(reference > 0, flux / reference * self.to_i, torch.nan)
        magnitude = torch.where(flux > 0, 31.4 - 2.5 * torch.log10(flux.clamp(min=1e-9)), torch.nan)
        bands = torch.where(self.tokens.narrow[: len(BANDS)], ratio, magnitude)
        return torch.cat([bands, properties], 1)

    def __call__(self, flux: Tensor, properties: Tensor) -> tuple[Tensor, Tensor]:
        """Standardised values (n, V), zero where unknown, and what is known (n, V)."""
        values = (self._raw(flux, properties) - self.center) / self.scale
        known = torch.isfinite(values)
        return values.nan_to_num(0.0, 0.0, 0.0), known


def draw_mask(
    known: Tensor,
    observation: Tensor,
    weight: Tensor,
    generator: torch.Generator | None = None,
    full_share: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Context (n, V) and targets (n, 5) in OJALA's way, both among what is known.

    A random number of the shuffled tokens is cut off; five targets are drawn by weight and removed; of the rest (all if
    the first target is an observation, else the observations) each stays with a probability k w / mean(w), k uniform;
    fewer than five are filled up to five. A share ``full_share`` (none as released) of the galaxies shows all its other
    observations and no property, as it is when the network is asked.
    """
    n, count = known.shape

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=known.device)

    rank = (uniform(n, count) - known.float()).argsort(1).argsort(1)
    kept = known & (rank < count - torch.floor(uniform(n, 1) * (count - 1)))
    kept = torch.where(kept.sum(1, keepdim=True) > TARGETS, kept, known)
    # Drawing without replacement in proportion to weights: the largest u^(1/w) (Efraimidis & Spirakis 2006).
    key = torch.log(uniform(n, count).clamp(min=1e-12)) / weight
    targets = key.masked_fill(~kept, -torch.inf).topk(TARGETS, 1).indices
    rest = kept.scatter(1, targets, False)
    candidates = rest & (observation | observation[targets[:, :1]])
    share = weight * candidates
    mean = share.sum(1, keepdim=True) / candidates.sum(1, keepdim=True).clamp(min=1)
    context = candidates & (uniform(n, count) < uniform(n, 1) * weight / mean.clamp(min=1e-9))
    few = context.sum(1, keepdim=True) < TARGETS
    heaviest = (weight + uniform(n, count) * 1e-3).masked_fill(~candidates, -torch.inf).topk(TARGETS, 1).indices
    filled = torch.zeros_like(context).scatter(1, heaviest, True) & candidates
    context = torch.where(few, context | filled, context)
    if not full_share:
        return context, targets
    full = uniform(n, 1) < full_share
    return torch.where(full, (known & observation).scatter(1, targets, False), context), targets


def target_weights(known: Tensor) -> Tensor:
    """(V,) min(1 / frequency, 1000) of every token under the sampling."""
    return (1.0 / known.float().mean(0).clamp(min=1.0 / MAX_WEIGHT)).clamp(max=MAX_WEIGHT)


def loss(
    model: Ojala, standardiser: Standardiser, values: Tensor, known: Tensor, generator=None, full_share: float = 0.0
) -> Tensor:
    """The training loss of one batch of standardised values: draws the mask, asks, scores."""
    tokens = standardiser.tokens
    device = values.device
    weight = target_weights(known)
    shown, targets = draw_mask(known, tokens.observation.to(device), weight, generator, full_share)
    mean, log_variance = answer_packed(model, values, shown, targets)
    return negative_log_likelihood(
        mean.float(), log_variance.float(), values.gather(1, targets), targets, standardiser
    ).mean()


def answer_packed(model: Ojala, values: Tensor, shown: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
    """What ``model(values, shown, queries)`` gives, without the work on what is not shown.

    Galaxies with as much to show go together, and of each only what is shown.
    """
    count = shown.sum(1)
    order = count.argsort()
    parts = []
    for rows in order.chunk(PACKS):
        # The first columns of a stable sort of true before false are those shown, in their order. Few widths are told
        # apart, for each new shape costs a compilation and the memory that keeps it.
        width = min(shown.shape[1], WIDTH_STEP * -(-max(1, int(count[rows].max())) // WIDTH_STEP))
        columns = (~shown[rows]).to(torch.uint8).argsort(dim=1, stable=True)[:, :width]
        kept = shown[rows].gather(1, columns)
        memory = model.encode(values[rows].gather(1, columns), kept, columns=columns)
        parts.append(torch.stack(model.answer(memory, kept, queries[rows])))
    mean, log_variance = torch.cat(parts, 1)[:, order.argsort()]
    return mean, log_variance


def negative_log_likelihood(
    mean: Tensor, log_variance: Tensor, truth: Tensor, asked: Tensor, standardiser: Standardiser
) -> Tensor:
    """Student t with three degrees of freedom; for the redshift a Gaussian in Δz / (1 + z). Constants dropped."""
    variance = torch.exp(log_variance.clamp(*LOG_VARIANCE))
    z_column = standardiser.tokens.redshift
    residual = truth - mean
    student = 0.5 * torch.log(variance) + 0.5 * (FREEDOM + 1) * torch.log1p(residual**2 / (FREEDOM * variance))
    scale, center = standardiser.scale[z_column].item(), standardiser.center[z_column].item()
    one_plus_z = 1 + truth * scale + center
    relative = variance * scale**2 / one_plus_z**2
    gauss = 0.5 * (torch.log(relative) + (residual * scale / one_plus_z) ** 2 / relative)
    return torch.where(asked == z_column, gauss, student).clamp(max=MAX_LOSS)


@torch.no_grad()
def request(model: Ojala, values: Tensor, known: Tensor, columns: Sequence[int], wavelength_bias: bool) -> Tensor:
    """OJALA's own way of asking: batches of 64, one pass of the decoder a property; (n, columns, 2) mean, log variance.

    ``wavelength_bias=False`` is the network as released, ``True`` as corrected.
    """
    model.eval()
    out = []
    for start in range(0, len(values), BATCH_ASKED):
        rows = slice(start, start + BATCH_ASKED)
        shown = known[rows]
        memory = model.encode(values[rows], shown, wavelength_bias)
        answers = [model.answer(memory, shown, torch.full((len(shown), 1), c, device=shown.device)) for c in columns]
        out.append(torch.stack([torch.cat(pair, 1) for pair in answers], 1))
    return torch.cat(out)


def inference_speed(n: int, properties: int, device: str = "cpu", repeat: int = 3) -> float:
    """Galaxies a second for so many properties of galaxies with all photometry, asked in OJALA's way."""
    torch.manual_seed(0)
    tokens = OjalaTokens.default()
    model = Ojala(tokens).to(device)
    values = torch.randn(n, len(tokens.wavelength), device=device)
    known = tokens.observation.to(device).expand(n, -1)
    columns = range(len(BANDS), len(BANDS) + properties)
    seconds = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        request(model, values, known, columns, wavelength_bias=True)[0, 0].cpu()
        seconds.append(time.perf_counter() - start)
    return n / min(seconds[1:])
