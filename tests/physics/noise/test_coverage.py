"""Which bands are observed: shares, and what is missing together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_galaxy.physics.filters import EMBEDDED_BANDS, FilterSet
from hf_galaxy.physics.noise import NoiseModel
from tests.quiet_noise import NARROW, band, constant_flux, generator, observe

BROAD = [band(name) for name in ("uJPAS", "gSDSS", "rSDSS", "iSDSS")]
GALEX = [band("FUV"), band("NUV")]
TRAYS = [i for i in FilterSet.embedded().pivots.argsort() if i not in BROAD + GALEX]  # uJAVA, J0378 … J0910, J1007


def share(condition: torch.Tensor) -> float:
    return condition.double().mean().item()


def five_sigma(p: float, n: int) -> float:
    return 5 * np.sqrt(p * (1 - p) / n)


def test_galex_layers_come_in_their_shares():
    seen = observe(20000, 0.0, seed=5, galex_shares=(0.3, 0.3, 0.1))
    error = seen.error[:, band("NUV")]
    depth = (31.4 - 2.5 * torch.log10(5 * error)).round(decimals=1)  # an undetected source: the depth, to photon noise
    for expected, p in ((20.8, 0.3), (22.7, 0.3), (24.4, 0.1)):
        near = share((depth - expected).abs() < 0.35)
        assert near == pytest.approx(p, abs=five_sigma(p, 20000)), expected
    assert share(error.isnan()) == pytest.approx(0.3, abs=0.017)
    assert torch.equal(seen.observed[:, band("FUV")], seen.observed[:, band("NUV")])


def test_some_galaxies_have_nuv_alone():
    seen = observe(10000, 0.0, galex_no_fuv_share=0.1).observed
    assert share(~seen[:, band("FUV")]) == pytest.approx(0.1, abs=five_sigma(0.1, 10000))
    assert seen[:, 1:].all()


def test_spectrographs_see_only_what_is_inside_their_window():
    seen = observe(3, 100.0, window_share=1.0, windows=((3800.0, 9200.0),))
    missing = {name for name, there in zip(EMBEDDED_BANDS, seen.observed[0].tolist(), strict=True) if not there}
    assert missing == {"FUV", "NUV", "uJAVA", "uJPAS", "J0378", "J1007"}  # as in test_photometry


def test_some_spectra_have_galex_as_deep_as_ever():
    seen = observe(
        10000, 0.0, window_share=1.0, windows=((3800.0, 9200.0),), window_galex_share=0.5, window_depth_gain=2.5
    )
    assert share(seen.observed[:, band("NUV")]) == pytest.approx(0.5, abs=five_sigma(0.5, 10000))
    nuv = seen.error[seen.observed[:, band("NUV")], band("NUV")].log().std()
    assert nuv < 0.1 < seen.error[:, band("J0500")].log().std()  # the spectra differ in depth, GALEX does not


def test_random_gaps_come_in_their_share():
    seen = observe(20000, 100.0, seed=11, gappy_share=0.2, gappy_fraction=0.15).observed
    assert share(seen[:, band("uJAVA")]) == pytest.approx(1 - 0.2 * 0.075, abs=0.005)  # 5 σ
    gappy = share((~seen).any(dim=1))
    assert 0.15 < gappy < 0.2  # a few draw a probability so low that no band is lost


def test_runs_of_bands_are_contiguous_of_their_lengths_and_anywhere():
    seen = observe(20000, 100.0, run_share=0.4, run_bands=(3, 28)).observed
    assert seen[:, BROAD + GALEX].all()
    lost = (~seen[:, TRAYS]).numpy().astype(int)
    length = lost.sum(axis=1)
    assert (length > 0).mean() == pytest.approx(0.4, abs=five_sigma(0.4, 20000))
    edges = np.abs(np.diff(np.pad(lost, ((0, 0), (1, 1))), axis=1)).sum(axis=1)
    assert (edges[length > 0] == 2).all()  # one run
    assert set(length[length > 0]) == set(range(3, 29))
    assert length[length > 0].mean() == pytest.approx(15.5, abs=5 * 7.5 / np.sqrt(8000))
    assert lost.sum(axis=0).min() > 0  # the outermost bands too


def test_broad_bands_are_missing_together_or_alone_there():
    seen = observe(20000, 100.0, broad_missing_share=0.1, broad_only_share=0.05).observed
    without, only = ~seen[:, BROAD].any(dim=1), ~seen[:, TRAYS].any(dim=1)
    assert share(without) == pytest.approx(0.1, abs=five_sigma(0.1, 20000))
    assert share(only) == pytest.approx(0.05, abs=five_sigma(0.05, 20000))
    assert not (without & only).any() and seen[:, GALEX].all()
    assert torch.equal(without, ~seen[:, BROAD].all(dim=1)) and torch.equal(only, ~seen[:, TRAYS].all(dim=1))


def test_trays_are_of_imaging_and_not_of_spectrographs():
    lost = {"run_share": 1.0, "run_bands": (20, 28), "broad_missing_share": 1.0}
    seen = observe(100, 100.0, window_share=1.0, windows=((3000.0, 12000.0),), **lost).observed
    assert seen[:, 2:].all()


def test_default_windows_and_gaps_together():
    seen = NoiseModel().observe(constant_flux(20000, 100.0), generator(11)).observed
    # uJAVA: in no window (15 %); of the rest 1.5 % in random gaps, 3 % broad bands only, and of the runs (10 %, length
    # 3 to 28 of 56) those that begin with it, 2.7 %
    begins = np.mean([1 / (56 - n + 1) for n in range(3, 29)])
    expected = 0.85 * (1 - 0.2 * 0.075) * (1 - 0.03) * (1 - 0.1 * begins)
    assert share(seen[:, band("uJAVA")]) == pytest.approx(expected, abs=0.014)  # 5 σ
    assert share(seen.any(dim=1)) == 1.0
    complete = share(seen[:, NARROW].all(dim=1))
    assert 0.5 < complete < 0.7
