"""Settings of the noise: stored, read again, refused."""

from __future__ import annotations

import json
from dataclasses import asdict, fields

import pytest
import torch

from hf_galaxy.physics.noise import NoiseModel, NoiseSettings

# What version 0.1.0 knew.
OLD = {
    "depth_offset": 0.0, "depth_scatter_galaxy": 0.25, "depth_scatter_band": 0.1, "floor_range": [0.005, 0.03],
    "fixed_floor": None, "galex_shares": [0.3, 0.3, 0.1], "zero_point_scatter": 0.01, "calibration_scatter": 0.03,
    "calibration_orders": 4, "gappy_share": 0.2, "gappy_fraction": 0.15, "window_share": 0.15,
    "windows": [[3800.0, 9200.0], [4450.0, 9250.0]], "window_depth_gain": 2.5,
}  # fmt: skip


@pytest.mark.parametrize("settings", [NoiseSettings.survey(), NoiseSettings.nominal()])
def test_settings_survive_json(settings):
    assert NoiseSettings(**json.loads(json.dumps(asdict(settings)))) == settings


def test_settings_of_an_earlier_version_still_work():
    settings = NoiseSettings(**OLD)
    assert settings.windows == ((3800.0, 9200.0), (4450.0, 9250.0)) and settings.galex_shares == (0.3, 0.3, 0.1)
    NoiseModel(settings)


def test_a_record_means_what_it_meant_when_it_was_written():
    plain = NoiseSettings.nominal()
    record = {name: getattr(plain, name) for name in OLD}
    flux = torch.full((20, 62), 1000.0)
    then, now = (
        NoiseModel(settings).observe(flux, torch.Generator().manual_seed(1)).flux
        for settings in (NoiseSettings.recorded(record), plain)
    )
    assert torch.equal(then, now)
    assert NoiseSettings.recorded(OLD).calibration_scatter == 0.03
    assert NoiseSettings.recorded(asdict(NoiseSettings.survey())) == NoiseSettings.survey()
    with pytest.raises(ValueError, match="names blur, unknown here"):
        NoiseSettings.recorded({**OLD, "blur": 1.0})


def test_every_setting_is_documented():
    text = NoiseSettings.__doc__.partition("Attributes:")[2]
    assert [f.name for f in fields(NoiseSettings) if f.name not in text] == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("galex_shares", (0.5, 0.5, 0.5), "sum to more than 1"),
        ("galex_shares", (0.5, 0.5), "must be three"),
        ("floor_range", (0.0, 0.1), "two positive numbers"),
        ("floor_range", (0.2, 0.1), "two positive numbers"),
        ("outlier_sigmas", (5.0,), "two positive numbers"),
        ("run_bands", (0, 5), "two positive numbers"),
        ("run_bands", (1.5, 5), "whole numbers"),
        ("gappy_share", 2.0, "within 0 and 1"),
        ("outlier_fraction", 1.5, "within 0 and 1"),
        ("fixed_floor", -1.0, "not be negative"),
        ("telluric_scatter", -0.1, "not be negative"),
        ("zero_point_scatter", float("nan"), "finite number"),
        ("depth_offset", "1", "finite number"),
        ("extinction_mean", True, "finite number"),
        ("calibration_orders", 0, "whole number"),
        ("spectrum_orders", 2.0, "whole number"),
        ("windows", (), "at least one"),
        ("windows", ((9000.0, 4000.0),), "that increase"),
        ("broad_missing_share", 0.99, "must not sum to more than 1"),
        ("extinction_law", "SMC", "'SMC' is not known; there are CCM89"),
        ("extinction_rv", 9.0, "R_V 9.0 is beyond"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(name, value, message):
    with pytest.raises(ValueError, match=message) as caught:
        NoiseSettings(**{name: value})
    assert "\n" not in str(caught.value)
    if not name.startswith("extinction_"):
        assert name in str(caught.value)
