from __future__ import annotations

import numpy as np
import pytest
import torch

from hf_galaxy.physics.nebular import LINER, MEASURED, SEYFERT, LineTable
from hf_galaxy.physics.random import CounterRandom
from hf_galaxy.physics.settings import NebulaSettings

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
    factor = torch.log10(
        table.draw_factor(random(), NebulaSettings(species=1.0), torch.ones(4000), torch.zeros(4000).bool())
    )
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


def test_lines_are_displaced_and_scattered_as_the_settings_say(table):
    settings = NebulaSettings(ionising=0.5, ionising_scatter=0.2, nii=-0.3, species=0.0)
    spread = torch.where(torch.arange(4000) % 2 == 0, 1.0, 2.0)
    free = torch.arange(4000) < 0
    factor = torch.log10(table.draw_factor(random(), settings, spread, free))
    hydrogen, nitrogen = (factor[:, list(NAMES).index(name)] for name in ("H  1  6562.80A", "N  2  6583.45A"))
    torch.testing.assert_close(nitrogen - hydrogen, torch.full_like(hydrogen, -0.3), rtol=0.0, atol=1e-6)
    assert hydrogen.median() == pytest.approx(np.log10(0.5), abs=0.02)  # 0.3 dex / sqrt(4000), three times
    every = torch.log10(table.draw_factor(random(), settings, spread, ~free))
    torch.testing.assert_close(every - factor, torch.full_like(factor, np.log10(settings.ionising_free / 0.5)))
    assert hydrogen[::2].std() == pytest.approx(0.2, rel=0.06) and hydrogen[1::2].std() == pytest.approx(0.4, rel=0.06)


def test_nuclei(table):
    seyfert = torch.arange(4000) % 2 == 0
    ratios = table.draw_nuclear(random(), seyfert)
    place = list(NAMES).index("O  3  5006.84A")
    assert torch.equal(ratios[:, 0], torch.ones(4000))  # over Hα
    for chosen, values in ((seyfert, SEYFERT), (~seyfert, LINER)):
        median = ratios[chosen][:, place].median()
        assert median == pytest.approx(values["O  3  5006.84A"], rel=0.05)  # 0.22 dex / sqrt(2000)
    assert ratios[:, -1].abs().max() == 0
