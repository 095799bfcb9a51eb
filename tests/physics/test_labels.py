from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_galaxy.physics.labels import PROPERTY_NAMES, SIDE_BANDS, Labels
from hf_galaxy.physics.nebular import MEASURED
from tests.galaxies import dark, galaxies


@pytest.fixture(scope="module")
def labels(synthesizer):
    return Labels(synthesizer)


def measured(labels, synthesizer, rest, **given):
    p = galaxies(len(rest.lines), **given)
    p.setdefault("log_mass", p["log_mass_formed"])
    return dict(zip(PROPERTY_NAMES, labels(p, rest).T, strict=True))


def test_equivalent_width_is_line_over_continuum(labels, synthesizer):
    """A continuum with a slope, c (λ / 5500), and a line of luminosity 30: EW = 30 / c(λ)."""
    for line in MEASURED:
        rest = dark(synthesizer, 1, 2.0 * synthesizer.wavelength / 5500.0)
        columns = synthesizer.line_table.columns(line)
        rest.lines[:, columns] = 30.0 / len(columns)
        wave = synthesizer.line_table.wave(line)
        found = measured(labels, synthesizer, rest)
        assert found[f"ew_{line}"].item() == pytest.approx(30.0 / (2.0 * wave / 5500.0), rel=1e-4)
        assert found["dn4000"].item() > 0


def test_break_of_flat_spectra(labels, synthesizer):
    flat = dark(synthesizer, 1, (synthesizer.wavelength / 4000.0) ** -2)
    assert measured(labels, synthesizer, flat)["dn4000"].item() == pytest.approx(1.0, abs=1e-4)
    step = np.where(synthesizer.wavelength < 3975.0, 1.0, 1.7) * (synthesizer.wavelength / 4000.0) ** -2
    assert measured(labels, synthesizer, dark(synthesizer, 1, step))["dn4000"].item() == pytest.approx(1.7, abs=2e-4)


def test_line_flux_is_that_of_the_distance(labels, synthesizer):
    rest = dark(synthesizer, 1, 1.0)
    rest.lines[:, synthesizer.line_table.columns("halpha")] = 1.0
    p = galaxies(1, redshift=0.1)
    found = measured(labels, synthesizer, rest, redshift=0.1)["flux_halpha"].item()
    assert found == pytest.approx(synthesizer.flux_scale(p).item(), rel=1e-6, abs=0.0)


def test_mass_weighted_age_and_recent_rate(labels, synthesizer):
    edges = synthesizer.age_edges
    weights = np.zeros((1, 42))
    weights[0, 30] = 1.0
    p = galaxies(1, log_mass_formed=10.0)
    p["weights"], p["log_mass"] = torch.as_tensor(weights), torch.tensor([9.8], dtype=torch.float64)
    values = dict(zip(PROPERTY_NAMES, labels(p, dark(synthesizer, 1, 1.0))[0], strict=True))
    assert values["log_age"].item() == pytest.approx(np.log10(float(edges[30:32].mean())), abs=1e-5)
    assert values["log_sfr"].item() == pytest.approx(9.8 - 14.0, abs=1e-5)  # no star formation: the floor
    p["weights"] = ((edges[1:] - edges[:-1]) / edges[-1])[None]
    values = dict(zip(PROPERTY_NAMES, labels(p, dark(synthesizer, 1, 1.0))[0], strict=True))
    assert values["log_sfr"].item() == pytest.approx(10 - np.log10(float(edges[-1])), abs=1e-3)


def test_lines_lie_between_their_side_bands(synthesizer):
    for line, (a, b, c, d) in SIDE_BANDS.items():
        places = synthesizer.line_table.wavelength[synthesizer.line_table.columns(line)]
        assert a < b < places.min() and places.max() < c < d, line
