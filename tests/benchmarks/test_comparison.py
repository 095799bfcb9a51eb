"""The comparison of peers: every peer answers in the form that is asked, and the figures are what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from benchmarks import compare
from benchmarks.comparison import cache, catalogue, contest, galaxies, measure, table
from benchmarks.comparison.answers import COMPARED, LEVELS, Answers, Contender
from benchmarks.comparison.contenders import CONTENDERS, SIZES
from benchmarks.comparison.ojala_peer import CORRECTED, RELEASED, OjalaPeer
from benchmarks.comparison.ours import _catalogue
from benchmarks.comparison.trees import Boosting, Forest
from hf_galaxy.coordinates_galaxy import Coordinates
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.variables_galaxy import BANDS, default_variables

TINY = replace(SIZES["quick"], train=96, seen=128, test=12, trees=2, rows_a_tree=50, iterations=2, epochs=2, fits=1)
LEARNERS = ["ours", "ojala_corrected", "ojala_released", "mlp", "boosted", "forest"]
MEDIAN = len(LEVELS) // 2


def some_galaxies(n: int, seed: int = 0) -> GalaxyTable:
    """Galaxies of the right kind without a simulator: one hidden number decides colours and properties."""
    rng = np.random.default_rng(seed)
    hidden = rng.random((n, 1))
    wave = np.linspace(-1, 1, len(BANDS))
    flux = 1e4 * np.exp(rng.normal(0, 1, (n, 1)) + hidden * wave)
    variables = [v for v in default_variables() if v.kind == "property"]
    properties = np.column_stack([[v.inverse(h - 0.5) for h in hidden[:, 0]] for v in variables])
    properties[:, 0] = 0.9 * hidden[:, 0] + 0.01
    return GalaxyTable(
        torch.tensor(flux, dtype=torch.float32),
        torch.tensor(properties, dtype=torch.float32),
        torch.zeros(n, dtype=torch.int64),
    )


@pytest.fixture(scope="module")
def shared() -> galaxies.Galaxies:
    return galaxies.Galaxies(some_galaxies(TINY.train), some_galaxies(TINY.test, 1))


@pytest.fixture(scope="module", params=LEARNERS)
def fitted(request, shared, tmp_path_factory):
    """(key, peer that has learnt, what it said)."""
    peer = CONTENDERS[request.param](TINY, tmp_path_factory.mktemp(request.param))
    return request.param, peer, contest.contest(peer, shared, seed=0)


def test_every_peer_learns_and_answers(fitted, shared):
    key, _, outcome = fitted
    assert outcome.facts["parameters"] > 0 and outcome.facts["galaxies"] == TINY.train
    for told in outcome.told.values():
        assert set(told.point) == set(told.quantiles) == set(told.log_prob) == set(COMPARED)
        for name in COMPARED:
            assert told.point[name].shape == told.log_prob[name].shape == (TINY.test,)
            assert told.quantiles[name].shape == (TINY.test, len(LEVELS))
            assert np.isfinite(told.quantiles[name]).all() and np.isfinite(told.log_prob[name]).all()
            assert (np.diff(told.quantiles[name], axis=1) >= 0).all()
    found = measure.measure({key: [outcome]}, shared)
    json.dumps(found["peers"][key], default=float)


def test_densities_are_densities(fitted, shared):
    """The density of a property integrates to one over its token coordinate."""
    key, peer, _ = fitted
    if key == "ours":
        return the_densities_of_ours_are_those_of_the_posterior(peer, shared)
    t = np.linspace(-60, 60, 24_001)
    # The same galaxy, asked about one value after the other; what broadcasts need not be asked as often.
    repeat = len(t) if key == "forest" else 1
    seen = shared.observed("nominal")
    answers = peer.predict(type(seen)(*(x[:1].expand(repeat, -1) for x in seen)))
    for name in ("redshift", "ew_halpha"):
        x = np.array([catalogue.VARIABLES[name].inverse(value) for value in t])
        truth = {other: np.full_like(t, 1.0) for other in COMPARED} | {name: x}
        mass = np.trapezoid(np.exp(answers.log_prob(truth)[name]), t)
        # What has no token coordinate, a redshift below -1, has little density; steps of 0.005 are fine enough.
        assert mass == pytest.approx(1, abs=0.03)


def the_densities_of_ours_are_those_of_the_posterior(peer, shared):
    """Other tests integrate these; here all properties come from one reading, and there each by itself."""
    answers = peer.predict(shared.observed("nominal"))
    found = answers.log_prob(shared.truth)
    posterior = peer.galaxy.condition(_catalogue(shared.observed("nominal")))
    for name in ("redshift", "ew_halpha"):
        slope = Coordinates([catalogue.VARIABLES[name]], torch.float64).log_slope(
            torch.tensor(shared.truth[name])[:, None]
        )
        public = posterior.log_prob({name: shared.truth[name]}) - slope[:, 0].numpy()
        np.testing.assert_allclose(found[name], public, atol=1e-3)  # bfloat16 is not used here; float32 sums differ


@pytest.mark.parametrize("peer", [Forest(5, 200), Boosting(15)], ids=lambda peer: peer.name)
def test_trees_find_what_colours_say(peer):
    """One number decides all colours: whoever learns at all beats the scatter of the redshifts themselves."""
    shared = galaxies.Galaxies(some_galaxies(200), some_galaxies(60, 1))
    told = contest.contest(peer, shared, seed=0).told["nominal"]
    z = shared.truth["redshift"]
    assert np.std(told.point["redshift"] - z) < 0.5 * np.std(z)


def test_ojala_is_measured_by_its_own_law():
    """Corrected: a Student t in arcsinh widths. As released: a Gaussian of its scale is stated, a Student t scored."""
    mean, sigma, truth = np.array([2.0]), np.array([0.3]), np.array([20.0])
    variable = catalogue.VARIABLES["ew_halpha"]
    corrected, released = OjalaPeer(CORRECTED, 1, 1), OjalaPeer(RELEASED, 1, 1)
    u = (np.arcsinh(10.0) - 2.0) / 0.3
    expected = stats.t(3).logpdf(u) - np.log(0.3) + np.log(variable.scale)
    assert corrected._log_density("ew_halpha", truth, mean, sigma) == pytest.approx(expected)
    # dx/dt = softening · scale · cosh: of 20 Å with a softening of 2 Å, 2 · 1.7 · sqrt(101)
    expected = stats.t(3).logpdf(60.0) - np.log(0.3) + np.log(2 * 1.7 * np.sqrt(101))
    assert released._log_density("ew_halpha", truth, mean, sigma) == pytest.approx(expected)
    assert released._law("av", stated=True).ppf(0.84) == pytest.approx(0.9945, abs=1e-4)
    assert corrected._law("av", stated=True).ppf(0.84) == pytest.approx(1.1890, abs=1e-3)
    assert corrected._law("redshift", stated=True).ppf(0.84) == pytest.approx(0.9945, abs=1e-4)


def forged(shared: galaxies.Galaxies, offset: float, rows: slice = slice(None)) -> cache.Outcome:
    """A peer whose redshifts are off by so much in (1 + z), with errors as large, and nothing else but the mass."""
    z = shared.truth["redshift"]
    point = np.full_like(z, np.nan)
    point[rows] = (z + offset * (1 + z) * np.where(np.arange(len(z)) % 2, 1, -1))[rows]
    quantiles = point[:, None] + offset * (1 + z)[:, None] * stats.norm.ppf(LEVELS)
    told = cache.Told({"redshift": point}, {"redshift": quantiles}, {"redshift": np.full(len(z), -1.5)}, 2.0, 4.0)
    return cache.Outcome(
        {"name": f"forged {offset}", "seed": 0, "fit_processor_seconds": 1.0}, dict.fromkeys(galaxies.NOISE, told)
    )


def test_figures_are_what_they_say(shared):
    found = measure.figures(forged(shared, 0.04).told["nominal"], shared, np.arange(TINY.test))
    redshift = found["redshift"]["all"]
    assert redshift["n"] == 12 and redshift["bias"] == pytest.approx(0, abs=1e-9)
    assert redshift["sigma_nmad"] == pytest.approx(1.4826 * 0.04)
    assert redshift["outliers_003"] == 1 and redshift["outliers_015"] == 0
    assert found["galaxies_per_second"] == 6 and found["galaxies_per_processor_second"] == 3
    row = found["properties"]["redshift"]
    assert row["nll"] == 1.5
    # Truth one sigma from the median, on either side in turn: just beyond the 16 and 84 % quantiles of a Gaussian
    assert row["coverage_68"] == 0
    # CRPS of a Gaussian one sigma off is 0.6024 sigma (Gneiting et al. 2005, eq. 5); 17 levels leave 1 % of that
    z = shared.truth["redshift"]
    assert row["crps"] == pytest.approx(0.6024 * 0.04 * np.mean(1 + z), rel=0.02)
    assert "mean_nll" not in found, "a mean over one property of twelve would not compare"
    assert sum(one["n"] for one in found["redshift"]["by_i"].values()) == 12


def test_seeds_are_averaged_and_their_spread_is_told(shared):
    runs = [forged(shared, 0.02), forged(shared, 0.04)]
    found = measure.measure({"ours": runs}, shared)["peers"]["ours"]["noise"]["survey"]
    assert found["redshift"]["all"]["sigma_nmad"] == pytest.approx(1.4826 * 0.03)
    assert found["spread"]["redshift"]["all"]["sigma_nmad"] == pytest.approx(1.4826 * 0.02 / np.sqrt(2))


def test_a_slow_peer_is_compared_on_its_own_galaxies(shared):
    found = measure.measure({"ours": [forged(shared, 0.04)], "slow": [forged(shared, 0.01, slice(3))]}, shared)
    assert list(found["peers"]) == ["ours"]
    few = found["few"]["slow"]
    assert few["galaxies"].tolist() == [0, 1, 2]
    assert {who: row["redshift"]["all"]["n"] for who, row in few["noise"]["nominal"].items()} == {"ours": 3, "slow": 3}


def test_relative_crps_is_a_ratio(shared):
    found = measure.measure({"ours": [forged(shared, 0.02)], "mlp": [forged(shared, 0.04)]}, shared)
    # in log(1 + z) the errors are as good as scaled; 2 % is the bend of the logarithm over the tails
    assert found["relative_crps"]["nominal"]["mlp"]["redshift"] == pytest.approx(2, rel=0.04)
    assert found["relative_crps"]["nominal"]["ours"]["redshift"] == 1


def test_a_result_comes_back_from_its_file(shared, tmp_path):
    outcome = forged(shared, 0.04)
    cache.write(tmp_path / "one.npz", outcome)
    again = cache.read(tmp_path / "one.npz")
    assert again.facts == outcome.facts and set(again.told) == set(outcome.told)
    np.testing.assert_array_equal(
        again.told["survey"].quantiles["redshift"], outcome.told["survey"].quantiles["redshift"]
    )
    assert again.told["nominal"].seconds == 2.0


def test_our_model_that_learns_otherwise_is_another_version(tmp_path):
    """A result of ours is of the model and of the training that were there then."""
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "loop.py").write_text("a = 1")
    first = contest.learning_code(tmp_path)
    (tmp_path / "unrelated.py").write_text("a = 1")
    assert contest.learning_code(tmp_path) == first
    (tmp_path / "training" / "loop.py").write_text("a = 2")
    second = contest.learning_code(tmp_path)
    (tmp_path / "layers_galaxy.py").write_text("")
    assert len({first, second, contest.learning_code(tmp_path), contest.learning_code()}) == 4


def test_another_peer_is_another_version(tmp_path):
    """Settings and code decide; where it keeps its files does not."""
    first = cache.version_of(CONTENDERS["mlp"](TINY, tmp_path))
    assert first == cache.version_of(CONTENDERS["mlp"](TINY, tmp_path / "elsewhere"))
    assert first != cache.version_of(CONTENDERS["mlp"](replace(TINY, epochs=3), tmp_path))
    assert first != cache.version_of(CONTENDERS["boosted"](TINY, tmp_path))
    assert first != cache.version_of(CONTENDERS["mlp"](TINY, tmp_path), "other galaxies")
    assert "benchmarks.peers.ojala" in cache._modules("benchmarks.comparison.ojala_peer")


class Broken(Contender):
    """A peer that cannot be fitted."""

    def fit(self, train, observe, seed):
        raise ValueError("no such code here")


def test_one_command_keeps_results_and_says_what_failed(monkeypatch, tmp_path, capsys, shared):
    """In one process, for spawned ones would not know the peer that is broken on purpose."""
    runs = []

    class Here:
        """An executor of one process, this one."""

        def __init__(self, *_, **__): ...
        def __enter__(self):
            return self

        def __exit__(self, *_): ...
        def submit(self, function, *arguments):
            from concurrent.futures import Future

            done = Future()
            runs.append(arguments[1])
            try:
                done.set_result(function(*arguments))
            except ValueError as error:
                done.set_exception(error)
            return done

    monkeypatch.setattr(contest, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(contest.Plan, "galaxies", lambda self: shared)
    monkeypatch.setitem(SIZES, "quick", TINY)
    monkeypatch.setitem(CONTENDERS, "broken", lambda size, folder: Broken("broken"))
    out = tmp_path / "results" / "compare.json"
    command = ["--size", "quick", "--folder", str(tmp_path / "kept"), "--out", str(out), "--peers", "mlp", "boosted"]
    threads = torch.get_num_threads()
    try:
        compare.main(command)
        assert sorted(runs) == ["boosted", "mlp"]
        report = json.loads(out.read_text())
        assert report["data"]["training_galaxies"] == TINY.train and set(report["metrics"]["peers"]) == {
            "mlp",
            "boosted",
        }
        assert "| MLP |" in (text := out.with_suffix(".md").read_text())
        assert "without a result in this run: ours, ours_passes, shipped, ojala_corrected" in text
        for figure in ("photoz", "magnitude", "calibration"):
            assert (tmp_path / "results" / f"compare_{figure}.png").stat().st_size > 10_000
        with pytest.raises(ValueError, match="broken, seed 0: no such code here"):
            compare.main([*command, "broken", "--no-plots"])
        assert runs[2:] == ["broken"], "what is there is not run again"
        assert "no such code here" in out.with_suffix(".md").read_text()
    finally:
        torch.set_num_threads(threads)


def test_too_few_galaxies_are_refused(tmp_path):
    from hf_galaxy.data.features import galaxy_table
    from hf_galaxy.variables_galaxy import SURVEYS

    rows = some_galaxies(10)
    import pyarrow.parquet as pq

    data = galaxy_table(np.arange(10), rows.flux.numpy(), rows.properties.numpy(), np.array([SURVEYS[0]] * 10))
    pq.write_table(data, tmp_path / "train.parquet")
    with pytest.raises(ValueError, match="10 galaxies, and this size needs 11"):
        galaxies.load({"train": str(tmp_path), "test": str(tmp_path)}, {"train": 11, "test": 5})


def test_answers_that_do_not_fit_are_refused():
    point = {"redshift": np.zeros(2)}
    with pytest.raises(ValueError, match="quantiles of galaxy 1 decrease"):
        Answers(("redshift",), {"redshift": np.stack([LEVELS, -LEVELS])}, point, None, 1.0)
    with pytest.raises(ValueError, match="colour; compared are"):
        Answers(("colour",), {}, {"colour": np.zeros(2)}, None, 1.0)
    with pytest.raises(ValueError, match=r"shape \(2, 3\)"):
        Answers(("redshift",), {"redshift": np.zeros((2, 3))}, point, None, 1.0)


def test_the_table_leaves_nothing_out_that_a_peer_says(shared):
    outcomes = {"ours": [forged(shared, 0.02)], "mlp": [forged(shared, 0.04)]}
    report = {
        "model": {"size": "quick"},
        "data": shared.facts({"train": None, "test": None}),
        "metrics": measure.measure(outcomes, shared) | {"failed": {"forest, seed 0": "no memory"}},
    }
    text = table.markdown(report)
    assert "0.0297" in text and "0.0593" in text, "sigma_NMAD of both"
    assert "forest, seed 0: no memory" in text
    assert Path(__file__).name not in text
