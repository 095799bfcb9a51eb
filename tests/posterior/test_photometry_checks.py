"""Left-out bands and sequences of bands obey the law of Rosenblatt: exact where the measurements are quantiles."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
import torch
from astropy.table import QTable
from scipy import stats

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.densities_galaxy import MixtureDensity
from hf_galaxy.posterior.photometry_checks import normal_residual
from hf_galaxy.variables_galaxy import BROAD_BANDS, NARROW_BANDS
from tests.tiny_model import tiny_model

N = 6
ERROR = 200.0


@pytest.fixture(scope="module")
def galaxy() -> GalaxyPosterior:
    return GalaxyPosterior(tiny_model(1), GalaxyTokenizer())


@pytest.fixture(scope="module")
def shipped() -> GalaxyPosterior:
    return GalaxyPosterior.from_pretrained()


def in_sequence(galaxy: GalaxyPosterior) -> list[str]:
    """Bands of which each is of another block."""
    blocks = [
        [galaxy.tokenizer.convert_ids_to_tokens(i) for i in block] for block in galaxy._inference._blocks_of_bands()
    ]
    return [block[0] for block in blocks[:4]]


def placed(galaxy: GalaxyPosterior, residuals: np.ndarray) -> GalaxyPosterior:
    """Galaxies `(n, bands)` whose measurements lie so many sigma from what the bands before them predict."""
    posterior = galaxy
    for name, residual in zip(in_sequence(galaxy), residuals.T, strict=True):
        levels = stats.norm.cdf(residual)
        quantiles = posterior.quantiles(name, np.unique(levels), error=ERROR)
        place = np.searchsorted(np.unique(levels), levels)
        flux = np.broadcast_to(quantiles, (len(residual), quantiles.shape[1]))[np.arange(len(residual)), place]
        posterior = posterior.condition(**{name: (flux, ERROR)})
    return posterior


def test_squared_residuals_of_the_sequence_add_up(galaxy):
    residuals = np.random.default_rng(0).normal(size=(N, 4))
    table = placed(galaxy, residuals).outlier_score()
    # Quantiles are found to some 1e-6 of probability, which is worst in the tails.
    np.testing.assert_allclose(table["chi2"], (residuals**2).sum(axis=1), rtol=2e-3)
    np.testing.assert_allclose(table["p_value"], stats.chi2.sf((residuals**2).sum(axis=1), 4), rtol=1e-2)
    assert table["n_bands"].tolist() == [4] * N


def test_a_galaxy_without_fluxes_has_no_score(galaxy):
    known = galaxy.condition(J0660=([5000.0, np.nan], 50.0), redshift=0.2)
    table = known.outlier_score()
    assert table["n_bands"].tolist() == [1, 0] and np.isnan(table["p_value"]).tolist() == [False, True]


def test_the_last_band_left_out_is_where_it_was_placed(galaxy):
    residuals = np.random.default_rng(1).normal(size=(N, 4))
    posterior, last = placed(galaxy, residuals), in_sequence(galaxy)[-1]
    table = posterior.surprise([last])
    assert table["row"].tolist() == list(range(N)) and set(table["band"]) == {last}
    np.testing.assert_allclose(table["residual"], residuals[:, -1], atol=2e-3)
    np.testing.assert_allclose(table["pit"], stats.norm.cdf(residuals[:, -1]), atol=1e-3)
    rest = GalaxyPosterior(galaxy.model, galaxy.tokenizer, posterior.evidence.without([posterior.evidence.column(
        galaxy.tokenizer.variable(last))]))  # fmt: skip
    np.testing.assert_allclose(table["predicted_p84"].value, rest.quantiles(last, [0.84], error=ERROR)[:, 0], rtol=1e-4)
    log_prob = rest.log_prob({last: table["flux"]}, {last: ERROR})
    np.testing.assert_allclose(-table["surprise"], log_prob, atol=1e-3)


def test_residuals_far_in_both_tails():
    density = MixtureDensity(*(torch.tensor([[x]], dtype=torch.float64) for x in (0.0, 1.0, 0.5)),
                             *(torch.tensor([x], dtype=torch.float64) for x in (-np.inf, np.inf)))  # fmt: skip
    for z in (-20.0, -3.0, 0.0, 9.0, 30.0):
        assert float(normal_residual(density, torch.tensor([1 + 0.5 * z]).double())) == pytest.approx(z, abs=1e-6)


def test_a_band_that_is_wrong_by_30_percent_is_found(shipped):
    """In the photometry of ten real galaxies. One of them has an odd band of its own."""
    table = QTable.read("examples/sdss_galaxies.ecsv")
    table["J0600"] = 1.3 * table["J0600"]
    found = shipped.condition(table).surprise()
    worst = [found[found["row"] == i] for i in range(len(table))]
    worst = [rows["band"][np.abs(rows["residual"]).argmax()] for rows in worst]
    assert worst.count("J0600") >= 9
    assert (found["residual"][found["band"] == "J0600"] > 1.5).all()


def quasar(redshift: float) -> dict[str, tuple[float, float]]:
    """A power law with broad lines (Vanden Berk et al. 2001, AJ 122, 549: equivalent widths), i = 19, noise of 2 %."""
    rng = np.random.default_rng(0)
    wave = np.arange(1200.0, 11000.0, 5.0)
    light = wave**-1.5
    for line, width in ((1216, 80), (1549, 35), (1909, 25), (2799, 35), (4861, 50)):
        centre, sigma = line * (1 + redshift), 0.012 * line * (1 + redshift)
        height = width * (1 + redshift) / sigma / np.sqrt(2 * np.pi) * centre**-1.5
        light = light + height * np.exp(-0.5 * ((wave - centre) / sigma) ** 2)
    # Hydrogen along the way: some of the light below Lyman alpha, nearly all below the Lyman limit.
    light = light * np.where(wave < 1216 * (1 + redshift), 0.7, 1) * np.where(wave < 912 * (1 + redshift), 0.05, 1)
    flux = {n: (light * wave**2)[abs(wave - p) < w / 2].mean() for n, (p, w) in {**NARROW_BANDS, **BROAD_BANDS}.items()}
    scale = 10 ** (0.4 * (31.4 - 19.0)) / flux["iSDSS"]
    return {name: (scale * x * (1 + 0.02 * rng.normal()), 0.02 * scale * x) for name, x in flux.items()}


def test_quasars_are_odd_galaxies(shipped):
    """The prior has none; galaxies of real spectra are usual."""
    known = [quasar(z) for z in np.linspace(1.4, 3.2, 10)]
    together = {n: tuple(np.array([one[n][k] for one in known]) for k in range(2)) for n in known[0]}
    p_value = np.asarray(shipped.condition(**together).outlier_score()["p_value"])
    assert (p_value < 0.01).sum() >= 5, p_value
    usual = np.asarray(shipped.condition("examples/sdss_galaxies.ecsv").outlier_score()["p_value"])
    assert (usual > 0.05).sum() >= 9


def test_a_survey_s_zero_points():
    calibrated, plain = tiny_model(1), tiny_model(1)
    calibrated.config.calibration = {"minijpas": {"zero_points": {"J0700": 0.5}}}
    factor = 10 ** (-0.4 * 0.5)
    mine, hand = (GalaxyPosterior(m, GalaxyTokenizer()) for m in (calibrated, plain))
    mine = mine.condition(J0700=(5e3, 100.0), NUV=(900.0, 50.0), survey="minijpas")
    hand = hand.condition(J0700=(5e3 * factor, 100.0 * factor), NUV=(900.0, 50.0), survey="minijpas")
    np.testing.assert_allclose(mine.outlier_score()["chi2"], hand.outlier_score()["chi2"], rtol=1e-5)
    one, other = mine.surprise(), hand.surprise()
    np.testing.assert_allclose(one["residual"], other["residual"], atol=1e-5)
    ratio = np.where(one["band"] == "J0700", factor, 1.0)
    for column in ("flux", "flux_err", "predicted_p50"):
        np.testing.assert_allclose(one[column].to_value(u.nJy) * ratio, other[column].to_value(u.nJy), rtol=1e-5)
    np.testing.assert_allclose(one["surprise"], other["surprise"] - np.log(ratio), atol=1e-5)


@pytest.mark.parametrize(
    "bands, message",
    [
        (["J0900"], "J0900 is not observed in any galaxy"),
        (["redshift"], "redshift is not a band"),
        (["J9999"], "no variable is called 'J9999'"),
        (["J0660", "J0660"], "name each band once"),
        ([], "at least one"),
    ],
)
def test_questions_that_make_no_sense(galaxy, bands, message):
    with pytest.raises(ValueError, match=message):
        galaxy.condition(J0660=(5000.0, 50.0), redshift=0.3).surprise(bands)


def test_no_photometry(galaxy):
    with pytest.raises(ValueError, match="no flux of any galaxy is known"):
        galaxy.condition(redshift=0.3).surprise()
