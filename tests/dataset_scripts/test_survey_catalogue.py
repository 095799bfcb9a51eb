"""A user's catalogue as galaxies to adapt a model to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from astropy.table import Table

from dataset_scripts.survey_catalogue import main
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES


def catalogue(path, **columns):
    table = Table({"id": ["a", "b", "c"], "rSDSS": [20.0, 21.0, 99.0], "rSDSS_err": [0.1, 0.1, 99.0]})
    table["rSDSS"].unit = table["rSDSS_err"].unit = "mag(AB)"
    table["J0660"], table["J0660_err"] = [10.0, np.nan, -0.5], [1.0, 1.0, 1.0]
    table["redshift_spec"] = [0.3, np.nan, np.nan]
    for name, column in columns.items():
        table[name] = column
    table.write(path)
    return str(path)


def test_a_catalogue_becomes_rows_of_a_survey(tmp_path, capsys):
    source = catalogue(tmp_path / "mine.ecsv")
    out = tmp_path / "out"
    assert main([source, "--out", str(out), "--labels", "redshift", "--unit", "uJy"]) == 0
    assert "3 galaxies, 1 with labels" in capsys.readouterr().out
    table = GalaxyTable.load(out)
    flux, error = table.flux[:, BANDS.index("J0660")], table.flux_error[:, BANDS.index("J0660")]
    torch.testing.assert_close(flux, torch.tensor([1e4, torch.nan, -500.0]), equal_nan=True)
    torch.testing.assert_close(error, torch.tensor([1e3, torch.nan, 1e3]), equal_nan=True)
    r = table.flux[:, BANDS.index("rSDSS")]
    assert r[0] == pytest.approx(10 ** (0.4 * (31.4 - 20.0)), rel=1e-5) and torch.isnan(r[2])
    redshift = table.properties[:, PROPERTIES.index("redshift")]
    torch.testing.assert_close(redshift, torch.tensor([0.3, torch.nan, torch.nan]), equal_nan=True)
    assert table.noisy.all() and int(torch.isfinite(table.flux).sum()) == 4


def test_without_labels_none_are_taken(tmp_path):
    assert main([catalogue(tmp_path / "mine.ecsv"), "--out", str(tmp_path / "out"), "--unit", "uJy"]) == 0
    assert torch.isnan(GalaxyTable.load(tmp_path / "out").properties).all()


@pytest.mark.parametrize(
    ("options", "columns", "message"),
    [
        (["--unit", "uJy", "--labels", "log_mstar"], {}, "log_mstar is to be given, and there is no column"),
        ([], {}, "column J0660 has no unit"),
        (["--unit", "uJy"], {"J0660": [1.0, 2.0, np.nan]}, "row 2 and 0 more hold no flux"),
    ],
)
def test_mistakes_are_one_line_and_status_two(tmp_path, capsys, options, columns, message):
    source = catalogue(tmp_path / "mine.ecsv", **columns)
    assert main([source, "--out", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(tmp_path, capsys):
    arguments = [catalogue(tmp_path / "mine.ecsv"), "--out", str(tmp_path / "out"), "--unit", "uJy"]
    assert main(arguments) == 0 and main(arguments) == 2
    assert "is there already" in capsys.readouterr().err
