"""Rooms that never import each other agree on what they share."""

from __future__ import annotations

import numpy as np

from hf_galaxy import variables_galaxy as variables
from hf_galaxy.physics.filters import FilterSet
from hf_galaxy.physics.spectra import air_to_vacuum, sdss

AIR = {"halpha": 6562.80, "hbeta": 4861.32, "oiii_5007": 5006.84, "nii_6584": 6583.45}


def test_every_flux_variable_has_one_filter_of_the_same_pivot():
    filters = FilterSet.embedded()
    fluxes = {v.name: v for v in variables.default_variables() if v.kind == "flux"}
    assert filters.names == variables.BANDS == tuple(fluxes)
    np.testing.assert_allclose(filters.pivots, [v.pivot for v in fluxes.values()], atol=1.0)


def test_widths_of_the_variables_are_those_of_the_filters():
    filters = FilterSet.embedded()
    for v in variables.default_variables():
        if v.kind == "flux":
            # half-maximum crossings of a rippled broad top move by some Å between the curve and its knots
            assert abs(filters[v.name].fwhm - v.width) < 3.0, v.name


def test_lines_of_the_readers_are_the_lines_of_the_variables():
    assert set(sdss.LINES) == set(variables.LINES)
    for name, air in AIR.items():
        assert abs(air_to_vacuum(air) - variables.LINES[name][0]) < 0.3  # the table is rounded to 0.1 Å
