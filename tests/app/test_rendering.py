from __future__ import annotations

import re
from dataclasses import replace

import pytest

pytest.importorskip("matplotlib", reason="figures need matplotlib")

from hf_galaxy.app.answers import answer
from hf_galaxy.app.questions import Question
from hf_galaxy.app.rendering import error_html, facts_html, galaxy_html, notes_html, posterior_html

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def found(galaxy, loaded):
    return answer(galaxy, loaded, Question(0, ("redshift", "av", "flux_halpha")))


def test_what_a_visitor_wrote_is_never_markup(found):
    texts = [
        galaxy_html(replace(found, label=EVIL, skipped=EVIL, notes=(EVIL,))),
        error_html(EVIL),
        notes_html([EVIL]),
        facts_html({EVIL: EVIL}),
    ]
    for text in texts:
        assert "<script" not in text and "&lt;script&gt;" in text


def test_an_error_is_one_line_with_its_command_marked():
    text = error_html("a\nb: `hf-galaxy predict` does")
    assert "a b: <code>hf-galaxy predict</code> does" in text and 'role="alert"' in text
    assert error_html("") == ""


def test_what_the_answer_rests_on(found):
    assert "rests on <b>5 bands</b>." in galaxy_html(found)
    assert "beyond" not in galaxy_html(found)
    assert "2 of these lie beyond" in galaxy_html(replace(found, n_extrapolated=2))
    assert "the answer is the prior" in galaxy_html(replace(found, n_evidence=0))
    known = replace(found, n_evidence=6, question=replace(found.question, given=("log_mstar",), hidden=("FUV",)))
    assert "rests on <b>5 bands</b> and on log_mstar; 1 ticked away." in galaxy_html(known)


def test_the_table_of_quantiles(galaxy, found):
    variables = {v.name: v for v in galaxy.variables}
    text = posterior_html(found, variables)
    rows = dict(re.findall(r'<tr data-name="(\w+)">(.*?)</tr>', text))
    assert list(rows) == ["redshift", "av", "flux_halpha"]
    assert "A<sub>V</sub>" in rows["av"] and ">mag<" in rows["av"]
    assert "erg s⁻¹ cm⁻²" in rows["flux_halpha"]
    cells = [float(x.replace("−", "-")) for x in re.findall(r"<td[^>]*>([−\d.]+)</td>", rows["av"])]
    assert cells == pytest.approx(list(found.marginals["av"].quantiles), rel=0.1)
    assert cells == sorted(cells)
    assert "in the table" in text and "median before" not in text
    moved = replace(found, before=found.marginals)
    assert "median before" in posterior_html(moved, variables) and "before the last change" in posterior_html(
        moved, variables
    )
