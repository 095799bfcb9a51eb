from __future__ import annotations

import numpy as np
import pytest

from hf_galaxy.data.value_added import Labels, LabelTable, merge
from hf_galaxy.data.value_added.draft import Draft
from hf_galaxy.data.value_added.identifiers import id_codes
from hf_galaxy.data.value_added.tables import LabelReport
from hf_galaxy.variables_galaxy import PROPERTIES

P = len(PROPERTIES)
REDSHIFT, MASS = PROPERTIES.index("redshift"), PROPERTIES.index("log_mstar")


def labels(redshift, mass, source="a", matched=None):
    """Labels of redshift and mass alone; NaN is unknown; mass errors of 0.1."""
    properties = np.full((len(mass), P), np.nan)
    properties[:, REDSHIFT], properties[:, MASS] = redshift, mass
    known = np.isfinite(properties)
    fibre = np.zeros((len(mass), P), dtype=bool)
    said = np.where(known.any(1), source, "").astype(object)
    matched = known.any(1) if matched is None else np.asarray(matched)
    return Labels(properties, np.where(known, 0.1, np.nan), matched, fibre, said, np.zeros(len(mass), dtype=bool))


def table(ids=(5, 3, 9), ra=(10.0, 20.0, 30.0), mass=(10.0, 11.0, np.nan)):
    n = len(ids)
    properties = np.full((n, P), np.nan)
    properties[:, MASS] = mass
    errors = np.where(np.isfinite(properties), 0.1, np.nan)
    keys = {"targetid": id_codes(np.array(ids, dtype=np.int64), "targetid")}
    place = np.array(ra), np.zeros(n)
    return LabelTable("a", "targetid", keys, *place, properties, errors, np.zeros(P, dtype=bool), LabelReport(n))


def test_lookup_keeps_the_order_asked_and_unmatched_rows_unknown():
    found = table().lookup([3, 7, 5, 5, 9, -1])
    np.testing.assert_array_equal(found.properties[:, MASS], [11.0, np.nan, 10.0, 10.0, np.nan, np.nan])
    assert found.matched.tolist() == [True, False, True, True, True, False]
    assert found.source.tolist() == ["a", "", "a", "a", "", ""]
    assert np.isnan(found.errors[[1, 4, 5]]).all()


def test_lookup_by_position_is_the_nearest_within_the_radius():
    arcsec = 1 / 3600
    near = table(ra=(10.0, 10.0 + 2 * arcsec, 30.0))
    found = near.lookup(ra=[10.0 + 0.9 * arcsec, 10.0 + 1.2 * arcsec, 30.0 + 2 * arcsec, np.nan], dec=[0.0] * 4)
    np.testing.assert_array_equal(found.properties[:, MASS], [10.0, 11.0, np.nan, np.nan])
    assert found.matched.tolist() == [True, True, False, False]
    assert near.lookup(ra=[30.0 + 2 * arcsec], dec=[0.0], radius=3.0).matched.all()


def test_position_at_the_pole_and_across_zero():
    """One degree of right ascension is no distance at the pole; 359.9999 and 0.0001 deg are neighbours."""
    here = table(ra=(0.0001, 100.0, 200.0))
    object.__setattr__(here, "dec", np.array([0.0, 89.99999, -89.99999]))
    found = here.lookup(ra=[359.9999, 280.0], dec=[0.0, 89.99999], radius=1.5)
    assert found.matched.tolist() == [True, True]
    assert found.properties[1, MASS] == 11.0


def test_an_empty_table_and_no_question():
    empty = table(ids=(), ra=(), mass=())
    assert not empty.lookup([1, 2]).matched.any()
    assert not empty.lookup(ra=[1.0], dec=[2.0]).matched.any()
    assert len(table().lookup(np.array([], dtype=np.int64))) == 0


@pytest.mark.parametrize(
    ("ids", "kind", "codes"),
    [
        ([2**62 + 1, -1, 0], "targetid", [2**62 + 1, 0, 0]),
        (np.array([2**63 + 5], dtype=np.uint64), "specobjid", [2**63 + 5]),
        (["  299489677444933632", "", "-1"], "specobjid", [299489677444933632, 0, 0]),
        (["b' 461628614023079936'"], "specobjid", [461628614023079936]),
        (np.array([b"12", b"13"]), "targetid", [12, 13]),
        (np.ma.masked_array([4, 5], [False, True]), "targetid", [4, 0]),
        ([[266, 51602, 7]], "plate-mjd-fiber", [26651602_00007]),
        (["0266-51602-0007"], "plate-mjd-fiber", [26651602_00007]),
    ],
)  # fmt: skip
def test_ids_compare_exactly(ids, kind, codes):
    assert id_codes(ids, kind).tolist() == codes


@pytest.mark.parametrize(
    ("ids", "kind", "message"),
    [
        ([1.0, 2.0], "targetid", "held as float64, which loses the last digits"),
        (["12a"], "targetid", r"'12a' \(row 0\) is not an id"),
        (["266-51602"], "plate-mjd-fiber", "is not an id"),
        ([1, 2], "plate-mjd-fiber", r"shape \(2,\); \(n, 3\) is needed"),
        ([1], "objid", "key 'objid' is not one of"),
    ],
)
def test_what_is_no_id_is_refused(ids, kind, message):
    with pytest.raises(ValueError, match=message):
        id_codes(ids, kind)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({}, "give ids, or ra and dec"),
        ({"ids": [1], "ra": [1.0], "dec": [1.0]}, "give ids, or ra and dec"),
        ({"ids": [[1, 2, 3]], "by": "plate-mjd-fiber"}, "has no ids of kind plate-mjd-fiber; it has targetid"),
        ({"ra": [1.0, 2.0], "dec": [1.0]}, r"ra has the shape \(2,\) and dec \(1,\)"),
        ({"ra": [1.0], "dec": [1.0], "radius": -1.0}, "radius -1.0 arcsec is not positive"),
    ],
)
def test_bad_questions(question, message):
    with pytest.raises(ValueError, match=message):
        table().lookup(**question)


def test_first_known_value_wins_and_sources_are_joined():
    first = labels([0.1, np.nan, np.nan], [10.0, np.nan, np.nan], "a")
    second = labels([0.1, 0.2, np.nan], [11.0, 11.5, np.nan], "b")
    both = merge([first, second])
    np.testing.assert_array_equal(both.properties[:, MASS], [10.0, 11.5, np.nan])
    np.testing.assert_array_equal(both.properties[:, REDSHIFT], [0.1, 0.2, np.nan])
    assert both.source.tolist() == ["a", "b", ""]  # b gave nothing to the first
    assert both.matched.tolist() == [True, True, False] and not both.conflict.any()
    np.testing.assert_array_equal(first.properties[:, MASS], [10.0, np.nan, np.nan])  # what was given is untouched
    assert merge([labels([0.1], [np.nan], "a"), labels([0.1], [10.0], "b")]).source.tolist() == ["a,b"]


def test_another_galaxy_is_not_mixed_in():
    """Two catalogues matched by position can mean neighbours on the sky: their redshifts tell."""
    both = merge([labels([0.1, 0.1], [np.nan, np.nan], "a"), labels([0.104, 0.1001], [10.0, 10.0], "b")])
    np.testing.assert_array_equal(both.properties[:, MASS], [np.nan, 10.0])
    assert both.conflict.tolist() == [True, False] and both.source.tolist() == ["a", "a,b"]


def test_merge_refuses_other_numbers_of_galaxies():
    with pytest.raises(ValueError, match=r"different numbers of galaxies: \[1, 2\]"):
        merge([labels([0.1], [1.0]), labels([0.1, 0.2], [1.0, 2.0])])
    with pytest.raises(ValueError, match="no labels"):
        merge([])


def drafted(ids, redshift, mass, error):
    draft = Draft("a", len(ids), {})
    draft.names = np.array(ids)
    draft.put("redshift", np.array(redshift), np.full(len(ids), 1e-5), "Z")
    draft.put("log_mstar", np.array(mass), np.array(error), "M")
    return draft.table("targetid", {"targetid": np.array(ids)})


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]])
def test_of_duplicates_the_best_stays_whatever_the_order(order):
    ids, redshift = np.array([7, 7, 7, 8, 8])[order], np.array([0.1, 0.1, 0.1, 0.2, 0.2])[order]
    mass, error = np.array([10.0, 10.1, np.nan, 11.0, 11.0])[order], np.array([0.1, 0.05, np.nan, 0.1, 0.1])[order]
    made = drafted(ids, redshift, mass, error)
    np.testing.assert_array_equal(made.lookup([7, 8]).properties[:, MASS], [10.1, 11.0])
    assert len(made) == 2
    assert made.report.skipped["the same id as a better row"].tolist().count(7) == 2


def test_duplicates_of_different_redshifts_all_go():
    made = drafted([7, 7, 8], [0.1, 0.3, 0.2], [10.0, 10.0, 11.0], [0.1, 0.1, 0.1])
    assert made.lookup([7, 8]).matched.tolist() == [False, True]
    assert made.report.skipped["the same id with different redshifts"].tolist() == [7, 7]


def test_report_counts_what_became_unknown():
    draft = Draft("a", 3, {"log_mstar": (0.3, 0.0)})
    draft.put("log_mstar", np.array([10.0, 99.5, 11.0]), np.array([0.4, 0.1, np.nan]), "M")
    made = draft.table("position", {}, np.zeros(3), np.zeros(3))
    np.testing.assert_allclose(made.properties[:, MASS], [10.0, np.nan, np.nan])
    np.testing.assert_allclose(made.errors[:, MASS], [0.5, np.nan, np.nan])
    assert made.report.unknown == {"M": {"out of range": 1}}
    assert made.report.lines()[0] == "rows: 3, left out: 0"
