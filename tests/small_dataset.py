"""A finished data set of five galaxies in a shard, with one row left out and a card."""

from __future__ import annotations

from pathlib import Path

from hf_galaxy.data.dataset_card import write_card
from hf_galaxy.data.features import galaxy_features
from hf_galaxy.data.shards import Part, Shard, write_shards
from tests.random_tables import arrow_table, random_table


def write_small_dataset(out: Path) -> Path:
    """The folder, as a builder leaves it."""

    def make(task):
        yield Part(arrow_table(random_table(5)), [("g", "no reason")])

    write_shards(out, [Shard("train-00000-of-00001", 0)], make, galaxy_features().arrow_schema, {"version": "1"})
    write_card(
        out,
        title="Toy",
        features=galaxy_features(),
        facts={"version": "1"},
        description="Toy.",
        licence="other",
        acknowledgements=[],
        sizes={"train": 5},
    )
    return out
