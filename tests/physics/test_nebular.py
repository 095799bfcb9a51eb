from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_galaxy.physics.nebular import LINER, MEASURED, SEYFERT, LineTable
from hf_galaxy.physics.random import CounterRandom

NAMES = np.array([*SEYFERT, "H  1  1215.67A"])
WAVES = np.array([float(name.split()[-1].rstrip("A")) for name in NAMES])


@pytest.fixture
def table():
    return LineTable(NAMES, WAVES)


def random(n=4000):
    return CounterRandom(0, torch.arange(n), torch.zeros(n, dtype=torch.int64))


def test_measured_lines_are_found(table):
    assert [NAMES[i] for i in table.columns("oii_3727")] == list(MEASURED["oii_3727"])
    assert table.wave("oii_3727") == pytest.approx((3726.03 + 3728.81) / 2)
    assert [NAMES[i] for i in table.lyman_alpha] == ["H  1  1215.67A"]


def test_absent_line_is_named():
    with pytest.raises(ValueError, match="line halpha: 'H  1  6562.80A' is not in the grid"):
        LineTable(NAMES[1:], WAVES[1:]).columns("halpha")


def test_atomic_ratios_do_not_scatter(table):
    """Hα/Hβ and the doublets of one upper level are atomic physics; species scatter by a tenth of a dex."""
    factor = torch.log10(table.draw_factor(random()))
    place = {name: i for i, name in enumerate(NAMES)}
    same = [
        ("H  1  6562.80A", "H  1  4861.32A"),
        ("O  3  5006.84A", "O  3  4958.91A"),
        ("N  2  6583.45A", "N  2  6548.05A"),
    ]
    for a, b in same:
        torch.testing.assert_close(factor[:, place[a]], factor[:, place[b]])
    scatter = (factor[:, place["O  3  5006.84A"]] - factor[:, place["H  1  4861.32A"]]).std()
    assert 0.10 < scatter < 0.14


def test_nuclei(table):
    seyfert = torch.arange(4000) % 2 == 0
    ratios = table.draw_nuclear(random(), seyfert)
    place = list(NAMES).index("O  3  5006.84A")
    assert torch.equal(ratios[:, 0], torch.ones(4000))  # over Hα
    for chosen, values in ((seyfert, SEYFERT), (~seyfert, LINER)):
        median = ratios[chosen][:, place].median()
        assert median == pytest.approx(values["O  3  5006.84A"], rel=0.05)  # 0.22 dex / sqrt(2000)
    assert ratios[:, -1].abs().max() == 0
