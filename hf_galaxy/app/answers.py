"""What the model answers: plain numbers of one galaxy for the page, a table of all galaxies to take away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from astropy.table import Table, hstack, vstack

from hf_galaxy.app.questions import ULTRAVIOLET, Question
from hf_galaxy.app.uploads import Loaded
from hf_galaxy.catalogues.answers import Question as WholeQuestion
from hf_galaxy.catalogues.answers import answers
from hf_galaxy.catalogues.columns import plain
from hf_galaxy.data.catalogues import Catalogue
from hf_galaxy.data.column_names import ERROR_SUFFIX
from hf_galaxy.data.table_io import write_table
from hf_galaxy.figures import Marked, comparison, density, hide, line_redshift, predict_hidden
from hf_galaxy.plotting.sed import PREDICTED_LEVELS
from hf_galaxy.posterior import GalaxyPosterior
from hf_galaxy.variables_galaxy import Variable

LEVELS = (0.025, 0.16, 0.5, 0.84, 0.975)
ROWS_AT_ONCE = 1024  # galaxies answered between two steps of the progress bar; a multiple of ROWS_PER_DRAW


@dataclass(frozen=True)
class Marginal:
    """The posterior of one variable of one galaxy.

    Attributes:
        grid, pdf: (n,) values and density, in the unit of the variable.
        quantiles: (5,) at ``LEVELS``.
    """

    grid: np.ndarray
    pdf: np.ndarray
    quantiles: np.ndarray


@dataclass(frozen=True)
class Sed:
    """The bands of one galaxy: (n_band,) pivot and width in Å, flux and error in nJy (NaN: not observed), whether the
    model is shown them; (n_band, 5) predicted quantiles in nJy at ``PREDICTED_LEVELS``; the redshift to mark lines at,
    if one is known well enough.
    """

    pivot: np.ndarray
    width: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    used: np.ndarray
    predicted: np.ndarray
    lines: Marked | None


@dataclass(frozen=True)
class Answer:
    """All that the page shows of one galaxy.

    Attributes:
        key: Of the table.
        question: What was asked.
        label: Of the galaxy.
        marginals: By the name of the variable.
        before: Of an earlier answer about the same galaxy with other evidence; empty where there is none.
        truths: Values of the table to compare with, that the model was not shown.
        sed: Bands; ``None`` where the galaxy has none.
        n_bands: Bands that the model was shown.
        n_evidence: Values that the answer rests on.
        n_extrapolated: Of these, values beyond the range of the training.
        skipped: Why the row cannot be read, so that the answer is the prior; "" if it can.
        notes: What the visitor should know, a sentence each.
    """

    key: str
    question: Question
    label: str
    marginals: dict[str, Marginal]
    before: dict[str, Marginal]
    truths: dict[str, float]
    sed: Sed | None
    n_bands: int
    n_evidence: int
    n_extrapolated: int
    skipped: str
    notes: tuple[str, ...]


def answer(galaxy: GalaxyPosterior, loaded: Loaded, question: Question, previous: Answer | None = None) -> Answer:
    """The posterior of one galaxy.

    Args:
        galaxy: The model.
        loaded: The table.
        question: What is asked.
        previous: The answer that the page shows now; what it says of the same galaxy stays as ``before``.

    Raises:
        ValueError: The question has no meaning; one line with the remedy.
    """
    whole = loaded.given(question.given)
    row = whole[[question.row]]
    typed = galaxy.condition(**{name: (value, error) for name, value, error in question.typed})
    seen = hide(row, question.hidden)
    posterior = typed.condition(seen)
    asked, notes = _asked(question)
    marginals = {name: _marginal(posterior, name) for name in asked}
    bands = [v for v in galaxy.variables if v.kind == "flux"]
    shown = [v.name for v, flux in zip(bands, _columns(seen, bands)[0], strict=True) if np.isfinite(flux)]
    return Answer(
        key=loaded.key,
        question=question,
        label=loaded.labels()[question.row],
        marginals=marginals,
        before=_before(loaded.key, question, previous),
        truths=_truths(row.table, asked),
        sed=_sed(typed, row, question, bands, posterior),
        n_bands=len(shown),
        n_evidence=int(posterior.n_evidence[0]),
        n_extrapolated=int(posterior.extrapolated[0]),
        skipped="" if row.skipped is None else str(row.skipped[0]),
        notes=tuple(notes),
    )


def answer_all(
    galaxy: GalaxyPosterior,
    loaded: Loaded,
    question: Question,
    path: Path,
    tell: Callable[[float], None] = lambda done: None,
) -> int:
    """Write the same question about every galaxy of the table to a file; the number of rows.

    Columns are those of ``hf-galaxy predict``: what the table had besides bands, then ``<name>_p02_5`` to
    ``<name>_p97_5``, ``n_evidence``, ``n_extrapolated``, ``log_prob_photometry`` and why a row was ``skipped``.
    Values typed by hand belong to one galaxy and are left out.

    Args:
        tell: Told the share that is done.

    Raises:
        ValueError: A given column cannot be read, or the file cannot hold the table.
    """
    asked, _ = _asked(replace(question, typed=()))
    variables = {v.name: v for v in galaxy.variables}
    whole = WholeQuestion(tuple(variables[name] for name in asked), LEVELS)
    catalogue = hide(loaded.given(question.given), question.hidden)
    parts = []
    for start in range(0, len(catalogue), ROWS_AT_ONCE):
        parts.append(answers(galaxy, catalogue[start : start + ROWS_AT_ONCE], whole, start)[0])
        tell(min(start + ROWS_AT_ONCE, len(catalogue)) / len(catalogue))
    table = vstack(parts, metadata_conflicts="silent")
    kept, _ = plain(loaded.table, _besides_bands(loaded.table, galaxy.variables, table.colnames))
    write_table(hstack([kept, table]) if kept.colnames else table, path, overwrite=True)
    return len(table)


def observed_bands(loaded: Loaded, row: int) -> list[Variable]:
    """Bands that the table has of one galaxy, by wavelength."""
    flux = dict(zip(loaded.catalogue.names, loaded.catalogue.values[row], strict=True))
    bands = [v for v in loaded.variables if v.kind == "flux" and np.isfinite(flux.get(v.name, np.nan))]
    return sorted(bands, key=lambda v: v.pivot)


def _asked(question: Question) -> tuple[list[str], list[str]]:
    """What can be asked of it, and notes about the rest."""
    asked = [name for name in dict.fromkeys(question.asked) if name not in question.known]
    if not asked:
        why = "all that is asked is given" if question.asked else "nothing is asked"
        raise ValueError(f"{why}; choose at least one variable to ask")
    both = [name for name in dict.fromkeys(question.asked) if name in question.known]
    notes = [f"Given, so not asked: {', '.join(both)}."] if both else []
    if twice := [name for name, _, _ in question.typed if name in question.given]:
        notes.append(f"The value of the table is used, where it has one, not the typed one: {', '.join(twice)}.")
    return asked, notes


def _marginal(posterior: GalaxyPosterior, name: str) -> Marginal:
    grid, pdf = density(posterior, name)
    return Marginal(grid, pdf, posterior.quantiles(name, LEVELS)[0])


def _before(key: str, question: Question, previous: Answer | None) -> dict[str, Marginal]:
    """The marginals to leave as ghosts: the last ones of the same galaxy with other evidence."""
    if previous is None or (previous.key, previous.question.row) != (key, question.row):
        return {}
    return previous.before if previous.question.same_evidence(question) else previous.marginals


def _truths(table: Table, names: Sequence[str]) -> dict[str, float]:
    found = {name: comparison(table, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _columns(row: Catalogue, bands: Sequence[Variable]) -> tuple[np.ndarray, np.ndarray]:
    """Flux and error of every band of a catalogue of one row, NaN where it has none."""
    place = {name: i for i, name in enumerate(row.names)}
    flux, error = (
        np.array([numbers[0, place[b.name]] if b.name in place else np.nan for b in bands])
        for numbers in (row.values, row.errors)
    )
    return flux, error


def _sed(
    galaxy: GalaxyPosterior, row: Catalogue, question: Question, bands: Sequence[Variable], posterior: GalaxyPosterior
) -> Sed | None:
    flux, error = _columns(row, bands)
    if not np.isfinite(flux).any():
        return None
    # The ultraviolet would take a third of the axis; it is drawn where it has been observed.
    drawn = [i for i, b in enumerate(bands) if np.isfinite(flux[i]) or b.pivot > ULTRAVIOLET]
    names = [bands[i].name for i in drawn]
    hidden = [name for name in question.hidden if name in row.names]
    typed = {name: value for name, value, _ in question.typed}
    known = Marked(typed["redshift"], None, "lines at the redshift given") if "redshift" in typed else None
    return Sed(
        pivot=np.array([bands[i].pivot for i in drawn]),
        width=np.array([bands[i].width for i in drawn]),
        flux=flux[drawn],
        error=error[drawn],
        used=np.array([name not in hidden for name in names]),
        predicted=predict_hidden(galaxy, row, names, PREDICTED_LEVELS, hidden),
        lines=known or line_redshift(posterior, row),
    )


def _besides_bands(table: Table, variables: Sequence[Variable], taken: Sequence[str]) -> list[str]:
    """Columns of the visitor's table that go along: identities, positions, values to compare with."""
    bands = {form for v in variables if v.kind == "flux" for form in (v.name, v.name + ERROR_SUFFIX)}
    return [c for c in table.colnames if c not in bands and c not in taken]


__all__ = ["LEVELS", "Answer", "Marginal", "Sed", "answer", "answer_all", "observed_bands"]
