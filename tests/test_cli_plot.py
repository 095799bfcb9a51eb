from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy.cli import main

RNG = np.random.default_rng(3)


@pytest.fixture
def catalogue(tmp_path) -> Path:
    """Forty galaxies in three bands, with spectroscopic redshifts."""
    flux = 3000.0 * 10 ** RNG.normal(0, 0.4, 40)
    bands = {"J0660": flux, "rSDSS": 0.9 * flux, "iSDSS": 1.2 * flux}
    columns = {k: v for b, f in bands.items() for k, v in ((b, f), (f"{b}_err", 0.05 * f + 20))}
    path = tmp_path / "catalogue.ecsv"
    Table({"redshift_spec": RNG.uniform(0.05, 0.8, 40), **columns}, units=dict.fromkeys(columns, "nJy")).write(path)
    return path


def refused(capsys, *arguments: object) -> str:
    """The one line with which a command is refused."""
    assert main(["plot", *map(str, arguments)]) == 2
    lines = capsys.readouterr().err.splitlines()
    return lines[-1]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("galaxy", ("--hide", "J0660", "--index", 2)),
        ("pz", ("--index", "0,3,7")),
        ("corner", ("--ask", "redshift,log_mstar", "--draws", 200)),
        ("information", ("--ask", "redshift")),
        ("corner", ("--given", "redshift", "--draws", 200)),
        ("residuals", ()),
        ("residuals", ("--ask", "redshift")),
    ],
)
def test_every_kind_is_drawn(tmp_path, blank_model, catalogue, kind, options):
    output = tmp_path / "figure.png"
    arguments = ["plot", catalogue, "--kind", kind, "-o", output, "--model", blank_model, *options]
    assert main([str(a) for a in arguments]) == 0
    assert output.read_bytes().startswith(b"\x89PNG")


MISUSES = {
    "kind": (("--kind", "conrer"), "no kind 'conrer'; the nearest is corner, of galaxy, pz, corner"),
    "rows": (("--kind", "corner", "--index", "0,3"), "--index 0,3: corner draws one galaxy; give one row"),
    "too many": (("--kind", "pz", "--index", ",".join(map(str, range(31)))), "31 rows; 30 galaxies are the most"),
    "no row": (("--kind", "pz", "--index", "0,40"), "there is no row 40; rows are 0 to 39"),
    "pairs": (("--kind", "corner", "--ask", "av"), "ask two properties or more, not av"),
    "certain": (
        ("--kind", "corner", "--given", "redshift", "--ask", "av,redshift", "--draws", "100"),
        "redshift is known exactly; a corner plot shows what is not: ask without it",
    ),
    "hidden": (("--kind", "pz", "--hide", "J0660"), "hidden bands are drawn by --kind galaxy, not by pz"),
    "not seen": (("--hide", "J0661"), "--hide J0661: not observed; the nearest that is observed is J0660"),
    "row of all": (("--kind", "residuals", "--index", "0"), "--index: residuals are of all galaxies"),
    "given": (("--kind", "residuals", "--given", "redshift"), "--given: residuals are of all galaxies"),
    "two": (("--kind", "residuals", "--ask", "redshift,av"), "residuals are of one property; name one"),
    "no truth": (("--kind", "residuals", "--ask", "av"), "has no truth of av; it has redshift"),
}


@pytest.mark.parametrize("case", MISUSES)
def test_misuse_is_refused_in_one_line_and_nothing_written(tmp_path, blank_model, catalogue, capsys, case):
    options, message = MISUSES[case]
    output = tmp_path / "figure.png"
    assert message in refused(capsys, catalogue, "-o", output, "--model", blank_model, *options)
    assert not output.exists()


def test_residuals_need_a_column_of_truth(tmp_path, blank_model, catalogue, capsys):
    table = Table.read(catalogue)
    table.remove_column("redshift_spec")
    table.write(tmp_path / "blind.ecsv")
    figure = ("-o", tmp_path / "figure.png", "--model", blank_model)
    assert "no column of truth; name what the answers are compared with true_<name> or <name>_spec" in refused(
        capsys, tmp_path / "blind.ecsv", "--kind", "residuals", *figure
    )


def test_an_ending_that_means_nothing_is_refused_before_the_work(tmp_path, catalogue, capsys):
    message = refused(capsys, catalogue, "-o", tmp_path / "figure.xyz", "--model", tmp_path / "no-model")
    assert "figure.xyz: figures are written as" in message
