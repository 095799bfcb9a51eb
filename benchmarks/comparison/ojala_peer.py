"""OJALA (arXiv:2604.00661) as a peer, as released and with the faults mended that do not belong to its design.

| | as released | corrected |
|---|---|---|
| shown in training | its masking: of all bands a median of 12, nearly never all | half of the galaxies: all bands |
| bias by wavelength | in training, not when it is asked | in both |
| gain of that bias | multiplies what hides the padding too | does not |
| equivalent widths | linear (300 Å is 17 σ) | arcsinh |
| stated error | scale of its Student t, read as a Gaussian σ | quantiles of the Student t |

Both keep the design: no errors of the photometry, one mode (a Gaussian in z, a Student t elsewhere), every property by
itself, its layers, its choice of targets, its losses. Both leave what has no place here: stars and quasars, morphology,
unlabelled data; and fluxes of lines, which OJALA does not know. Its batch of 10,000 at a rate of 1e-4 would leave a few
steps of so few galaxies: both have the batch of our model, 128, and the better rate of 1e-3 and 3e-4 for it (by the
likelihood of validation galaxies after 16,000 galaxies).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from benchmarks.comparison.answers import COMPARED, LEVELS, Answers, Contender, Floats, Observe
from benchmarks.comparison.catalogue import VARIABLES
from benchmarks.peers import ojala
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.noise import Observation
from hf_galaxy.training.sources import SequenceSource, TableSequence
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

WIDTHS = [name for name in PROPERTIES if name.startswith("ew_")]
FLUXES = [PROPERTIES.index(name) for name in PROPERTIES if name.startswith("flux_")]
SOFTENING = VARIABLES[WIDTHS[0]].softening  # Å, of the arcsinh
COLUMNS = [len(BANDS) + PROPERTIES.index(name) for name in COMPARED]
STATISTICS_ROWS = 20_000
LOG_EVERY = 100


@dataclass(frozen=True)
class Version:
    """What differs between OJALA as released and as corrected; the table of the module says it in words."""

    name: str
    full_share: float
    bias_when_asked: bool
    gain_on_padding: bool
    arcsinh_widths: bool
    student_quantiles: bool
    rate: float


RELEASED = Version("OJALA, as released", 0.0, False, True, False, False, 1e-3)
CORRECTED = Version("OJALA, corrected", 0.5, True, False, True, True, 1e-3)


class OjalaPeer(Contender):
    """One version of OJALA.

    Args:
        version: Which.
        seen: Galaxies seen in training, epochs counted.
        batch: Galaxies a step.
    """

    def __init__(self, version: Version, seen: int, batch: int) -> None:
        super().__init__(version.name, {"note": "one network for all, every property by itself"})
        self.version, self.seen, self.batch = version, seen, batch

    def fit(self, train: GalaxyTable, observe: Observe, seed: int) -> None:
        """AdamW with a cosine over the run, gradient clipped to 5, bfloat16 where ours has it."""
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        tokens, version = ojala.OjalaTokens.default(), self.version
        first = train[:STATISTICS_ROWS]
        self.standardiser = ojala.Standardiser(tokens, observe(first.flux, generator).flux, self._raw(first))
        self.model = ojala.Ojala(tokens, gain_on_padding=version.gain_on_padding).train()
        source = SequenceSource(TableSequence(train, seed), self.batch, self.batch)
        steps = self.seen // self.batch
        optimizer = torch.optim.AdamW(self.model.parameters(), version.rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 1e-10)
        self.losses: list[float] = []
        for step in range(steps):
            rows = source.rows(step, 0)
            values, known = self.standardiser(observe(rows.flux, generator).flux, self._raw(rows))
            with torch.autocast("cpu", torch.bfloat16):
                loss = ojala.loss(self.model, self.standardiser, values, known, generator, version.full_share)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            self.losses.append(float(loss.detach()))
        parameters = sum(p.numel() for p in self.model.parameters())
        self.facts |= {"parameters": parameters, "seen": steps * self.batch}

    def _raw(self, table: GalaxyTable) -> Tensor:
        """Its properties: equivalent widths linear or arcsinh, line fluxes unknown."""
        properties = table.properties.clone()
        properties[:, FLUXES] = torch.nan
        if self.version.arcsinh_widths:
            columns = [PROPERTIES.index(name) for name in WIDTHS]
            properties[:, columns] = torch.asinh(properties[:, columns] / SOFTENING)
        return properties

    def predict(self, observation: Observation) -> Answers:
        """Asked in its own way: batches of 64, one pass of the decoder a property."""
        start = time.perf_counter()
        nothing = torch.full((len(observation.flux), len(PROPERTIES)), torch.nan)
        values, known = self.standardiser(observation.flux, nothing)
        with torch.autocast("cpu", torch.bfloat16):
            answer = ojala.request(self.model, values, known, COLUMNS, self.version.bias_when_asked).double()
        scale, center = (x[COLUMNS].double() for x in (self.standardiser.scale, self.standardiser.center))
        mean = (answer[..., 0] * scale + center).numpy()
        sigma = (torch.exp(0.5 * answer[..., 1].clamp(*ojala.LOG_VARIANCE)) * scale).numpy()
        quantiles = {
            name: self._physical(name, mean[:, [i]] + sigma[:, [i]] * self._law(name, stated=True).ppf(LEVELS))
            for i, name in enumerate(COMPARED)
        }
        seconds = time.perf_counter() - start

        def log_prob(truth: dict[str, Floats]) -> dict[str, Floats]:
            return {
                name: self._log_density(name, truth[name], mean[:, i], sigma[:, i]) for i, name in enumerate(COMPARED)
            }

        middle = len(LEVELS) // 2
        return Answers(COMPARED, quantiles, {n: q[:, middle] for n, q in quantiles.items()}, log_prob, seconds)

    def _law(self, name: str, stated: bool):
        """The distribution of (truth - mean) / sigma: as trained, or as its catalogue states it."""
        if name == "redshift" or (stated and not self.version.student_quantiles):
            return stats.norm()
        return stats.t(ojala.FREEDOM)

    def _is_arcsinh(self, name: str) -> bool:
        return self.version.arcsinh_widths and name in WIDTHS

    def _physical(self, name: str, x: Floats) -> Floats:
        return SOFTENING * np.sinh(x) if self._is_arcsinh(name) else x

    def _log_density(self, name: str, truth: Floats, mean: Floats, sigma: Floats) -> Floats:
        """Of the token coordinate, by the law that it was trained with."""
        x = np.arcsinh(truth / SOFTENING) if self._is_arcsinh(name) else truth
        # dx/dt: a coordinate is (g(y) - center) / scale
        variable = VARIABLES[name]
        if self._is_arcsinh(name):
            slope = np.full_like(x, variable.scale)
        else:
            y = truth / variable.softening
            inner = {"linear": np.ones_like(y), "asinh": np.sqrt(1 + y * y), "log1p": 1 + y}[variable.transform]
            slope = variable.softening * variable.scale * inner
        return self._law(name, stated=False).logpdf((x - mean) / sigma) - np.log(sigma) + np.log(slope)


__all__ = ["CORRECTED", "RELEASED", "OjalaPeer", "Version"]
