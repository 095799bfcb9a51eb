"""Errors of the calibration: the size and shape of each, and that no stated error holds them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.noise import NoiseSettings
from hf_galaxy.physics.noise.extinction import band_extinction
from hf_galaxy.physics.noise.spectrograph import refractivity
from tests.quiet_noise import BRIGHT, NARROW, SHARP, band, observe, shifts

PIVOT = FilterSet.embedded().pivots
SPECTRA = {"window_share": 1.0, "windows": ((3000.0, 12000.0),)}
DEFAULT = NoiseSettings.survey()


def default(*names: str) -> dict:
    return {name: getattr(DEFAULT, name) for name in names}


ALL_OF_SPECTRA = default(
    "spectrum_scatter", "refraction_scatter", "red_end_scatter", "fringe_scatter", "aperture_slope",
    "telluric_scatter", "telluric_uncorrected_share",
)  # fmt: skip


def test_calibration_errors_are_smooth_and_not_in_the_stated_error():
    seen = observe(4000, 1e9, fixed_floor=1e-4, calibration_scatter=0.03)
    shift = -2.5 * torch.log10(seen.flux / 1e9)[:, NARROW]
    rms = shift.square().mean(dim=1).sqrt()
    # the narrow bands fill nearly half a period of the first order; half-normal of 0.03 has an rms of 0.03
    assert rms.square().mean().sqrt().item() == pytest.approx(0.03, rel=0.1)
    # and a median of 0.67 of it; the shapes of few orders smear that
    assert rms.median().item() == pytest.approx(0.67 * 0.03, rel=0.1)
    # neighbours move together: the highest order turns by 4π 0.025 = 0.3 from band to band, noise would give 1.4
    assert shift.diff(dim=1).square().mean().sqrt() < 0.3 * 0.03
    assert (seen.error / seen.flux).max() < 1e-3


def test_zero_points_scatter_from_band_to_band():
    shift = shifts(2000, zero_point_scatter=0.01)
    within = shift - shift.mean(axis=1, keepdims=True)  # takes 1/62 of the variance away
    assert within.std() == pytest.approx(0.01, rel=0.03)  # 124,000 draws: 5 σ is 1 %, photons add 1 %


def test_what_is_left_of_the_milky_way_follows_its_law():
    law = band_extinction(FilterSet.embedded())
    shift = shifts(20000, extinction_mean=0.03, extinction_scatter=0.16, extinction_uncorrected_share=0.0)
    excess = shift[:, band("uJAVA")] / law[band("uJAVA")]
    # exponential times normal: the rms is mean · √2 · σ; its fourth moment is 18 times the square: σ of the rms 1.5 %
    assert np.sqrt((excess**2).mean()) == pytest.approx(0.03 * np.sqrt(2) * 0.16, rel=0.08)
    assert abs((excess > 0).mean() - 0.5) < 0.02
    colour = shift[:, band("FUV")] - shift[:, band("J0910")]
    expected = (law[band("FUV")] - law[band("J0910")]) * excess
    assert np.abs(colour - expected).max() < 1e-3  # photons: 3e-4 in FUV


def test_some_galaxies_are_not_corrected_for_the_milky_way():
    law = band_extinction(FilterSet.embedded())
    shift = shifts(20000, extinction_mean=0.03, extinction_scatter=0.0, extinction_uncorrected_share=0.15)
    excess = shift[:, band("J0500")] / law[band("J0500")]
    reddened = excess > 1e-4  # one exponential in 300 is below
    assert reddened.mean() == pytest.approx(0.15, abs=0.013)  # 5 σ
    assert excess[reddened].mean() == pytest.approx(0.03, rel=0.1)  # 3000 of them: 5 σ
    assert excess.min() > -1e-4


def test_galex_shifts_against_the_optical_and_fuv_against_nuv():
    shift = shifts(10000, galex_aperture_scatter=0.1, galex_colour_scatter=0.03)
    fuv, nuv = shift[:, band("FUV")], shift[:, band("NUV")]
    assert ((fuv + nuv) / 2).std() == pytest.approx(0.1, rel=0.04)  # 5 σ
    assert (fuv - nuv).std() == pytest.approx(0.03, rel=0.04)
    assert np.abs(shift[:, 2:]).max() < 1e-3


@pytest.mark.parametrize("name", ALL_OF_SPECTRA)
def test_imaging_and_galex_have_no_errors_of_spectrographs(name):
    effect = {name: getattr(DEFAULT, name)}
    both = shifts(400, **{**SPECTRA, "window_share": 0.5}, window_galex_share=1.0, **effect)
    size = np.abs(both).max(axis=1)
    affected = (size > 1e-3).mean()
    share = 0.5 * (DEFAULT.telluric_uncorrected_share if name == "telluric_uncorrected_share" else 1)
    assert affected == pytest.approx(share, abs=0.12)  # 400 galaxies: 5 σ of one half
    assert np.nanmax(np.abs(both[:, :2])) < 1e-3
    assert np.abs(shifts(50, **effect)).max() < 1e-3


def test_flux_calibration_of_spectra_has_its_size_and_a_heavy_tail():
    plain, tailed = (shifts(8000, **SPECTRA, spectrum_scatter=0.035, spectrum_tail=x)[:, NARROW] for x in (0.0, 0.6))
    # the narrow bands are nine tenths of the half period that the size is defined over, and the first order is largest
    # at its ends: 15 %
    assert np.sqrt((plain**2).mean()) == pytest.approx(0.035, rel=0.15)
    log_rms = [0.5 * np.log((x**2).mean(axis=1)) for x in (plain, tailed)]
    assert np.median(log_rms[1]) == pytest.approx(np.median(log_rms[0]), abs=0.06)  # 8000 galaxies: 4 σ
    # what one spectrum is worse than another adds in quadrature; the cut at four times the median takes a little
    assert np.sqrt(log_rms[1].var() - log_rms[0].var()) == pytest.approx(0.6, rel=0.08)
    # the error falls with order: from band to band it changes by little, a tenth of what white noise does
    assert np.sqrt((np.diff(plain) ** 2).mean()) < 0.15 * np.sqrt(2) * 0.035
    worst = shifts(4000, **SPECTRA, spectrum_scatter=0.035, spectrum_tail=3.0)[:, NARROW]
    assert np.sqrt((worst**2).mean()) < 4 * 0.035 * 1.15  # cut at four times the median


def test_slit_losses_follow_refraction():
    assert refractivity(5893.0) == pytest.approx(277.1, abs=0.1)  # dry air of 15 °C, 760 mm, sodium D: n = 1.0002771
    shift = shifts(6000, **SPECTRA, refraction_scatter=0.05, spectrum_tail=0.0)
    # two terms of 0.05 each where both are one; none where they are zero
    at = [np.interp(w, PIVOT[NARROW], shift.std(axis=0)[NARROW]) for w in (3800.0, 5500.0)]
    assert at[0] == pytest.approx(0.05 * np.sqrt(2), rel=0.05) and at[1] < 1e-3


def test_the_red_end_and_the_fringes_grow_from_7000_angstrom_on():
    for effect, independent in (
        ({"red_end_scatter": 0.04, "spectrum_tail": 0.0}, False),
        ({"fringe_scatter": 0.02}, True),
    ):
        shift = shifts(4000, **SPECTRA, **effect)
        size = next(iter(effect.values())) * ((PIVOT[band("J0900")] - 7000) / 2500) ** 2
        assert shift[:, band("J0900")].std() == pytest.approx(size, rel=0.06)  # 4000 galaxies: 5 σ
        assert np.abs(shift[:, band("J0690")]).max() < 1e-3
        correlation = np.corrcoef(shift[:, band("J0890")], shift[:, band("J0900")])[0, 1]
        assert correlation == pytest.approx(0.0 if independent else 1.0, abs=0.08), effect


def test_colour_of_the_aperture_is_a_straight_line():
    shift = shifts(4000, **SPECTRA, aperture_slope=0.03)
    octaves = np.log2(PIVOT[band("J0900")] / PIVOT[band("J0450")])
    assert (shift[:, band("J0900")] - shift[:, band("J0450")]).std() == pytest.approx(0.03 * octaves, rel=0.06)
    middle = np.interp(0.5, [0, 1], np.log(PIVOT[[band("J0450"), band("J0900")]]))
    line = np.interp(middle, np.log(PIVOT[NARROW]), np.arange(54))
    low = shift[:, NARROW][:, int(line)]
    ends = (shift[:, band("J0900")] + shift[:, band("J0450")]) / 2
    assert np.corrcoef(low, ends)[0, 1] > 0.98  # the nearest band is not quite in the middle


def test_telluric_bands_alone_suffer_from_a_poor_correction():
    shift = shifts(4000, **SPECTRA, telluric_scatter=0.1)
    rms = shift.std(axis=0)
    worst = [band(name) for name in ("J0690", "J0720", "J0760", "J0770", "J0820", "J0900", "J1007")]
    clean = [band(name) for name in ("J0390", "J0500", "J0650", "J0670", "J0790", "J0860")]
    assert rms[worst].min() > 2e-3 and rms[clean].max() < 1e-4
    assert rms[NARROW][:50].argmax() == band("J0760") - 4  # the A band; only the water beyond 9000 Å is as bad
    assert np.corrcoef(shift[:, band("J0690")], shift[:, band("J0760")])[0, 1] > 0.99  # both are oxygen
    assert abs(np.corrcoef(shift[:, band("J0760")], shift[:, band("J0820")])[0, 1]) < 0.08  # water


def test_an_uncorrected_spectrum_has_the_telluric_bands_of_the_sky():
    shift = shifts(1000, **SPECTRA, telluric_uncorrected_share=1.0)
    # 24 Å of the A band in a band 144 Å wide, weighted with a throughput that peaks elsewhere: 0.10 to 0.20 mag
    assert 0.1 < shift[:, band("J0760")].mean() < 0.2
    assert shift[:, band("J0760")].std() < 1e-3
    assert shift[:, band("J0690")].mean() == pytest.approx(1.086 * 4 / 147, rel=0.3)


def test_default_spectra_are_calibrated_as_well_as_real_ones():
    """SDSS, a good one: σ of 5 % in g − r, 3 to 4 % in r − i (Adelman-McCarthy et al. 2008, ApJS 175, 297)."""
    shift = shifts(8000, **SPECTRA, **ALL_OF_SPECTRA, spectrum_tail=DEFAULT.spectrum_tail)
    g, r, i = (shift[:, band(name)] for name in ("gSDSS", "rSDSS", "iSDSS"))
    for colour, published in ((g - r, 0.05), (r - i, 0.035)):
        sigma = 1.4826 * np.median(np.abs(colour - np.median(colour)))
        assert 0.8 * published < sigma < 2 * published  # a design value: not better than SDSS, not twice as bad
    narrow = shift[:, NARROW]
    rms = (narrow - narrow.mean(axis=1, keepdims=True)).std(axis=1)
    assert 0.03 < np.median(rms) < 0.06 and 0.08 < np.percentile(rms, 95) < 0.15


def test_errors_of_the_calibration_are_in_no_stated_error():
    seen = observe(500, BRIGHT, quiet=SHARP, **SPECTRA, **ALL_OF_SPECTRA, extinction_mean=0.03, zero_point_scatter=0.01)
    relative = (seen.error / seen.flux)[seen.observed]
    assert relative.max() < 1e-3
