"""Batches are functions of (seed, step, unit) and of nothing else."""

from __future__ import annotations

import torch

from hf_galaxy.data.conditioning import Conditioner
from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.physics.noise import NoiseModel
from hf_galaxy.training.batches import Batcher, inputs_of, observation_of
from hf_galaxy.training.seeds import seed_of
from hf_galaxy.training.sources import OnlineSource, SequenceSource, TableSequence
from hf_galaxy.variables_galaxy import BANDS, default_variables
from tests.random_tables import observed_table, random_table


def numbered(n: int) -> GalaxyTable:
    """A table whose galaxies carry their number as flux."""
    table = random_table(n)
    return GalaxyTable(torch.arange(n).float()[:, None].expand_as(table.flux), table.properties, table.survey)


def table_source(table: GalaxyTable, batch_size: int, micro_batch: int, seed: int) -> SequenceSource:
    return SequenceSource(TableSequence(table, seed), batch_size, micro_batch)


def numbers(table: GalaxyTable) -> list[int]:
    return table.flux[:, 0].int().tolist()


def test_every_epoch_visits_every_galaxy_once_in_its_own_order():
    source = table_source(numbered(10), 4, 2, seed=0)
    seen = [i for step in range(5) for unit in range(2) for i in numbers(source.rows(step, unit))]
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_a_table_smaller_than_the_batch_comes_round_several_times():
    source = table_source(numbered(3), 12, 12, seed=0)
    assert sorted(numbers(source.rows(0, 0))) == sorted(list(range(3)) * 4)


def test_rows_do_not_depend_on_what_was_asked_before():
    walked, jumped = (table_source(numbered(10), 4, 2, seed=5) for _ in range(2))
    for step in range(7):
        last = [numbers(walked.rows(step, unit)) for unit in range(2)]
    assert [numbers(jumped.rows(6, unit)) for unit in (1, 0)] == last[::-1]


def test_units_are_the_batch_cut_into_pieces():
    whole, cut = table_source(numbered(50), 8, 8, seed=1), table_source(numbered(50), 8, 2, seed=1)
    assert numbers(whole.rows(3, 0)) == [i for unit in range(4) for i in numbers(cut.rows(3, unit))]


def test_online_galaxies_never_repeat_and_do_not_depend_on_history():
    asked = []

    def simulate(seed: int, start: int, n: int) -> GalaxyTable:
        asked.append((seed, start, n))
        table = random_table(n)
        number = torch.arange(start, start + n).float()[:, None].expand_as(table.flux)
        return GalaxyTable(number, table.properties, table.survey)

    source = OnlineSource(simulate, micro_batch=4, seed=2, chunk=12)
    seen = [numbers(source.rows(step, 0)) for step in range(7)]
    assert [i for step in seen for i in step] == list(range(28))
    assert numbers(OnlineSource(simulate, 4, 2, chunk=12).rows(5, 0)) == seen[5]
    source.rows(0, 1)
    assert len({seed for seed, _, _ in asked}) == 2, "two units must not see the same galaxies"


def test_the_noise_of_a_unit_depends_on_seed_step_and_unit():
    def observe(flux: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(flux.shape, generator=generator)

    def draw(flux, observation, properties, survey, generator):
        return {"values": observation}

    def noise(seed: int, step: int, unit: int) -> torch.Tensor:
        return Batcher(table_source(numbered(5), 4, 2, 0), observe, draw, seed, "cpu")(step, unit)["values"]

    base = noise(0, 3, 1)
    assert torch.equal(base, noise(0, 3, 1))
    assert not any(torch.equal(base, other) for other in (noise(1, 3, 1), noise(0, 4, 1), noise(0, 3, 0)))


def test_seeds_are_the_same_on_every_machine():
    assert seed_of(0, "step", 1, 2) == 3794881212667695106
    assert seed_of(0, "step", 12) != seed_of(0, "step", 1, 2)


def test_real_photometry_is_taken_as_it_is_and_spectra_get_the_noise_of_a_survey():
    noise, table = NoiseModel(bands=BANDS), observed_table(40)
    seen = observation_of(table, noise.observe, torch.Generator().manual_seed(0))
    real, known = table.noisy, torch.isfinite(table.flux)
    assert torch.equal(seen.flux[real].nan_to_num(-1), table.flux[real].nan_to_num(-1))
    assert torch.equal(seen.error[real].nan_to_num(-1), table.flux_error[real].nan_to_num(-1))
    assert torch.equal(seen.observed[real], known[real])
    assert not (seen.observed & ~known).any()
    added = seen.observed & ~real[:, None]
    assert added.any() and (seen.flux[added] != table.flux[added]).all()


def test_all_kinds_of_galaxies_make_the_same_kind_of_batch():
    noise, draw = NoiseModel(bands=BANDS), Conditioner(default_variables()).draw
    mixture = GalaxyTable.join([random_table(8), observed_table(8)])
    kinds = [
        {k: (v.dtype, v.dim(), len(v)) for k, v in inputs_of(rows, noise.observe, draw, generator).items()}
        for rows in (random_table(16), observed_table(16), mixture)
        for generator in [torch.Generator().manual_seed(3)]
    ]
    assert all({**kind, "answer_mask": 0} == {**kinds[0], "answer_mask": 0} for kind in kinds)
