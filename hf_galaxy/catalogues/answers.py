"""The answers about one block of a catalogue, as a table.

Every answer depends on the rows of its own piece alone: pieces are counted from the first row of the catalogue, and
draws are seeded by the piece, so that no answer depends on how the catalogue was cut, continued or shared out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import astropy.units as u
import numpy as np
import torch
from astropy.table import Column, Table

from ..data.catalogues import Catalogue
from ..densities_galaxy import MixtureDensity
from ..posterior import GalaxyPosterior
from ..variables_galaxy import Variable

ROWS_PER_DRAW = 128  # rows whose joint draws share a seed
SKIPPED = "skipped"
SINGLE_VALUES = ("mode", "odds")  # of the redshift


@dataclass(frozen=True)
class PdfGrid:
    """A density on a grid.

    Attributes:
        name: Variable, a property.
        grid: (m,) ascending values.
    """

    name: str
    grid: np.ndarray


@dataclass(frozen=True)
class Question:
    """What is asked of every galaxy.

    Attributes:
        asked: Properties and bands.
        levels: Of the quantiles.
        samples: Number of joint draws; 0 is none.
        seed: Of the draws.
        pdf: A density on a grid, or None.
        log_prob: Whether the log density of the photometry is wanted: it takes about half of the time.
    """

    asked: tuple[Variable, ...]
    levels: Sequence[float] = (0.16, 0.5, 0.84)
    samples: int = 0
    seed: int = 0
    pdf: PdfGrid | None = None
    log_prob: bool = True

    @property
    def numbers_a_row(self) -> int:
        """How much is kept of each galaxy, about."""
        drawn = 2 * self.samples * len(self.asked)
        return 200 + drawn + (len(self.pdf.grid) if self.pdf else 0)


def answers(galaxy: GalaxyPosterior, catalogue: Catalogue, question: Question, first: int) -> tuple[Table, np.ndarray]:
    """The columns of answers about some rows, and (n, m) densities on the grid (m is 0 without one).

    Args:
        galaxy: The model.
        catalogue: The rows; those that are skipped are answered by NaN.
        question: What is asked.
        first: Row of the whole catalogue that the first one is, a multiple of ``ROWS_PER_DRAW``.
    """
    posterior = galaxy.condition(catalogue)
    names = [v.name for v in question.asked]
    table = Table(posterior.summary(names, question.levels))
    if "redshift" in names:
        for what, column in zip(SINGLE_VALUES, posterior.mode_and_odds("redshift").T, strict=True):
            table[f"redshift_{what}"] = column
    if question.log_prob:
        table["log_prob_photometry"] = posterior.log_prob_photometry()
    if question.samples:
        for variable in question.asked:
            draws = np.empty((len(catalogue), question.samples), dtype=np.float32)
            table[f"{variable.name}_samples"] = u.Quantity(draws, variable.unit or None, copy=False)
        for start in range(0, len(catalogue), ROWS_PER_DRAW):
            rows = slice(start, min(start + ROWS_PER_DRAW, len(catalogue)))
            seed = _seed(question.seed, (first + start) // ROWS_PER_DRAW)
            drawn = galaxy.condition(catalogue[rows]).sample(question.samples, names, seed)
            for name in names:
                table[f"{name}_samples"][rows] = drawn[name]
    density = pdf(posterior, question.pdf) if question.pdf else np.empty((len(catalogue), 0), dtype=np.float32)
    if catalogue.skipped is not None:
        _void(table, density, catalogue.skipped)
    return table, density


def pdf(posterior: GalaxyPosterior, wanted: PdfGrid) -> np.ndarray:
    """(n, m) mean densities over the cells of a grid, whose borders lie midway between its points, float32.

    Means and not values at the points, so that a peak narrower than the grid keeps its probability: the trapezoidal
    integral of the densities is the probability between the ends of the grid.
    """
    grid = wanted.grid
    borders = np.concatenate([grid[:1], 0.5 * (grid[1:] + grid[:-1]), grid[-1:]])
    t = posterior._coordinates(wanted.name).forward(torch.as_tensor(borders).unsqueeze(-1)).squeeze(-1).float()

    def evaluate(_: slice, density: MixtureDensity) -> torch.Tensor:
        return density.unsqueeze(2).cdf(t.to(density.loc.device).expand(*density.loc.shape[:2], -1)).double()

    cumulative = posterior.ask([wanted.name], evaluate)[:, 0]
    return (np.diff(cumulative.numpy(), axis=1).clip(0.0) / np.diff(borders)).astype(np.float32)


def _seed(seed: int, piece: int) -> int:
    """63 bits for each piece of a catalogue."""
    return int(np.random.SeedSequence([seed, piece]).generate_state(1, np.uint64)[0] >> 1)


def _void(table: Table, density: np.ndarray, skipped: np.ndarray) -> None:
    """NaN in place of the answers about skipped rows, whose reasons become the last column."""
    bad = skipped != ""
    density[bad] = np.nan
    for name in table.colnames if bad.any() else ():
        table[name][bad] = np.nan if table[name].dtype.kind == "f" else 0
    table[SKIPPED] = Column(skipped.astype(str), description="why the row could not be read; empty where it could")


__all__ = ["ROWS_PER_DRAW", "SKIPPED", "PdfGrid", "Question", "answers", "pdf"]
