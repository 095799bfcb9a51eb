"""An assessment from model to report and pages, with a model that has learnt nothing."""

import pytest

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.assessment.held_out import held_out
from hf_galaxy.assessment.output import check_extras, check_folder, evaluate
from hf_galaxy.assessment.pages import pages, write_pages
from hf_galaxy.assessment.run import AssessmentSettings, assess, compared, noise_kinds
from hf_galaxy.evaluation.report import read_report, write_report
from hf_galaxy.evaluation.tables import joint_table, property_table, redshift_table
from tests.random_tables import observed_table, random_table, write_table
from tests.tiny_model import tiny_model

pytest.importorskip("matplotlib", reason='pages need pip install "hf-galaxy[plot]"')
pytest.importorskip("tarp", reason='joint coverage needs pip install "hf-galaxy[eval]"')

SETTINGS = AssessmentSettings(joint=60, draws=20)


@pytest.fixture(scope="module")
def galaxy():
    return GalaxyPosterior(tiny_model(), GalaxyTokenizer())


@pytest.fixture(scope="module")
def galaxies(galaxy, tmp_path_factory):
    folder = write_table(random_table(80, 2), tmp_path_factory.mktemp("galaxies"))
    return held_out(str(folder), 80, 1, galaxy.variables)


@pytest.fixture(scope="module")
def written(galaxy, galaxies, tmp_path_factory):
    """A report under two kinds of noise; its pages are laid out in another test, since that takes seconds."""
    out = tmp_path_factory.mktemp("out")
    told = []
    facts = {"model": {"checkpoint": "tiny"}, "stem": f"{out}/", "formats": (), "tell": told.append}
    report = evaluate(galaxy, galaxies, ["nominal", "survey"], SETTINGS, **facts)
    return out, read_report(write_report(out / "metrics.json", report)), told


def test_the_report_says_what_its_numbers_belong_to(written):
    _, report, told = written
    assert report["model"]["checkpoint"] == "tiny" and report["machine"]["cores"] >= 1
    assert report["data"]["galaxies"] == 80 and report["data"]["seed"] == 1
    assert report["data"]["noise"]["nominal"]["zero_point_scatter"] == 0 < len(report["data"]["noise"]["survey"])
    assert set(report["metrics"]) == {"nominal", "survey"}
    assert len(report["metrics"]["nominal"]["properties"]) == 19
    assert len(told) == 2 and "TARP" in told[0]


def test_a_model_that_has_learnt_nothing_is_found_out(written):
    metrics = written[1]["metrics"]["nominal"]
    assert sum(row["verdict"] != "calibrated" for row in metrics["properties"].values()) > 10


def test_pages_are_written_of_what_the_galaxies_are_enough_for(galaxy, galaxies, tmp_path):
    chosen = AssessmentSettings(names=["redshift", "log_mstar"], joint=60, draws=20)
    made = pages(assess(galaxy, galaxies, chosen), {"11-20": 0.003})
    assert set(made) == {"photoz", "properties", "pit", "coverage", "joint"}
    written = write_pages(made, tmp_path / "survey", ["png"])
    assert written[0].name == "survey_photoz.png" and all(p.stat().st_size > 10_000 for p in written)


def test_lines_have_a_page_of_their_own(galaxy, galaxies, tmp_path):
    made = pages(assess(galaxy, galaxies, SETTINGS))
    assert set(made) == {"photoz", "properties", "pit", "coverage", "joint", "lines"}
    (page,) = write_pages({"lines": made["lines"]}, tmp_path / "survey", ["png"])
    assert page.stat().st_size > 10_000


def test_the_tables_of_documents_can_be_made_of_it(written):
    report = written[1]
    assert len(redshift_table(report).splitlines()) == 4
    assert len(property_table(report).splitlines()) == 21
    assert "case B" in joint_table(report)


def test_the_same_seed_gives_the_same_figures_and_another_does_not(galaxy, galaxies, written):
    again = assess(galaxy, galaxies, SETTINGS).metrics
    assert again == written[1]["metrics"]["nominal"]
    other = assess(galaxy, galaxies, AssessmentSettings(joint=0, seed=2, names=["redshift"])).metrics
    assert other["redshift"] != again["redshift"] and "joint" not in other


def test_few_galaxies_give_figures_of_merit_and_no_pages(galaxy, tmp_path):
    folder = write_table(observed_table(12, noisy=True), tmp_path / "few")
    few = held_out(str(folder), 12, 1, galaxy.variables)
    told = []
    facts = {"model": {"checkpoint": "tiny"}, "stem": f"{tmp_path}/", "tell": told.append}
    report = evaluate(galaxy, few, ["none"], SETTINGS, **facts)
    assert "no pages: no property has a truth in 20 galaxies or more" in told
    metrics = report["metrics"]["none"]
    assert 2 <= metrics["redshift"]["all"]["n"] < 12
    assert "fewer than 50 galaxies" in metrics["joint_skipped"]
    assert not list(tmp_path.glob("*.png"))


def test_noise_is_not_added_to_what_is_measured(galaxy, galaxies, tmp_path):
    assert noise_kinds(galaxies, None) == ["nominal"]
    assert noise_kinds(galaxies, ["survey", "survey"]) == ["survey"]
    measured = held_out(str(write_table(observed_table(9, noisy=True), tmp_path)), 9, 1, galaxy.variables)
    assert noise_kinds(measured, None) == ["none"] == noise_kinds(measured, ["none"])
    with pytest.raises(ValueError, match="--noise nominal would add noise twice"):
        noise_kinds(measured, ["nominal"])


def test_properties_are_chosen_among_those_with_truth(galaxy, galaxies):
    assert compared(galaxies, galaxy, ["av", "redshift"]) == ["redshift", "av"]
    with pytest.raises(ValueError, match="nearest is redshift"):
        compared(galaxies, galaxy, ["redhsift"])
    object.__setattr__(galaxies, "truth", {"av": galaxies.truth["av"], "redshift": galaxies.truth["redshift"]})
    with pytest.raises(ValueError, match="has no truth of log_mstar; it has av, redshift"):
        compared(galaxies, galaxy, ["log_mstar"])


def test_old_results_are_kept_or_replaced_whole(tmp_path):
    out = tmp_path / "out"
    check_folder(out, False)
    (out / "metrics.json").write_text("{}")
    (out / "survey_pit.png").write_bytes(b"")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="or --overwrite"):
        check_folder(out, False)
    assert len(list(out.iterdir())) == 3
    check_folder(out, True)
    assert [p.name for p in out.iterdir()] == ["notes.txt"]
    with pytest.raises(ValueError, match="is a file"):
        check_folder(out / "notes.txt", True)
    with pytest.raises(ValueError, match="there is no folder"):
        check_folder(tmp_path / "a" / "b", False)


def test_missing_extras_are_named_before_the_work(monkeypatch):
    monkeypatch.setattr("hf_galaxy.assessment.output.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="or give --joint 0"):
        check_extras(10, pages=True)
    with pytest.raises(ImportError, match="pages need matplotlib"):
        check_extras(0, pages=True)
    check_extras(0, pages=False)
