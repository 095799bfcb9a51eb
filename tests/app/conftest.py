from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from hf_galaxy import GalaxyPosterior, GalaxyTokenizer
from hf_galaxy.app.uploads import Loaded, load_table
from tests.tiny_model import tiny_model

BANDS = ("NUV", "J0400", "J0660", "J0800", "rSDSS")


def band_table(n: int = 3, unit: str | None = "nJy") -> Table:
    """`n` galaxies with five bands, an identity, and redshifts to compare with."""
    rng = np.random.default_rng(1)
    table = Table({"id": [f"G{i}" for i in range(n)], "redshift_spec": 0.1 * (1 + np.arange(n))})
    for band in BANDS:
        table[band] = rng.uniform(3000, 9000, n)
        table[f"{band}_err"] = np.full(n, 100.0)
        if unit:
            table[band].unit = table[f"{band}_err"].unit = unit
    return table


@pytest.fixture(scope="session")
def galaxy() -> GalaxyPosterior:
    """A model that has learnt nothing, and whose answers differ."""
    return GalaxyPosterior(tiny_model(), GalaxyTokenizer())


@pytest.fixture
def loaded(tmp_path, galaxy) -> Loaded:
    path = tmp_path / "three.ecsv"
    band_table().write(path)
    return load_table(path, None, galaxy.variables)
