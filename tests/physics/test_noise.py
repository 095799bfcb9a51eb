"""The noise model: its statistics, its honesty, its independence of everything but the generator."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from hf_galaxy.physics.filters import EMBEDDED_BANDS
from hf_galaxy.physics.noise import DEPTHS, NoiseModel, NoiseSettings

N_BAND = len(EMBEDDED_BANDS)
QUIET = {**NoiseSettings.nominal().__dict__}


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def constant_flux(n: int, njy: float) -> torch.Tensor:
    return torch.full((n, N_BAND), njy, dtype=torch.float64)


def band(name: str) -> int:
    return EMBEDDED_BANDS.index(name)


@pytest.mark.parametrize("njy", [0.0, 30.0, 3000.0, 3e6])
def test_nominal_residuals_have_unit_variance(njy):
    n = 2000
    flux = constant_flux(n, njy)
    seen = NoiseModel(NoiseSettings.nominal()).observe(flux, generator(7))
    assert seen.observed.all()
    chi = (seen.flux - flux) / seen.error
    # chi² of 124,000 terms: relative σ sqrt(2/N) = 0.4 %. The stated error, of the observed flux, adds up to
    # 3 floor² = 2 % (FUV, floor 0.05) at high S/N; bound 2.5 %: false alarm < 1e-4
    assert chi.square().mean().item() == pytest.approx(1.0, abs=0.025)
    assert abs(chi.mean().item()) < 5 / np.sqrt(chi.numel()) + 0.05 * 1.5  # the same asymmetry, floor σ


def test_faint_sources_have_the_depth_as_error():
    error = NoiseModel(NoiseSettings.nominal()).observe(constant_flux(4, 0.0), generator()).error
    for name, depth in DEPTHS.items():
        five_sigma = 31.4 - 2.5 * np.log10(5 * error[:, band(name)].min().item())
        assert five_sigma == pytest.approx(depth, abs=0.01), name


def test_depths_are_a_smooth_function_of_wavelength():
    narrow = [DEPTHS[name] for name in EMBEDDED_BANDS if name.startswith("J0")]
    assert np.abs(np.diff(narrow)).max() < 0.1 and np.abs(np.diff(narrow, 2)).max() < 0.08  # a slip of the pen is more
    # the anchors of the assumed depths
    assert (DEPTHS["J0400"], DEPTHS["J0500"], DEPTHS["J0700"], DEPTHS["J0910"]) == (22.4, 22.6, 22.4, 21.5)


def test_bright_sources_have_the_floor_as_error():
    flux = constant_flux(1, 1e9)
    seen = NoiseModel(NoiseSettings.nominal()).observe(flux, generator())
    relative = (seen.error / seen.flux)[0]
    # photons of a source of 1e9 nJy: 1e-4 and less
    for name, floor in (("J0500", 0.02), ("uJAVA", 0.03), ("NUV", 0.03), ("FUV", 0.05)):
        assert relative[band(name)].item() == pytest.approx(floor, rel=1e-3), name


def test_stated_error_is_a_function_of_the_observed_flux_alone():
    # were it computed from the true flux, it would give the truth away
    model = NoiseModel(NoiseSettings.nominal())
    a = model.observe(constant_flux(500, 5000.0), generator(1))
    sky = 10 ** (-0.8 * (DEPTHS["J0500"] - 31.4)) / 25
    photons = (a.error[:, band("J0500")] ** 2 - sky - (0.02 * a.flux[:, band("J0500")]) ** 2) / a.flux[:, band("J0500")]
    assert photons.min() > 0
    assert photons.std() / photons.mean() < 1e-2  # one number for all galaxies: single precision of the tables


def test_same_generator_same_noise_and_global_state_untouched():
    flux = constant_flux(50, 1000.0)
    model = NoiseModel()
    state = torch.get_rng_state()
    a, b, c = (model.observe(flux, generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(a.observed, b.observed)
    assert torch.equal(a.flux.nan_to_num(), b.flux.nan_to_num()) and torch.equal(
        a.error.nan_to_num(), b.error.nan_to_num()
    )
    assert not torch.equal(a.flux.nan_to_num(), c.flux.nan_to_num())
    assert torch.equal(state, torch.get_rng_state())


def test_missing_is_nan_and_nothing_else_is():
    seen = NoiseModel().observe(constant_flux(2000, 1000.0), generator())
    for values in (seen.flux, seen.error):
        assert torch.equal(values.isnan(), ~seen.observed)
    assert (seen.error[seen.observed] > 0).all()


def test_galex_layers_come_in_their_shares():
    settings = NoiseSettings(**{**QUIET, "galex_shares": (0.3, 0.3, 0.1)})
    seen = NoiseModel(settings).observe(constant_flux(20000, 0.0), generator(5))
    error = seen.error[:, band("NUV")]
    depth = (31.4 - 2.5 * torch.log10(5 * error)).round(decimals=1)  # an undetected source: the depth, to photon noise
    for expected, share in ((20.8, 0.3), (22.7, 0.3), (24.4, 0.1)):
        near = ((depth - expected).abs() < 0.35).double().mean().item()
        assert near == pytest.approx(share, abs=5 * np.sqrt(share / 20000)), expected  # 5 σ of a binomial
    assert error.isnan().double().mean().item() == pytest.approx(0.3, abs=0.017)
    assert torch.equal(seen.observed[:, band("FUV")], seen.observed[:, band("NUV")])


def test_spectrographs_see_only_what_is_inside_their_window():
    settings = NoiseSettings(**{**QUIET, "window_share": 1.0, "windows": ((3800.0, 9200.0),)})
    seen = NoiseModel(settings).observe(constant_flux(3, 100.0), generator())
    missing = {name for name, there in zip(EMBEDDED_BANDS, seen.observed[0].tolist(), strict=True) if not there}
    assert missing == {"FUV", "NUV", "uJAVA", "uJPAS", "J0378", "J1007"}  # as in test_photometry


def test_default_gaps_and_windows_come_in_their_shares():
    seen = NoiseModel().observe(constant_flux(20000, 100.0), generator(11)).observed
    # 15 % of windows, all of which lose uJAVA; of the others 20 % lose on average 7.5 %
    expected = 0.85 * (1 - 0.2 * 0.075)
    assert seen[:, band("uJAVA")].double().mean().item() == pytest.approx(expected, abs=0.013)  # 5 σ
    gappy = (~seen[:, band("J0450") : band("J0910")]).any(dim=1).double().mean().item()
    assert 0.1 < gappy < 0.35


def test_calibration_errors_are_smooth_and_not_in_the_stated_error():
    settings = NoiseSettings(**{**QUIET, "fixed_floor": 1e-4, "calibration_scatter": 0.03, "zero_point_scatter": 0.0})
    flux = constant_flux(4000, 1e9)
    seen = NoiseModel(settings).observe(flux, generator(2))
    shift = -2.5 * torch.log10(seen.flux / flux)[:, 4:58]  # the narrow bands
    rms = shift.square().mean(dim=1).sqrt()
    # the narrow bands fill nearly half a period of the first order; half-normal of 0.03 has an rms of 0.03
    assert rms.square().mean().sqrt().item() == pytest.approx(0.03, rel=0.1)
    # neighbours move together: the highest order turns by 4π 0.025 = 0.3 from band to band, noise would give 1.4
    assert shift.diff(dim=1).square().mean().sqrt() < 0.3 * 0.03
    assert (seen.error / seen.flux).max() < 1e-3


def test_zero_points_scatter_from_band_to_band():
    settings = NoiseSettings(**{**QUIET, "fixed_floor": 1e-5, "zero_point_scatter": 0.01})
    flux = constant_flux(2000, 1e10)
    shift = -2.5 * torch.log10(NoiseModel(settings).observe(flux, generator(2)).flux / flux)
    within = shift - shift.mean(dim=1, keepdim=True)  # takes 1/62 of the variance away
    assert within.std().item() == pytest.approx(0.01, rel=0.03)  # 124,000 draws: 5 σ is 1 %, photons add 1 %


def test_floor_is_one_number_a_galaxy_within_its_range():
    settings = NoiseSettings(**{**QUIET, "fixed_floor": None})
    seen = NoiseModel(settings).observe(constant_flux(3000, 1e9), generator(2))
    floor = (seen.error / seen.flux)[:, band("J0500")]
    assert 0.0049 < floor.min() and floor.max() < 0.0301
    assert np.exp(floor.log().mean().item()) == pytest.approx(np.sqrt(0.005 * 0.03), rel=0.05)
    assert torch.allclose((seen.error / seen.flux)[:, band("FUV")], 2.5 * floor, rtol=1e-3)


def test_depth_scatter_has_its_size():
    settings = NoiseSettings(**{**QUIET, "depth_scatter_galaxy": 0.25, "depth_scatter_band": 0.1, "fixed_floor": 1e-6})
    error = NoiseModel(settings).observe(constant_flux(4000, 0.0), generator(2)).error
    depth = -2.5 * torch.log10(error)[:, 4:58]
    assert depth.mean(dim=1).std().item() == pytest.approx(0.25, rel=0.06)  # 4000 galaxies: 5 σ
    assert (depth - depth.mean(dim=1, keepdim=True) - depth.mean(dim=0)).std().item() == pytest.approx(0.1, rel=0.05)


def test_depth_offset_is_in_magnitudes():
    deep, plain = (
        NoiseModel(NoiseSettings(**{**QUIET, "depth_offset": x, "fixed_floor": 0.0})).observe(
            constant_flux(9, 0.0), generator()
        )
        for x in (2.5, 0.0)
    )
    assert torch.allclose(
        deep.error[:, 10:20] * 10, plain.error[:, 10:20], rtol=0.05
    )  # photons of fluctuations above zero


def test_bands_can_be_chosen():
    flux = torch.full((5, 2), 1000.0)
    assert NoiseModel(NoiseSettings.nominal(), ("J0660", "FUV")).observe(flux, generator()).flux.shape == (5, 2)
    with pytest.raises(ValueError, match="no depth is known for K"):
        NoiseModel(bands=("K",))


def test_wrong_shape_and_settings_are_refused():
    with pytest.raises(ValueError, match=r"shape \(3, 5\)"):
        NoiseModel().observe(torch.ones(3, 5), generator())
    for wrong in (
        {"galex_shares": (0.5, 0.5, 0.5)},
        {"floor_range": (0.0, 0.1)},
        {"gappy_share": 2.0},
        {"fixed_floor": -1.0},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            NoiseSettings(**wrong)


def test_it_is_fast_enough_to_be_drawn_afresh_at_every_visit():
    model, flux, g = NoiseModel(), torch.ones(512, N_BAND), generator()
    model.observe(flux, g)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        model.observe(flux, g)
        times.append(time.perf_counter() - start)
    assert min(times) < 5e-3  # measured 1.4 ms; the best of twenty bears a busy machine
