"""Every source gives the galaxies of a step as a function of the step, whatever was asked before."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
import torch

from hf_galaxy.data.galaxies import GalaxyTable
from hf_galaxy.data.galaxy_files import GalaxyFiles
from hf_galaxy.training.sources import MixedSource, OnlineSource, SequenceSource, StreamedSequence, TableSequence
from tests.random_tables import observed_table, random_table, write_table


def numbered(n: int, start: int = 0) -> GalaxyTable:
    """Galaxies that carry their number as flux."""
    table = random_table(n)
    number = torch.arange(start, start + n).float()[:, None].expand_as(table.flux)
    return GalaxyTable(number.contiguous(), table.properties, table.survey)


def numbers(table: GalaxyTable) -> list[int]:
    return table.flux[:, 0].int().tolist()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> GalaxyFiles:
    """50 galaxies in two files, in row groups of 7 (the last of each shorter)."""
    folder = tmp_path_factory.mktemp("streamed")
    write_table(numbered(30), folder, "train-00000-of-00002.parquet", row_group_size=7)
    write_table(numbered(20, 30), folder, "train-00001-of-00002.parquet", row_group_size=7)
    return GalaxyFiles(sorted(folder.glob("*.parquet")))


def test_a_stream_visits_every_galaxy_once_an_epoch_in_its_own_order(files):
    stream = StreamedSequence(files, seed=1, window=14)
    assert len(stream) == 50
    first, second = numbers(stream.span(0, 50)), numbers(stream.span(50, 50))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second and first != list(range(50))
    assert [row for i in range(10) for row in numbers(stream.span(5 * i, 5))] == first, "in pieces too"
    other = StreamedSequence(files, seed=2, window=14)
    assert numbers(other.span(0, 50)) != first


def test_a_stream_mixes_within_its_window_only(files):
    """What is read together comes from as many row groups as fill the window; no more is in memory."""
    stream = StreamedSequence(files, seed=1, window=14)
    group = {row: g for g, rows in enumerate(_rows_of(files)) for row in rows}
    starts = [[group[row] for row in numbers(stream.span(50 * epoch, 14))] for epoch in range(4)]
    assert all(2 <= len(set(first)) <= 4 for first in starts)
    assert len({frozenset(first) for first in starts}) > 1, "other groups are read first in another epoch"
    neighbours = [a == b for first in starts for a, b in itertools.pairwise(first)]
    assert sum(neighbours) < 0.7 * len(neighbours), "in the order of the files eleven or twelve of thirteen would be"
    stream.span(0, 200)
    assert len(stream._windows) <= 2 and sum(len(table) for table, _ in stream._windows.values()) <= 2 * (14 + 7)


def _rows_of(files: GalaxyFiles) -> list[list[int]]:
    return [files.read(g)["flux"][:, 0].int().tolist() for g in range(len(files.groups))]


def test_a_stream_is_resumed_exactly(files):
    walked, jumped = (StreamedSequence(files, seed=5, window=14) for _ in range(2))
    steps = [numbers(walked.span(8 * i, 8)) for i in range(20)]
    assert numbers(jumped.span(8 * 17, 8)) == steps[17]
    assert numbers(jumped.span(8 * 3, 8)) == steps[3], "backwards too"


def test_a_stream_of_one_window_is_still_a_stream(files):
    stream = StreamedSequence(files, seed=1, window=1000)
    assert sorted(numbers(stream.span(25, 50))) != list(range(50)), "half of one epoch and half of the next"
    assert sorted(numbers(stream.span(100, 50))) == list(range(50))


def test_streamed_rows_are_the_rows_of_the_files(files):
    table = random_table(30)
    got = StreamedSequence(files, seed=3, window=14).span(0, 50)
    place = torch.tensor(numbers(got))
    first = place < 30
    assert torch.equal(got.properties[first], table.properties[place[first]])
    assert torch.equal(got.survey[first], table.survey[place[first]])


def test_shares_hold_over_many_units_and_to_within_one_in_each():
    parts = [
        TableSequence(numbered(1000), 1),
        TableSequence(numbered(50, 1000), 1),
        TableSequence(numbered(9, 2000), 1),
    ]
    source = MixedSource(parts[0], [(parts[1], 0.21), (parts[2], 0.06)], batch_size=32, micro_batch=16)
    seen = [numbers(source.rows(step, unit)) for step in range(100) for unit in range(2)]
    assert all(len(unit) == 16 for unit in seen)
    for low, high, share in ((1000, 2000, 0.21), (2000, 3000, 0.06)):
        each = [sum(low <= i < high for i in unit) for unit in seen]
        assert max(each) <= -(-16 * share // 1) and min(each) >= 16 * share // 1
        assert abs(sum(each) - 3200 * share) <= 1
    # The main sequence goes on without a gap: after so many galaxies of 1000, each was seen as often, to within one.
    counts = Counter(i for unit in seen for i in unit if i < 1000)
    assert max(counts.values()) - min(counts.values()) <= 1 and len(counts) == 1000


def test_a_mixture_does_not_depend_on_history():
    def make():
        return MixedSource(TableSequence(numbered(100), 1), [(TableSequence(numbered(50, 100), 1), 0.3)], 8, 4)

    walked = make()
    steps = [numbers(walked.rows(step, unit)) for step in range(30) for unit in range(2)]
    assert numbers(make().rows(20, 1)) == steps[41]


def test_a_mixture_with_the_simulator_takes_the_rest_from_it():
    source = MixedSource(
        OnlineSource(lambda seed, start, n: numbered(n, 10_000), 10, 0, chunk=20),
        [(TableSequence(observed_table(30), 0), 0.25)],
        20,
        10,
    )
    units = [source.rows(step, unit) for step in range(4) for unit in range(2)]
    assert [len(u) for u in units] == [10] * 8
    # Surveys 0 and 1 are simulations. The eight units have 80 galaxies, 20 of which are observed.
    assert sum(int((u.survey < 2).sum()) for u in units) == 60
    for unit in units:
        simulated = unit.survey < 2
        assert unit.has_errors and (unit.flux_error[simulated] == 0).all() and not unit.noisy[simulated].any()
        assert (unit.flux_error[~simulated].nan_to_num(1) > 0).all()


def test_shares_that_leave_nothing_are_refused():
    part = TableSequence(numbered(10), 0)
    with pytest.raises(
        ValueError, match=r"shares 0.5, 0.4: too much of 8 galaxies a unit; give a larger --micro-batch"
    ):
        MixedSource(part, [(part, 0.5), (part, 0.4)], 8, 8)


def test_a_table_is_a_sequence_too():
    source = SequenceSource(TableSequence(numbered(10), 0), 4, 2)
    assert len(source.rows(7, 1)) == 2 and len(source.sequence) == 10
    assert numbers(source.sequence.span(5, 0)) == []
