from __future__ import annotations

import pytest

from hf_galaxy.app.labels import digits_for, label, number, power_of, unit_with_power
from hf_galaxy.variables_galaxy import Variable, band, default_variables


def test_every_property_has_words_a_symbol_and_its_unit():
    units = {"Angstrom": "Å", "erg / (s cm2)": "erg s⁻¹ cm⁻²", "mag": "mag", "": ""}
    for variable in default_variables():
        if variable.kind == "property":
            text = label(variable)
            assert text.words and text.symbol != variable.name
            assert text.unit == units[variable.unit]


def test_variables_learnt_later_have_their_own_names():
    assert label(Variable("log_mbh", description="black hole mass")).line == "black hole mass · log_mbh"
    assert label(band("W1", 33526.0, 6626.0)).line == "flux in W1 · f_ν [nJy]"


@pytest.mark.parametrize(
    ("value", "digits", "power", "text"),
    [(0.01794, 4, 0, "0.0179"), (-1.25, 1, 0, "−1.2"), (-0.0001, 2, 0, "0.00"), (3.21e-16, 1, -16, "3.2")],
)
def test_numbers(value, digits, power, text):
    assert number(value, digits, power) == text


def test_two_digits_of_the_uncertainty():
    assert [digits_for(width) for width in (0.0021, 0.21, 3.4, 210.0, 0.0)] == [4, 2, 1, 0, 6]


def test_powers_of_ten():
    assert [power_of(x) for x in ([3e-16, -1e-17], [0.2, 5000.0], [2.5e5], [float("nan")], [])] == [-16, 0, 5, 0, 0]
    assert unit_with_power("erg s⁻¹ cm⁻²", -16) == "10⁻¹⁶ erg s⁻¹ cm⁻²"
    assert unit_with_power("", 5) == "10⁵"
