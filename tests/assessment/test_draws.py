"""Joint draws in closed form: honest ones pass, and ones with right marginals and lost pairing are seen."""

import numpy as np
import pytest

from hf_galaxy.assessment.draws import Draws, joint_metrics
from hf_galaxy.evaluation.report import to_plain
from hf_galaxy.variables_galaxy import default_variables

pytest.importorskip("tarp", reason='joint coverage needs pip install "hf-galaxy[eval]"')

N, S = 1500, 99
VARIABLES = {v.name: v for v in default_variables()}
# In token coordinates each answer is a centre, plus a part that all share, plus a part of its own.
SHARED = {"redshift": 0.2, "log_mstar": 0.3, "av": -0.2, "log_sfr": 0.4, "ew_halpha": 0.1, "ew_hbeta": 0.1}


def joint(seed=0, paired=True):
    rng = np.random.default_rng(seed)
    centre = {"redshift": 0.5, "log_mstar": 0.0, "av": 1.5, "log_sfr": 0.0, "ew_halpha": 1.0, "ew_hbeta": 0.5}
    samples, truth = {}, {}
    common = rng.normal(size=(N, S + 1))
    for name, weight in SHARED.items():
        if not paired:
            common = np.concatenate([rng.permuted(common[:, :S], axis=1), common[:, S:]], axis=1)
        t = centre[name] + 0.3 * rng.normal(size=(N, 1)) + weight * common + 0.05 * rng.normal(size=(N, S + 1))
        x = np.vectorize(VARIABLES[name].inverse)(t)
        samples[name], truth[name] = x[:, :S], x[:, S]
    return Draws(samples, truth, {name: VARIABLES[name] for name in samples})


@pytest.fixture(scope="module")
def honest():
    return to_plain(joint_metrics(joint())[0])


@pytest.fixture(scope="module")
def forged():
    return to_plain(joint_metrics(joint(paired=False))[0])


def test_honest_draws_pass_every_test(honest):
    assert honest["tarp_verdict"] == "calibrated"
    assert {one["verdict"] for one in honest["sbc"].values()} == {"calibrated"}
    outside = [not one["lower"] <= one["observed"] <= one["upper"] for one in honest["correlation"].values()]
    assert len(outside) == 10 and sum(outside) <= 1  # each leaves its band once in a hundred
    assert honest["galaxies"] == N and honest["draws"] == S


def test_lost_pairing_is_seen_by_projections_and_correlations_and_not_by_marginals(forged):
    for name in SHARED:
        assert forged["sbc"][name]["verdict"] == "calibrated"
    assert forged["sbc"]["log_mstar - redshift"]["verdict"] == "under-confident"
    outside = [not one["lower"] <= one["observed"] <= one["upper"] for one in forged["correlation"].values()]
    assert sum(outside) == 10
    assert forged["tarp_verdict"] != "calibrated"


def test_the_report_says_what_broken_pairing_would_look_like(honest, forged):
    assert honest["sbc_independent"]["log_mstar - redshift"]["deviation"] == pytest.approx(
        forged["sbc"]["log_mstar - redshift"]["deviation"], abs=0.04
    )  # both estimates err by some 0.5 / sqrt(n) = 0.013
    assert honest["tarp_deviation_independent"] > 2 * honest["tarp_deviation"]


def lines(ratio_scatter):
    """Hα and Hβ with a known decrement of 2.86 · 1.5, drawn with some scatter; [OIII] and [NII] star-forming."""
    rng = np.random.default_rng(1)
    hbeta = 1e-16 * np.exp(rng.normal(size=(N, S + 1)))
    halpha = 2.86 * 1.5 * hbeta * np.exp(ratio_scatter * rng.normal(size=(N, S + 1)))
    columns = {"flux_halpha": halpha, "flux_hbeta": hbeta, "flux_oiii_5007": 0.5 * hbeta, "flux_nii_6584": 0.3 * halpha}
    columns |= {"ew_halpha": 1e17 * halpha, "ew_hbeta": 1e17 * hbeta}
    samples, truth = ({k: x[:, part] for k, x in columns.items()} for part in (slice(0, S), S))
    return Draws(samples, truth, {name: VARIABLES[name] for name in columns})


def test_line_ratios_live_in_the_pairing_of_draws():
    metrics, arrays = joint_metrics(lines(0.1))
    assert metrics["balmer"]["joint"] < 0.001 < 0.1 < metrics["balmer"]["independent"]
    assert metrics["balmer"]["truth"] < 0.001
    assert np.log(arrays["balmer"]["joint"]).std() == pytest.approx(0.1, rel=0.02)
    assert metrics["bpt"]["n"] == N and np.sum(metrics["bpt"]["confusion"]) == N
    assert metrics["bpt"]["brier"] == pytest.approx(metrics["bpt"]["expected_brier"], abs=0.05)
    assert metrics["bpt"]["classes"][0] == "star-forming" and len(arrays["bpt"]) == 4


def test_draws_of_two_properties_are_enough():
    whole = joint()
    two = Draws(*({k: x[k] for k in ("redshift", "av")} for x in (whole.samples, whole.truth)), whole.variables)
    metrics, _ = joint_metrics(two)
    assert metrics["properties"] == ["redshift", "av"] and "balmer" not in metrics and "bpt" not in metrics
