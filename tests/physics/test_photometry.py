"""Synthetic photometry against closed forms, a peer, and spectra with holes."""

from __future__ import annotations

import numpy as np
import pytest

from hf_galaxy.physics.filters import FilterCurve, FilterSet
from hf_galaxy.physics.photometry import SPEED_OF_LIGHT, PhotometryOperator, synthesize
from hf_galaxy.physics.spectra import Spectrum

FILTERS = FilterSet.embedded()
GRID = np.arange(1200.0, 11400.0, 1.0)


def ab_source(magnitude: float, wave: np.ndarray = GRID) -> np.ndarray:
    """f_λ in erg/s/cm²/Å of a source of constant f_ν and this AB magnitude."""
    return 10 ** (0.4 * (31.4 - magnitude)) * 1e-32 * SPEED_OF_LIGHT / wave**2


def test_ab_source_has_its_magnitude_in_every_band():
    phot = PhotometryOperator(FILTERS, GRID)
    assert phot.covered.all()
    magnitude = 31.4 - 2.5 * np.log10(phot(ab_source(20.0)))
    # 1 Å steps of a straight line under 1/λ² err by (Δ/λ)² / 4, 2e-7 in FUV
    np.testing.assert_allclose(magnitude, 20.0, atol=1e-5)


def test_flat_f_lambda_gives_the_square_of_the_pivot():
    flux = PhotometryOperator(FILTERS, GRID)(np.full(GRID.shape, 1e-17))
    # FilterCurve.pivot integrates T λ on 1 Å steps by the trapezoid rule
    np.testing.assert_allclose(flux, 1e-17 * FILTERS.pivots**2 / SPEED_OF_LIGHT * 1e32, rtol=2e-6)


def test_line_is_weighted_by_photons():
    # A triangle of 0.02 Å is a delta function on edges 16 Å wide; <f_ν> = F T(λ) λ / (c ∫ T/λ dλ)
    curve = FILTERS["J0660"]
    for line in (curve.wavelength[0] + 5.0, 6563.0, 6650.0):
        wave = np.unique(np.concatenate([np.arange(6400.0, 6800.0, 2.0), line + np.array([-0.01, 0.0, 0.01])]))
        flux = np.where(np.abs(wave - line) < 1e-6, 1e-15 / 0.01, 0.0)
        expected = 1e-15 * curve.interpolate(line) * line / (SPEED_OF_LIGHT * curve.photon_width) * 1e32
        assert PhotometryOperator(FILTERS.subset(["J0660"]), wave)(flux)[0] == pytest.approx(expected, rel=1e-4)


def test_coarse_spectrum_is_integrated_exactly():
    # piecewise linear on 40 Å is the same function on 1 Å
    coarse = np.arange(3000.0, 10980.0, 40.0)
    flux = 2 + np.sin(coarse / 90)
    fine = np.arange(3000.0, 10960.0, 1.0)
    filters = FILTERS.subset([name for name in FILTERS.names if name not in ("FUV", "NUV")])
    a = PhotometryOperator(filters, coarse)(flux)
    b = PhotometryOperator(filters, fine)(np.interp(fine, coarse, flux))
    np.testing.assert_allclose(a, b, rtol=1e-9)


def test_operator_is_linear_and_takes_batches():
    rng = np.random.default_rng(1)
    spectra = rng.random((2, 3, GRID.size))
    phot = PhotometryOperator(FILTERS.subset(["NUV", "J0500"]), GRID)
    assert phot(spectra).shape == (2, 3, 2)
    np.testing.assert_allclose(phot(spectra[0, 0] + 2 * spectra[1, 2]), phot(spectra)[0, 0] + 2 * phot(spectra)[1, 2])


def test_band_that_is_not_covered_is_missing():
    wave = np.arange(3800.0, 9200.0, 1.0)
    phot = synthesize(Spectrum(wave, np.ones(wave.shape), np.ones(wave.shape)), FILTERS)
    missing = {name for name, covered in zip(FILTERS.names, phot.covered, strict=True) if not covered}
    assert missing == {"FUV", "NUV", "uJAVA", "uJPAS", "J0378", "J1007"}
    assert np.isnan(phot.flux[~phot.covered]).all() and np.isnan(phot.error[~phot.covered]).all()
    assert np.isfinite(phot.flux[phot.covered]).all() and (phot.error[phot.covered] > 0).all()


def test_trimmed_tail_takes_no_flux_away():
    box = FilterSet([FilterCurve("box", np.array([5000.0, 5100.0]), np.array([1.0, 1.0]))])
    wave = np.linspace(5000.4, 5110.0, 400)  # 0.4 % of the band is lost
    flux = PhotometryOperator(box, wave)(ab_source(20.0, wave))
    assert 31.4 - 2.5 * np.log10(flux[0]) == pytest.approx(20.0, abs=1e-5)
    wave = np.linspace(5000.6, 5110.0, 400)  # 0.6 %
    assert not PhotometryOperator(box, wave).covered[0]


def test_errors_are_those_of_a_weighted_mean():
    # a box of 100 pixels of 1 Å, nearly constant photon weight: error of the mean of 100 pixels
    box = FilterSet([FilterCurve("box", np.array([5000.0, 5100.0]), np.array([1.0, 1.0]))])
    wave = np.arange(4950.0, 5150.0, 1.0)
    sigma = 3e-18
    phot = synthesize(Spectrum(wave, np.full(wave.shape, 1e-17), np.full(wave.shape, sigma**-2)), box)
    # λ varies by 1 % peak to peak over the band, end pixels count half
    assert phot.error[0] / phot.flux[0] == pytest.approx(0.3 / np.sqrt(100), rel=0.01)


def test_errors_are_the_scatter_of_noisy_spectra():
    rng = np.random.default_rng(3)
    wave = np.arange(6000.0, 7300.0, 1.5)
    sigma = 0.2 + 0.1 * np.sin(wave / 50)
    good = np.ones(wave.shape, dtype=bool)
    good[300:304] = False
    filters = FILTERS.subset(["J0640", "J0660"])
    phot = PhotometryOperator(filters, wave, good)
    noisy = 1 + sigma * rng.standard_normal((4000, wave.size))
    stated = phot.observe(np.ones(wave.shape), np.where(good, sigma**-2, 0)).error
    # 4000 draws: the standard deviation is known to 1.1 %; 5 σ
    np.testing.assert_allclose(phot(noisy).std(axis=0), stated, rtol=0.056)


def masked_spectrum(n_bad: int, first: int = 60, filler: float = 1e3) -> Spectrum:
    """A line f_λ = λ over 5000–5200 Å with bad pixels that hold nonsense."""
    wave = np.arange(4950.0, 5200.0, 1.0)
    flux, ivar = wave.copy(), np.ones(wave.shape)
    flux[first : first + n_bad] = filler
    ivar[first : first + n_bad] = 0
    return Spectrum(wave, flux, ivar)


@pytest.mark.parametrize("filler", [1e3, np.nan, np.inf])
def test_bad_pixels_are_bridged_and_cost_error(filler):
    box = FilterSet([FilterCurve("box", np.array([5000.0, 5100.0]), np.array([1.0, 1.0]))])
    clean, holed = (synthesize(masked_spectrum(n, filler=filler), box) for n in (0, 8))
    assert holed.covered[0] and holed.masked[0] == pytest.approx(0.08, abs=0.002)
    assert holed.flux[0] == pytest.approx(clean.flux[0], rel=1e-9)  # a straight line is bridged exactly
    # 92 good pixels in place of 100, two of which carry the bridge of eight: more than sqrt(100/92), less than twice
    assert np.sqrt(100 / 92) < holed.error[0] / clean.error[0] < 2


def test_bridge_over_structure_is_paid_for():
    box = FilterSet([FilterCurve("box", np.array([5000.0, 5100.0]), np.array([1.0, 1.0]))])
    wave = np.arange(4950.0, 5200.0, 1.0)
    flux = 1 + 0.5 * np.sin(wave)
    good = np.ones(wave.shape)
    good[60:68] = 0
    phot = synthesize(Spectrum(wave, flux, good * 1e12), box)
    # the share 0.08 times the scatter 0.5 / sqrt(2), the photon noise being nothing
    assert phot.error[0] / phot.flux[0] == pytest.approx(0.08 * 0.354, rel=0.1)


def test_band_with_too_much_masked_is_missing():
    box = FilterSet([FilterCurve("box", np.array([5000.0, 5100.0]), np.array([1.0, 1.0]))])
    assert not synthesize(masked_spectrum(12), box).covered[0]


def test_rows_missing_from_a_file_count_as_masked():
    box = FilterSet([FilterCurve("box", np.array([5000.0, 5100.0]), np.array([1.0, 1.0]))])
    wave = np.arange(4950.0, 5200.0, 1.0)
    holed = wave[(wave < 5040) | (wave > 5070)]
    phot = PhotometryOperator(box, holed)
    assert phot.masked[0] == pytest.approx(0.27, abs=0.03) and not phot.covered[0]
    assert PhotometryOperator(box, wave[::7]).covered[0]  # coarse everywhere is no gap


def test_masked_ends_are_not_covered():
    wave = np.arange(4000.0, 6000.0, 1.0)
    ivar = np.where(wave < 5050, 0.0, 1.0)
    phot = synthesize(Spectrum(wave, np.ones(wave.shape), ivar), FILTERS.subset(["J0500", "J0530"]))
    assert phot.covered.tolist() == [False, True]


def test_operator_refuses_impossible_grids():
    with pytest.raises(ValueError, match="must increase"):
        PhotometryOperator(FILTERS, GRID[::-1])
    with pytest.raises(ValueError, match="two pixels must be good; 1 of"):
        PhotometryOperator(FILTERS, GRID, GRID == GRID[5])


def test_speclite_agrees():
    speclite = pytest.importorskip(
        "speclite.filters", reason="the filters of speclite are the peer: pip install speclite"
    )
    import astropy.units as u

    flux = 1e-17 * (1 + 0.5 * np.sin(GRID / 70) + 20 * np.exp(-0.5 * ((GRID - 6600) / 5) ** 2))
    names = ("NUV", "uJAVA", "J0378", "J0660", "J0760", "rSDSS", "J1007")
    ours = PhotometryOperator(FILTERS.subset(names), GRID)(flux)
    for name, value in zip(names, ours, strict=True):
        wave, trans = FILTERS[name].fine(0.5)
        response = speclite.FilterResponse(wave * u.AA, trans / trans.max(), {"group_name": "jpas", "band_name": name})
        theirs = response.get_ab_magnitude(flux * u.erg / u.s / u.cm**2 / u.AA, GRID * u.AA)
        # the zero points, 3631 Jy and 48.60, differ by 0.066 mmag
        assert 31.4 - 2.5 * np.log10(value) == pytest.approx(theirs, abs=1e-3), name
