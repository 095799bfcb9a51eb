"""The learning rate: rises, stays, falls; a prolonged run does not jump."""

from __future__ import annotations

import pytest

from hf_galaxy.training.schedule import Schedule


def factors(schedule: Schedule) -> list[float]:
    return [schedule.factor(step) for step in range(schedule.start, schedule.end)]


def test_wsd_rises_stays_and_falls_to_zero():
    f = factors(Schedule.plan(100, warmup=10, decay_fraction=0.2))
    assert f[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert set(f[10:80]) == {1.0}
    assert f[80:] == pytest.approx([(100 - s) / 20 for s in range(80, 100)])
    assert Schedule.plan(100, 10, 0.2).factor(100) == 0.0


def test_cosine_falls_all_the_way():
    f = factors(Schedule.plan(100, warmup=10, decay_fraction=0.2, shape="cosine", floor=0.1))
    assert f[9] == 1.0 and f[10:] == sorted(f[10:], reverse=True)
    assert f[55] == pytest.approx(0.55)  # half way down between 1 and the floor, in the middle of the 90 steps
    assert f[-1] == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize("shape", ["wsd", "cosine"])
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_a_run_shorter_than_its_warmup_still_has_a_rate(shape, steps):
    f = factors(Schedule.plan(steps, 100, 0.5, shape))
    assert max(f) == 1.0 and min(f) > 0


def test_prolonged_before_its_decay_a_run_is_what_it_would_have_been():
    short, long = Schedule.plan(100, 10, 0.2), Schedule.plan(200, 10, 0.2)
    assert short.prolong(80, long) == long


def test_a_finished_run_is_warmed_up_again_and_decays_again():
    prolonged = Schedule.plan(100, 10, 0.2).prolong(100, Schedule.plan(200, 10, 0.2))
    f = factors(prolonged)
    assert len(f) == 100 and f[0] == pytest.approx(0.1) and f[9:80] == [1.0] * 71
    assert f[-1] == pytest.approx(1 / 20)


def test_a_run_cut_short_decays_from_where_it_stands():
    cut = Schedule.plan(1000, 10, 0.2).prolong(500, Schedule.plan(600, 10, 0.5))
    assert cut.decay_start == 500 and cut.factor(500) == 1.0 and cut.factor(550) == 0.5


def test_before_the_decay_another_decay_takes_effect_and_afterwards_it_is_refused():
    run, other = Schedule.plan(100, 10, 0.2), Schedule.plan(100, 10, 0.5)
    assert run.prolong(40, other) == other
    late = run.prolong(70, other)
    assert late.decay_start == 70 and late.factor(70) == 1.0 and late.factor(85) == 0.5
    with pytest.raises(ValueError, match="the rate falls since step 80; warmup, schedule and decay_fraction"):
        run.prolong(90, other)
