from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="figures need matplotlib")

from hf_galaxy.app.answers import Marginal, answer
from hf_galaxy.app.pictures import density_svg, sed_svg
from hf_galaxy.app.questions import Question


def marginal(mean: float, sigma: float) -> Marginal:
    grid = np.linspace(mean - 4 * sigma, mean + 4 * sigma, 201)
    pdf = np.exp(-0.5 * ((grid - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    return Marginal(grid, pdf, mean + sigma * np.array([-1.96, -0.994, 0, 0.994, 1.96]))


@pytest.fixture
def figures(galaxy, loaded) -> list[str]:
    found = answer(galaxy, loaded, Question(0, ("redshift",), hidden=("J0660",)))
    seds = [sed_svg(found.sed, window) for window in (1280, 390)]
    return [*seds, density_svg("redshift", marginal(0.1, 0.01), marginal(0.11, 0.02), 0.12)]


def test_figures_are_svg_that_follow_the_page(figures):
    for text in figures:
        root = ElementTree.fromstring(text)
        assert root.get("viewBox") and root.get("width") is None and root.get("aria-label")
        assert "var(--hg-blue)" in text and "var(--hg-ink)" in text
        left = set(re.findall(r"#[0-9a-fA-F]{6}\b", text))
        assert not left, f"colours that do not follow light and dark: {left}"


def test_ids_of_two_figures_differ_and_are_all_there(figures):
    ids = [set(re.findall(r'\sid="([^"]+)"', text)) for text in figures]
    for text, own in zip(figures, ids, strict=True):
        used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
        assert used <= own
    assert not ids[0] & ids[2]


def test_a_ghost_and_a_truth_are_drawn():
    now, before = marginal(0.1, 0.01), marginal(0.4, 0.02)
    alone = density_svg("redshift", now)
    assert "var(--hg-grey)" not in alone and "var(--hg-vermilion)" not in alone
    assert "var(--hg-grey)" in density_svg("redshift", now, before)
    assert "var(--hg-vermilion)" in density_svg("redshift", now, truth=0.1)
