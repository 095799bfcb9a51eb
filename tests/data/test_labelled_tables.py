"""Catalogues of users and folders of ours, read for new variables."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from astropy.table import Table

from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.data.labelled_tables import read_labelled
from hf_galaxy.new_variables_galaxy import extended
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES, default_variables
from tests.random_tables import arrow_table, observed_table, random_table

N = 12
NEW = [
    {"name": "W1", "kind": "flux", "pivot": 33526.0, "width": 6626.0},
    {"name": "size", "unit": "kpc"},
    {"name": "kind", "kind": "category", "categories": ["a", "b"]},
]
NAMES = ["W1", "size", "kind"]
VARIABLES = extended(default_variables(), NEW)


def catalogue() -> Table:
    table = random_table(N)
    made = Table({"id": np.arange(N)})
    for band in ("rSDSS", "J0660"):
        made[band] = table.flux[:, BANDS.index(band)].double().numpy() * u.nJy
        made[f"{band}_err"] = 0.1 * made[band]
    made["W1"] = np.linspace(1.0, 12.0, N) * u.uJy
    made["W1_err"] = np.full(N, 0.5) * u.uJy
    made["W1"][3] = np.nan
    made["redshift_spec"] = table.properties[:, 0].double().numpy()
    made["log_mstar"], made["log_mstar_err"] = 10.0 + np.arange(N), 0.1
    made["size"] = np.linspace(1000.0, 5000.0, N) * u.pc
    made["size_err"] = np.full(N, 100.0) * u.pc
    made["kind"] = ["a", "b"] * (N // 2)
    return made


def read(table: Table, path: Path, new=tuple(NAMES), **keywords) -> GalaxyTable:
    file = path / "table.ecsv"
    table.write(file)
    return read_labelled(file, VARIABLES, new, **keywords)[0]


def test_a_catalogue_becomes_galaxies_as_measured(tmp_path):
    with pytest.warns(UserWarning, match="columns that nothing is learnt from: id"):
        galaxies = read(catalogue(), tmp_path)
    made = catalogue()
    assert galaxies.noisy.all() and (galaxies.survey == -1).all()
    r = BANDS.index("rSDSS")
    np.testing.assert_allclose(galaxies.flux[:, r], made["rSDSS"], rtol=1e-6)
    np.testing.assert_allclose(galaxies.flux_error[:, r], made["rSDSS_err"], rtol=1e-6)
    assert int(torch.isfinite(galaxies.flux).sum()) == 2 * N
    np.testing.assert_allclose(galaxies.properties[:, 0], made["redshift_spec"], rtol=1e-6)
    assert (galaxies.property_error[:, 0] == 0).all()
    mass = PROPERTIES.index("log_mstar")
    np.testing.assert_allclose(galaxies.property_error[:, mass], 0.1, rtol=1e-6)
    expected = np.stack([1000 * made["W1"], made["size"] / 1000, np.arange(N) % 2], axis=1)
    np.testing.assert_allclose(galaxies.extra, expected, rtol=1e-6)
    error = np.broadcast_to([500.0, 0.1, 0.0], (N, 3)).copy()
    error[3, 0] = np.nan
    np.testing.assert_allclose(galaxies.extra_error, error, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*nothing is learnt")
@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda t: t.remove_column("size"),
            "there is no column size, the new variable; the nearest column is size_err",
        ),
        (lambda t: t.remove_column("W1_err"), "column W1 has no errors; add a column W1_err"),
        (lambda t: t.replace_column("size", t["size"].value * u.s), "column size is in s; size is wanted in kpc"),
        (lambda t: t.replace_column("W1", t["W1"].value * u.kpc), "column W1: unit 'kpc' .* not one of a flux density"),
        (lambda t: t.replace_column("W1", np.arange(1.0, N + 1)), "column W1 has no unit"),
        (lambda t: t.replace_column("kind", ["a", "c"] * (N // 2)), "column kind, row 1: 'c' is not one of a, b"),
    ],
)
def test_a_catalogue_that_makes_no_sense_is_refused_in_one_line(change, message, tmp_path):
    table = catalogue()
    change(table)
    with pytest.raises(ValueError, match=message) as error:
        read(table, tmp_path)
    assert "\n" not in str(error.value) and "table.ecsv" in str(error.value)


@pytest.mark.filterwarnings("ignore:.*nothing is learnt")
def test_a_unit_for_columns_without(tmp_path):
    table = catalogue()
    table.replace_column("W1", np.arange(1.0, N + 1))
    table.replace_column("W1_err", np.ones(N))
    assert read(table, tmp_path, unit="uJy").extra[0, 0] == 1000.0


def folder(path: Path, galaxies: GalaxyTable, split: str, **columns) -> Path:
    path.mkdir(exist_ok=True)
    table = arrow_table(galaxies)
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    pq.write_table(table, path / f"{split}-00000-of-00001.parquet")
    return path


COLUMNS = {"W1": [1.0] * N, "W1_err": [0.1] * N, "size": [*range(N - 1), None], "kind": ["a", "b"] * (N // 2)}


def test_a_folder_of_ours_with_more_columns(tmp_path):
    plain, seen = random_table(N), observed_table(N, seed=3)
    folder(tmp_path / "data", plain, "train", **COLUMNS)
    train, held_out = read_labelled(
        folder(tmp_path / "data", seen, "validation", **COLUMNS, size_err=[0.5] * N), VARIABLES, NAMES
    )
    assert torch.equal(train.flux, plain.flux) and not train.noisy.any() and (train.flux_error == 0).all()
    assert torch.equal(held_out.noisy, seen.noisy)
    assert train.extra[:3].tolist() == [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0], [1.0, 2.0, 0.0]]
    assert torch.isnan(train.extra[-1, 1]) and torch.isnan(train.extra_error[-1, 1])
    assert train.extra_error[0].tolist() == pytest.approx([0.1, 0.0, 0.0])
    assert held_out.extra_error[0].tolist() == pytest.approx([0.1, 0.5, 0.0])


@pytest.mark.parametrize(
    "columns, message",
    [
        ({k: v for k, v in COLUMNS.items() if k != "kind"}, "there is no column kind, the new variable"),
        ({k: v for k, v in COLUMNS.items() if k != "W1_err"}, "column W1 has no errors"),
        (COLUMNS | {"W1_err": [0.0] * N}, "column W1_err, row 0: 0; every value needs an error above zero"),
        (COLUMNS | {"size_err": [-1.0] * N}, "column size_err, row 0: -1; every value needs an error, zero or above"),
        (COLUMNS | {"size": ["big"] * N}, "column size is of type string; numbers are wanted"),
        (COLUMNS | {"size": [float("inf")] * N}, "column size, row 0: infinite value"),
        (COLUMNS | {"kind": ["c"] * N}, "column kind: 'c' is not one of a, b"),
    ],
)
def test_a_folder_that_makes_no_sense_is_refused(columns, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_labelled(folder(tmp_path / "data", random_table(N), "train", **columns), VARIABLES, NAMES)


def test_nothing_there(tmp_path):
    with pytest.raises(ValueError, match="no such file or folder"):
        read_labelled(tmp_path / "nothing", VARIABLES, NAMES)


# ---- tables that carry them


def test_tables_with_and_without_further_variables_join(tmp_path):
    train, _ = read_labelled(folder(tmp_path / "d", random_table(N), "train", **COLUMNS), VARIABLES, NAMES)
    joined = GalaxyTable.join([random_table(4, seed=2), train])
    assert joined.extra.shape == (N + 4, 3) and torch.isnan(joined.extra[:4]).all()
    torch.testing.assert_close(joined[4:].extra, train.extra, equal_nan=True)
    assert joined.with_extra(5).extra.shape == (N + 4, 5)


def test_further_values_without_errors_are_refused():
    with pytest.raises(ValueError, match="extra values come with errors"):
        GalaxyTable(*(getattr(random_table(2), x) for x in ("flux", "properties", "survey")), extra=torch.zeros(2, 1),
                    extra_error=torch.zeros(2, 1))  # fmt: skip
    with pytest.raises(ValueError, match="extra_error is missing"):
        GalaxyTable(*(getattr(observed_table(2), x) for x in ("flux", "properties", "survey", "flux_error",
                    "property_error", "noisy")), extra=torch.zeros(2, 1))  # fmt: skip
