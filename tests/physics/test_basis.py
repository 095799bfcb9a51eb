from __future__ import annotations

import numpy as np
import pytest

from hf_galaxy.physics import basis
from hf_galaxy.physics.ssp import StellarGrid


def small_grid(pixels=64):
    """Smooth made-up populations: what the compression sees, without the installed grids."""
    rng = np.random.default_rng(1)
    wave = np.geomspace(800.0, 9000.0, pixels)

    def slopes(*shape):
        return np.exp(rng.normal(size=(*shape, 1)) * np.log(wave / 3000.0) + rng.normal(size=(*shape, 1)))

    return StellarGrid(
        wavelength=wave, old=slopes(7, 5), young=slopes(7, 3), nebular=slopes(7, 9, 3), lines=rng.random((7, 9, 3, 2)),
        line_wavelength=np.array([1215.67, 6564.6]), line_name=np.array(["a", "b"]), live=rng.random((7, 7)),
        age_edges=np.array([0.0, 1e6, 5e6, 2e7, 1e9, 3e9, 8e9, 1.3e10]), lyman=np.zeros((1, 6)),
    )  # fmt: skip


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Counts how often the grid is read; the cache is a folder of the test."""
    calls = []
    monkeypatch.setenv("HF_GALAXY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(basis, "read_grid", lambda edges: calls.append(len(edges)) or small_grid(len(edges) - 1))
    return calls


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-5])
def test_compression_keeps_its_tolerance(tolerance):
    spectra = small_grid().old.reshape(35, -1)
    factor = basis.factorise(spectra, tolerance)
    error = np.abs(factor.coefficients @ factor.vectors / spectra - 1)
    # the bound is on the rms over pixels relative to the median spectrum; single pixels may be a few times worse
    assert np.sqrt((error**2).mean(1)).max() < 10 * tolerance
    assert factor.vectors.shape[0] < 35 or tolerance < 1e-4


def test_populations_without_light_stay_dark():
    spectra = np.zeros((4, 20))
    spectra[1] = 1.0
    factor = basis.factorise(spectra)
    np.testing.assert_allclose(factor.coefficients @ factor.vectors, spectra, atol=1e-6)
    np.testing.assert_allclose(basis.factorise(np.zeros((4, 20))).coefficients, 0.0)


def test_second_load_comes_from_the_cache(made):
    first, second = (basis.load_basis(6.5, 0.04, 64) for _ in range(2))
    assert made == [65] and second.n_young == 3
    for a, b in zip(first.old + first.young, second.old + second.young, strict=True):
        np.testing.assert_allclose(a.coefficients @ a.vectors, b.coefficients @ b.vectors, rtol=1e-4)
    assert second.line_name.tolist() == ["a", "b"] and second.old_share == first.old_share


def test_damaged_cache_is_made_again(made):
    basis.load_basis(6.5, 0.04, 64)
    (path,) = basis.cache_folder().iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    basis.load_basis(6.5, 0.04, 64)
    assert made == [65, 65]


def test_other_grids_do_not_share_a_file(made):
    basis.load_basis(6.5, 0.04, 64)
    basis.load_basis(6.5, 0.02, 64)
    assert made == [65, 65] and len(list(basis.cache_folder().iterdir())) == 2


def test_cache_that_cannot_be_written_is_done_without(made, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HF_GALAXY_CACHE", str(tmp_path / "file"))
    assert basis.load_basis(6.5, 0.04, 64).n_young == 3


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("HF_GALAXY_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert basis.cache_folder() == tmp_path / "hf_galaxy"
