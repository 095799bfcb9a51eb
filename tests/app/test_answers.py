from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.app.answers import LEVELS, answer, answer_all, observed_bands
from hf_galaxy.app.questions import Question
from hf_galaxy.app.uploads import load_table
from hf_galaxy.figures import hide
from tests.app.conftest import band_table

ASKED = ("redshift", "av", "J0500")


def test_an_answer_is_that_of_the_posterior(galaxy, loaded):
    found = answer(galaxy, loaded, Question(1, ASKED, hidden=("NUV",), typed=(("log_mstar", 10.0, 0.1),)))
    posterior = galaxy.condition(hide(loaded.catalogue[[1]], ["NUV"])).condition(log_mstar=(10.0, 0.1))
    assert list(found.marginals) == list(ASKED)
    for name, marginal in found.marginals.items():
        # float32; the same evidence in another order of tokens
        np.testing.assert_allclose(marginal.quantiles, posterior.quantiles(name, LEVELS)[0], rtol=1e-3, atol=1e-4)
    assert (found.label, found.n_bands, found.n_evidence, found.truths) == ("1 · G1", 4, 5, {"redshift": 0.2})


def test_the_posterior_before_stays_as_a_ghost_until_the_evidence_changes_again(galaxy, loaded):
    first = answer(galaxy, loaded, Question(0, ASKED))
    assert first.before == {}
    second = answer(galaxy, loaded, Question(0, ASKED, hidden=("J0660",)), first)
    assert second.before is first.marginals
    again = answer(galaxy, loaded, Question(0, ("av",), hidden=("J0660",)), second)
    assert again.before is first.marginals  # only other variables asked
    third = answer(galaxy, loaded, Question(0, ASKED, ("redshift",), hidden=("J0660",)), second)
    assert third.before is second.marginals
    assert answer(galaxy, loaded, Question(1, ASKED), third).before == {}


def test_what_is_given_is_not_asked(galaxy, loaded):
    found = answer(galaxy, loaded, Question(0, ASKED, ("redshift",)))
    assert list(found.marginals) == ["av", "J0500"] and "redshift" in found.notes[0]
    with pytest.raises(ValueError, match="all that is asked is given; choose"):
        answer(galaxy, loaded, Question(0, ("redshift",), ("redshift",)))
    with pytest.raises(ValueError, match="nothing is asked; choose"):
        answer(galaxy, loaded, Question(0, ()))


def test_a_value_beyond_its_limit_is_refused(galaxy, loaded):
    with pytest.raises(ValueError, match="redshift: "):
        answer(galaxy, loaded, Question(0, ASKED, typed=(("redshift", -2.0, 0.1),)))


def test_hidden_bands_are_drawn_and_not_used(galaxy, loaded):
    sed = answer(galaxy, loaded, Question(0, ASKED, hidden=("J0660", "J0700"))).sed
    bands = [v.name for v in galaxy.variables if v.kind == "flux" and v.name != "FUV"]  # ultraviolet, not observed
    assert [name for name, used in zip(bands, sed.used, strict=True) if not used] == ["J0660"]
    assert np.isfinite(sed.flux[bands.index("J0660")]) and np.isfinite(sed.predicted).all()
    assert (sed.lines.value, sed.lines.interval) == (0.1, None)
    typed = answer(galaxy, loaded, Question(0, ("av",), typed=(("redshift", 0.3, 0.0),))).sed
    assert typed.lines.value == 0.3


def test_all_bands_hidden_is_the_prior(galaxy, loaded):
    hidden = tuple(v.name for v in observed_bands(loaded, 0))
    found = answer(galaxy, loaded, Question(0, ASKED, hidden=hidden))
    assert (found.n_bands, found.n_evidence) == (0, 0)
    np.testing.assert_allclose(found.marginals["av"].quantiles, galaxy.quantiles("av", LEVELS)[0], rtol=1e-4, atol=1e-5)


def test_bands_of_a_galaxy_by_wavelength(galaxy, tmp_path):
    table = band_table()
    table["NUV"][1] = np.nan
    table.write(tmp_path / "t.ecsv")
    loaded = load_table(tmp_path / "t.ecsv", None, galaxy.variables)
    assert [v.name for v in observed_bands(loaded, 0)] == ["NUV", "J0400", "rSDSS", "J0660", "J0800"]
    assert [v.name for v in observed_bands(loaded, 1)] == ["J0400", "rSDSS", "J0660", "J0800"]


@pytest.mark.parametrize("ending", ["ecsv", "fits", "vot", "csv", "parquet"])
def test_the_answers_of_the_whole_table(galaxy, loaded, tmp_path, ending):
    path, told = tmp_path / f"answers.{ending}", []
    question = Question(2, ASKED, ("redshift",), (("log_age", 9.0, 0.0),), ("NUV",))
    assert answer_all(galaxy, loaded, question, path, told.append) == 3
    table = Table.read(path, **({"format": "votable"} if ending == "vot" else {}))
    assert told == [1.0]
    assert [str(x) for x in table["id"]] == ["G0", "G1", "G2"]
    expected = galaxy.condition(hide(loaded.given(["redshift"]), ["NUV"])).quantiles("av", LEVELS)
    for i, suffix in enumerate(("p02_5", "p16", "p50", "p84", "p97_5")):
        np.testing.assert_allclose(table[f"av_{suffix}"], expected[:, i], rtol=1e-4, atol=1e-5)
    assert list(table["n_evidence"]) == [5, 5, 5]
    assert "redshift_p50" not in table.colnames and "J0660" not in table.colnames
    if ending in ("ecsv", "fits"):
        assert str(table["av_p50"].unit) == "mag"


def test_a_row_that_cannot_be_read_says_so_in_the_file(galaxy, tmp_path):
    table = band_table()
    table["J0660_err"][1] = -5.0
    table.write(tmp_path / "t.ecsv")
    loaded = load_table(tmp_path / "t.ecsv", None, galaxy.variables)
    assert "J0660_err" in answer(galaxy, loaded, Question(1, ("av",))).skipped
    answer_all(galaxy, loaded, Question(0, ("av",)), tmp_path / "a.ecsv")
    answers = Table.read(tmp_path / "a.ecsv")
    reasons = ["" if np.ma.is_masked(x) else str(x) for x in answers["skipped"]]
    assert [bool(reason) for reason in reasons] == [False, True, False] and np.isnan(answers["av_p50"][1])
