"""A card says what is in the folder, and its header makes ``load_dataset`` read it."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import load_dataset
from huggingface_hub import DatasetCard

from hf_galaxy.data.dataset_card import COLUMNS, write_card
from hf_galaxy.data.features import galaxy_features, galaxy_table, observed_features
from hf_galaxy.data.shards import Part, Shard, write_shards
from hf_galaxy.variables_galaxy import BANDS, PROPERTIES

SIZES = {"train": 7, "validation": 3, "test": 2}
FACTS = {"version": "1.0.0", "settings": {"i_max": 22.5, "name": "Ångström", "folder": "/home/someone/spectra"}}


def make(n: int):
    flux, properties = np.ones((n, len(BANDS))), np.zeros((n, len(PROPERTIES)))
    # One row of three is left out, so that there is a table of another kind beside the shards.
    yield Part(galaxy_table(np.arange(n), flux, properties, np.array(["sdss"] * n)), [("x", "no reason")])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("set")
    schema = galaxy_features().arrow_schema
    write_shards(out, [Shard(f"{k}-00000-of-00001", n, n) for k, n in SIZES.items()], make, schema, FACTS)
    write_card(
        out,
        title="Toy: galaxies",
        features=galaxy_features(),
        facts=FACTS,
        description="Not real.",
        licence="cc-by-4.0",
        acknowledgements=["We thank the stars."],
        sizes=SIZES,
    )
    return out


@pytest.mark.parametrize("streaming", [False, True])
def test_load_dataset_reads_every_split(folder, tmp_path, streaming):
    read = load_dataset(str(folder), cache_dir=str(tmp_path), streaming=streaming)
    assert {name: sum(1 for _ in split) for name, split in read.items()} == SIZES
    row = next(iter(read["train"]))
    assert len(row["flux"]) == len(BANDS) and row["survey"] == 2
    assert read["train"].features == galaxy_features()


def test_the_header_is_what_the_hub_reads(folder):
    data = DatasetCard.load(folder / "README.md").data
    assert data.license == "cc-by-4.0" and data.size_categories == ["n<1K"] and data.pretty_name == "Toy: galaxies"
    assert {"hf_galaxy", "astronomy"} <= set(data.tags)


def test_the_text_names_units_settings_and_thanks(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert f"| `flux` | float32 × {len(BANDS)} | nJy | AB flux densities" in text
    assert "| `survey` | class label |" in text
    assert f"| {PROPERTIES.index('ew_halpha')} | `ew_halpha` | Angstrom | rest-frame equivalent width of Hα" in text
    assert "J0660 (6608)" in text
    assert (
        '"name": "Ångström"' in text
        and "/home" not in text
        and "- We thank the stars." in text
        and "| `validation` | 3 |" in text
    )


def test_every_column_of_both_schemas_has_its_meaning():
    assert set(galaxy_features()) | set(observed_features()) == set(COLUMNS)


def test_a_split_without_a_file_is_refused(folder):
    with pytest.raises(ValueError, match=r"no file dev….parquet for the split 'dev'"):
        write_card(
            folder,
            title="x",
            features=galaxy_features(),
            facts={},
            description="",
            licence="other",
            acknowledgements=[],
            sizes={"dev": 1},
        )
