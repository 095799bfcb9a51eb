from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_galaxy.physics.cosmology import CM_PER_MPC
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.ssp import SOLAR_LUMINOSITY
from hf_galaxy.physics.synthesis import RestFrame, Synthesizer, hat_weights
from tests.galaxies import dark, galaxies

LIGHT_SPEED = 2.99792458e18


def test_flat_spectrum_has_one_magnitude_in_all_bands(synthesizer, monkeypatch):
    """f_ν constant gives that f_ν in every band at every redshift, and its value by hand."""
    p = galaxies(4, redshift=[0.01, 0.3, 0.5001, 0.97])
    spectrum = (synthesizer.wavelength / 5500.0) ** -2
    monkeypatch.setattr(synthesizer, "_igm", torch.ones_like(synthesizer._igm))  # nothing between us and the galaxy
    flux = synthesizer.photometry(p, dark(synthesizer, 4, spectrum))
    expected = 5500.0**2 / LIGHT_SPEED * (1 + p["redshift"]) * synthesizer.flux_scale(p) * 1e32
    # linear interpolation of λ^-2 between pixels of 4e-4: second derivative x step² / 8 = 1e-7; float32 sums: 1e-5
    np.testing.assert_allclose(flux / expected[:, None], 1.0, rtol=3e-5)


def test_line_alone_is_the_response_at_its_wavelength(synthesizer):
    """<f_ν> = F T(λ) λ / (c ∫ T dlnλ) for a line of flux F at the observed wavelength λ."""
    filters, z = FilterSet.embedded(), 0.1
    p = galaxies(1, redshift=z)
    for line in ("halpha", "oiii_5007"):
        rest = dark(synthesizer, 1)
        (column,) = synthesizer.line_table.columns(line)
        rest.lines[:, column] = 1e-3
        flux = synthesizer.photometry(p, rest)[0].numpy()
        wave = synthesizer.line_table.wave(line) * (1 + z)
        total = 1e-3 * synthesizer.flux_scale(p).item()
        for i, name in enumerate(synthesizer.bands):
            curve = filters[name]
            fine, through = curve.fine(0.5)
            expected = (
                total * curve.interpolate(wave) * wave / (LIGHT_SPEED * np.trapezoid(through / fine, fine)) * 1e32
            )
            # the response is tabulated at 1e-4 in ln λ (0.7 Å): at a bend it errs by some 1e-3 of the peak
            assert flux[i] == pytest.approx(expected, rel=3e-3, abs=1e-3 * float(flux.max())), (line, name)


def test_lines_add_what_they_are(synthesizer):
    p = galaxies(4)
    rest = synthesizer.rest_frame(p)
    copy = RestFrame(rest.spectrum, rest.lines * 0)
    only = dark(synthesizer, 4)._replace(lines=rest.lines)
    whole = synthesizer.photometry(p, rest)
    parts = synthesizer.photometry(p, copy) + synthesizer.photometry(p, only)
    torch.testing.assert_close(whole, parts, rtol=1e-5, atol=0.0)


def test_flux_falls_with_the_square_of_the_distance(synthesizer):
    p = galaxies(1, redshift=0.02, log_mass_formed=9.0)
    distance = synthesizer.cosmology.luminosity_distance(p["redshift"]) * CM_PER_MPC
    expected = 1e9 * SOLAR_LUMINOSITY / (4 * np.pi * distance.item() ** 2)
    assert synthesizer.flux_scale(p).item() == pytest.approx(expected, rel=1e-12, abs=0.0)
    ten = galaxies(1, redshift=0.02, log_mass_formed=10.0)
    ratio = synthesizer.photometry(ten, synthesizer.rest_frame(ten)) / synthesizer.photometry(
        p, synthesizer.rest_frame(p)
    )
    torch.testing.assert_close(ratio, torch.full_like(ratio, 10.0), rtol=1e-5, atol=0.0)


def test_dust_dims_and_reddens(synthesizer):
    clear, dusty = (synthesizer.rest_frame(galaxies(8, av=av, dust_slope=0.0, dust_bump=0.0)) for av in (0.0, 1.0))
    ratio = dusty.spectrum / clear.spectrum
    v, red = synthesizer.index(5500.0), synthesizer.index(9000.0)
    assert (ratio < 1).all()
    # the diffuse dust is one magnitude at V; the birth clouds take more, but most of the light is old
    assert (ratio[:, v] <= 10**-0.4 * 1.001).all() and (ratio[:, red] > ratio[:, v]).all()


def test_light_is_linear_in_the_populations(synthesizer):
    a, b, both = galaxies(1, 1), galaxies(1, 1), galaxies(1, 1)
    a["weights"], b["weights"] = torch.zeros(1, 42).double(), torch.zeros(1, 42).double()
    a["weights"][0, 3], b["weights"][0, 35] = 1.0, 1.0
    both["weights"] = 0.25 * a["weights"] + 0.75 * b["weights"]
    sums = [synthesizer.rest_frame(x).spectrum for x in (a, b, both)]
    torch.testing.assert_close(0.25 * sums[0] + 0.75 * sums[1], sums[2], rtol=1e-4, atol=1e-12)


def test_balmer_decrement_without_dust(synthesizer):
    """Case B at the temperatures of HII regions: 2.79 to 2.88 for gas up to 2.5 times solar."""
    n = 64
    rng = np.random.default_rng(3)
    z_gas = 10 ** rng.uniform(-2, np.log10(2.5), n)
    p = galaxies(n, av=0.0, gas_metallicity=z_gas, log_u=-3.0)
    lines = synthesizer.rest_frame(p).lines
    table = synthesizer.line_table
    ratio = lines[:, table.columns("halpha")[0]] / lines[:, table.columns("hbeta")[0]]
    assert 2.78 < ratio.min() and ratio.max() < 2.89


def test_no_ionising_light_leaves_young_stars(synthesizer):
    young = galaxies(1)
    young["weights"] = torch.zeros(1, 42).double()
    young["weights"][0, 2], young["av"] = 1.0, torch.zeros(1).double()
    spectrum = synthesizer.rest_frame(young).spectrum[0]
    below, above = synthesizer.index(905.0), synthesizer.index(1000.0)
    # what is left below the edge is recombination of the nebula, and the error of the compression
    assert spectrum[below].abs() < 0.02 * spectrum[above]


def test_hat_weights():
    nodes = torch.tensor([0.0, 1.0, 3.0])
    weights = hat_weights(torch.tensor([-1.0, 0.25, 2.0, 3.0, 9.0]), nodes)
    expected = [[1, 0, 0], [0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 1], [0, 0, 1]]
    torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float32))


def test_speclite_is_a_peer(synthesizer):
    """Another code's AB synthesis of the same spectra: 0.8 mmag was measured, most of it its own sampling."""
    speclite = pytest.importorskip(
        "speclite.filters", reason="the filters of speclite are the peer: pip install speclite"
    )
    p = galaxies(4, redshift=[0.03, 0.07, 0.12, 0.16])
    rest = synthesizer.rest_frame(p)
    rest = RestFrame(rest.spectrum, rest.lines * 0)
    wave = synthesizer.wavelength.copy()
    spectra = (rest.spectrum.double() * synthesizer.flux_scale(p)[:, None] / (1 + p["redshift"][:, None])).numpy()
    flux = synthesizer.photometry(p, rest).numpy()
    filters = FilterSet.embedded()
    for name in ("uJAVA", "J0430", "J0660", "J0910", "rSDSS", "J1007"):  # not the UV: no Lyman forest here
        fine, through = filters[name].fine(1.0)
        band = speclite.FilterResponse(fine, through, {"group_name": "jpas", "band_name": name})
        for i in range(4):
            z = p["redshift"][i].item()
            maggies = band.get_ab_maggies(spectra[i], wave * (1 + z))
            assert abs(2500 * np.log10(flux[i, synthesizer.bands.index(name)] / (maggies * 3.631e12))) < 1.0, name


@pytest.mark.slow
def test_finer_pixels_change_nothing(simulator):
    """Half the pixel and a basis of a hundredth of the error: narrow bands within 1 mmag."""
    drawn = simulator.rows(5, 0, 256)
    fine = Synthesizer(simulator.filters, 1.0, 2e-4, tolerance=1e-5)
    narrow = [i for i, b in enumerate(simulator.bands) if b.startswith("J") and b != "J1007"]
    p = simulator.parameters(5, drawn)
    # their parabola spans two pixels, whatever these are: see the tests of the filter bank
    del p["filter_shift"], p["velocity_dispersion"]
    flux, used = (x.photometry(p, x.rest_frame(p)) for x in (fine, simulator.synthesizer))
    difference = (2500 * torch.log10(flux / used)[:, narrow]).abs().numpy()
    assert np.percentile(difference, 99) < 1.0 and difference.max() < 3.0
