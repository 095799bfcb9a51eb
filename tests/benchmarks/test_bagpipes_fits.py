"""What is ours in the fits of bagpipes: the choice of galaxies, the cache, the integral over the mass."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks.peers import bagpipes_worker as worker
from benchmarks.peers.bagpipes_fits import COST, BagpipesFits, FitSettings, stratified_rows
from benchmarks.peers.bagpipes_report import measure
from hf_galaxy.physics.noise import Observation
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

G, I = BANDS.index("gSDSS"), BANDS.index("iSDSS")


def galaxies(n: int = 400) -> np.ndarray:
    """Fluxes (n, band) with i from 15 to 22.5 and g - i of any size."""
    rng = np.random.default_rng(1)
    i, colour = rng.uniform(15, 22.5, n), rng.uniform(0, 2.5, n)
    flux = np.full((n, len(BANDS)), 100.0)
    flux[:, I], flux[:, G] = (10 ** (-0.4 * (m - 31.4)) for m in (i, i + colour))
    return flux


def test_the_choice_is_of_every_brightness_and_colour():
    flux = galaxies()
    rows = stratified_rows(flux, 20)
    i = 31.4 - 2.5 * np.log10(flux[rows, I])
    assert len(set(rows)) == 20
    assert np.bincount(np.digitize(i, [18, 20, 21, 22]), minlength=5).tolist() == [4, 4, 4, 4, 4]
    colour = -2.5 * np.log10(flux[rows, G] / flux[rows, I])
    assert 8 <= (colour > 1.25).sum() <= 12
    assert stratified_rows(flux, 4).tolist() == rows[:4].tolist(), "the short choice begins the long one"


def test_galaxies_without_the_two_bands_are_not_chosen():
    flux = galaxies(40)
    flux[:30, G] = np.nan
    assert stratified_rows(flux, 20).min() >= 30


def written(peer: BagpipesFits, flux: np.ndarray, error: np.ndarray, value: float) -> None:
    """A forged answer in the cache."""
    draws = np.full((peer.settings.draws, len(worker.PARAMETERS)), value)
    peer.cache.mkdir(exist_ok=True)
    key = peer._key(flux, error, np.nan)
    np.savez(peer.cache / f"{key}.npz", draws=draws, **dict.fromkeys(COST, 1.0))


def test_what_is_in_the_cache_is_not_fitted_again(tmp_path, monkeypatch):
    flux = galaxies()
    error = 0.05 * flux
    peer = BagpipesFits(tmp_path, fits=3)
    rows = stratified_rows(flux, 3)
    for value, row in zip((0.1, 0.2, 0.3), rows, strict=True):
        written(peer, flux[row], error[row], value)
    monkeypatch.setattr(peer, "_run", lambda *_: pytest.fail("it was fitted again"))
    observation = Observation(torch.tensor(flux), torch.tensor(error), torch.ones(flux.shape, dtype=torch.bool))
    answers = peer.predict(observation)
    assert np.allclose(answers.point["redshift"][rows], [0.1, 0.2, 0.3])
    assert np.isnan(answers.point["redshift"]).sum() == len(flux) - 3
    assert "ew_halpha" not in answers.names, "bagpipes gives none"


def test_other_settings_and_other_noise_are_other_fits(tmp_path):
    flux = galaxies(1)[0]
    one = BagpipesFits(tmp_path, 1)
    other = BagpipesFits(tmp_path, 1, replace(FitSettings(), live=400))
    keys = {peer._key(f, 0.1 * flux, z) for peer in (one, other) for f in (flux, 1.01 * flux) for z in (np.nan, 0.3)}
    assert len(keys) == 8


def model_of(predicted: np.ndarray, flux: np.ndarray, error: np.ndarray) -> SimpleNamespace:
    """What of bagpipes' fitted model the integral over the mass looks at."""
    galaxy = SimpleNamespace(photometry=np.column_stack([flux, flux, error]))
    made = SimpleNamespace(photometry=predicted)
    return SimpleNamespace(galaxy=galaxy, model_galaxy=made, inv_sigma_sq_phot=error**-2, lnlike=lambda point: 0.0)


def test_the_mass_is_integrated_over():
    """Against the integral over ln amplitude, summed up."""
    rng = np.random.default_rng(0)
    found, expected = [], []
    for _ in range(4):
        predicted, error = rng.uniform(1, 2, 60), np.full(60, 0.2)
        flux = 0.5 * predicted + rng.normal(0, 0.2, 60)
        found.append(worker.amplitude_free(model_of(predicted, flux, error))(np.zeros(1)))
        grid = np.linspace(np.log(0.3), np.log(0.8), 4001)
        chi2 = (((flux - np.exp(grid)[:, None] * predicted) / error) ** 2).sum(1)
        expected.append(np.log(np.trapezoid(np.exp(-0.5 * (chi2 - 60)), grid)) - 30)
    # constants were dropped; the amplitude is known to 4 %, and 1/a is taken at the best one: 0.1 % of the integral
    assert np.ptp(np.array(found) - np.array(expected)) < 5e-3


def test_an_impossible_galaxy_is_impossible():
    ones = np.ones(5)
    model = model_of(ones, ones, ones)
    model.lnlike = lambda point: worker.IMPOSSIBLE
    assert worker.amplitude_free(model)(np.zeros(1)) == worker.IMPOSSIBLE
    assert worker.amplitude_free(model_of(ones, -ones, ones))(np.zeros(1)) == worker.IMPOSSIBLE


def test_draws_follow_the_weights():
    points = np.arange(4.0)[:, None]
    drawn = worker.drawn(points, np.log([1e-300, 1.0, 3.0, 1e-300]), 400)
    assert np.bincount(drawn[:, 0].astype(int), minlength=4).tolist() == [0, 100, 300, 0]


def test_the_report_measures_forged_fits():
    """Posteriors of width 0.1 about centres that err by 0.1 hold 68 %; halved in width, far fewer."""
    rng, n = np.random.default_rng(0), 2000
    truth = rng.normal(size=(n, len(PROPERTIES)))
    columns = [PROPERTIES.index(name) for name in worker.PARAMETERS]
    centre = truth[:, columns] + 0.02 + 0.1 * rng.standard_normal((n, len(columns)))
    noise = rng.standard_normal((n, 200, len(columns)))
    found = dict.fromkeys(COST, np.ones(n))
    right = measure({**found, "draws": centre[:, None] + 0.1 * noise}, truth)["properties"]["log_mstar"]
    narrow = measure({**found, "draws": centre[:, None] + 0.05 * noise}, truth)["properties"]["log_mstar"]
    # 2000 galaxies: 1 % on the share, 3 % on the scatter; a bias of 0.2 σ costs 1 % of coverage
    assert right["coverage_68"] == pytest.approx(0.67, abs=0.03) and narrow["coverage_68"] < 0.42
    assert right["sigma_nmad"] == pytest.approx(0.1, rel=0.08) and right["bias"] == pytest.approx(0.02, abs=0.008)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("bagpipes") is None, reason='no bagpipes: pip install "hf-galaxy[sim]"')
def test_a_fit_that_is_cut_short_still_answers(tmp_path):
    flux = galaxies(1)
    settings = replace(FitSettings(), live=60, most_calls=200, draws=20, resolution=100.0)
    found = BagpipesFits(tmp_path, 1, settings).posteriors(flux, 0.1 * flux)
    assert found["draws"].shape == (1, 20, len(worker.PARAMETERS))
    assert np.isfinite(found["draws"]).all() and not found["finished"][0] and found["calls"][0] >= 200
