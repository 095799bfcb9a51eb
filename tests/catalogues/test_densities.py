"""Densities on a grid, as qp reads them."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy import GalaxyPosterior
from hf_galaxy.catalogues.answers import PdfGrid, pdf
from hf_galaxy.cli import main


@pytest.fixture
def output(tmp_path, blank_model):
    table = Table({"rSDSS": [4000.0, 300.0, 500.0], "rSDSS_err": [50.0, -1.0, 9.0]}, units=["nJy", "nJy"])
    table.write(tmp_path / "catalogue.fits")
    arguments = ["predict", tmp_path / "catalogue.fits", "-o", tmp_path / "answers.parquet", "--model", blank_model]
    assert main([str(a) for a in (*arguments, "--ask", "redshift", "--pdf", "redshift", "--pdf-grid", "0:2:201")]) == 0
    return tmp_path / "answers.parquet"


# A process of its own, as that of a reader is: qp loads an HDF5 library besides that of h5py.
READ = """
import json, sys, warnings
import numpy as np
import qp

warnings.simplefilter("ignore")
path, grid = sys.argv[1], np.linspace(0, 2, 201)
whole, part = qp.read(path), qp.read(path, read_slice=slice(1, 3))
good = whole[np.array([0, 2])]
said = {"n": int(whole.npdf), "kind": whole.metadata["pdf_name"][0].decode(), "median": good.median().ravel().tolist()}
said["integral"] = np.trapezoid(good.pdf(grid), grid, axis=1).tolist()
said["skipped"] = bool(np.isnan(whole.objdata["yvals"][1]).all())
said["mode"], said["row"] = whole.ancil["zmode"].tolist(), whole.ancil["row"].tolist()
said["slice"] = bool((part.objdata["yvals"][1] == whole.objdata["yvals"][2]).all())
print(json.dumps(said))
"""


@pytest.mark.skipif(find_spec("qp") is None, reason='qp reads what was written: pip install "hf-galaxy[qp]"')
def test_qp_reads_the_densities(output, tmp_path):
    command = [sys.executable, "-c", READ, str(tmp_path / "answers_pdf_redshift.hdf5")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, answers = json.loads(done.stdout), Table.read(output)
    assert (said["n"], said["kind"], said["row"]) == (3, "interp", [0, 1, 2])
    np.testing.assert_allclose(said["median"], answers["redshift_p50"][[0, 2]], atol=0.01)  # a cell of the grid
    np.testing.assert_allclose(said["integral"], 1.0, rtol=1e-5)  # float32
    np.testing.assert_allclose(said["mode"], answers["redshift_mode"])
    assert said["skipped"] and answers["skipped"][1] and said["slice"]


def test_a_peak_narrower_than_the_grid_keeps_its_probability(blank_model):
    posterior = GalaxyPosterior.from_pretrained(str(blank_model)).condition(redshift=(0.4001, 1e-5))
    grid = np.linspace(0, 1, 101)
    found = pdf(posterior, PdfGrid("redshift", grid))
    assert np.trapezoid(found[0], grid) == pytest.approx(1.0, abs=1e-4)
    assert grid[found[0].argmax()] == pytest.approx(0.4)


def test_densities_are_the_slopes_of_the_cumulative_probability(blank_model):
    posterior = GalaxyPosterior.from_pretrained(str(blank_model))
    grid = np.linspace(0.1, 0.9, 81)
    found = pdf(posterior, PdfGrid("redshift", grid))[0]
    wanted = posterior.pdf("redshift", grid)[0]
    np.testing.assert_allclose(found[1:-1], wanted[1:-1], rtol=2e-3)  # second order in the step
    inside = posterior.cdf("redshift", 0.9)[0] - posterior.cdf("redshift", 0.1)[0]
    assert np.trapezoid(found, grid) == pytest.approx(inside, rel=1e-5)
