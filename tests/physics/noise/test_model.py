"""The noise model: its statistics, its honesty, its independence of everything but the generator."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from hf_galaxy.physics.filters import EMBEDDED_BANDS
from hf_galaxy.physics.noise import DEPTHS, NoiseModel, NoiseSettings, Observation
from tests.quiet_noise import BRIGHT, N_BAND, NARROW, QUIET, SHARP, band, constant_flux, generator, observe


def same(a: Observation, b: Observation) -> bool:
    return all(torch.equal(x.nan_to_num(), y.nan_to_num()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("njy", [0.0, 30.0, 3000.0, 3e6])
def test_nominal_residuals_have_unit_variance(njy):
    n = 2000
    flux = constant_flux(n, njy)
    seen = NoiseModel(QUIET).observe(flux, generator(7))
    assert seen.observed.all()
    chi = (seen.flux - flux) / seen.error
    # chi² of 124,000 terms: relative σ sqrt(2/N) = 0.4 %. The stated error, of the observed flux, adds up to
    # 3 floor² = 2 % (FUV, floor 0.05) at high S/N; bound 2.5 %: false alarm < 1e-4
    assert chi.square().mean().item() == pytest.approx(1.0, abs=0.025)
    assert abs(chi.mean().item()) < 5 / np.sqrt(chi.numel()) + 0.05 * 1.5  # the same asymmetry, floor σ


def test_plain_noise_is_what_it_always_was():
    # made by version 0.1.0, before there were other effects; single precision of the tables
    seen = NoiseModel(QUIET, ("J0500", "FUV")).observe(torch.tensor([[1000.0, 50.0]] * 2), generator(1))
    flux = torch.tensor([[1077.265, 528.33874], [1374.3569, 808.0294]])
    error = torch.tensor([[664.46283, 672.16327], [665.1914, 677.7633]])
    assert torch.allclose(seen.flux, flux, rtol=1e-6) and torch.allclose(seen.error, error, rtol=1e-6)


def test_faint_sources_have_the_depth_as_error():
    error = NoiseModel(QUIET).observe(constant_flux(4, 0.0), generator()).error
    for name, depth in DEPTHS.items():
        five_sigma = 31.4 - 2.5 * np.log10(5 * error[:, band(name)].min().item())
        assert five_sigma == pytest.approx(depth, abs=0.01), name


def test_depths_are_a_smooth_function_of_wavelength():
    narrow = [DEPTHS[name] for name in EMBEDDED_BANDS if name.startswith("J0")]
    assert np.abs(np.diff(narrow)).max() < 0.1 and np.abs(np.diff(narrow, 2)).max() < 0.08  # a slip of the pen is more
    # the anchors of the assumed depths
    assert (DEPTHS["J0400"], DEPTHS["J0500"], DEPTHS["J0700"], DEPTHS["J0910"]) == (22.4, 22.6, 22.4, 21.5)


def test_bright_sources_have_the_floor_as_error():
    seen = observe(1, 1e9)
    relative = (seen.error / seen.flux)[0]
    # photons of a source of 1e9 nJy: 1e-4 and less
    for name, floor in (("J0500", 0.02), ("uJAVA", 0.03), ("NUV", 0.03), ("FUV", 0.05)):
        assert relative[band(name)].item() == pytest.approx(floor, rel=1e-3), name


def test_stated_error_is_a_function_of_the_observed_flux_alone():
    # were it computed from the true flux, it would give the truth away
    a = observe(500, 5000.0, seed=1)
    sky = 10 ** (-0.8 * (DEPTHS["J0500"] - 31.4)) / 25
    photons = (a.error[:, band("J0500")] ** 2 - sky - (0.02 * a.flux[:, band("J0500")]) ** 2) / a.flux[:, band("J0500")]
    assert photons.min() > 0
    assert photons.std() / photons.mean() < 1e-2  # one number for all galaxies: single precision of the tables


def test_same_generator_same_noise_and_global_state_untouched():
    flux = constant_flux(50, 1000.0)
    model = NoiseModel()
    state = torch.get_rng_state()
    a, b, c = (model.observe(flux, generator(seed)) for seed in (3, 3, 4))
    assert same(a, b) and not same(a, c)
    assert torch.equal(state, torch.get_rng_state())


def test_missing_is_nan_and_nothing_else_is():
    seen = NoiseModel().observe(constant_flux(2000, 1000.0), generator())
    for values in (seen.flux, seen.error):
        assert torch.equal(values.isnan(), ~seen.observed)
    assert (seen.error[seen.observed] > 0).all()


def test_floor_is_one_number_a_galaxy_within_its_range():
    seen = observe(3000, 1e9, fixed_floor=None)
    floor = (seen.error / seen.flux)[:, band("J0500")]
    assert 0.0049 < floor.min() and floor.max() < 0.0301
    assert np.exp(floor.log().mean().item()) == pytest.approx(np.sqrt(0.005 * 0.03), rel=0.05)
    assert torch.allclose((seen.error / seen.flux)[:, band("FUV")], 2.5 * floor, rtol=1e-3)


def test_some_catalogues_state_no_floor():
    seen = observe(4000, 1e9, floor_unstated_share=0.15)
    relative = (seen.error / seen.flux)[:, band("J0500")]
    bare = relative < 1e-3  # photons of 1e9 nJy: 1e-4
    assert bare.double().mean().item() == pytest.approx(0.15, abs=0.03)  # 5 σ
    assert relative[~bare].min() > 0.019
    assert (seen.flux[bare] / 1e9 - 1)[:, 4:].std().item() == pytest.approx(0.02, rel=0.02)  # and yet there is one


def test_depth_scatter_has_its_size():
    error = observe(4000, 0.0, quiet=SHARP, depth_scatter_galaxy=0.25, depth_scatter_band=0.1).error
    depth = -2.5 * torch.log10(error)[:, NARROW]
    assert depth.mean(dim=1).std().item() == pytest.approx(0.25, rel=0.06)  # 4000 galaxies: 5 σ
    assert (depth - depth.mean(dim=1, keepdim=True) - depth.mean(dim=0)).std().item() == pytest.approx(0.1, rel=0.05)


def test_depth_of_a_tray_is_common_to_its_bands():
    error = observe(4000, 0.0, quiet=SHARP, depth_scatter_tray=0.15, tray_bands=14).error
    depth = -2.5 * torch.log10(error)
    depth = depth - depth.mean(dim=0)
    narrow = depth[:, NARROW]
    # photons of positive fluctuations add up to 0.01 mag of scatter to a depth of 0.15
    assert narrow.std().item() == pytest.approx(0.15, rel=0.05)
    correlation = np.corrcoef(narrow.T.numpy())
    # k bands apart in the same tray: 1 - k / 14; the scatter of a correlation of 4000 galaxies is 0.016
    for k in (1, 7, 14, 20):
        assert np.diag(correlation, k).mean() == pytest.approx(max(1 - k / 14, 0.0), abs=0.04), k
    broad = depth[:, [band(name) for name in ("uJPAS", "gSDSS", "rSDSS", "iSDSS")]]
    assert np.corrcoef(broad.T.numpy()).min() > 0.98
    assert abs(np.corrcoef(broad[:, 1], depth[:, band("uJAVA")])[0, 1]) < 0.08  # and not that of the bluest tray
    # GALEX is no part of any tray: nothing is left but the photons of fluctuations, few in FUV
    assert depth[:, band("NUV")].std() < 0.05


def test_depth_offset_is_in_magnitudes():
    deep, plain = (observe(9, 0.0, depth_offset=x, fixed_floor=0.0) for x in (2.5, 0.0))
    assert torch.allclose(
        deep.error[:, 10:20] * 10, plain.error[:, 10:20], rtol=0.05
    )  # photons of fluctuations above zero


def test_longer_exposures_of_galex_are_deeper_in_sky_and_photons():
    for njy in (0.0, 3e5):  # the sky alone; photons alone
        seen = observe(20000, njy, quiet=SHARP, galex_exposure_scatter=0.2)
        log_variance = 2 * torch.log10(seen.error[:, band("NUV")])
        # the variance goes as one over the time; 20,000 galaxies: 5 σ is 2.5 %, photons of fluctuations some more
        assert log_variance.std().item() == pytest.approx(0.2, rel=0.06)
        assert torch.log10(seen.error[:, band("J0500")]).std() < 0.02


def test_stated_errors_are_wrong_by_a_factor_that_the_noise_does_not_share():
    off = {"error_scatter_galaxy": 0.15, "error_scatter_band": 0.1}
    wrong, right = (observe(4000, 0.0, quiet=SHARP, **e) for e in (off, {}))
    # the noise is drawn before the factor, from the same numbers
    assert torch.equal(wrong.flux, right.flux)
    log_ratio = (wrong.error / right.error).log()
    assert log_ratio.mean(dim=1).std().item() == pytest.approx(np.hypot(0.15, 0.1 / np.sqrt(N_BAND)), rel=0.06)  # 5 σ
    within = log_ratio - log_ratio.mean(dim=1, keepdim=True)
    assert within.std().item() == pytest.approx(0.1, rel=0.02)
    # true scatter over stated error: the factor exp(-x) of a normal x has a mean square of exp(2 σ²)
    chi2 = ((wrong.flux / wrong.error) ** 2).mean().item()
    expected = ((right.flux / right.error) ** 2).mean().item() * np.exp(2 * (0.15**2 + 0.1**2))
    assert chi2 == pytest.approx(expected, rel=0.03)  # 4000 factors a galaxy: σ of the mean 0.5 %


def test_outliers_come_in_their_share_and_size_with_their_error_unchanged():
    effect = {"outlier_share": 0.5, "outlier_fraction": 0.04, "outlier_sigmas": (20.0, 50.0)}
    spoiled, clean = (observe(4000, 0.0, **e) for e in (effect, {}))
    assert torch.equal(spoiled.error, clean.error)
    off = (spoiled.flux - clean.flux) / NoiseModel(QUIET).observe(constant_flux(1, 0.0), generator()).error.min(
        0
    ).values
    wrong = off.abs() > 1
    count = wrong.sum().item()
    assert count == pytest.approx(0.5 * 0.04 * wrong.numel(), abs=5 * np.sqrt(0.02 * wrong.numel()) * 1.7)  # clustered
    galaxies = wrong.any(dim=1).double().mean().item()
    assert galaxies == pytest.approx(0.5 * (1 - 0.96**N_BAND), abs=5 * 0.5 / np.sqrt(4000))
    # the sky's error, as drawn; the smallest stated one is that to a few per cent
    assert 19 < off[wrong].abs().min() and off[wrong].abs().max() < 53
    for size in (off[wrong & (off > 0)], -off[wrong & (off < 0)]):  # log-uniform either way; 5 σ is 0.035
        assert size.log().mean().item() == pytest.approx(0.5 * (np.log(20) + np.log(50)), abs=0.04)
    assert (off[wrong] < 0).double().mean().item() == pytest.approx(1 / 3, abs=5 * 0.47 / np.sqrt(count))


def test_an_error_that_the_flux_brings_along_is_stated_and_not_drawn_again():
    flux, model = constant_flux(500, 1000.0), NoiseModel(QUIET)
    own = torch.full_like(flux, 300.0)
    with_error, without = model.observe(flux, generator(), own), model.observe(flux, generator())
    assert torch.equal(with_error.flux, without.flux)
    assert torch.allclose(with_error.error, torch.hypot(without.error, own))
    assert same(model.observe(flux, generator(), torch.zeros_like(flux)), without)


def test_an_error_brought_along_is_scaled_with_its_flux_but_not_misstated():
    flux = constant_flux(200, BRIGHT)
    model = NoiseModel(replace(SHARP, zero_point_scatter=0.5, error_scatter_galaxy=1.0))
    seen = model.observe(flux, generator(), 0.1 * flux)
    assert torch.allclose(seen.error / seen.flux, torch.full_like(flux, 0.1), rtol=1e-3)  # photons and floor: 1e-4


def test_what_is_unobserved_stays_unobserved():
    flux, error = constant_flux(20, 1000.0), constant_flux(20, 10.0)
    flux[0, 3], error[1, 4], flux[2, 5] = torch.nan, torch.nan, torch.inf
    seen = NoiseModel(QUIET).observe(flux, generator(), error)
    missing = torch.zeros_like(seen.observed)
    missing[0, 3] = missing[1, 4] = missing[2, 5] = True
    assert torch.equal(~seen.observed, missing)
    assert torch.equal(seen.flux.isnan(), missing) and torch.equal(seen.error.isnan(), missing)


def test_real_photometry_is_returned_as_it_is():
    flux, error = constant_flux(100, 1000.0), constant_flux(100, 10.0)
    flux[0, 3] = error[0, 3] = torch.nan
    skip = torch.arange(100) % 2 == 0
    model = NoiseModel()
    seen, other = model.observe(flux, generator(), error, skip), model.observe(flux, generator(), error)
    assert torch.equal(seen.flux[skip].nan_to_num(), flux[skip].nan_to_num())
    assert torch.equal(seen.error[skip].nan_to_num(), error[skip].nan_to_num())
    assert torch.equal(seen.observed[skip], flux[skip].isfinite())
    for given, plain in zip(seen, other, strict=True):  # the other rows do not depend on it
        assert torch.equal(given[~skip].nan_to_num(), plain[~skip].nan_to_num())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_of_the_fluxes_is_kept(dtype):
    flux = torch.ones(3, N_BAND, dtype=dtype)
    skip = torch.tensor([True, False, False])
    seen = NoiseModel().observe(flux, generator(), flux.double(), skip)
    assert seen.flux.dtype == dtype and seen.error.dtype == dtype


def test_no_other_device_is_touched():
    # a device without storage: any number that would be made on the CPU would meet one that is not there
    model = NoiseModel(device="meta")
    flux = torch.ones(4, N_BAND, device="meta")
    seen = model.observe(flux, None, flux, torch.ones(4, dtype=torch.bool, device="meta"))
    assert {x.device.type for x in seen} == {"meta"} and seen.flux.shape == (4, N_BAND)


def test_bands_can_be_chosen():
    flux = torch.full((5, 2), 1000.0)
    for settings in (QUIET, NoiseSettings.survey()):
        assert NoiseModel(settings, ("J0660", "FUV")).observe(flux, generator()).flux.shape == (5, 2)
        assert NoiseModel(settings, ("FUV", "NUV")).observe(flux, generator()).flux.shape == (5, 2)
    with pytest.raises(ValueError, match="no depth is known for K"):
        NoiseModel(bands=("K",))


def test_shapes_that_do_not_fit_are_refused():
    model, flux = NoiseModel(QUIET), torch.ones(3, N_BAND)
    with pytest.raises(ValueError, match=r"shape \(3, 5\)"):
        model.observe(torch.ones(3, 5), generator())
    with pytest.raises(ValueError, match=r"flux_error has shape \(62,\)"):
        model.observe(flux, generator(), torch.ones(N_BAND))
    with pytest.raises(ValueError, match=r"skip is torch.float32 \(3,\)"):
        model.observe(flux, generator(), flux, torch.ones(3))
    with pytest.raises(ValueError, match=r"skip is torch.bool \(2,\)"):
        model.observe(flux, generator(), flux, torch.ones(2, dtype=torch.bool))
    with pytest.raises(ValueError, match="no flux_error is given"):
        model.observe(flux, generator(), skip=torch.ones(3, dtype=torch.bool))


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_it_is_fast_enough_to_be_drawn_afresh_at_every_visit(one_thread):
    model, flux, g = NoiseModel(), torch.ones(512, N_BAND), generator()
    model.observe(flux, g)
    times = []
    for _ in range(20):
        start = time.process_time()  # of the processor, for others may keep it busy
        model.observe(flux, g)
        times.append(time.process_time() - start)
    assert min(times) < 8e-3  # measured 1.9 ms, the best of twenty
