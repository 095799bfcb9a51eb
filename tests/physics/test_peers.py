"""Other codes of the same physics; minutes, so opt in with -m slow."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers.bagpipes_comparison import compare


@pytest.mark.slow
@pytest.mark.timeout(1800)  # bagpipes makes one or two dozen galaxies a second, on an idle core
def test_bagpipes_agrees(simulator):
    """bagpipes at R_phot = 4000: what is left is its own sampling (a line moves by 0.6 Å on the edge of a filter)."""
    found = compare(simulator.synthesizer, simulator.filters, 50, 4000.0)
    place = {name: i for i, name in enumerate(found.bands)}
    narrow = [i for name, i in place.items() if name.startswith("J") and name != "J1007"]
    difference = np.abs(found.difference)
    assert np.percentile(difference[:, narrow], 99) < 3.0
    assert np.percentile(difference[:, [place["uJAVA"], place["uJPAS"], place["NUV"], place["iSDSS"]]], 99) < 3.0
    assert np.percentile(difference[:, place["FUV"]], 99) < 10.0
    assert np.abs(found.log_mass).max() < 1e-6
    # their table of distances has steps of 0.01 in redshift
    assert np.abs(found.lines - 1).max() < 3e-3
