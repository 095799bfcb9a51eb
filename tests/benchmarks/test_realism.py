"""The realism benchmark measures what it says: it sees differences, sees none where there are none, and matches."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from realism_sets import desi_ew, galex_sdss, spectra_bands
from realism_sets.band_galaxies import read_brown, read_fors2, read_kinney, read_sdss
from realism_sets.cloud import locate
from realism_sets.comparison import FEWEST, HALVES, area, in_half, match, subsample, tell_apart


def galaxies(n: int, seed: int, shift: float = 0.0, spread: float = 1.0) -> dict[str, np.ndarray]:
    """A redshift, a colour that depends on it, and a colour that is noise."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.05, 0.3, n)
    colour = 0.4 + 3 * z + 0.05 * (spread * rng.standard_normal(n) + shift)
    return {"redshift": z, "g-r": colour, "r-i": 0.1 * rng.standard_normal(n)}


def judge(real: dict[str, np.ndarray], simulated: dict[str, np.ndarray]):
    pair = tuple(np.arange(len(side["redshift"])) for side in (real, simulated))
    return tell_apart(real, simulated, pair, ("redshift",))


def test_galaxies_of_one_distribution_cannot_be_told_apart():
    verdict = judge(galaxies(700, 1), galaxies(700, 2))
    # the error of the AUC of 700 and 700 without a difference is sqrt(1401 / 12) / 700 = 0.0154: four of them
    assert abs(verdict.auc - 0.5) < 0.06
    assert 0.008 < verdict.auc_error < 0.025


@pytest.mark.parametrize(("shift", "spread"), [(3.0, 1.0), (0.0, 20.0)])
def test_a_shift_or_a_spread_is_seen_and_its_feature_named(shift, spread):
    verdict = judge(galaxies(700, 1), galaxies(700, 2, shift, spread))
    # a shift of 3 sigma: ndtr(3 / sqrt 2) = 0.983 is the best there is
    assert verdict.auc > 0.9
    assert verdict.importance["g-r"] > 0.3 > verdict.importance["r-i"]
    assert verdict.single["g-r"] > 0.85 > 0.6 > verdict.single["r-i"]
    assert abs(verdict.matching_auc - 0.5) < 0.06


def test_a_handful_of_galaxies_is_not_judged():
    verdict = judge(galaxies(FEWEST - 1, 1), galaxies(200, 2))
    assert np.isnan(verdict.auc) and np.isnan(verdict.single["g-r"])


def test_area_counts_pairs():
    score, real = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True])
    assert area(score, real) == (2 + 1.5) / 4  # a tie is half a pair


def test_matched_galaxies_have_the_same_redshifts_and_magnitudes():
    rng = np.random.default_rng(3)
    real = rng.normal(0.12, 0.04, 500), rng.normal(14, 0.7, 500)
    pool = rng.uniform(0.08, 0.4, 20_000), rng.uniform(10, 18, 20_000)
    pairs = match(real, pool, (0.01, 0.25), per_real=2)
    assert real[0][pairs.alone].max() < 0.08 and (real[0] < 0.07).sum() > 20, "nobody is pressed into a pair"
    assert len(np.unique(pairs.simulated)) == len(pairs.simulated), "no simulated galaxy twice"
    assert len(pairs.real) > 800
    for a, b, tolerance in zip(real, pool, (0.01, 0.25), strict=True):
        difference = a[pairs.real] - b[pairs.simulated]
        assert np.abs(difference).max() <= tolerance
        assert abs(difference.mean()) < 0.1 * tolerance
        levels = [0.1, 0.25, 0.5, 0.75, 0.95]
        quantiles = np.quantile(a[pairs.real], levels), np.quantile(b[pairs.simulated], levels)
        assert np.abs(np.subtract(*quantiles)).max() < 0.5 * tolerance


def test_a_galaxy_without_a_like_one_stands_alone():
    pairs = match([np.array([0.1, 0.9])], [np.array([0.101, 0.2])], [0.01])
    assert pairs.real.tolist() == [0] and pairs.simulated.tolist() == [0] and pairs.alone.tolist() == [1]


def test_halves_share_nothing_and_stay_the_same():
    names = np.array([f"galaxy {i}" for i in range(2000)])
    development, test = (in_half(names, half) for half in HALVES)
    assert (development ^ test).all()
    assert abs(development.mean() - 0.5) < 0.05  # 4.5 sigma of 2000 coins
    assert abs((test[1:] == test[:-1]).mean() - 0.5) < 0.05, "like names are no reason for the same half"
    assert (in_half(names[::-1], "test") == test[::-1]).all(), "neither order nor company matter"
    assert len(subsample(test, 100)) == 100 and test[subsample(test, 100)].all()
    with pytest.raises(ValueError, match="'training' is not one of"):
        in_half(names, "training")


def test_the_cloud_holds_its_own_and_not_a_stranger():
    rng = np.random.default_rng(5)
    cloud = 18 + rng.standard_normal((300, 1)) * np.linspace(-0.5, 0.5, 30) + 0.02 * rng.standard_normal((300, 30))
    error = np.full(30, 0.02)
    own = locate(cloud[0] + 2.5, error, cloud[1:])  # its brightness does not matter
    line = np.where(np.arange(30) == 12, -0.6, 0.0)
    stranger = locate(cloud[0] + line, error, cloud[1:])
    assert own.rank < 0.97
    assert stranger.rank > 0.98 and stranger.excess > 2  # the ends of the line are lonely as well
    assert np.argmin(stranger.difference) == 12
    gaps = locate(np.where(np.arange(30) < 5, np.nan, cloud[0]), error, cloud[1:])
    assert np.isnan(gaps.difference[:5]).all() and np.isfinite(gaps.difference[5:]).all()


def test_simulated_widths_get_the_errors_and_the_selection_of_real_ones():
    rng = np.random.default_rng(7)
    n = 4000
    side = {"redshift": rng.uniform(0.1, 0.2, n), "log_luminosity": rng.normal(6.4, 0.3, n)}
    true = 10 ** rng.normal(0, 0.7, n)
    donors = dict(side)
    for line in desi_ew.LINES:
        donors[f"ew_{line}"] = np.where(rng.random(n) < 0.9, true, np.nan)
        donors[f"ew_error_{line}"] = np.full(n, 1.5)
    measured = {"bins": np.ones((n, 12))} | {f"line {line}": true for line in desi_ew.LINES}
    pool = desi_ew.Pool({}, {}, np.zeros(n, dtype=bool), measured)
    desi_ew.add_widths(side, pool, donors, rng)
    seen, strong = side["ew_halpha"], true > 5
    assert not (seen <= 0).any(), "what noise made negative is as absent as in the real set"
    lost = np.isnan(seen[true < 0.2]).mean()
    assert 0.4 < lost < 0.5  # noise of 1.5 Å about 0.1 Å: ndtr(-0.07)
    # of bright lines few are lost, and the scatter is the error that donors have; 4 % is 3 sigma of its own scatter
    assert np.std((seen - true)[strong & np.isfinite(seen)]) == pytest.approx(1.5, rel=0.08)
    lines = ("halpha", "hbeta")
    kept = desi_ew.positive(side, lines)
    assert kept.sum() < np.isfinite(seen).sum()
    assert all((side[f"ew_{line}"][kept] > 0).all() for line in lines)
    real = {f"ew_{line}": np.array([1.0, np.nan, 2.0]) for line in lines}
    assert desi_ew.positive(real | {"redshift": np.zeros(3)}, lines).tolist() == [True, False, True]


def test_block_colours_and_peaks_are_those_of_the_bands():
    bands = spectra_bands.NARROW
    wave = np.array([10.0 * int(name[1:]) for name in bands])
    flat = np.stack([20 - (wave - 6000) / 5000, np.full(len(wave), 20.0)])
    flat[1, bands.index("J0660")] -= 0.8
    flat[1, -1] = np.nan
    made = spectra_bands.features(flat, bands)
    assert made["7000-6000"] == pytest.approx([-0.2, 0.0], abs=1e-6)
    assert made["6500-6000"] == pytest.approx([-0.1, -0.8 / 5], abs=1e-6), "five bands make a block"
    assert made["peak"] == pytest.approx([0.02, 0.8], abs=0.05)
    assert made["rough"][1] > -1.1


def test_galex_set_is_sane(real_data):
    columns, left_out = galex_sdss.read(real_data / galex_sdss.FOLDER)
    assert len(columns["id"]) > 2000 and len(set(columns["id"])) == len(columns["id"])
    assert sum(left_out.values()) > 0
    colour = {name: np.median(columns[name[0]] - columns[name[2]]) for name in galex_sdss.OPTICAL}
    assert 1.4 < colour["u-g"] < 2.0 and 0.7 < colour["g-r"] < 1.1 and 0.35 < colour["r-i"] < 0.5
    seen = np.isfinite(columns["NUV"]) & np.isfinite(columns["FUV"])
    assert 100 < seen.sum() < np.isfinite(columns["NUV"]).sum()
    assert 2 < np.median((columns["NUV"] - columns["r"])[seen]) < 5
    assert 0 < np.median((columns["FUV"] - columns["NUV"])[seen]) < 1.5
    assert (columns["r_petro"] < galex_sdss.R_LIMIT).all() and (columns["u_error"] > 0).all()


def test_desi_set_is_sane(real_data):
    columns, left_out = desi_ew.read(real_data / desi_ew.FOLDER)
    assert len(columns["redshift"]) > 20_000 and left_out["EW above 500 Å"] > 0
    assert 5.8 < np.median(columns["log_luminosity"]) < 7
    both = desi_ew.positive(columns, ("halpha", "hbeta"))
    ratio = np.median((columns["ew_halpha"] / columns["ew_hbeta"])[both & (columns["ew_hbeta"] > 5)])
    assert 3 < ratio < 6  # more than Case B: dust, and a redder continuum below Hα
    break_4000 = -2.5 * (columns["log_bin_3850"] - columns["log_bin_4150"])
    assert 0.2 < np.median(break_4000) < 0.6


@pytest.mark.parametrize(
    ("reader", "folder", "every", "least"),
    [
        (read_sdss, "sdss_spectra", 4, 3),
        (read_fors2, "fors2_spectra", 16, 8),
        (read_kinney, "kinney_calzetti", 4, 5),
        (read_brown, "brown2014_atlas", 4, 7),
    ],
)
def test_spectra_give_bands(reader, folder, every, least, real_data):
    """Of some of the files, which is enough to see that all columns mean what they say."""
    galaxies = reader(real_data / folder, lambda path: hash_of(path) % every == 1)
    assert len(galaxies.id) >= least
    seen = np.isfinite(galaxies.magnitude)
    assert seen.sum(1).min() >= 10 and (galaxies.error[seen] >= 0).all()
    blocks = spectra_bands.features(galaxies.magnitude, galaxies.bands)
    assert 0.1 < np.nanmedian(blocks["5000-6000"]) < 1.2, "galaxies are redder than flat f_nu, but not much"
    if "g" in galaxies.bands:
        index = [galaxies.bands.index(name) for name in ("g", "r")]
        assert 0.2 < np.nanmedian(galaxies.magnitude[:, index[0]] - galaxies.magnitude[:, index[1]]) < 0.9
        assert np.isfinite(galaxies.absolute).all()


def hash_of(path: Path) -> int:
    return sum(map(ord, path.stem))
