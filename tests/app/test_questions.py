from __future__ import annotations

import pytest

from hf_galaxy.app.questions import GROUPS, Question, groups, parse_typed, tick_groups, whole_groups
from hf_galaxy.variables_galaxy import BROAD_BANDS, NARROW_BANDS, default_variables

VARIABLES = default_variables()
BANDS = [v for v in VARIABLES if v.kind == "flux"]


@pytest.mark.parametrize("sign", ["±", "+/-", "+-"])
def test_values_given_by_hand(sign):
    typed = parse_typed(f"redshift = 0.31 {sign} 2e-3, log_sfr=-1.5;\nav=.2", VARIABLES)
    assert typed == (("redshift", 0.31, 0.002), ("log_sfr", -1.5, 0.0), ("av", 0.2, 0.0))
    assert parse_typed(" ", VARIABLES) == parse_typed(None, VARIABLES) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("redshift 0.3", "is not like redshift = 0.31"),
        ("redshift = zero", "is not like"),
        ("redshift = 0.3 ± -1e", "is not like"),
        ("redshfit = 0.3", "the nearest is redshift"),
        ("J0660 = 3", "is no property"),
        ("av = 1, av = 2", "av stands twice"),
    ],
)
def test_values_that_mean_nothing(text, said):
    with pytest.raises(ValueError, match=said):
        parse_typed(text, VARIABLES)


def test_every_band_is_in_one_group():
    found = groups(BANDS)
    assert tuple(found) == GROUPS
    assert sorted(name for names in found.values() for name in names) == sorted(v.name for v in BANDS)
    assert found["GALEX"] == ["FUV", "NUV"]
    assert set(found["blue narrow bands"]) | set(found["red narrow bands"]) == set(NARROW_BANDS)
    assert set(found["broad bands"]) == set(BROAD_BANDS) - {"FUV", "NUV"}


def test_a_group_ticks_all_its_bands_and_no_others():
    everything = [v.name for v in BANDS]
    without = tick_groups([g for g in GROUPS if g != "GALEX"], everything, BANDS)
    assert set(everything) - set(without) == {"FUV", "NUV"}
    assert whole_groups(without, BANDS) == list(GROUPS[1:])
    # A group of which one band is missing is not whole: to leave it unticked keeps the other band.
    partly = [name for name in everything if name != "FUV"]
    assert tick_groups(GROUPS[1:], partly, BANDS) == partly
    assert tick_groups(GROUPS, partly, BANDS) == everything


def test_the_same_evidence_whatever_is_asked():
    question = Question(0, ("redshift",), hidden=("NUV", "FUV"))
    assert question.same_evidence(Question(0, ("av",), hidden=("FUV", "NUV")))
    assert not question.same_evidence(Question(0, ("redshift",)))
    assert not question.same_evidence(Question(1, ("redshift",), hidden=("NUV", "FUV")))
    assert not question.same_evidence(Question(0, ("redshift",), ("av",), hidden=("NUV", "FUV")))
