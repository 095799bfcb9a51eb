"""Evidence through a model, in pieces: encoded contexts, densities of answers, chains and joint draws.

All in token coordinates; `posterior` turns them into physical units. Memory depends on the size of a piece alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from .configuration_galaxy import SPECIAL_TOKENS
from .densities_galaxy import MixtureDensity
from .evidence import Evidence
from .modeling_galaxy import GalaxyContext, GalaxyModel

ROWS_AT_ONCE = 1024
DRAWS_AT_ONCE = 16384
# On a processor what one layer hands to the next should stay in the cache, and be no new memory of the system.
ROWS_ON_CPU = 128
DRAWS_ON_CPU = 4096
GOLDEN_SECTION = 0.6180339887498949


class Inference:
    """A model asked about some evidence.

    Args:
        model: In evaluation mode.
        evidence: About `n` galaxies.
    """

    def __init__(self, model: GalaxyModel, evidence: Evidence) -> None:
        self.model, self.evidence = model, evidence

    def _at_once(self, everywhere: int, on_cpu: int) -> int:
        return min(everywhere, on_cpu) if self.model.device.type == "cpu" else everywhere

    def _slices(self, most: int | None = None) -> Iterator[slice]:
        size = min(self._at_once(ROWS_AT_ONCE, ROWS_ON_CPU), most or len(self.evidence))
        for start in range(0, len(self.evidence), size):
            yield slice(start, min(start + size, len(self.evidence)))

    def contexts(self, most: int | None = None) -> Iterator[tuple[slice, GalaxyContext]]:
        """The encoded evidence, in pieces of at most `most` galaxies."""
        for rows in self._slices(most):
            yield rows, self.model.encode(*self._tokens(rows))

    def _tokens(self, rows: slice) -> list[Tensor]:
        return [x.to(self.model.device) for x in self.evidence.tokens(rows)]

    @torch.inference_mode()
    def ask(self, ids: Tensor, errors: Tensor, use: Callable[[slice, MixtureDensity], Tensor]) -> Tensor:
        """What `use` makes of the densities `(rows, q)` of the answers to `q` questions, all galaxies together.

        Every question sees the evidence alone. `errors` are asked token errors `(n, q)` or `(1, q)`. A variable that
        is evidence itself is asked given the rest of the evidence, and its density multiplied by its own measurement;
        so what is known exactly is answered exactly.
        """
        known = self.evidence.known.any(axis=0)
        own = [bool(known[token - len(SPECIAL_TOKENS)]) for token in ids.tolist()]
        if len(own) == 1 or not any(own):
            return self._ask_alike(ids, errors, own[0], use)
        parts = {}
        for group in ([i for i, mine in enumerate(own) if not mine], *([i] for i, mine in enumerate(own) if mine)):
            if group:
                answer = self._ask_alike(ids[group], errors[:, group], own[group[0]], use)
                parts.update(zip(group, answer.unbind(1), strict=True))
        return torch.stack([parts[i] for i in range(len(own))], dim=1)

    def _ask_alike(self, ids: Tensor, errors: Tensor, own: bool, use: Callable) -> Tensor:
        """`ask` for questions of which none is evidence, or for a single one that is."""
        if not own:
            return torch.cat([use(rows, density).cpu() for rows, density in self._densities(ids, errors)])
        column = int(ids[0]) - len(SPECIAL_TOKENS)
        value, error = self.evidence.measurement(column)
        rest = Inference(self.model, self.evidence.without([column]))
        parts = []
        for rows, density in rest._densities(ids, torch.zeros_like(errors)):
            mine = [x[rows].unsqueeze(-1).to(density.loc.device) for x in (value, error)]
            posterior = density.measured(*mine)
            if bool(errors.any()):
                asked = errors.expand(len(self.evidence), -1)[rows].to(ids.device)
                posterior = self.model.convolved(posterior, ids.expand(len(mine[0]), -1), asked)
            parts.append(use(rows, posterior).cpu())
        return torch.cat(parts)

    def _densities(self, ids: Tensor, errors: Tensor) -> Iterator[tuple[slice, MixtureDensity]]:
        for rows, context in self.contexts():
            questions = ids.expand(len(context.reference), -1)
            logits = self.model.answer(context, questions)
            asked = errors.expand(len(self.evidence), -1)[rows].to(logits.device)
            yield rows, self.model.density(logits, questions, asked, context.reference)

    @torch.inference_mode()
    def category_log_prob(self, token: Tensor) -> Tensor:
        """Log probabilities `(n, K)` of the values of a category."""
        parts = []
        for _, context in self.contexts():
            ids = token.expand(len(context.reference), 1)
            parts.append(self.model.category_log_prob(self.model.answer(context, ids), ids)[:, 0].cpu())
        return torch.cat(parts)

    @torch.inference_mode()
    def chain(self, ids: Tensor, t: Tensor, errors: Tensor) -> Tensor:
        """Log densities `(n, q)` of the answers `t`, each given those before it; `errors` `(n, q)` or `(1, q)`."""
        parts = [
            self._chain(context, ids, t[rows], errors.expand(len(self.evidence), -1)[rows])
            for rows, context in self.contexts()
        ]
        return torch.cat(parts)

    def _chain(self, context: GalaxyContext, ids: Tensor, t: Tensor, errors: Tensor) -> Tensor:
        ids = ids.expand(len(context.reference), -1)
        t, errors = t.to(ids.device), errors.to(ids.device)
        logits = self._chained(context, ids, t, errors)
        return self.model.log_prob(logits, ids, errors, context.reference, t).cpu()

    def _chained(self, context: GalaxyContext, ids: Tensor, t: Tensor, errors: Tensor) -> Tensor:
        """Raw densities of answers, each given the answers `t` before it."""
        order = torch.ones(2 * ids.shape[1:], dtype=torch.bool, device=ids.device).tril(-1)
        return self.model.answer(context, ids, t, errors, order)

    @torch.inference_mode()
    def log_prob_photometry(self) -> Tensor:
        """Log density `(n,)` of the known fluxes given the other evidence; NaN without fluxes."""
        total = torch.zeros(len(self.evidence), dtype=torch.float64)
        known = torch.zeros(len(self.evidence), dtype=torch.bool)
        for rows, _, t, density in self.photometry():
            finite = torch.isfinite(t)
            log_prob = density.log_prob(t.nan_to_num()).where(finite, 0.0)
            total[rows] += log_prob.cpu().double().sum(-1)
            known[rows] |= finite.any(-1).cpu()
        return total.masked_fill(~known, torch.nan)

    def photometry(self) -> Iterator[tuple[slice, list[int], Tensor, MixtureDensity]]:
        """Rows, columns, coordinates `(rows, columns)` of the known fluxes, and the density of each given those before.

        The chain rule over blocks of bands of growing size (1, 2, 4, …), each block given those before it. A flux that
        is not known is NaN, and its density means nothing. For use where no gradients are recorded.
        """
        for rows in self._slices():
            ids, values, errors, known = self._tokens(rows)
            columns = {token: column for column, token in enumerate(ids[0].tolist())}
            blocks = [[columns[token] for token in block if token in columns] for block in self._blocks_of_bands()]
            shown = known.clone()
            shown[:, [column for block in blocks for column in block]] = False
            for block in filter(None, blocks):
                context = self.model.encode(ids, values, errors, shown)
                t = values[:, block].masked_fill(~known[:, block], torch.nan)
                logits = self._chained(context, ids[:, block], t, errors[:, block])
                density = self.model.density(logits, ids[:, block], errors[:, block], context.reference)
                yield rows, [token - len(SPECIAL_TOKENS) for token in ids[0, block].tolist()], t, density
                shown[:, block] = known[:, block]

    @torch.inference_mode()
    def draws(self, ids: Tensor, n: int, generator: torch.Generator) -> Tensor:
        """Joint draws `(galaxies, n, q)` of the answers to the questions `(q,)`, in their order.

        What is known exactly is its own draw. One variable may be known with an error: it is drawn first, given the
        rest of the evidence and its measurement, and stands for the measurement from then on.

        Raises:
            ValueError: Several of the variables are known with errors.
        """
        columns = [token - len(SPECIAL_TOKENS) for token in ids.tolist()]
        known, error = self.evidence.known[:, columns], np.nan_to_num(self.evidence.errors[:, columns])
        exact = known.all(axis=0) & (error == 0).all(axis=0)
        own = [i for i in np.flatnonzero(known.any(axis=0)) if not exact[i]]
        if len(own) > 1:
            names = ", ".join(self.evidence.variables[columns[i]].name for i in own)
            raise ValueError(f"{names} are known with errors; joint draws can hold only one such variable")
        asked = [*own, *(i for i in range(len(columns)) if not exact[i] and i not in own)]
        answers = torch.empty(len(self.evidence), n, len(columns))
        for i in np.flatnonzero(exact):
            answers[..., i] = self.evidence.measurement(columns[i])[0].unsqueeze(-1)
        if asked:
            answers[..., asked] = self._draws(ids[asked], n, generator, bool(own))
        return answers

    def _draws(self, ids: Tensor, n: int, generator: torch.Generator, measured: bool) -> Tensor:
        """`draws` in the order of `ids`, of which the first may be measured itself."""
        size = max(1, self._at_once(DRAWS_AT_ONCE, DRAWS_ON_CPU) // n)
        if not measured:
            return torch.cat(
                [self.model.draw_jointly(c, ids, n, generator=generator).cpu() for _, c in self.contexts(size)]
            )
        column = int(ids[0]) - len(SPECIAL_TOKENS)
        value, error = self.evidence.measurement(column)
        parts = []
        for rows, context in Inference(self.model, self.evidence.without([column])).contexts(size):
            question = ids[:1].expand(len(context.reference), 1)
            logits = self.model.answer(context, question)
            density = self.model.density(logits, question, torch.zeros_like(question), context.reference)
            mine = [x[rows].unsqueeze(-1).to(logits.device) for x in (value, error)]
            first = density.measured(*mine).map(lambda x: x.expand(-1, n, -1))
            parts.append(self.model.draw_jointly(context, ids, n, generator=generator, first=first).cpu())
        return torch.cat(parts)

    def _blocks_of_bands(self) -> Iterator[list[int]]:
        """Token ids of all bands in blocks of growing size, scattered in wavelength so that the first say much.

        The same blocks whatever is known, so that no galaxy's answer depends on its neighbours in the table. Bands that
        a model was taught later come after all others, so that answers without them stay what they were.
        """
        variables = self.evidence.variables
        first = next((i for i, v in enumerate(variables) if v.kind != "flux"), len(variables))
        bands = [(v.pivot, i) for i, v in enumerate(variables) if v.kind == "flux"]
        for group in ([b for b in bands if b[1] < first], [b for b in bands if b[1] > first]):
            # Multiples of the golden section visit the spectrum evenly, at every length of the sequence.
            place = np.argsort((np.arange(len(group)) * GOLDEN_SECTION) % 1.0)
            order = [sorted(group)[i][1] + len(SPECIAL_TOKENS) for i in np.argsort(place)]
            start, size = 0, 1
            while start < len(order):
                yield order[start : start + size]
                start, size = start + size, 2 * size


__all__ = ["DRAWS_AT_ONCE", "ROWS_AT_ONCE", "Inference"]
