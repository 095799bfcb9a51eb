"""An answer as HTML. Whatever a visitor's table says is escaped here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from hf_galaxy.app.answers import LEVELS, Answer, Marginal
from hf_galaxy.app.labels import digits_for, label, number, power_of, unit_with_power
from hf_galaxy.app.pictures import density_svg, sed_svg
from hf_galaxy.variables_galaxy import Variable


def error_html(message: str) -> str:
    """One line that says what went wrong and what to do."""
    line = " ".join(str(message).split())
    return f'<p class="hg-error" role="alert">{_code(line)}</p>' if line else ""


def notes_html(notes: Sequence[str]) -> str:
    """What was read and what was not."""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<ul class="hg-notes">{items}</ul>' if items else ""


def galaxy_html(answer: Answer, window: float = 1280) -> str:
    """Which galaxy, what the answer rests on, and its bands."""
    parts = [f'<h2 class="hg-galaxy">{escape(answer.label)}</h2>', _basis(answer)]
    if answer.skipped:
        parts.append(f'<p class="hg-warning" role="status">This row cannot be read: {escape(answer.skipped)}</p>')
    if answer.n_extrapolated:
        many = answer.n_extrapolated > 1
        parts.append(
            f'<p class="hg-warning" role="status">{answer.n_extrapolated} of these {"lie" if many else "lies"} beyond '
            "the range that the model was trained on: the answer is an extrapolation. Are the units right?</p>"
        )
    parts += [f'<p class="hg-note">{escape(note)}</p>' for note in answer.notes]
    if answer.sed is None:
        parts.append('<p class="hg-note">The table has no band of this galaxy.</p>')
    else:
        caption = "Flux density against wavelength. Points: as measured"
        if answer.sed.used.all():
            caption += ". Shaded: predicted for each band from bands beside it, never from itself."
        else:
            caption += "; hollow, hidden from the model. Shaded: predicted from the bands that are ticked."
        drawn = sed_svg(answer.sed, window)
        parts.append(f'<figure class="hg-sed">{drawn}<figcaption>{caption}</figcaption></figure>')
    return f'<section class="hg">{"".join(parts)}</section>'


def posterior_html(answer: Answer, variables: Mapping[str, Variable], window: float = 1280) -> str:
    """The posterior of every variable asked, drawn and in numbers."""
    panels = "".join(
        f'<figure class="hg-panel" data-name="{escape(name)}">'
        f"{density_svg(name, now, answer.before.get(name), answer.truths.get(name), window)}"
        f"<figcaption>{escape(label(variables[name]).words or name)}</figcaption></figure>"
        for name, now in answer.marginals.items()
    )
    return (
        f'<section class="hg">{_legend(answer)}<div class="hg-panels">{panels}</div>'
        f"{_table(answer, variables)}</section>"
    )


def facts_html(facts: Mapping[str, str]) -> str:
    """What the model is."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in facts.items())
    return f'<dl class="hg-facts">{items}</dl>'


def _code(text: str) -> str:
    """Escaped text; what stands between backticks as code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if i % 2 else piece for i, piece in enumerate(pieces))


def _symbol(text: str) -> str:
    """``A_V`` with its index."""
    return re.sub(r"_(\w+)", r"<sub>\1</sub>", escape(text))


def _basis(answer: Answer) -> str:
    if not answer.n_evidence:
        return (
            '<p class="hg-basis" data-evidence="0">Nothing is known of this galaxy: the answer is the prior, which is '
            "the simulation that the model was trained on.</p>"
        )
    bands = "1 band" if answer.n_bands == 1 else f"{answer.n_bands} bands"
    rest = answer.n_evidence - answer.n_bands
    besides = f" and on {escape(', '.join(answer.question.known))}" if rest else ""
    hidden = len(answer.question.hidden)
    away = f"; {hidden} ticked away" if hidden else ""
    text = f"The answer rests on <b>{bands}</b>{besides}{away}."
    return f'<p class="hg-basis" data-evidence="{answer.n_evidence}">{text}</p>'


def _legend(answer: Answer) -> str:
    """What the lines of the panels are."""
    keys = [("hg-key-now", "posterior, its median and central 68 %")]
    if answer.before:
        keys.append(("hg-key-before", "before the last change"))
    if answer.truths:
        keys.append(("hg-key-truth", "value in the table, not shown to the model"))
    items = "".join(f'<span><i class="hg-key {name}"></i>{text}</span>' for name, text in keys)
    return f'<p class="hg-legend">{items}</p>'


def _table(answer: Answer, variables: Mapping[str, Variable]) -> str:
    heads = ["variable", "unit", *(f"{100 * level:g} %" if level != 0.5 else "median" for level in LEVELS)]
    heads += ["median before"] if answer.before else []
    heads += ["in the table"] if answer.truths else []
    rows = "".join(_row(answer, variables[name], now) for name, now in answer.marginals.items())
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    return (
        '<div class="hg-scroll" tabindex="0"><table class="hg-table"><caption>Quantiles of the posteriors</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(answer: Answer, variable: Variable, now: Marginal) -> str:
    text, name = label(variable), variable.name
    power = power_of(now.quantiles)
    low, middle, high = now.quantiles[1:4] / 10.0**power
    digits = digits_for(min(high - middle, middle - low))
    cells = [number(value, digits, power) for value in now.quantiles]
    if answer.before:
        before = answer.before.get(name)
        cells.append(number(before.quantiles[2], digits, power) if before else "")
    if answer.truths:
        truth = answer.truths.get(name, np.nan)
        cells.append(number(truth, digits, power) if np.isfinite(truth) else "")
    marked = "".join(f"<td{' class=hg-median' if i == 2 else ''}>{cell}</td>" for i, cell in enumerate(cells))
    unit = escape(unit_with_power(text.unit, power))
    what = f'<th scope="row">{_symbol(text.symbol)}<small>{escape(text.words)}</small></th>'
    return f'<tr data-name="{escape(name)}">{what}<td class="hg-unit">{unit}</td>{marked}</tr>'


__all__ = ["error_html", "facts_html", "galaxy_html", "notes_html", "posterior_html"]
